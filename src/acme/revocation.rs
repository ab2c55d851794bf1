//! Taking a certificate back. RFC 8555 §7.6.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::account::Account;
use super::client::{Client, Post};
use super::directory::Directory;
use super::error::Error;
use super::jws::{self, Signer};
use super::key::CertificateKey;
use super::problem::ProblemKind;
use crate::x509::Certificate;

/// Why (RFC 5280 §5.3.1): those that a subscriber may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// None is given.
    Unspecified,
    /// Somebody else has the key.
    KeyCompromise,
    /// The names' holder is called otherwise now.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The names are no longer used.
    CessationOfOperation,
}

impl Reason {
    fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

impl Account {
    /// Revokes a certificate that this account ordered. One that is revoked already is a success.
    ///
    /// # Errors
    /// When the CA refuses or cannot be reached.
    pub async fn revoke(&self, certificate: &Certificate, reason: Reason) -> Result<(), Error> {
        revoke(self.client(), self.signer(), certificate, reason).await
    }
}

impl Client {
    /// Revokes a certificate by its own key, without an account. One that is revoked already is a success.
    ///
    /// # Errors
    /// When the CA refuses or cannot be reached.
    pub async fn revoke(
        &self,
        certificate: &Certificate,
        key: &CertificateKey,
        reason: Reason,
    ) -> Result<(), Error> {
        revoke(self, Signer::Key(key.p256()), certificate, reason).await
    }
}

async fn revoke(
    client: &Client,
    signer: Signer<'_>,
    certificate: &Certificate,
    reason: Reason,
) -> Result<(), Error> {
    let work = async {
        let url = Directory::optional(client.directory().revoke_cert.as_ref(), "revokeCert")?;
        let code = (reason != Reason::Unspecified).then(|| reason.code().into());
        let certificate = URL_SAFE_NO_PAD.encode(certificate.der());
        let payload = jws::object([("certificate", Some(certificate.into())), ("reason", code)]);
        match client.post(Post::change(signer, url, &payload)).await {
            Err(error) if error.problem_kind() != Some(ProblemKind::AlreadyRevoked) => Err(error),
            _ => Ok(()),
        }
    };
    work.await.map_err(|error| error.while_doing("revokeCert"))
}
