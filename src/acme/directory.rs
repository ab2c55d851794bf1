//! What a CA offers and where. RFC 8555 §7.1.1, RFC 9773 §4.1, draft-aaron-acme-profiles §3.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{Error, ErrorKind};

/// A CA's directory. URLs are verbatim; entries that are unknown here are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Directory {
    /// Where nonces come from.
    pub new_nonce: String,
    /// Where accounts are made and found.
    pub new_account: String,
    /// Where orders are placed.
    pub new_order: String,
    /// Where certificates are revoked.
    pub revoke_cert: Option<String>,
    /// Where an account changes its key.
    pub key_change: Option<String>,
    /// The base of renewal information.
    pub renewal_info: Option<String>,
    /// What the CA says of itself.
    #[serde(default)]
    pub meta: Meta,
}

/// What a CA says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Meta {
    /// The terms that an account agrees to: a URL.
    pub terms_of_service: Option<String>,
    /// Its site.
    pub website: Option<String>,
    /// What a CAA record must name to admit it.
    pub caa_identities: Vec<String>,
    /// Whether accounts are bound to its customers.
    pub external_account_required: bool,
    /// The certificate profiles it offers, each with its description.
    pub profiles: BTreeMap<String, String>,
}

impl Directory {
    /// Of a CA that is not known: no entry, and nothing said of itself.
    #[must_use]
    pub fn without_entries() -> Self {
        Self {
            new_nonce: String::new(),
            new_account: String::new(),
            new_order: String::new(),
            revoke_cert: None,
            key_change: None,
            renewal_info: None,
            meta: Meta::default(),
        }
    }

    /// The URL of a resource that not every CA has.
    pub(super) fn optional<'a>(url: Option<&'a String>, name: &'static str) -> Result<&'a str, Error> {
        url.map(String::as_str).ok_or_else(|| ErrorKind::NotOffered(name).into())
    }

    /// Whether a profile may be asked for.
    pub(super) fn admit_profile(&self, profile: &str) -> Result<(), Error> {
        if self.meta.profiles.contains_key(profile) {
            return Ok(());
        }
        let offered = self.meta.profiles.keys().cloned().collect();
        Err(ErrorKind::ProfileNotOffered { profile: profile.to_owned(), offered }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_entries_are_ignored_and_most_are_optional() {
        let text = r#"{"newNonce":"https://ca/n","newAccount":"https://ca/a","newOrder":"https://ca/o","xyzzy":{"a":[1]},
            "meta":{"termsOfService":"https://ca/tos","caaIdentities":["ca"],"profiles":{"tlsserver":"TLS"},"new":1}}"#;
        let directory: Directory = serde_json::from_str(text).unwrap();
        assert_eq!(directory.meta.terms_of_service.as_deref(), Some("https://ca/tos"));
        assert!(!directory.meta.external_account_required);
        assert_eq!((directory.renewal_info.as_ref(), directory.revoke_cert.as_ref()), (None, None));
        directory.admit_profile("tlsserver").unwrap();
        let refused = directory.admit_profile("classic").unwrap_err();
        assert_eq!(refused.to_string(), "the CA has no profile `classic`, but tlsserver");
        assert!(serde_json::from_str::<Directory>(r#"{"newNonce":"https://ca/n"}"#).is_err());
    }
}
