//! Result bodies that are the same for every caller of a revision, rendered once until a change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::catalog::Changes;
use super::revision::{Revision, Rules};

/// Which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Initialize,
    Discover,
    Tools,
}

/// The bodies rendered since the last change.
#[derive(Debug)]
pub(super) struct Rendered(Mutex<State>);

#[derive(Debug)]
struct State {
    changes: broadcast::Receiver<Arc<Changes>>,
    bodies: HashMap<(Kind, Revision), Arc<RawValue>>,
}

impl Rendered {
    pub(super) fn new(changes: broadcast::Receiver<Arc<Changes>>) -> Self {
        Self(Mutex::new(State { changes, bodies: HashMap::new() }))
    }

    /// The body, from the shelf or freshly rendered. Whoever was told of a change gets one that is
    /// newer: the same channel empties the shelf. Rendering happens under the lock, or else an old
    /// body could be shelved after the change that outdates it.
    pub(super) fn body(
        &self,
        kind: Kind,
        rules: &Rules,
        render: impl FnOnce() -> Box<RawValue>,
    ) -> Arc<RawValue> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !matches!(state.changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {
            state.bodies.clear();
        }
        let body = state.bodies.entry((kind, rules.revision)).or_insert_with(|| Arc::from(render()));
        Arc::clone(body)
    }
}
