//! Whose the two published files are: ours, to be kept in step, or the operator's, never to be touched.
//!
//! Pure. A file is ours if its hash is in the record. Anything else is somebody's own pair, even if it is broken
//! or expired: a program that overwrites it destroys what it cannot bring back.

use super::key::sha256;
use super::record::{Hashes, Record};
use crate::secret::Secret;
use crate::x509::{Error, Pair};

/// The two files as they were found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct PublishedFiles {
    /// `{name}.cert.pem`.
    pub cert: Option<Vec<u8>>,
    /// `{name}.key.pem`.
    pub key: Option<Secret>,
    /// Whether other users may read the key. It is left so, since another program may have been given it.
    pub key_readable_by_others: bool,
}

/// Whose they are.
#[derive(Debug)]
#[non_exhaustive]
pub enum Published {
    /// There are none: to be published, again if they were before.
    Absent,
    /// Ours, and of the pair that is the truth now.
    Current,
    /// Ours, but of an earlier pair, or of two pairs after a crash between two renames, or only one of them is
    /// there: to be published again.
    Stale {
        /// What stands there, if it is one whole pair: worth having when the truth is lost.
        pair: Option<Pair>,
    },
    /// Somebody's own, and whole. Whether it is valid and for which names is a question of its own.
    Operators(Pair),
    /// Somebody's own, and of no use. It is reported and left alone.
    OperatorsBroken {
        /// What is wrong with it.
        why: Error,
    },
}

/// Judges the files by the hashes of the record and by the pair that is the truth.
#[must_use]
pub fn judge(files: &PublishedFiles, record: &Record, truth: Option<&Pair>) -> Published {
    let (cert, key) = (files.cert.as_deref(), files.key.as_ref().map(Secret::bytes));
    if cert.is_none() && key.is_none() {
        return Published::Absent;
    }
    let cert_hash = cert.map(sha256);
    let key_hash = key.map(sha256);
    let truth = truth.map(Hashes::of);
    let known = || record.published.iter().chain(&truth);
    let ours = cert_hash.as_ref().is_none_or(|hash| known().any(|known| known.cert_sha256 == *hash))
        && key_hash.as_ref().is_none_or(|hash| known().any(|known| known.key_sha256 == *hash));
    let pair = || match (cert, key) {
        (Some(cert), Some(key)) => Pair::from_pem(cert, key),
        (None, _) => Err(Error::NoCertificate),
        (_, None) => Err(Error::NoKey),
    };
    if !ours {
        return match pair() {
            Ok(pair) => Published::Operators(pair),
            Err(why) => Published::OperatorsBroken { why },
        };
    }
    let is_truth = |truth: &Hashes| {
        cert_hash.as_ref() == Some(&truth.cert_sha256) && key_hash.as_ref() == Some(&truth.key_sha256)
    };
    if truth.as_ref().is_some_and(is_truth) {
        Published::Current
    } else {
        Published::Stale { pair: pair().ok() }
    }
}

#[cfg(test)]
mod tests;
