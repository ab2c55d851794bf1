//! One call from its start to its end: counted, and logged as one line at `debug`.
//!
//! What is logged of a call is its method, of the closed list, and who asked; never its params or its result. A
//! call that is dropped before its end was cancelled.

use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;
use tracing::debug;

use super::context::Client;
use super::dispatch::Reply;
use super::error::ErrorKind;
use super::jsonrpc::Object;
use super::revision::Rules;
use crate::metrics::{Calls, Outcome, method_label};
use crate::trace::{Trace, TraceParent, milliseconds};

/// A call that is not over.
#[derive(Debug)]
pub(super) struct Record {
    calls: Arc<Calls>,
    method: &'static str,
    rules: &'static Rules,
    client: Arc<Client>,
    trace: Trace,
    begun: Instant,
    outcome: Outcome,
}

impl Record {
    pub(super) fn begin(
        calls: &Arc<Calls>,
        method: &str,
        rules: &'static Rules,
        client: &Arc<Client>,
        trace: Trace,
    ) -> Self {
        Self {
            calls: Arc::clone(calls),
            method: method_label(method),
            rules,
            client: Arc::clone(client),
            trace,
            begun: Instant::now(),
            outcome: Outcome::Cancelled,
        }
    }

    /// It ended so.
    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        self.calls.ended(self.method, self.rules.name, self.outcome, Some(took));
        debug!(
            request_id = self.trace.request_id(),
            trace_id = self.trace.trace_id(),
            span_id = self.trace.span_id(),
            rpc_method = self.method,
            revision = self.rules.name,
            client_name = self.client.short_name(),
            status = self.outcome.as_str(),
            duration_ms = milliseconds(took),
            "call"
        );
    }
}

/// How a call ended that had this reply.
pub(super) fn outcome(reply: &Reply) -> Outcome {
    match reply.error {
        None if reply.is_tool_error => Outcome::ToolError,
        None => Outcome::Ok,
        Some(ErrorKind::Parse) => Outcome::Parse,
        Some(ErrorKind::InvalidRequest) => Outcome::InvalidRequest,
        Some(ErrorKind::MethodNotFound) => Outcome::MethodNotFound,
        Some(ErrorKind::InvalidParams) => Outcome::InvalidParams,
        Some(ErrorKind::Internal) => Outcome::Internal,
        Some(ErrorKind::ResourceNotFound) => Outcome::ResourceNotFound,
        Some(ErrorKind::HeaderMismatch) => Outcome::HeaderMismatch,
        Some(ErrorKind::MissingClientCapability) => Outcome::MissingClientCapability,
        Some(ErrorKind::NoAnswer) => Outcome::NoAnswer,
        Some(ErrorKind::InputRequired) => Outcome::InputRequired,
        Some(ErrorKind::UnsupportedProtocolVersion) => Outcome::UnsupportedVersion,
    }
}

/// The caller's span, if `_meta` names one. 2026-07-28 basic/index reserves the key; older clients send it too.
pub(super) fn parent(params: &Object) -> Option<TraceParent> {
    TraceParent::parse(params.get("_meta")?.get("traceparent").and_then(Value::as_str)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::revision::Revision;

    #[test]
    fn every_revision_and_method_that_is_served_has_a_label_of_its_own() {
        let calls = Calls::default();
        let revisions: Vec<_> = Rules::legacy().chain([Revision::MODERN.rules()]).collect();
        for rules in &revisions {
            calls.ended("tools/call", rules.name, Outcome::Ok, None);
        }
        let counted: Vec<_> = calls.calls().map(|([_, revision, _], _)| revision).collect();
        assert_eq!(counted, revisions.iter().map(|rules| rules.name).collect::<Vec<_>>());
        for name in crate::mcp::method::names() {
            assert_eq!(method_label(name), name);
        }
    }

    #[test]
    fn the_span_of_the_caller_stands_in_meta_and_nothing_else_is_taken_for_it() {
        let parent = |params: Value| parent(params.as_object().unwrap());
        let text = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
        assert_eq!(parent(json!({ "_meta": { "traceparent": text } })), TraceParent::parse(text));
        for params in [
            json!({}),
            json!({ "traceparent": text }),
            json!({ "_meta": text }),
            json!({ "_meta": { "traceparent": 1 } }),
            json!({ "_meta": { "traceparent": "00-1-2-3" } }),
        ] {
            assert_eq!(parent(params.clone()), None, "{params}");
        }
    }
}
