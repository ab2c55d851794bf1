//! Who calls, and the way back.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::mcp::jsonrpc::Object;
use crate::mcp::level::Level;
use crate::mcp::link::Link;

/// What is known of a client: what it said of itself, and as whom it was let in.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// `clientInfo.name`, for logs.
    pub name: Option<String>,
    /// Its declared capabilities, verbatim.
    pub capabilities: Object,
    /// As whom the transport let this request in; none where nobody asks (modern era, over HTTP).
    pub caller: Option<Arc<str>>,
    /// The way back to it (legacy era).
    pub(in crate::mcp) link: Option<Arc<Link>>,
    /// The log messages it wants with this request (modern era).
    pub(in crate::mcp) level: Option<Level>,
}

impl Client {
    /// Its name, cut to 64 characters: it is the client's to choose.
    #[must_use]
    pub fn short_name(&self) -> Option<&str> {
        let name = self.name.as_deref()?;
        let end = name.char_indices().nth(64).map_or(name.len(), |(end, _)| end);
        name.get(..end)
    }

    /// The log messages it wants.
    pub(in crate::mcp) fn level(&self) -> Option<Level> {
        self.link.as_ref().map(|link| link.level()).or(self.level)
    }
}

/// Where a running call's own messages (progress, logs, questions) go, encoded, until its reply.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    pub(super) queue: Option<mpsc::Sender<Bytes>>,
    pub(super) release: Option<Arc<Notify>>,
}

impl Outbox {
    /// An outbox that a transport drains.
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Bytes>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self::into_queue(sender), receiver)
    }

    /// An outbox into a queue that the transport has already.
    #[must_use]
    pub fn into_queue(queue: mpsc::Sender<Bytes>) -> Self {
        Self { queue: Some(queue), release: None }
    }

    /// With a bell for [`Context::release`](super::Context::release).
    #[must_use]
    pub fn with_release(mut self, release: Arc<Notify>) -> Self {
        self.release = Some(release);
        self
    }

    /// An outbox that drops everything: the transport has no way to send messages before the reply.
    #[must_use]
    pub fn closed() -> Self {
        Self::default()
    }
}
