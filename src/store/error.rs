//! What the operator reads when the store fails: what, why, and the exact thing to do.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};

use super::sealed::{DecodeError, FORMAT};

/// A store that could not do what was asked. What stood there before still stands.
#[derive(Debug)]
pub struct StoreError {
    operation: Operation,
    place: PathBuf,
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Reading an entry or a published file.
    Read,
    /// Writing one, or making its folder.
    Write,
    /// Moving a broken one out of the way.
    SetAside,
    /// Taking the lease.
    Lease,
    /// The test write.
    Probe,
}

/// Why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another user owns the file or folder that is in the way.
    WrongOwner {
        /// That file or folder.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Our user id.
        user: u32,
        /// Our group id.
        group: u32,
    },
    /// The mode of the file or folder that is in the way does not allow it.
    Mode {
        /// That file or folder.
        path: PathBuf,
    },
    /// The system forbids it, and neither owner nor mode say why.
    Forbidden,
    /// The file system is read-only.
    ReadOnly,
    /// No space, no inodes, or a quota is used up.
    Full,
    /// Something that is no regular file stands where a file should be: mostly a folder.
    NotAFile,
    /// Something that is no folder stands where a folder should be.
    NotAFolder {
        /// That thing.
        path: PathBuf,
    },
    /// The file system has no locks.
    NoLocks,
    /// A file is larger than any certificate.
    TooLarge,
    /// A newer docquay wrote the entry.
    NewerFormat {
        /// The entry's format.
        found: u32,
    },
    /// The entry cannot be read or made, and is no newer format.
    Malformed,
    /// Anything else; the source says more.
    Io,
}

impl StoreError {
    /// For a [`Store`](super::Store) of one's own.
    pub fn new(
        operation: Operation,
        place: impl Into<PathBuf>,
        kind: ErrorKind,
        source: Option<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { operation, place: place.into(), kind, source }
    }

    pub(super) fn content(operation: Operation, place: PathBuf, error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::NewerFormat { found } => ErrorKind::NewerFormat { found },
            _ => ErrorKind::Malformed,
        };
        Self::new(operation, place, kind, Some(Box::new(error)))
    }

    pub(super) fn in_place(self, place: &Path) -> Self {
        Self { place: place.to_owned(), ..self }
    }

    /// What was being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The file or entry.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What failed: `cannot write /certs/.docquay/docs.example.com.pem`.
    #[must_use]
    pub fn what(&self) -> String {
        let doing = match self.operation {
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::SetAside => "set aside",
            Operation::Lease => "take the lease",
            Operation::Probe => "make a test write in",
        };
        format!("cannot {doing} {}", self.place.display())
    }

    /// Why, in words.
    #[must_use]
    pub fn cause(&self) -> String {
        match &self.kind {
            ErrorKind::WrongOwner { path, owner, user, .. } => {
                format!("{} belongs to user {owner}, and docquay runs as user {user}", path.display())
            }
            ErrorKind::Mode { path } => format!("the mode of {} does not allow it", path.display()),
            ErrorKind::Forbidden => {
                "the system forbids it, although owner and mode would allow it".to_owned()
            }
            ErrorKind::ReadOnly => "the file system is read-only".to_owned(),
            ErrorKind::Full => "the disk is full, or a limit on files is reached".to_owned(),
            ErrorKind::NotAFile => "a folder or something else that is no file stands there".to_owned(),
            ErrorKind::NotAFolder { path } => format!("{} is no folder", path.display()),
            ErrorKind::NoLocks => "the file system has no locks".to_owned(),
            ErrorKind::TooLarge => "it is larger than any certificate with its key".to_owned(),
            ErrorKind::NewerFormat { found } => {
                format!(
                    "its format is {found}: a newer docquay wrote it; this one knows formats up to {FORMAT}"
                )
            }
            ErrorKind::Malformed | ErrorKind::Io => match &self.source {
                Some(source) => source.to_string(),
                None => "it is not what it should be".to_owned(),
            },
        }
    }

    /// The exact thing to do.
    #[must_use]
    pub fn help(&self) -> String {
        let place = self.place.display();
        match &self.kind {
            ErrorKind::WrongOwner { path, owner, user, group } => format!(
                "run `chown -R {user}:{group} {}`, for a container on the volume's folder of the host; \
                 or run docquay as user {owner}",
                path.display()
            ),
            ErrorKind::Mode { path } => format!("run `chmod u+rwX {}`", path.display()),
            ErrorKind::Forbidden => format!(
                "look for what guards {place}: SELinux (a container's volume needs `:Z`), AppArmor, a dropped \
                 capability, an immutable file (`lsattr`)"
            ),
            ErrorKind::ReadOnly => format!(
                "mount it writable (a container's volume without `:ro`), or let `certs` name a folder that is; \
                 what is mounted: `findmnt -T {place}`"
            ),
            ErrorKind::Full => {
                // A test write is told by its folder, which may be a mount of its own.
                let within = (self.operation != Operation::Probe).then(|| self.place.parent()).flatten();
                let folder = within.unwrap_or(&self.place).display();
                format!(
                    "make room; `df -h {folder}` and `df -i {folder}` show what is full; check `ulimit -f`"
                )
            }
            ErrorKind::NotAFile => format!("move it away: `mv {place} {place}.old`"),
            ErrorKind::NotAFolder { path } => {
                let path = path.display();
                format!("move it away: `mv {path} {path}.old`; or let `certs` name another folder")
            }
            ErrorKind::NoLocks => {
                "let `certs` name a folder on a local disk, or mount the network file system with locks"
                    .to_owned()
            }
            ErrorKind::TooLarge => format!("look at {place} and move it away if it is not a certificate's"),
            ErrorKind::NewerFormat { .. } => format!(
                "start the docquay that wrote it, or a newer one; to give it up instead, `mv {place} {place}.newer`"
            ),
            ErrorKind::Malformed => format!("look at {place}, or move it away: `mv {place} {place}.old`"),
            ErrorKind::Io => format!("look at {place} and at the system's log"),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            // The cause is the source.
            ErrorKind::Malformed | ErrorKind::Io if self.source.is_some() => {
                formatter.write_str(&self.what())
            }
            _ => write!(formatter, "{}: {}", self.what(), self.cause()),
        }
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}
