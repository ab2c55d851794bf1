//! What the service manager hears: ready, reloading, ending, a line of status, the watchdog's pulse.
//!
//! Does nothing where nobody asked to be told. sd_notify(3), systemd.service(5) `Type=notify-reload`.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use crate::platform::manager;

/// The service manager's ear, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Notify {
    socket: Option<Arc<manager::Socket>>,
    /// How often it wants a sign of life.
    pulse: Option<Duration>,
}

impl Notify {
    /// As `NOTIFY_SOCKET` and `WATCHDOG_USEC` say.
    pub(super) fn from_environment() -> Self {
        let variable = |name| std::env::var_os(name);
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let socket = variable("NOTIFY_SOCKET").and_then(|place| manager::Socket::open(&place)).map(Arc::new);
        // Half of it, as sd_watchdog_enabled(3) advises; meant for another process if its id is another.
        let ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
        let pulse = number("WATCHDOG_USEC").filter(|micros| ours && *micros > 1);
        let pulse = pulse.map(|micros| Duration::from_micros(micros / 2)).filter(|_| socket.is_some());
        Self { socket, pulse }
    }

    /// Serving, and the documents were read.
    pub(super) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// A line for `systemctl status`.
    pub(super) fn status(&self, status: &str) {
        self.send(&format!("STATUS={status}"));
    }

    /// The configuration is being read again.
    pub(super) fn reloading(&self) {
        if self.socket.is_some() {
            self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", manager::monotonic_micros()));
        }
    }

    /// The reload is over, whatever came of it.
    pub(super) fn reloaded(&self) {
        self.send("READY=1");
    }

    /// The drain begins.
    pub(super) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=running requests may finish");
    }

    /// Waits until the next sign of life is due, and gives it; for ever where none is wanted. Cancel safe: asked
    /// again, it gives one at once.
    pub(super) async fn pulse(&self) {
        match self.pulse {
            Some(every) => {
                self.send("WATCHDOG=1");
                tokio::time::sleep(every).await;
            }
            None => pending().await,
        }
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(message)
        {
            tracing::warn!(%error, "the service manager cannot be told");
        }
    }
}
