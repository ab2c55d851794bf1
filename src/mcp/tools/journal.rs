//! What is counted and logged of the tools' calls.
//!
//! The text of a search is logged if the operator asks for it, and then it alone.

use std::time::Duration;

use serde_json::Value;
use tracing::info;

use super::args::Arguments;
use super::{Refusal, Tools, search};
use crate::metrics::ToolOutcome;
use crate::trace::{Trace, milliseconds};

impl Tools {
    pub(super) fn note(
        &self,
        tool: &str,
        arguments: &Arguments,
        outcome: &Result<Value, Refusal>,
        took: Duration,
        trace: &Trace,
    ) {
        self.metrics.called(tool, if outcome.is_ok() { ToolOutcome::Ok } else { ToolOutcome::Refused });
        let (Ok(answer), "search") = (outcome, tool) else { return };
        let hits = answer.get("results").and_then(Value::as_array).map_or(0, Vec::len);
        self.metrics.searched(took, hits);
        if self.options.log_queries
            && let Some(query) = search::asked(arguments)
        {
            let (request_id, trace_id, span_id) = (trace.request_id(), trace.trace_id(), trace.span_id());
            let duration_ms = milliseconds(took);
            info!(request_id, trace_id, span_id, query = query.as_str(), hits, duration_ms, "search");
        }
    }
}
