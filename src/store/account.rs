//! What is kept of an account at a CA: its key and its URL. RFC 8555 §7.3.

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};

use super::sealed::{self, DecodeError};
use crate::secret::Secret;

/// An account. Its key is kept before the CA hears of it, so that no crash leaves an account without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountEntry {
    /// The directory URL of its CA.
    pub directory: String,
    /// Its URL; none while the registration is not confirmed, and the same key then finds it (RFC 8555 §7.3.1).
    pub url: Option<String>,
    /// Its key.
    pub key_pem: Secret,
    /// Whom the CA may write to: `mailto:…`.
    pub contact: Vec<String>,
    /// A key that the account may have been changed to (RFC 8555 §7.3.5): kept before the change is asked for,
    /// moved to `key_pem` after it.
    pub next_key_pem: Option<Secret>,
}

#[derive(Deserialize, Serialize)]
struct Head {
    directory: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    contact: Vec<String>,
    #[serde(default)]
    next_key_pem: Option<Secret>,
}

impl AccountEntry {
    /// An account that the CA does not know yet.
    #[must_use]
    pub fn new(directory: impl Into<String>, key_pem: Secret) -> Self {
        Self { directory: directory.into(), key_pem, ..Self::default() }
    }

    /// The file's bytes: what is known of it, then the key.
    ///
    /// # Errors
    /// When a key is not PEM text.
    pub fn encode(&self) -> Result<Secret, DecodeError> {
        let head = Head {
            directory: self.directory.clone(),
            url: self.url.clone(),
            contact: self.contact.clone(),
            next_key_pem: self.next_key_pem.clone(),
        };
        check_key(self.key_pem.bytes())?;
        sealed::seal(&head, &[self.key_pem.bytes()])
    }

    /// Reads such a file.
    ///
    /// # Errors
    /// When it is not whole, has no key, or a newer docquay wrote it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let opened = sealed::open::<Head>(bytes)?;
        check_key(opened.pem)?;
        opened.check_seal()?;
        let Head { directory, url, contact, next_key_pem } = opened.record;
        Ok(Self { directory, url, contact, next_key_pem, key_pem: Secret::new(opened.pem) })
    }
}

fn check_key(pem: &[u8]) -> Result<(), DecodeError> {
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(_) => Ok(()),
        Err(_) => Err(DecodeError::malformed("there is no private key")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::issue;
    use super::*;

    fn account() -> AccountEntry {
        let (_, key) = issue(&["a.example"]);
        AccountEntry::new("https://ca.example/directory", Secret::new(key))
    }

    proptest! {
        #[test]
        fn an_account_is_read_as_it_was_written(
            directory: String, url: Option<String>, contact: Vec<String>, next: Option<String>,
        ) {
            let next_key_pem = next.map(Secret::new);
            let account = AccountEntry { directory, url, contact, next_key_pem, ..account() };
            prop_assert_eq!(AccountEntry::decode(account.encode().unwrap().bytes()), Ok(account));
        }
    }

    #[test]
    fn a_file_cut_at_any_byte_is_no_account() {
        let whole = account().encode().unwrap();
        for length in 0..whole.bytes().len() {
            let read = AccountEntry::decode(&whole.bytes()[..length]);
            assert!(matches!(read, Err(DecodeError::Malformed { .. })), "{length}");
        }
    }

    #[test]
    fn an_account_without_a_key_is_none() {
        let keyless = AccountEntry { key_pem: Secret::new("no key".to_owned()), ..account() };
        assert!(matches!(keyless.encode(), Err(DecodeError::Malformed { .. })));
        let newer = br#"{"format": 9}"#;
        assert_eq!(AccountEntry::decode(newer), Err(DecodeError::NewerFormat { found: 9 }));
    }
}
