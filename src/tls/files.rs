//! The operator's own pair: `tls_cert` and `tls_key`, read, watched, and read again when they change.
//!
//! Files are replaced one after the other, and some programs write them in place: a look may find a half, or a
//! certificate with the key of the one before. Such a find is told of and changes nothing.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Notify;
use tracing::warn;

use crate::platform::Identity;
use crate::shutdown::Shutdown;
use crate::x509::{self, Chain, Pair};

/// Where the pair lies. Both may be one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The chain, PEM, the leaf first.
    pub cert: PathBuf,
    /// The key, PEM, unencrypted: PKCS#8, SEC 1 or PKCS#1.
    pub key: PathBuf,
}

/// Why the files give no pair.
#[derive(Debug)]
#[non_exhaustive]
pub enum FilesError {
    /// A file that cannot be read.
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file whose content is of no use.
    Content {
        /// Which.
        path: PathBuf,
        /// Why.
        source: x509::Error,
    },
    /// A key of another certificate.
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

impl fmt::Display for FilesError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(formatter, "cannot read {}", path.display()),
            Self::Content { path, .. } => write!(formatter, "cannot use {}", path.display()),
            Self::Mismatch { cert, key } => {
                let (cert, key) = (cert.display(), key.display());
                write!(formatter, "the key in {key} does not belong to the certificate in {cert}")
            }
        }
    }
}

impl StdError for FilesError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Content { source, .. } => Some(source),
            Self::Mismatch { .. } => None,
        }
    }
}

impl PairFiles {
    /// Reads the pair. Blocks. Whether it is valid now, and for whom, is the caller's question.
    ///
    /// # Errors
    /// When a file cannot be read or used, or the two do not belong together.
    pub fn load(&self) -> Result<Pair, FilesError> {
        let (cert, key) = (read(&self.cert)?, read(&self.key)?);
        Pair::from_pem(&cert, &key).map_err(|source| match source {
            x509::Error::KeyMismatch => {
                FilesError::Mismatch { cert: self.cert.clone(), key: self.key.clone() }
            }
            x509::Error::NoKey => FilesError::Content { path: self.key.clone(), source },
            _ => FilesError::Content { path: self.cert.clone(), source },
        })
    }

    /// Looks at the files every `every`, and at each `wake`; gives every new pair to `install`, until `shutdown`
    /// drains.
    ///
    /// `served` is what is served already. A find that cannot be used is a warning, once for each change of the
    /// files and at each `wake`; the next look tries again.
    pub async fn watch(
        self,
        served: Chain,
        every: Duration,
        wake: &Notify,
        shutdown: Shutdown,
        mut install: impl FnMut(Pair) + Send,
    ) {
        let mut watch = Watch { files: self, served, last: None };
        let mut asked = false;
        loop {
            let looked = tokio::select! {
                looked = tokio::task::spawn_blocking(move || watch.look(asked)) => looked,
                () = shutdown.draining() => return,
            };
            // The look was cancelled: the runtime ends.
            let Ok((next, pair)) = looked else { return };
            watch = next;
            pair.map(&mut install);
            asked = tokio::select! {
                () = wake.notified() => true,
                () = tokio::time::sleep(every) => false,
                () = shutdown.draining() => return,
            };
        }
    }
}

/// What the looks remember.
#[derive(Debug)]
struct Watch {
    files: PairFiles,
    served: Chain,
    /// What the last look saw, and what was wrong with it.
    last: Option<([Option<Identity>; 2], Option<String>)>,
}

impl Watch {
    /// One look; gives itself back, with the pair if it is a new one.
    fn look(mut self, asked: bool) -> (Self, Option<Pair>) {
        // Before the reading: what changes during it is seen by the next look.
        let stamps = [&self.files.cert, &self.files.key].map(|path| stamp(path));
        if !asked && self.last == Some((stamps, None)) {
            return (self, None);
        }
        let loaded = self.files.load();
        let wrong = loaded.as_ref().err().map(in_words);
        let seen = (stamps, wrong);
        if let Some(cause) = &seen.1
            && (asked || self.last.as_ref() != Some(&seen))
        {
            warn!(cause, "the certificate files changed and cannot be used; the old pair stays");
        }
        self.last = Some(seen);
        let new = loaded.ok().filter(|pair| *pair.chain() != self.served);
        if let Some(pair) = &new {
            self.served = pair.chain().clone();
        }
        (self, new)
    }
}

/// Links followed.
fn stamp(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().as_ref().map(Identity::of)
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut content))
        .map_err(|source| FilesError::Read { path: path.to_owned(), source })?;
    Ok(content)
}

fn in_words(error: &FilesError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// No chain is longer; a wrong path may lead to something that is.
const LARGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
