//! Entries in and out of a [`Store`]: decoded, and set aside when they cannot be.
//!
//! `peek_…` changes nothing and is for everybody. `load_…` moves a broken entry away, so it is for the holder of
//! the entry's lease: nobody else can tell a broken entry from one that is about to be replaced.

use super::account::AccountEntry;
use super::error::{Operation, StoreError};
use super::key::{CertificateName, Key};
use super::published::{Published, judge};
use super::record::{CertificateEntry, Hashes};
use super::sealed::DecodeError;
use super::{PublishedFiles, Store};
use crate::secret::Secret;

/// An entry, and what was wrong with what stood there.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded<T> {
    /// The entry. Of a broken certificate's entry the record is still here when it could be read, without a pair:
    /// its backoff, its open order and the hashes of what is published are worth keeping.
    pub entry: Option<T>,
    /// That it was broken, and where it is now.
    pub broken: Option<SetAside>,
}

/// A broken entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetAside {
    /// Why it is none.
    pub why: DecodeError,
    /// Where it was moved to; nothing if it was only looked at.
    pub to: Option<String>,
}

/// What to do with a broken entry.
#[derive(Clone, Copy)]
enum Broken {
    Leave,
    SetAside,
}

/// Reads the entry of a certificate and changes nothing.
///
/// # Errors
/// When it cannot be read, or a newer docquay wrote it.
pub async fn peek_certificate(
    store: &dyn Store,
    name: &CertificateName,
) -> Result<Loaded<CertificateEntry>, StoreError> {
    certificate(store, name, Broken::Leave).await
}

/// Reads the entry of a certificate; a broken one is set aside. For the holder of its lease.
///
/// # Errors
/// When it cannot be read or set aside, or a newer docquay wrote it: then it is untouched.
pub async fn load_certificate(
    store: &dyn Store,
    name: &CertificateName,
) -> Result<Loaded<CertificateEntry>, StoreError> {
    certificate(store, name, Broken::SetAside).await
}

/// Keeps the entry of a certificate.
///
/// # Errors
/// When it cannot be written; the earlier one is still there.
pub async fn save_certificate(
    store: &dyn Store,
    name: &CertificateName,
    entry: &CertificateEntry,
) -> Result<(), StoreError> {
    save(store, &Key::certificate(name.clone()), entry.encode()).await
}

/// Reads the account at the CA of a directory and changes nothing.
///
/// # Errors
/// As [`peek_certificate`].
pub async fn peek_account(store: &dyn Store, directory: &str) -> Result<Loaded<AccountEntry>, StoreError> {
    account(store, directory, Broken::Leave).await
}

/// Reads the account at the CA of a directory; a broken one is set aside. For the holder of its lease.
///
/// # Errors
/// As [`load_certificate`].
pub async fn load_account(store: &dyn Store, directory: &str) -> Result<Loaded<AccountEntry>, StoreError> {
    account(store, directory, Broken::SetAside).await
}

/// Keeps an account, under the directory that it names.
///
/// # Errors
/// When it cannot be written; the earlier one is still there.
pub async fn save_account(store: &dyn Store, entry: &AccountEntry) -> Result<(), StoreError> {
    save(store, &Key::account(entry.directory.as_str()), entry.encode()).await
}

/// Brings the published files in step with `entry`, unless they are the operator's, and says what was found.
///
/// Their hashes are saved with the entry first, so that a crash at any point leaves files that the next run knows
/// for its own. For the holder of the certificate's lease.
///
/// # Errors
/// When a published file cannot be read, or the entry or a file cannot be written.
pub async fn publish_certificate(
    store: &dyn Store,
    name: &CertificateName,
    entry: &mut CertificateEntry,
) -> Result<Published, StoreError> {
    let files: PublishedFiles = store.published(name).await?;
    let found = judge(&files, &entry.record, entry.pair.as_ref());
    drop(files);
    let Some(truth) = entry.pair.as_ref().map(Hashes::of) else { return Ok(found) };
    if matches!(found, Published::Absent | Published::Stale { .. }) {
        entry.record.announce(truth.clone());
        save_certificate(store, name, entry).await?;
        if let Some(pair) = &entry.pair {
            store.publish(name, pair).await?;
        }
    }
    let unsettled = entry.record.published != [truth.clone()];
    if unsettled && !matches!(found, Published::Operators(_) | Published::OperatorsBroken { .. }) {
        entry.record.announce(truth.clone());
        entry.record.settle(&truth);
        save_certificate(store, name, entry).await?;
    }
    Ok(found)
}

async fn certificate(
    store: &dyn Store,
    name: &CertificateName,
    broken: Broken,
) -> Result<Loaded<CertificateEntry>, StoreError> {
    let key = Key::certificate(name.clone());
    let Some(bytes) = store.load(&key).await? else { return Ok(Loaded { entry: None, broken: None }) };
    match CertificateEntry::decode(bytes.bytes()) {
        Ok(entry) => Ok(Loaded { entry: Some(entry), broken: None }),
        Err(why) => {
            let broken = Some(set_aside(store, &key, why, broken).await?);
            let record = CertificateEntry::salvage(bytes.bytes());
            Ok(Loaded { entry: record.map(|record| CertificateEntry::new(record, None)), broken })
        }
    }
}

async fn account(
    store: &dyn Store,
    directory: &str,
    broken: Broken,
) -> Result<Loaded<AccountEntry>, StoreError> {
    let key = Key::account(directory);
    let Some(bytes) = store.load(&key).await? else { return Ok(Loaded { entry: None, broken: None }) };
    let of_this_ca = |entry: AccountEntry| {
        if entry.directory == directory {
            Ok(entry)
        } else {
            Err(DecodeError::Foreign { of: entry.directory })
        }
    };
    match AccountEntry::decode(bytes.bytes()).and_then(of_this_ca) {
        Ok(entry) => Ok(Loaded { entry: Some(entry), broken: None }),
        Err(why) => Ok(Loaded { entry: None, broken: Some(set_aside(store, &key, why, broken).await?) }),
    }
}

async fn set_aside(
    store: &dyn Store,
    key: &Key,
    why: DecodeError,
    broken: Broken,
) -> Result<SetAside, StoreError> {
    match (&why, broken) {
        (DecodeError::NewerFormat { .. }, _) => {
            Err(StoreError::content(Operation::Read, store.place(key), why))
        }
        (_, Broken::Leave) => Ok(SetAside { why, to: None }),
        (_, Broken::SetAside) => Ok(SetAside { why, to: Some(store.set_aside(key).await?) }),
    }
}

async fn save(store: &dyn Store, key: &Key, encoded: Result<Secret, DecodeError>) -> Result<(), StoreError> {
    match encoded {
        Ok(content) => store.save(key, content).await,
        Err(error) => Err(StoreError::content(Operation::Write, store.place(key), error)),
    }
}
