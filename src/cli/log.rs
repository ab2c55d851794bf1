//! Where logs go, in which form and from which level on; the level may change.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, registry};

use crate::config::{Log, LogFormat, LogLevel};

/// Changes the level of the logs that were started.
#[derive(Debug)]
pub(super) struct Level {
    handle: Handle<Targets, Registry>,
    /// Where none is configured.
    default: &'static str,
}

/// Starts the logs, on stderr.
pub(super) fn start(log: &Log, default: &'static str) -> Level {
    let ansi = super::colours(&io::stderr());
    let (filter, handle) = reload::Layer::new(filter(log, default));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(ansi).with_target(false);
    // A second subscriber in one process (an embedder's) is theirs to keep.
    let _ = match log.format {
        LogFormat::Text => registry().with(filter).with(lines).try_init(),
        LogFormat::Json => registry().with(filter).with(lines.json().flatten_event(true)).try_init(),
    };
    Level { handle, default }
}

impl Level {
    /// Has the level of `log` take effect.
    pub(super) fn set(&self, log: &Log) {
        // An error means that the logs are an embedder's.
        let _ = self.handle.reload(filter(log, self.default));
    }
}

fn filter(log: &Log, default: &str) -> Targets {
    // Both are known to be directives; were one not, too much is told, not too little.
    let directives = log.level.as_ref().map_or(default, LogLevel::as_str);
    directives.parse().unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO))
}
