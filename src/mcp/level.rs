//! The severities of log messages (RFC 5424 §6.2.1).
//!
//! Spec: server/utilities/logging. In the legacy era a session sets its level; in the modern one each request asks
//! for its own, or for none.

use serde_json::Value;

use super::error::Error;
use super::params::invalid;

/// How severe a log message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// For who looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// Normal, and worth knowing.
    Notice,
    /// Wrong, and the work goes on.
    Warning,
    /// The work failed.
    Error,
    /// A part of the server fails.
    Critical,
    /// Somebody must act at once.
    Alert,
    /// The server is of no use.
    Emergency,
}

const ALL: [(Level, &str); 8] = [
    (Level::Debug, "debug"),
    (Level::Info, "info"),
    (Level::Notice, "notice"),
    (Level::Warning, "warning"),
    (Level::Error, "error"),
    (Level::Critical, "critical"),
    (Level::Alert, "alert"),
    (Level::Emergency, "emergency"),
];

impl Level {
    /// As written on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(level, _)| *level == self).map_or("info", |(_, name)| name)
    }

    /// The level that a value names; `key` is where it stands.
    pub(super) fn read(value: &Value, key: &str) -> Result<Self, Error> {
        let named = |(level, name): &(Self, &str)| (value.as_str() == Some(name)).then_some(*level);
        ALL.iter().find_map(named).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|(_, name)| *name).collect();
            invalid(format!("\"{key}\" must be one of {}", names.join(", ")))
        })
    }

    /// The level of that rank, the lowest first.
    pub(super) fn ranked(rank: u8) -> Self {
        ALL.get(usize::from(rank)).map_or(Self::Emergency, |(level, _)| *level)
    }
}
