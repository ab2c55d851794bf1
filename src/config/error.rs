//! What the operator reads when the configuration is wrong: what failed, why, what to do.

use std::fmt;

/// A configuration that cannot be used. Its command ends with exit code 2.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What is wrong, with its place: ``docquay.toml:3:1: unknown key `prot` ``.
    pub what: String,
    /// Why.
    pub cause: String,
    /// The exact thing to do.
    pub help: String,
}

impl Error {
    pub(crate) fn new(what: impl Into<String>, cause: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), cause: cause.into(), help: help.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.cause)
    }
}

impl std::error::Error for Error {}

/// Why a value does not fit its key; the place is added by who knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) cause: String,
    pub(crate) help: String,
}

impl Wrong {
    pub(crate) fn new(cause: impl Into<String>, help: impl Into<String>) -> Self {
        Self { cause: cause.into(), help: help.into() }
    }
}
