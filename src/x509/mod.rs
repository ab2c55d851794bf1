//! Certificates as docquay judges them: one [`Certificate`], a [`Chain`], a [`Pair`] of chain and key.
//!
//! Owns reading X.509 and PEM, and the questions of the other parts: for whom, until when, does the key fit, is
//! each link signed by the next. Never decides trust: that is a client's business. RFC 5280, RFC 7468.

mod certificate;
mod der;
pub mod pem;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

pub use certificate::Certificate;
pub(crate) use certificate::days;

use crate::names::Identifier;

/// A leaf and the certificates that lead from it to a root, which is usually left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    leaf: Certificate,
    issuers: Vec<Certificate>,
}

/// A chain with the key of its leaf: they fit.
#[derive(Debug)]
pub struct Pair {
    chain: Chain,
    key: PrivateKeyDer<'static>,
    certified: Arc<CertifiedKey>,
}

/// Why a certificate, a chain or a pair cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Not an X.509 certificate.
    Malformed,
    /// The PEM text has no certificate.
    NoCertificate,
    /// The PEM text has no private key, or none of a kind that TLS can use.
    NoKey,
    /// The key is of another certificate.
    KeyMismatch,
    /// The certificate lacks this name.
    NameMissing(Identifier),
    /// The certificate has this name, which nobody asked for.
    NameUnasked(Identifier),
    /// Not valid yet, or not any more, at the time that was asked for.
    NotValid {
        /// From when.
        not_before: SystemTime,
        /// Until when.
        not_after: SystemTime,
    },
    /// The certificate at this place of the chain, the leaf being 0, is not signed by the next.
    Unlinked(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => formatter.write_str("not an X.509 certificate"),
            Self::NoCertificate => formatter.write_str("there is no CERTIFICATE block"),
            Self::NoKey => formatter.write_str("there is no private key that TLS can use"),
            Self::KeyMismatch => formatter.write_str("the key belongs to another certificate"),
            Self::NameMissing(name) => write!(formatter, "the certificate is not for {name}"),
            Self::NameUnasked(name) => {
                write!(formatter, "the certificate is also for {name}, which nobody asked for")
            }
            Self::NotValid { not_before, not_after } => {
                write!(
                    formatter,
                    "the certificate is valid from {} to {}",
                    date(*not_before),
                    date(*not_after)
                )
            }
            Self::Unlinked(0) => {
                formatter.write_str("the leaf is not signed by the next certificate of the chain")
            }
            Self::Unlinked(place) => {
                write!(formatter, "certificate {place} of the chain is not signed by the next one")
            }
        }
    }
}

impl std::error::Error for Error {}

/// A time as an operator reads it, UTC: `2026-11-24 20:31:15 UTC`.
#[must_use]
pub fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = certificate::civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

impl Chain {
    /// Reads every CERTIFICATE block; the first is the leaf. Other blocks and text between are passed over.
    ///
    /// # Errors
    /// When there is none, or one is malformed.
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        let mut certificates = Vec::new();
        for der in CertificateDer::pem_slice_iter(text) {
            let der = der.ok().ok_or(Error::Malformed)?;
            certificates.push(Certificate::parse(der)?);
        }
        let mut certificates = certificates.into_iter();
        let leaf = certificates.next().ok_or(Error::NoCertificate)?;
        Ok(Self { leaf, issuers: certificates.collect() })
    }

    /// The certificate itself.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// The others, in order.
    #[must_use]
    pub fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    /// Every certificate, the leaf first.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(&self.leaf).chain(&self.issuers)
    }

    /// As PEM, the leaf first.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.certificates().map(|certificate| pem::encode(pem::CERTIFICATE, certificate.der())).collect()
    }

    /// Holds an issued chain to what was asked: exactly these names, valid at `now`, each link signed by the next.
    ///
    /// # Errors
    /// The first of these that is not so.
    pub fn check(&self, names: &[Identifier], now: SystemTime) -> Result<(), Error> {
        if let Some(missing) = names.iter().find(|name| !self.leaf.identifiers().contains(name)) {
            return Err(Error::NameMissing(missing.clone()));
        }
        if let Some(unasked) = self.leaf.identifiers().iter().find(|name| !names.contains(name)) {
            return Err(Error::NameUnasked(unasked.clone()));
        }
        self.check_validity(now)?;
        let signed = self.certificates().zip(&self.issuers);
        match signed.enumerate().find(|(_, (certificate, issuer))| !certificate.is_signed_by(issuer)) {
            Some((place, _)) => Err(Error::Unlinked(place)),
            None => Ok(()),
        }
    }

    /// Whether the leaf is valid at `now`.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_validity(&self, now: SystemTime) -> Result<(), Error> {
        let (not_before, not_after) = (self.leaf.not_before(), self.leaf.not_after());
        if self.leaf.is_valid_at(now) { Ok(()) } else { Err(Error::NotValid { not_before, not_after }) }
    }
}

impl Pair {
    /// Joins a chain and a key.
    ///
    /// # Errors
    /// When the key is of another certificate or of a kind that TLS cannot use.
    pub fn new(chain: Chain, key: PrivateKeyDer<'static>) -> Result<Self, Error> {
        let signing = ring::sign::any_supported_type(&key).ok().ok_or(Error::NoKey)?;
        let certificates = chain.certificates().map(|certificate| certificate.der().clone()).collect();
        let certified = CertifiedKey::new(certificates, signing);
        certified.keys_match().ok().ok_or(Error::KeyMismatch)?;
        Ok(Self { chain, key, certified: Arc::new(certified) })
    }

    /// Reads a chain and a key, from one text or two.
    ///
    /// # Errors
    /// When either is missing or malformed, or they do not fit.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain = Chain::from_pem(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).ok().ok_or(Error::NoKey)?;
        Self::new(chain, key)
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The leaf.
    #[must_use]
    pub fn leaf(&self) -> &Certificate {
        &self.chain.leaf
    }

    /// For rustls.
    #[must_use]
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The key as PEM. Secret.
    #[must_use]
    pub fn key_to_pem(&self) -> String {
        let label = match &self.key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => pem::PRIVATE_KEY,
        };
        pem::encode(label, self.key.secret_der())
    }
}

#[cfg(test)]
mod tests;
