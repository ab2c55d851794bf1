//! What differs between operating systems; the one file that names any.
//!
//! Owns file identities, modes, signals, the service manager and a few error numbers. The second branch, for systems that are not Unix,
//! is compiled and tested on Unix too: `tests/run portable`.

#[cfg(all(unix, not(docquay_portable)))]
pub(crate) use self::unix::*;

#[cfg(not(all(unix, not(docquay_portable))))]
pub(crate) use self::portable::*;

use std::io;

/// What a terminal or a supervisor says to a running process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM, SIGINT, Ctrl-C: by its name.
    End(&'static str),
    /// SIGHUP.
    Hangup,
}

/// Whether a socket could not be made because the kernel does not know its family: EAFNOSUPPORT of Linux, of macOS
/// and the BSDs, of Windows.
pub(crate) fn is_unknown_family(error: &io::Error) -> bool {
    let number = if cfg!(target_os = "linux") {
        97
    } else if cfg!(windows) {
        10_047
    } else {
        47
    };
    error.raw_os_error() == Some(number)
}

#[cfg(all(unix, not(docquay_portable)))]
mod unix {
    use std::ffi::OsString;
    use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::ffi::OsStringExt as _;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
    use std::path::{Path, PathBuf};

    use tokio::signal::unix::{Signal as Unix, SignalKind, signal};

    use super::Signal;

    /// By what a change of a file is noticed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(crate) struct Identity {
        size: u64,
        modified: (i64, i64),
        inode: u64,
    }

    impl Identity {
        pub(crate) fn of(found: &Metadata) -> Self {
            Self { size: found.len(), modified: (found.mtime(), found.mtime_nsec()), inode: found.ino() }
        }
    }

    /// The owner's number and the mode's bits.
    pub(crate) fn owner_and_mode(found: &Metadata) -> (u32, u32) {
        (found.uid(), found.mode())
    }

    /// Files that this creates have mode 0600.
    pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
        options.mode(0o600)
    }

    /// Folders that this creates have mode 0700.
    pub(crate) fn private_folder() -> DirBuilder {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder
    }

    /// Takes everything from everybody but the owner.
    pub(crate) fn tighten(path: &Path) -> io::Result<()> {
        let mut permissions = fs::metadata(path)?.permissions();
        permissions.set_mode(permissions.mode() & 0o700);
        fs::set_permissions(path, permissions)
    }

    /// Makes the names in a folder last. Some network file systems have no such call and keep them anyway.
    pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
        match File::open(folder)?.sync_all() {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                Ok(())
            }
            done => done,
        }
    }

    /// A path as the kernel writes it.
    pub(crate) fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
        Some(OsString::from_vec(bytes).into())
    }

    /// The signals that docquay understands.
    #[derive(Debug)]
    pub(crate) struct Signals {
        terminate: Unix,
        interrupt: Unix,
        hangup: Unix,
    }

    impl Signals {
        /// Listens from now on: a signal before the first [`next`](Self::next) is kept.
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hangup: signal(SignalKind::hangup())?,
            })
        }

        /// The next one. Cancel safe.
        pub(crate) async fn next(&mut self) -> Signal {
            tokio::select! {
                _ = self.terminate.recv() => Signal::End("SIGTERM"),
                _ = self.interrupt.recv() => Signal::End("SIGINT"),
                _ = self.hangup.recv() => Signal::Hangup,
            }
        }
    }

    /// The service manager: what it passes on, and its ear. sd_listen_fds(3), sd_notify(3).
    #[cfg(feature = "cli")]
    pub(crate) mod manager {
        use std::ffi::OsStr;
        use std::io;
        use std::net::TcpListener;
        use std::os::unix::net::UnixDatagram;
        use std::time::Duration;

        use listenfd::ListenFd;
        use rustix::time::{ClockId, clock_gettime};
        use socket2::SockRef;

        /// Takes the sockets that were passed on, with their names; the variables that tell of them are gone then.
        pub(crate) fn passed_listeners() -> Result<Vec<(Option<String>, TcpListener)>, String> {
            let variable = |name| std::env::var(name).ok();
            let count = variable("LISTEN_FDS").map(|count| count.parse::<u32>());
            if count.is_some_and(|count| !count.is_ok_and(|count| count <= MOST)) {
                return Err(format!("LISTEN_FDS is no number up to {MOST}"));
            }
            let names = variable("LISTEN_FDNAMES").unwrap_or_default();
            let mut names =
                names.split(':').map(|name| Some(name.to_owned()).filter(|name| !name.is_empty()));
            let mut passed = ListenFd::from_env();
            let mut listeners = Vec::new();
            for number in 0..passed.len() {
                let name = names.next().flatten();
                let taken = passed.take_tcp_listener(number).map_err(|error| error.to_string())?;
                let Some(listener) = taken else { continue };
                if !SockRef::from(&listener).is_listener().unwrap_or(false) {
                    return Err(format!("fd {} does not listen", number + FIRST));
                }
                listeners.push((name, listener));
            }
            Ok(listeners)
        }

        #[derive(Debug)]
        pub(crate) struct Socket(UnixDatagram);

        impl Socket {
            /// A path, or with `@` in front a name that no file has.
            pub(crate) fn open(place: &OsStr) -> Option<Self> {
                let connected = connect(place);
                connected
                    .inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET cannot be used"))
                    .ok()
                    .map(Self)
            }

            pub(crate) fn send(&self, message: &str) -> io::Result<()> {
                self.0.send(message.as_bytes()).map(drop)
            }
        }

        fn connect(place: &OsStr) -> io::Result<UnixDatagram> {
            let socket = UnixDatagram::unbound()?;
            socket.set_write_timeout(Some(PATIENCE))?;
            match place.as_encoded_bytes().strip_prefix(b"@") {
                Some(name) => connect_abstract(&socket, name)?,
                None => socket.connect(place)?,
            }
            Ok(socket)
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
        pub(crate) fn monotonic_micros() -> i64 {
            let now = clock_gettime(ClockId::Monotonic);
            now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
        }

        /// More than any unit has; a number that is none of a count must not be counted to.
        const MOST: u32 = 64;
        /// SD_LISTEN_FDS_START.
        const FIRST: usize = 3;
        /// The manager reads at once; what it does not take in this time is lost.
        const PATIENCE: Duration = Duration::from_secs(1);
    }
}

#[cfg(not(all(unix, not(docquay_portable))))]
mod portable {
    use std::fs::{self, DirBuilder, Metadata, OpenOptions};
    use std::io;
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    use super::Signal;

    /// By what a change of a file is noticed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(crate) struct Identity {
        size: u64,
        modified: Option<SystemTime>,
    }

    impl Identity {
        pub(crate) fn of(found: &Metadata) -> Self {
            Self { size: found.len(), modified: found.modified().ok() }
        }
    }

    /// No owner and no modes here: as if the file were one's own alone.
    pub(crate) fn owner_and_mode(_: &Metadata) -> (u32, u32) {
        (0, 0o700)
    }

    /// The folder's own rules hold.
    pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
        options
    }

    /// The folder's own rules hold.
    pub(crate) fn private_folder() -> DirBuilder {
        DirBuilder::new()
    }

    /// Nothing to take; fails, as elsewhere, if the file is not there.
    pub(crate) fn tighten(path: &Path) -> io::Result<()> {
        fs::metadata(path).map(|_| ())
    }

    /// A folder cannot be opened here; its names last by themselves.
    pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
        fs::metadata(folder).map(|_| ())
    }

    /// A path as text.
    pub(crate) fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
        String::from_utf8(bytes).ok().map(PathBuf::from)
    }

    /// Ctrl-C; no other signal is known here.
    #[derive(Debug)]
    pub(crate) struct Signals;

    impl Signals {
        /// Listens from the first [`next`](Self::next) on.
        #[expect(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse")]
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        /// The next one. Cancel safe.
        pub(crate) async fn next(&mut self) -> Signal {
            if tokio::signal::ctrl_c().await.is_err() {
                // Nobody can say anything then.
                std::future::pending::<()>().await;
            }
            Signal::End("Ctrl-C")
        }
    }

    /// No service manager is known here.
    #[cfg(feature = "cli")]
    pub(crate) mod manager {
        use std::convert::Infallible;
        use std::ffi::OsStr;
        use std::io;
        use std::net::TcpListener;

        #[expect(clippy::unnecessary_wraps, reason = "it fails where there is something to take")]
        pub(crate) fn passed_listeners() -> Result<Vec<(Option<String>, TcpListener)>, String> {
            Ok(Vec::new())
        }

        #[derive(Debug)]
        pub(crate) struct Socket(Infallible);

        impl Socket {
            pub(crate) fn open(_: &OsStr) -> Option<Self> {
                None
            }

            pub(crate) fn send(&self, _: &str) -> io::Result<()> {
                match self.0 {}
            }
        }

        pub(crate) fn monotonic_micros() -> i64 {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_has_another_identity() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let identity = || Identity::of(&std::fs::metadata(&path).unwrap());
        std::fs::write(&path, "one").unwrap();
        let first = identity();
        assert_eq!(first, identity());
        std::fs::write(&path, "three").unwrap();
        assert_ne!(first, identity());
    }

    #[test]
    fn what_is_private_can_be_used_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        private_folder().create(&inner).unwrap();
        let file = inner.join("file");
        private(std::fs::OpenOptions::new().write(true).create_new(true)).open(&file).unwrap();
        tighten(&file).unwrap();
        let (_, mode) = owner_and_mode(&std::fs::metadata(&file).unwrap());
        assert_eq!(mode & 0o077, 0);
        assert!(tighten(&inner.join("none")).is_err());
        assert_eq!(path_of(b"/certs".to_vec()).unwrap(), std::path::Path::new("/certs"));
    }
}
