//! Where certificates, accounts and what is known of them last: the trait [`Store`], and what stands in it.
//!
//! Owns the form of a record, how it is written, who may write it, and which of the two published files are ours.
//! Never decides when to renew, never speaks to a CA.
//!
//! The truth is one entry per certificate ([`CertificateEntry`]): record, key and chain in one file, so that a key
//! and its certificate are replaced as one or not at all. From it `{name}.cert.pem` and `{name}.key.pem` are
//! published for other programs; docquay itself serves the truth.

mod account;
mod entries;
mod error;
pub mod fs;
mod key;
mod memory;
mod mount;
mod published;
mod record;
mod sealed;
#[cfg(test)]
mod testing;

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

pub use account::AccountEntry;
pub use entries::{
    Loaded, SetAside, load_account, load_certificate, peek_account, peek_certificate, publish_certificate,
    save_account, save_certificate,
};
pub use error::{ErrorKind, Operation, StoreError};
pub use fs::FileStore;
pub use key::{CertificateName, Key};
pub use memory::MemoryStore;
pub use mount::{Durability, Filesystem, durability};
pub use published::{Published, PublishedFiles, judge};
pub use record::{Ari, Attempts, CertificateEntry, FailedValidation, Failure, Hashes, OpenOrder, Record};
pub use sealed::{DecodeError, FORMAT};

use crate::secret::Secret;
use crate::x509::Pair;

/// What a [`Store`] answers with, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A place that keeps entries. Every write is whole or not there at all, and lasts once it is answered.
///
/// Dropping a future leaves a write that has begun to finish by itself: whole, at a time not known.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The bytes kept under `key`, if there are any.
    ///
    /// # Errors
    /// When they are there and cannot be read.
    fn load<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Secret>>;

    /// Keeps `content` under `key` in place of what is there.
    ///
    /// # Errors
    /// When it cannot be written; what was there is still there.
    fn save<'a>(&'a self, key: &'a Key, content: Secret) -> Answer<'a, ()>;

    /// The names of the certificates that are kept here, in order. A store that cannot tell has none.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn certificates(&self) -> Answer<'_, Vec<CertificateName>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Moves what is kept under `key` out of the way and says where it is now. It is never overwritten there.
    ///
    /// # Errors
    /// When it cannot be moved, or there is nothing.
    fn set_aside<'a>(&'a self, key: &'a Key) -> Answer<'a, String>;

    /// Takes the right to change `key`; nothing if another process, or another part of this one, has it.
    ///
    /// # Errors
    /// When that cannot be told.
    fn lease<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Lease>>;

    /// Writes, reads back and removes something small wherever this store writes, and says whether the place
    /// outlasts the process.
    ///
    /// # Errors
    /// When any step fails: then nothing must be ordered, since it could not be kept.
    fn probe(&self) -> Answer<'_, Durability>;

    /// Writes the two files that other programs read. Not one unit: a crash may leave one of them old.
    ///
    /// # Errors
    /// When either cannot be written.
    fn publish<'a>(&'a self, name: &'a CertificateName, pair: &'a Pair) -> Answer<'a, ()>;

    /// The two published files as they are, whoever wrote them.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    fn published<'a>(&'a self, name: &'a CertificateName) -> Answer<'a, PublishedFiles>;

    /// Where an entry stands, for messages.
    fn place(&self, key: &Key) -> PathBuf;

    /// The paths of the two published files, certificate and key, for messages and for watching; nothing if this
    /// store has no files.
    fn published_paths(&self, name: &CertificateName) -> Option<(PathBuf, PathBuf)>;
}

/// The right to change one entry. Dropped, or gone with its process, it is free again.
pub struct Lease {
    _guard: Box<dyn Send + Sync>,
}

impl Lease {
    /// A lease that ends when `guard` is dropped.
    #[must_use]
    pub fn new(guard: impl Send + Sync + 'static) -> Self {
        Self { _guard: Box::new(guard) }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lease")
    }
}
