//! An account with a CA: made, found by its key, or known from before. RFC 8555 §7.3.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, Post, check_url};
use super::directory::Directory;
use super::error::{Error, ErrorKind};
use super::jws::{self, Payload, Signer};
use super::key::AccountKey;
use super::reply::Reply;

/// An account: a key, and the URL by which the CA knows it. Cheap to clone.
///
/// Both are to be stored before anything is ordered: one account per CA, used across restarts.
#[derive(Clone, Debug)]
pub struct Account(Arc<Known>);

#[derive(Debug)]
struct Known {
    client: Client,
    key: AccountKey,
    url: String,
    created: bool,
}

/// What a new account is made with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewAccount {
    /// URLs: `mailto:ops@example.com`.
    pub contacts: Vec<String>,
    /// Whether the operator agrees to the directory's `meta.terms_of_service`. Default not.
    pub terms: Terms,
    /// The customer that it is bound to; some CAs require one.
    pub external: Option<ExternalAccount>,
}

/// The operator's word on the CA's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terms {
    /// Nothing was said.
    #[default]
    NotAgreed,
    /// Agreed, explicitly.
    Agreed,
}

/// A customer of the CA: what its operator gave out to bind an account. Its debug form has no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    kid: String,
    mac_key: Vec<u8>,
}

impl ExternalAccount {
    /// From the key's id and the key in base64url; the other alphabet and padding are accepted.
    ///
    /// # Errors
    /// [`ErrorKind::ExternalKey`] when the key is empty or no base64.
    pub fn new(kid: &str, mac_key: &str) -> Result<Self, Error> {
        let text: String = mac_key.trim().replace('+', "-").replace('/', "_");
        let mac_key = LENIENT.decode(text).map_err(|_cause| Error::from(ErrorKind::ExternalKey))?;
        if mac_key.is_empty() {
            return Err(ErrorKind::ExternalKey.into());
        }
        Ok(Self { kid: kid.to_owned(), mac_key })
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ExternalAccount").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Account {
    /// Makes an account, or finds the one that the key has already.
    ///
    /// # Errors
    /// When the CA turns it down: the terms are not agreed to, a contact is refused, a binding is required or refused,
    /// the account is closed; when it cannot be reached.
    pub async fn create(client: &Client, key: AccountKey, new: &NewAccount) -> Result<Self, Error> {
        let directory = client.directory();
        if directory.meta.external_account_required && new.external.is_none() {
            return Err(ErrorKind::ExternalAccountRequired.into());
        }
        let binding = new.external.as_ref().map(|ExternalAccount { kid, mac_key }| {
            jws::bind(mac_key, kid, &directory.new_account, key.p256())
        });
        let payload = jws::object([
            ("termsOfServiceAgreed", Some((new.terms == Terms::Agreed).into())),
            ("contact", (!new.contacts.is_empty()).then(|| json!(new.contacts))),
            ("externalAccountBinding", binding),
        ]);
        Self::register(client, key, &payload).await
    }

    /// Finds the account of a key.
    ///
    /// # Errors
    /// [`ProblemKind::AccountDoesNotExist`](super::ProblemKind::AccountDoesNotExist) when it has none; when the CA
    /// cannot be reached.
    pub async fn find(client: &Client, key: AccountKey) -> Result<Self, Error> {
        Self::register(client, key, &json!({ "onlyReturnExisting": true })).await
    }

    async fn register(client: &Client, key: AccountKey, payload: &Value) -> Result<Self, Error> {
        let work = async {
            let url = &client.directory().new_account;
            let reply = client.post(Post::change(Signer::Key(key.p256()), url, payload)).await?;
            if is_closed(&reply) {
                return Err(ErrorKind::AccountClosed.into());
            }
            let url = reply.location()?;
            check_url(url)?;
            Ok((url.to_owned(), reply.status == StatusCode::CREATED))
        };
        let (url, created) = work.await.map_err(|error: Error| error.while_doing("newAccount"))?;
        Ok(Self(Arc::new(Known { client: client.clone(), key, url, created })))
    }

    /// An account known from before, by its stored key and URL. Asks nobody.
    ///
    /// If the CA has forgotten it, the first use fails with
    /// [`ProblemKind::AccountDoesNotExist`](super::ProblemKind::AccountDoesNotExist): then [`create`](Self::create) it
    /// again with the same key.
    #[must_use]
    pub fn stored(client: &Client, key: AccountKey, url: String) -> Self {
        Self(Arc::new(Known { client: client.clone(), key, url, created: false }))
    }

    /// The URL by which the CA knows it: to be stored beside the key.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &AccountKey {
        &self.0.key
    }

    /// The CA that it is with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Whether [`create`](Self::create) made it just now, rather than found it.
    #[must_use]
    pub fn was_created(&self) -> bool {
        self.0.created
    }

    /// Gives the account another key (RFC 8555 §7.3.5), which is to be stored before: if no answer comes, either of
    /// the two may be the account's, and [`find`](Self::find) tells which.
    ///
    /// # Errors
    /// When the CA refuses the key or cannot be reached.
    pub async fn change_key(&self, new: AccountKey) -> Result<Self, Error> {
        let work = async {
            let url = Directory::optional(self.client().directory().key_change.as_ref(), "keyChange")?;
            let payload = json!({ "account": self.url(), "oldKey": self.key().p256().jwk().to_json() });
            let inner = jws::sign(Signer::Key(new.p256()), None, url, Payload::Json(&payload))?;
            self.post(url, &inner).await
        };
        work.await.map_err(|error| error.while_doing("keyChange"))?;
        Ok(Self::stored(self.client(), new, self.url().to_owned()))
    }

    /// Closes the account for good. Its certificates stay valid.
    ///
    /// # Errors
    /// When the CA refuses or cannot be reached.
    pub async fn deactivate(&self) -> Result<(), Error> {
        let done = self.post(self.url(), &json!({ "status": "deactivated" })).await;
        done.map(drop).map_err(|error| error.while_doing("deactivating the account"))
    }

    pub(super) fn signer(&self) -> Signer<'_> {
        Signer::Account(self.key().p256(), self.url())
    }

    pub(super) async fn fetch(&self, url: &str) -> Result<Reply, Error> {
        self.client().post(Post::fetch(self.signer(), url)).await
    }

    /// One of many: for polls.
    pub(super) async fn look(&self, url: &str) -> Result<Reply, Error> {
        self.client().post(Post::look(self.signer(), url)).await
    }

    pub(super) async fn post(&self, url: &str, payload: &Value) -> Result<Reply, Error> {
        self.client().post(Post::change(self.signer(), url, payload)).await
    }
}

/// The body says little that is needed: one that is cut or missing does not matter, `Location` does.
fn is_closed(reply: &Reply) -> bool {
    let status = reply.json::<Value>("account").ok();
    let status = status.as_ref().and_then(|account| account.get("status")).and_then(Value::as_str);
    matches!(status, Some("deactivated" | "revoked"))
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_key_is_base64_of_either_alphabet_and_not_shown() {
        for text in ["-_8aGh4", "-_8aGh4=", " +/8aGh4=\n"] {
            let external = ExternalAccount::new("kid-1", text).unwrap();
            assert_eq!(external.mac_key, [0xFB, 0xFF, 0x1A, 0x1A, 0x1E], "{text:?}");
            assert_eq!(format!("{external:?}"), r#"ExternalAccount { kid: "kid-1", .. }"#);
        }
        for text in ["", "=", "a", "not base64!"] {
            assert_eq!(ExternalAccount::new("kid-1", text).unwrap_err().kind(), &ErrorKind::ExternalKey);
        }
    }
}
