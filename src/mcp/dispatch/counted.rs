//! What a dispatcher counts of its calls, and how those are counted that have no record of their own.

use std::sync::Arc;

use super::{Dispatcher, Reply};
use crate::mcp::error::Error;
use crate::mcp::jsonrpc::RequestId;
use crate::mcp::record;
use crate::mcp::revision::Rules;
use crate::metrics::{Calls, Outcome};

impl Dispatcher {
    /// Counts on where another dispatcher did: one that this one replaces.
    #[must_use]
    pub fn with_metrics(self, calls: Arc<Calls>) -> Self {
        Self { calls, ..self }
    }

    /// What is counted of its calls.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// An encoded error response to a request that no call could be made of: counted, unlike [`error`](Self::error).
    #[must_use]
    pub fn refuse(&self, id: &RequestId, method: &str, rules: &'static Rules, error: &Error) -> Reply {
        let reply = self.error(Some(id), rules, error);
        self.answered(method, rules, Some(&reply));
        reply
    }

    /// Counts a call that was answered at once, without a reply of its own if it was by a stream.
    pub(in crate::mcp) fn answered(&self, method: &str, rules: &Rules, reply: Option<&Reply>) {
        let outcome = reply.map_or(Outcome::Ok, record::outcome);
        self.calls.ended(method, rules.name, outcome, None);
    }
}
