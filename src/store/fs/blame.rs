//! From an `io::Error` to what is in the way: the file or folder, its owner, its mode.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::modes;
use crate::store::error::{ErrorKind, Operation, StoreError};

/// The error of an operation on `path`, with what can be found out about it now.
pub(super) fn explain(operation: Operation, path: &Path, error: io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
            match guard(operation, path) {
                Some(guard) => denied(&guard, user(&status)),
                None => ErrorKind::Forbidden,
            }
        }
        io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::Full
        }
        io::ErrorKind::IsADirectory => ErrorKind::NotAFile,
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            let no_folder =
                path.ancestors().find(|path| fs::metadata(path).is_ok_and(|found| !found.is_dir()));
            ErrorKind::NotAFolder { path: no_folder.unwrap_or(path).to_owned() }
        }
        io::ErrorKind::Unsupported if operation == Operation::Lease => ErrorKind::NoLocks,
        _ => ErrorKind::Io,
    };
    StoreError::new(operation, path, kind, Some(Box::new(error)))
}

/// What a permission is missing on.
struct Guard {
    path: PathBuf,
    owner: u32,
    /// Its owner may do with it what is needed.
    serves_owner: bool,
}

/// The file itself if it is reached and it is the file that matters, else the nearest folder that is reached.
fn guard(operation: Operation, path: &Path) -> Option<Guard> {
    // A file is replaced by writing its folder, read and locked by itself.
    let itself = matches!(operation, Operation::Read | Operation::Lease);
    let from_itself = path.ancestors().skip(usize::from(!itself));
    let (path, found) = from_itself.filter_map(|path| Some((path, fs::metadata(path).ok()?))).next()?;
    Some(Guard { path: path.to_owned(), owner: modes::of(&found).owner, serves_owner: serves_owner(&found) })
}

fn serves_owner(found: &Metadata) -> bool {
    modes::of(found).serves_owner(if found.is_dir() { 0o700 } else { 0o600 })
}

fn denied(guard: &Guard, us: Option<(u32, u32)>) -> ErrorKind {
    let path = guard.path.clone();
    match us {
        Some((user, group)) if user != guard.owner => {
            ErrorKind::WrongOwner { path, owner: guard.owner, user, group }
        }
        _ if guard.serves_owner => ErrorKind::Forbidden,
        _ => ErrorKind::Mode { path },
    }
}

/// The effective user and group of proc_pid_status(5).
fn user(status: &str) -> Option<(u32, u32)> {
    let effective = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    Some((effective("Uid:")?, effective("Gid:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(owner: u32, serves_owner: bool) -> Guard {
        Guard { path: "/certs".into(), owner, serves_owner }
    }

    #[test]
    fn a_refusal_is_laid_at_owner_mode_or_something_else() {
        let us = user("Name:\tdocquay\nUid:\t0\t65532\t0\t0\nGid:\t0\t65533\t0\t0\n");
        assert_eq!(us, Some((65_532, 65_533)));
        let path = PathBuf::from("/certs");
        assert_eq!(
            denied(&guard(0, true), us),
            ErrorKind::WrongOwner { path: path.clone(), owner: 0, user: 65_532, group: 65_533 }
        );
        assert_eq!(denied(&guard(65_532, false), us), ErrorKind::Mode { path });
        assert_eq!(denied(&guard(65_532, true), us), ErrorKind::Forbidden);
        assert_eq!(denied(&guard(0, true), user("")), ErrorKind::Forbidden);
    }

    #[test]
    fn every_error_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docs.example.com.pem");
        for (kind, operation, cause, help) in [
            (io::ErrorKind::ReadOnlyFilesystem, Operation::Write, "read-only", "findmnt -T"),
            (io::ErrorKind::StorageFull, Operation::Write, "full", "df -h"),
            (io::ErrorKind::QuotaExceeded, Operation::Probe, "full", "df -i"),
            (io::ErrorKind::FileTooLarge, Operation::Write, "full", "ulimit -f"),
            (io::ErrorKind::IsADirectory, Operation::Write, "folder", "mv "),
            (io::ErrorKind::Unsupported, Operation::Lease, "no locks", "local disk"),
            (io::ErrorKind::TimedOut, Operation::Read, "timed out", "the system's log"),
        ] {
            let error = explain(operation, &path, kind.into());
            assert!(error.what().contains("docs.example.com.pem"), "{}", error.what());
            assert!(error.cause().contains(cause), "{kind:?}: {}", error.cause());
            assert!(error.help().contains(help), "{kind:?}: {}", error.help());
        }
    }
}
