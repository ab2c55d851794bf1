//! The form of an entry's file: a record as JSON, then PEM blocks, sealed by a hash.
//!
//! RFC 7468 §2 allows text before a block: `openssl x509 -in` and the like read the file as it is. The JSON comes
//! first and names a format, so that a newer docquay's file is told from a broken one, and the hash of what follows
//! it, so that no part of the chain can be missing unnoticed.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::key::sha256;
use crate::secret::Secret;
use crate::x509;

/// The format that this docquay writes.
pub const FORMAT: u32 = 1;

/// Why an entry's bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Cut short, edited, or never an entry: to be set aside.
    Malformed {
        /// What is wrong with it.
        why: String,
    },
    /// Key and certificate are of different pairs: to be set aside.
    KeyMismatch,
    /// An entry of something else, such as another CA's account: to be set aside.
    Foreign {
        /// What it is of.
        of: String,
    },
    /// Written by a newer docquay: to be left as it is.
    NewerFormat {
        /// Its format; ours is [`FORMAT`].
        found: u32,
    },
}

impl DecodeError {
    pub(super) fn malformed(why: impl Into<String>) -> Self {
        Self::Malformed { why: why.into() }
    }
}

impl From<x509::Error> for DecodeError {
    fn from(error: x509::Error) -> Self {
        match error {
            x509::Error::KeyMismatch => Self::KeyMismatch,
            other => Self::malformed(other.to_string()),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { why } => write!(formatter, "it is torn or was changed: {why}"),
            Self::KeyMismatch => formatter.write_str("its key belongs to another certificate"),
            Self::Foreign { of } => write!(formatter, "it belongs to {of}"),
            Self::NewerFormat { found } => {
                write!(formatter, "its format is {found}, and this docquay knows formats up to {FORMAT}")
            }
        }
    }
}

impl std::error::Error for DecodeError {}

/// Only what is the same in every format, past and to come.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Deserialize, Serialize)]
struct Sealed<T> {
    format: u32,
    /// Of everything behind the JSON and its newline.
    pem_sha256: String,
    #[serde(flatten)]
    record: T,
}

/// The file of a record and the blocks that go with it.
pub(super) fn seal<T: Serialize>(record: &T, blocks: &[&[u8]]) -> Result<Secret, DecodeError> {
    let blocks = Secret::new(blocks.concat());
    let sealed = Sealed { format: FORMAT, pem_sha256: sha256(blocks.bytes()), record };
    let json = serde_json::to_string_pretty(&sealed).map(Secret::new);
    let json = json.map_err(|error| DecodeError::malformed(error.to_string()))?;
    Ok(Secret::new([json.bytes(), b"\n", blocks.bytes()].concat()))
}

/// The record of a file and its blocks, which may turn out not to be whole.
pub(super) struct Opened<'a, T> {
    pub(super) record: T,
    pub(super) pem: &'a [u8],
    whole: bool,
}

impl<T> Opened<'_, T> {
    /// Every byte of the blocks is as it was written.
    pub(super) fn check_seal(&self) -> Result<(), DecodeError> {
        if self.whole {
            Ok(())
        } else {
            Err(DecodeError::malformed("the blocks are not those that were written"))
        }
    }
}

pub(super) fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<Opened<'_, T>, DecodeError> {
    let (Format { format }, _) = first_value(bytes)?;
    if format > FORMAT {
        return Err(DecodeError::NewerFormat { found: format });
    }
    let (sealed, rest) = first_value::<Sealed<T>>(bytes)?;
    let pem = rest.strip_prefix(b"\n").unwrap_or(rest);
    Ok(Opened { whole: sealed.pem_sha256 == sha256(pem), record: sealed.record, pem })
}

/// The JSON value at the start, and what follows it.
fn first_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), DecodeError> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter();
    let value = match values.next() {
        Some(Ok(value)) => value,
        // serde_json quotes values in its messages, and a value may be a key: only the place is told.
        Some(Err(error)) => {
            let (line, column) = (error.line(), error.column());
            return Err(DecodeError::malformed(format!("no record at line {line}, column {column}")));
        }
        None => return Err(DecodeError::malformed("it is empty")),
    };
    let rest = bytes.get(values.byte_offset()..).unwrap_or_default();
    Ok((value, rest))
}
