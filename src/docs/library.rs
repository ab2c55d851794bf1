//! The current index and its reloads: loads sources, swaps whole, keeps the old one on failure.

use std::sync::Arc;

use tokio::sync::watch;

use super::index::Index;
use super::source::{Options, Source, SourceError};
use crate::shutdown::Shutdown;

/// Sources and the index made of them.
#[derive(Debug)]
pub struct Library {
    sources: Vec<Source>,
    options: Options,
    index: watch::Sender<Arc<Index>>,
    state: watch::Sender<State>,
}

/// How current the index is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Whether every source has been read at least once.
    pub ready: bool,
    /// The newest failure, until a reload succeeds: what, cause, help.
    pub failure: Option<String>,
    /// Successful loads so far.
    pub loads: u64,
}

impl Library {
    /// Reads every source and builds the index. Reading and indexing run off the async threads.
    ///
    /// # Errors
    /// A missing or unreadable path (unless `source_wait`), a malformed index. An unreachable URL is
    /// no error: the library starts empty and not ready, and [`run`](Self::run) tries again.
    pub async fn open(_sources: Vec<Source>, _options: Options) -> Result<Self, SourceError> {
        unimplemented!("sources helper")
    }

    /// The index as it is now.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        self.index.borrow().clone()
    }

    /// Wakes at each swap.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Index>> {
        self.index.subscribe()
    }

    /// How current the index is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Watches, scans and polls until `shutdown` drains.
    pub async fn run(&self, _shutdown: Shutdown) {
        let _ = (&self.sources, &self.options);
        unimplemented!("sources helper")
    }
}
