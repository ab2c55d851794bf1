//! What the service manager hears: ready, reloading, ending, a line of status, the watchdog's pulse.
//!
//! Does nothing where nobody asked to be told. sd_notify(3), systemd.service(5) `Type=notify-reload`.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

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

#[cfg(unix)]
mod manager {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    /// The manager reads at once; what it does not take in this time is lost.
    const PATIENCE: Duration = Duration::from_secs(1);

    #[derive(Debug)]
    pub(super) struct Socket(UnixDatagram);

    impl Socket {
        /// A path, or with `@` in front a name that no file has.
        pub(super) fn open(place: &OsStr) -> Option<Self> {
            let connected = connect(place);
            connected
                .inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET cannot be used"))
                .ok()
                .map(Self)
        }

        pub(super) fn send(&self, message: &str) -> io::Result<()> {
            self.0.send(message.as_bytes()).map(drop)
        }
    }

    fn connect(place: &OsStr) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        match abstract_name(place) {
            Some(name) => connect_abstract(&socket, name)?,
            None => socket.connect(place)?,
        }
        Ok(socket)
    }

    fn abstract_name(place: &OsStr) -> Option<&[u8]> {
        place.as_encoded_bytes().strip_prefix(b"@")
    }

    #[cfg(target_os = "linux")]
    fn connect_abstract(socket: &UnixDatagram, name: &[u8]) -> io::Result<()> {
        use std::os::linux::net::SocketAddrExt as _;
        socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(name)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn connect_abstract(_: &UnixDatagram, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// CLOCK_MONOTONIC, of which std tells differences alone.
    pub(super) fn monotonic_micros() -> i64 {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
    }
}

#[cfg(not(unix))]
mod manager {
    use std::convert::Infallible;
    use std::ffi::OsStr;
    use std::io;

    #[derive(Debug)]
    pub(super) struct Socket(Infallible);

    impl Socket {
        pub(super) fn open(_: &OsStr) -> Option<Self> {
            None
        }

        pub(super) fn send(&self, _: &str) -> io::Result<()> {
            match self.0 {}
        }
    }

    pub(super) fn monotonic_micros() -> i64 {
        0
    }
}
