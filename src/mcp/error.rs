//! The errors an MCP client sees, and their one code table.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::revision::Rules;

/// An error for the client: it says what to send instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    data: Option<Value>,
}

/// What went wrong; the code follows from it and the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// -32700: not JSON.
    Parse,
    /// -32600: JSON, but no JSON-RPC message, or a batch where there are none.
    InvalidRequest,
    /// -32601.
    MethodNotFound,
    /// -32602.
    InvalidParams,
    /// -32603: our fault.
    Internal,
    /// -32002 until 2025-11-25, -32602 since.
    ResourceNotFound,
    /// -32020: header and body disagree (2026-07-28).
    HeaderMismatch,
    /// A capability that the client did not declare: -32021 since 2026-07-28, before that -32600. A tool's call is
    /// answered with a result that says so.
    MissingClientCapability,
    /// -32603: the client refused a request for input, or did not answer it in time. A tool's call is answered
    /// with a result that says so.
    NoAnswer,
    /// The call ends here and comes again with the answers it asked for: a handler hands this on and the
    /// dispatcher takes it (2026-07-28). Never sent.
    InputRequired,
    /// -32022: a revision that is not served (2026-07-28).
    UnsupportedProtocolVersion,
}

impl Error {
    /// An error of `kind`; `message` says what to send instead.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), data: None }
    }

    /// With `data` for programs.
    #[must_use]
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to send instead.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Details for programs.
    #[must_use]
    pub fn data(&self) -> Option<&Value> {
        self.data.as_ref()
    }

    /// The JSON-RPC code in a revision.
    #[must_use]
    pub fn code(&self, rules: &Rules) -> i32 {
        match self.kind {
            ErrorKind::Parse => -32700,
            ErrorKind::InvalidRequest => -32600,
            ErrorKind::MethodNotFound => -32601,
            ErrorKind::InvalidParams => -32602,
            ErrorKind::Internal | ErrorKind::NoAnswer | ErrorKind::InputRequired => -32603,
            ErrorKind::ResourceNotFound => rules.resource_not_found,
            ErrorKind::HeaderMismatch => -32020,
            ErrorKind::MissingClientCapability if rules.handshake => -32600,
            ErrorKind::MissingClientCapability => -32021,
            ErrorKind::UnsupportedProtocolVersion => -32022,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
