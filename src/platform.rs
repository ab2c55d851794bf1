//! What differs between operating systems; the one file that names any.
//!
//! Owns file identities, modes, signals and a few error numbers. The second branch, for systems that are not Unix,
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
