//! Why a server did not start, in the parts that an operator reads.

use std::fmt;

use crate::config;
use crate::docs::SourceError;
use crate::provision;

/// Why a server did not start or a command failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A source that cannot be read: the operator named it, so the usage is wrong.
    Source(SourceError),
    /// Options that cannot be used together, or files that they name.
    Config(config::Error),
    /// Anything else, on this machine and now.
    Run {
        /// What failed.
        what: String,
        /// Why.
        cause: String,
        /// The exact thing to do.
        help: String,
    },
}

impl Error {
    /// What failed, why, and the exact thing to do.
    pub(crate) fn parts(&self) -> (&str, &str, &str) {
        match self {
            Self::Source(SourceError { what, cause, help })
            | Self::Config(config::Error { what, cause, help })
            | Self::Run { what, cause, help } => (what, cause, help),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(formatter),
            Self::Config(error) => error.fmt(formatter),
            Self::Run { what, cause, .. } => write!(formatter, "{what}: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<SourceError> for Error {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<config::Error> for Error {
    fn from(error: config::Error) -> Self {
        Self::Config(error)
    }
}

impl From<provision::Failure> for Error {
    fn from(failure: provision::Failure) -> Self {
        Self::Run { what: failure.what, cause: failure.cause, help: failure.help }
    }
}
