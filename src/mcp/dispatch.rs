//! From a [`Call`] to its [`Reply`]: the method table, the deadline, request-scoped notifications.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use super::catalog::Catalog;
use super::error::{Error, ErrorKind};
use super::jsonrpc::{Object, RequestId};
use super::limits::Limits;
use super::revision::Rules;
use super::subscription::{Feed, Listen};
use crate::shutdown::Shutdown;

/// A request that was understood: era and revision are settled, `_meta` is read.
#[derive(Clone, Debug)]
pub struct Call {
    /// Echoed in the reply.
    pub id: RequestId,
    /// `tools/call`.
    pub method: String,
    /// The method's params, `_meta` included.
    pub params: Object,
    /// The caller's revision.
    pub rules: &'static Rules,
    /// What is known of the caller.
    pub client: Arc<Client>,
}

/// What a client said of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// `clientInfo.name`, for logs.
    pub name: Option<String>,
    /// Its declared capabilities, verbatim.
    pub capabilities: Object,
}

/// A finished reply: one encoded JSON-RPC response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The whole message, no newline.
    pub message: Bytes,
    /// What went wrong, if it is an error response: the HTTP transport picks its status by it.
    pub error: Option<ErrorKind>,
}

/// Where a running call's own notifications (progress) go, encoded, until its reply.
#[derive(Clone, Debug)]
pub struct Outbox(Option<mpsc::Sender<Bytes>>);

impl Outbox {
    /// An outbox that a transport drains.
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Bytes>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(Some(sender)), receiver)
    }

    /// An outbox that drops everything: the transport has no way to send notifications.
    #[must_use]
    pub fn closed() -> Self {
        Self(None)
    }
}

/// What a handler may ask of its caller while it works.
#[derive(Clone, Debug)]
pub struct Context {
    rules: &'static Rules,
    client: Arc<Client>,
    progress_token: Option<Value>,
    outbox: Outbox,
}

impl Context {
    /// What is known of the caller.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reports progress, if the caller asked for it; dropped if the stream is full.
    pub fn progress(&self, _progress: f64, _total: Option<f64>, _message: Option<&str>) {
        let _ = (&self.rules, &self.progress_token, &self.outbox.0);
        unimplemented!("core helper")
    }
}

/// Runs calls on a catalog. One per process, shared by every transport.
pub struct Dispatcher {
    catalog: Arc<dyn Catalog>,
    limits: Limits,
    shutdown: Shutdown,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Dispatcher").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// A dispatcher over `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, limits: Limits, shutdown: Shutdown) -> Self {
        Self { catalog, limits, shutdown }
    }

    /// The limits it was given, for its transports.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What drains its streams.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Runs any call but `subscriptions/listen` and `initialize`. Dropping the future cancels the work.
    pub async fn answer(&self, _call: Call, _outbox: Outbox) -> Reply {
        let _ = &self.catalog;
        unimplemented!("core helper")
    }

    /// Opens the stream that answers a `subscriptions/listen` (modern era).
    ///
    /// # Errors
    /// The encoded error when the filter is malformed.
    pub fn listen(&self, _call: &Call) -> Result<Listen, Reply> {
        unimplemented!("core helper")
    }

    /// The changes a legacy session's own stream carries, encoded for its revision.
    #[must_use]
    pub fn feed(&self, _rules: &'static Rules) -> Feed {
        unimplemented!("core helper")
    }

    /// The result of `initialize` in a revision (legacy era).
    #[must_use]
    pub fn initialize(&self, _id: &RequestId, _rules: &'static Rules) -> Reply {
        unimplemented!("core helper")
    }

    /// An encoded error response. Without an id the modern era omits it, the legacy era writes null.
    #[must_use]
    pub fn error(&self, _id: Option<&RequestId>, _rules: &'static Rules, _error: &Error) -> Reply {
        unimplemented!("core helper")
    }
}
