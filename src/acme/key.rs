//! The two kinds of key: an account's, and a certificate's. P-256, kept as PKCS#8.
//!
//! ring makes and uses them with the operating system's generator, which it does not let anybody replace.

use std::fmt;
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::error::{Error, ErrorKind};
use super::jwk::Jwk;
use crate::x509::pem;

/// The key of an account with a CA. Its debug form has no secret.
#[derive(Clone)]
pub struct AccountKey(Arc<P256>);

/// The key of a certificate, never that of an account (RFC 8555 §11.1). Its debug form has no secret.
#[derive(Clone)]
pub struct CertificateKey(Arc<P256>);

/// A P-256 key that signs ES256.
pub(super) struct P256 {
    pkcs8: PrivatePkcs8KeyDer<'static>,
    signing: EcdsaKeyPair,
    jwk: Jwk,
}

impl AccountKey {
    /// A new key.
    ///
    /// # Errors
    /// [`ErrorKind::Key`] when the operating system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        P256::generate().map(|key| Self(Arc::new(key)))
    }

    /// Reads a key that [`to_pem`](Self::to_pem) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Key`] when the text is no P-256 key in PKCS#8.
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        P256::from_pem(text).map(|key| Self(Arc::new(key)))
    }

    /// As PKCS#8 in PEM. Secret.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    /// The key's thumbprint (RFC 7638), the second half of every key authorization. Public.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        self.0.jwk.thumbprint()
    }

    pub(super) fn p256(&self) -> &P256 {
        &self.0
    }
}

impl CertificateKey {
    /// A new key.
    ///
    /// # Errors
    /// [`ErrorKind::Key`] when the operating system has no randomness to give.
    pub fn generate() -> Result<Self, Error> {
        P256::generate().map(|key| Self(Arc::new(key)))
    }

    /// Reads a key that [`to_pem`](Self::to_pem) or [`Pair::key_to_pem`](crate::x509::Pair::key_to_pem) wrote.
    ///
    /// # Errors
    /// [`ErrorKind::Key`] when the text is no P-256 key in PKCS#8.
    pub fn from_pem(text: &[u8]) -> Result<Self, Error> {
        P256::from_pem(text).map(|key| Self(Arc::new(key)))
    }

    /// As PKCS#8 in PEM. Secret.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    pub(super) fn p256(&self) -> &P256 {
        &self.0
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("AccountKey").field(&self.thumbprint()).finish()
    }
}

impl fmt::Debug for CertificateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("CertificateKey").field(&self.0.jwk.thumbprint()).finish()
    }
}

impl P256 {
    fn generate() -> Result<Self, Error> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|ring::error::Unspecified| ErrorKind::Key)?;
        Self::read(PrivatePkcs8KeyDer::from(document.as_ref().to_vec()))
    }

    fn from_pem(text: &[u8]) -> Result<Self, Error> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text);
        Self::read(key.map_err(|error| Error::from(ErrorKind::Key).with_source(error))?)
    }

    fn read(pkcs8: PrivatePkcs8KeyDer<'static>) -> Result<Self, Error> {
        // ES256's signature is r and s, 64 bytes: ring's FIXED encoding, never its ASN.1 (RFC 7518 §3.4).
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let signing = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.secret_pkcs8_der(), &SystemRandom::new())
            .map_err(|error| Error::from(ErrorKind::Key).with_source(error.to_string()))?;
        let point = signing.public_key().as_ref().strip_prefix(&[UNCOMPRESSED]).unwrap_or_default();
        let (x, y) = point.split_first_chunk().ok_or(ErrorKind::Key)?;
        let jwk = Jwk::p256(x, y.try_into().ok().ok_or(ErrorKind::Key)?);
        Ok(Self { pkcs8, signing, jwk })
    }

    fn to_pem(&self) -> String {
        pem::encode(pem::PRIVATE_KEY, self.pkcs8.secret_pkcs8_der())
    }

    pub(super) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// ES256 over `input`: r and s.
    pub(super) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.signing.sign(&SystemRandom::new(), input);
        Ok(signature.map_err(|ring::error::Unspecified| ErrorKind::Key)?.as_ref().to_vec())
    }

    pub(super) fn pkcs8(&self) -> &PrivatePkcs8KeyDer<'static> {
        &self.pkcs8
    }

    pub(super) fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.pkcs8.clone_key())
    }
}

/// SEC 1 §2.3.3: both coordinates follow.
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_pem() {
        let key = AccountKey::generate().unwrap();
        let again = AccountKey::from_pem(key.to_pem().as_bytes()).unwrap();
        assert_eq!((again.thumbprint(), again.to_pem()), (key.thumbprint(), key.to_pem()));
        for text in [&b""[..], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(CertificateKey::from_pem(text).unwrap_err().kind(), &ErrorKind::Key);
        }
        let foreign = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
        assert_eq!(AccountKey::from_pem(foreign.as_bytes()).unwrap_err().kind(), &ErrorKind::Key);
    }

    #[test]
    fn the_debug_form_has_no_secret() {
        let (account, certificate) = (AccountKey::generate().unwrap(), CertificateKey::generate().unwrap());
        assert_eq!(format!("{account:?}"), format!("AccountKey({:?})", account.thumbprint()));
        let shown = format!("{certificate:?}");
        let body = certificate.to_pem().lines().nth(1).unwrap().to_owned();
        assert!(
            shown.starts_with("CertificateKey(") && shown.len() < 64 && !shown.contains(&body),
            "{shown}"
        );
    }
}
