//! Calls of the protocol, whatever carried them.

use std::time::Duration;

use super::number::{Histogram, Table, place};

/// What is counted of one dispatcher.
#[derive(Debug)]
pub struct Calls {
    calls: Table<3>,
    durations: Box<[Histogram]>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With a tool's result that says what went wrong.
    ToolError,
    /// With what it still needs to know of its client; it comes again.
    InputRequired,
    /// By its client, or by the client's end.
    Cancelled,
    /// -32700.
    Parse,
    /// -32600.
    InvalidRequest,
    /// -32601.
    MethodNotFound,
    /// -32602.
    InvalidParams,
    /// -32603.
    Internal,
    /// -32002, or -32602 where a resource was asked for.
    ResourceNotFound,
    /// -32020.
    HeaderMismatch,
    /// -32021.
    MissingClientCapability,
    /// Its client was asked something, and did not answer.
    NoAnswer,
    /// -32022.
    UnsupportedVersion,
}

impl Outcome {
    /// `invalid_params`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        OUTCOMES.get(self as usize).copied().unwrap_or_default()
    }
}

impl Calls {
    /// A call of `method` in `revision` ended after `took`, if it took any time. Names that the protocol does not have are counted
    /// together.
    pub fn ended(&self, method: &str, revision: &str, outcome: Outcome, took: Option<Duration>) {
        let method = place(&METHODS, method);
        self.calls.increment([method, place(&REVISIONS, revision), outcome as usize]);
        if let (Some(took), Some(durations)) = (took, self.durations.get(method)) {
            durations.observe(took);
        }
    }

    /// Calls by method, revision and status.
    pub fn calls(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> + '_ {
        self.calls.counted()
    }

    /// How long calls took, by method.
    pub fn durations(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        METHODS.into_iter().zip(&self.durations)
    }
}

impl Default for Calls {
    fn default() -> Self {
        let durations = METHODS.iter().map(|_| Histogram::new(&BOUNDS)).collect();
        Self { calls: Table::new([&METHODS, &REVISIONS, &OUTCOMES]), durations }
    }
}

/// A method's name as it is counted and logged: `other` if the protocol has none of that name.
#[must_use]
pub fn method_label(name: &str) -> &'static str {
    METHODS.get(place(&METHODS, name)).copied().unwrap_or("other")
}

const METHODS: [&str; 19] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "subscriptions/listen",
    "logging/setLevel",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "other",
];

const REVISIONS: [&str; 6] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "none"];

/// In the order of [`Outcome`].
const OUTCOMES: [&str; 14] = [
    "ok",
    "tool_error",
    "input_required",
    "cancelled",
    "parse",
    "invalid_request",
    "method_not_found",
    "invalid_params",
    "internal",
    "resource_not_found",
    "header_mismatch",
    "missing_client_capability",
    "no_answer",
    "unsupported_version",
];

const BOUNDS: [Duration; 14] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_label() {
        for (outcome, label) in [
            (Outcome::Ok, "ok"),
            (Outcome::InputRequired, "input_required"),
            (Outcome::Cancelled, "cancelled"),
            (Outcome::InvalidParams, "invalid_params"),
            (Outcome::NoAnswer, "no_answer"),
            (Outcome::UnsupportedVersion, "unsupported_version"),
        ] {
            assert_eq!(outcome.as_str(), label);
        }
        assert_eq!(Outcome::UnsupportedVersion as usize, OUTCOMES.len() - 1);
    }

    #[test]
    fn names_of_a_client_are_counted_together() {
        let calls = Calls::default();
        calls.ended("tools/call", "2025-11-25", Outcome::Ok, Some(Duration::ZERO));
        for name in ["tools/destroy", "x", "\n"] {
            calls.ended(name, "1999-01-01", Outcome::MethodNotFound, None);
        }
        let counted: Vec<_> = calls.calls().collect();
        assert_eq!(
            counted,
            [(["tools/call", "2025-11-25", "ok"], 1), (["other", "none", "method_not_found"], 3)]
        );
        assert_eq!(method_label("tools/destroy"), "other");
    }
}
