//! What is kept of one certificate: its record, and with it the pair.

use serde::{Deserialize, Serialize};

use super::key::sha256;
use super::sealed::{self, DecodeError};
use crate::secret::Secret;
use crate::x509::Pair;

/// Everything that is known of one certificate. Times are seconds since 1970-01-01, UTC. A field that a file lacks
/// is empty, one that this docquay does not know is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Record {
    /// The directory URL of the CA that the certificate came from; empty before the first.
    pub directory: String,
    /// The account it was ordered by, a URL; empty before the first.
    pub account: String,
    /// The names it was ordered for, the first one first.
    pub names: Vec<String>,
    /// The profile it was ordered with.
    pub profile: Option<String>,
    /// When it was downloaded.
    pub issued_at: Option<u64>,
    /// How many renewals in a row, the one that brought it the last, came early at the CA's wish.
    pub early_renewals: u32,
    /// What the CA last suggested for its renewal (RFC 9773).
    pub ari: Option<Ari>,
    /// How the attempts to replace it went.
    pub attempts: Attempts,
    /// An order that is placed and not finished.
    pub order: Option<OpenOrder>,
    /// The operator asked for a renewal.
    pub renew_requested: bool,
    /// It was revoked, by us.
    pub revoked: bool,
    /// What may stand in the published files and is ours, the newest last.
    pub published: Vec<Hashes>,
}

/// A renewal window and the moment chosen in it (RFC 9773 §4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Ari {
    /// The window's start.
    pub start: u64,
    /// Its end.
    pub end: u64,
    /// When to renew, chosen once per window.
    pub chosen: u64,
    /// When to ask again.
    pub retry_at: u64,
    /// Where the CA explains a changed window.
    pub explanation_url: Option<String>,
}

/// Failures since the last success, and what they mean for the next attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Attempts {
    /// In a row.
    pub failures: u32,
    /// The newest.
    pub last: Option<Failure>,
    /// Not before this.
    pub next_at: Option<u64>,
    /// Validations that failed in the last hour.
    pub failed_validations: Vec<FailedValidation>,
    /// The challenge type of the last attempt: `http-01`, `tls-alpn-01`.
    pub last_challenge: Option<String>,
}

/// One failed attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Failure {
    /// When.
    pub at: u64,
    /// Its kind, a word for counters.
    pub kind: String,
    /// In words, the CA's own among them.
    pub text: String,
    /// The directory URL of the CA that was asked.
    pub directory: String,
    /// Until when that CA asked to be left alone.
    pub retry_at: Option<u64>,
}

/// One failed validation of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FailedValidation {
    /// The name.
    pub name: String,
    /// When.
    pub at: u64,
}

/// An order at a CA that a restart goes on with. Its key is here before the order is finalized, so that the
/// certificate is of use whenever the process ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OpenOrder {
    /// The order's URL.
    pub url: String,
    /// The directory URL of its CA.
    pub directory: String,
    /// The URL of the account that placed it.
    pub account: String,
    /// The key that its CSR is signed with.
    pub key_pem: Secret,
    /// The names it is for.
    pub names: Vec<String>,
    /// When it was placed.
    pub placed_at: u64,
}

/// One generation of the two published files: SHA-256 of each, in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Hashes {
    /// Of `{name}.cert.pem`.
    pub cert_sha256: String,
    /// Of `{name}.key.pem`.
    pub key_sha256: String,
}

/// A record and the pair it is of; no pair before the first certificate.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CertificateEntry {
    /// What is known of it.
    pub record: Record,
    /// Chain and key.
    pub pair: Option<Pair>,
}

impl Hashes {
    /// Of the files that a pair is published as.
    #[must_use]
    pub fn of(pair: &Pair) -> Self {
        let key = Secret::new(pair.key_to_pem());
        Self { cert_sha256: sha256(pair.chain().to_pem().as_bytes()), key_sha256: sha256(key.bytes()) }
    }
}

impl Attempts {
    /// Forgets the pause after the last failure, and what the CA asked for; the operator knows better. What
    /// failed is not forgotten.
    pub fn hasten(&mut self) {
        self.next_at = None;
        if let Some(last) = &mut self.last {
            last.retry_at = None;
        }
    }
}

impl Record {
    /// Notes that `next` is about to be published. To be saved before it is.
    pub fn announce(&mut self, next: Hashes) {
        self.published.retain(|known| *known != next);
        self.published.push(next);
        // While publishing keeps failing, any generation may be the one in the files: all are kept, within reason.
        let surplus = self.published.len().saturating_sub(MOST_GENERATIONS);
        self.published.drain(..surplus);
    }

    /// Notes that `now` is published: earlier generations are gone from the files.
    pub fn settle(&mut self, now: &Hashes) {
        self.published.retain(|known| known == now);
    }
}

impl CertificateEntry {
    /// A record and its pair.
    #[must_use]
    pub fn new(record: Record, pair: Option<Pair>) -> Self {
        Self { record, pair }
    }

    /// The file's bytes: record, key, chain.
    ///
    /// # Errors
    /// When a key in the record is not text.
    pub fn encode(&self) -> Result<Secret, DecodeError> {
        match &self.pair {
            Some(pair) => {
                let key = Secret::new(pair.key_to_pem());
                sealed::seal(&self.record, &[key.bytes(), pair.chain().to_pem().as_bytes()])
            }
            None => sealed::seal(&self.record, &[]),
        }
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// When it is not whole, when its key and certificate do not fit, or when a newer docquay wrote it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let opened = sealed::open::<Record>(bytes)?;
        let pair = match opened.pem {
            [] => None,
            pem => Some(Pair::from_pem(pem, pem)?),
        };
        opened.check_seal()?;
        Ok(Self { record: opened.record, pair })
    }

    /// The record alone, of a file whose pair is lost: backoff and hashes are worth keeping.
    #[must_use]
    pub(super) fn salvage(bytes: &[u8]) -> Option<Record> {
        sealed::open::<Record>(bytes).ok().map(|opened| opened.record)
    }
}

const MOST_GENERATIONS: usize = 64;

#[cfg(test)]
mod tests;
