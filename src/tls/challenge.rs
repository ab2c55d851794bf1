//! TLS-ALPN-01: the certificates that a CA's validation is shown. RFC 8737 §3, RFC 8738 §6.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rcgen::CustomExtension;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::config::ACME_TLS;
use super::self_signed::{params, sign};
use super::{Error, ErrorKind};
use crate::names::Identifier;

/// The challenges that wait for their validation. Clients never see them: see [`Acceptor`](super::Acceptor).
#[derive(Debug, Default)]
pub struct Challenges(Arc<RwLock<Vec<Arc<Pending>>>>);

#[derive(Debug)]
struct Pending {
    server_name: String,
    certified: Arc<CertifiedKey>,
    answered: AtomicUsize,
}

/// A challenge that is answered until this is dropped.
#[derive(Debug)]
#[must_use = "the challenge is answered only while this lives"]
pub struct Presented {
    all: Arc<RwLock<Vec<Arc<Pending>>>>,
    pending: Arc<Pending>,
}

impl Challenges {
    /// No challenge waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers validations of `identifier` from now on; of two challenges for one identifier, with the later.
    ///
    /// `key_authorization_digest` is the SHA-256 of the key authorization.
    ///
    /// # Errors
    /// When the system has no randomness for the certificate's key.
    pub fn present(
        &self,
        identifier: &Identifier,
        key_authorization_digest: [u8; 32],
    ) -> Result<Presented, Error> {
        let certified = Arc::new(certificate(identifier, &key_authorization_digest)?);
        let server_name = identifier.server_name();
        let pending = Arc::new(Pending { server_name, certified, answered: AtomicUsize::new(0) });
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&pending));
        Ok(Presented { all: Arc::clone(&self.0), pending })
    }

    /// Counts a validation that went through.
    pub(super) fn answered(&self, server_name: &str) {
        if let Some(pending) = self.find(server_name) {
            pending.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn find(&self, server_name: &str) -> Option<Arc<Pending>> {
        let pending = self.read();
        let asked = |pending: &&Arc<Pending>| pending.server_name.eq_ignore_ascii_case(server_name);
        pending.iter().rfind(asked).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<Pending>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Challenges {
    /// None refuses the handshake: nothing waits under that name, or more than `acme-tls/1` is offered
    /// (RFC 8737 §3: the extension has that single value).
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if !hello.alpn()?.eq([ACME_TLS]) {
            return None;
        }
        self.find(hello.server_name()?).map(|pending| Arc::clone(&pending.certified))
    }
}

impl Presented {
    /// How many validations were answered: none says that the CA has not reached this server.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.pending.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Presented {
    fn drop(&mut self) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|pending| !Arc::ptr_eq(pending, &self.pending));
    }
}

/// Self-signed, with the identifier as its one alternative name and the digest in a critical acmeIdentifier.
fn certificate(identifier: &Identifier, digest: &[u8; 32]) -> Result<CertifiedKey, Error> {
    let mut params = params("docquay: TLS-ALPN-01", std::slice::from_ref(identifier))?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let (certificate, key) = sign(&params)?;
    let key =
        ring::sign::any_supported_type(&key).map_err(|error| Error::new(ErrorKind::SelfSigned, error))?;
    Ok(CertifiedKey::new(vec![certificate], key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::Certificate;

    fn identifier(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn the_certificate_has_one_name_and_the_critical_extension() {
        let digest: [u8; 32] = std::array::from_fn(|index| index as u8 + 100);
        // RFC 8737 §6.1: 1.3.6.1.5.5.7.1.31; then critical TRUE, an OCTET STRING that holds the value's DER,
        // which is an OCTET STRING too.
        let mut extension = vec![0x06, 0x08, 0x2B, 6, 1, 5, 5, 7, 1, 0x1F, 1, 1, 0xFF, 4, 34, 4, 32];
        extension.extend(digest);
        for name in ["docs.example.com", "192.0.2.1", "2001:db8::1"] {
            let certified = certificate(&identifier(name), &digest).unwrap();
            let der = certified.end_entity_cert().unwrap().clone();
            assert!(der.windows(extension.len()).any(|window| window == extension), "{name}");
            let read = Certificate::parse(der).unwrap();
            assert_eq!(read.identifiers(), [identifier(name)]);
            assert!(read.is_signed_by(&read));
        }
    }

    #[test]
    fn the_later_of_two_challenges_is_answered_and_each_leaves_with_its_guard() {
        let challenges = Challenges::new();
        let (name, other) = (identifier("a.example"), identifier("192.0.2.1"));
        let first = challenges.present(&name, [1; 32]).unwrap();
        let second = challenges.present(&name, [2; 32]).unwrap();
        let third = challenges.present(&other, [3; 32]).unwrap();
        challenges.answered("A.example");
        assert_eq!((first.answered(), second.answered(), third.answered()), (0, 1, 0));
        drop(second);
        assert!(Arc::ptr_eq(&challenges.find("a.example").unwrap(), &first.pending));
        drop(first);
        assert!(challenges.find("a.example").is_none());
        assert!(
            challenges.find("1.2.0.192.in-addr.arpa").is_some() && challenges.find("192.0.2.1").is_none()
        );
        drop(third);
        assert!(challenges.read().is_empty());
    }
}
