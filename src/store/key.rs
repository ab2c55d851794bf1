//! What an entry is called: a certificate by its first name, an account by its CA.

use std::fmt;

use ring::digest;

use crate::names::Identifier;

/// Names one entry of a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Key {
    /// The account at a CA.
    Account {
        /// The URL of the CA's directory, as it is configured.
        directory: String,
    },
    /// A certificate, its key and its record.
    Certificate {
        /// After its first name.
        name: CertificateName,
    },
    /// That a process serves a certificate: nothing but a lease.
    Serving {
        /// After its first name.
        name: CertificateName,
    },
}

/// The name of a certificate's files: its first domain or address, `:` of IPv6 replaced by `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateName(String);

impl CertificateName {
    /// The name of the certificate whose first identifier this is.
    #[must_use]
    pub fn new(first: &Identifier) -> Self {
        Self(fit(first.to_string().replace(':', "_")))
    }

    /// The name whose entry has this path.
    pub(super) fn of_path(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// As it stands before `.pem`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CertificateName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Key {
    /// The account at the CA with this directory.
    #[must_use]
    pub fn account(directory: impl Into<String>) -> Self {
        Self::Account { directory: directory.into() }
    }

    /// The certificate of this name.
    #[must_use]
    pub fn certificate(name: CertificateName) -> Self {
        Self::Certificate { name }
    }

    /// The process that serves the certificate of this name.
    #[must_use]
    pub fn serving(name: CertificateName) -> Self {
        Self::Serving { name }
    }

    /// The path of the entry within a store, without an ending: `accounts/ca.example-0123456789ab`,
    /// `docs.example.com`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            // The host is for people, the hash tells staging from production on one host.
            Self::Account { directory } => {
                let hash: String = sha256(directory.as_bytes()).chars().take(12).collect();
                format!("accounts/{}-{hash}", fit(host(directory)))
            }
            Self::Certificate { name } => name.0.clone(),
            // `~` is in no domain.
            Self::Serving { name } => format!("{}~serving", name.0),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account { directory } => write!(formatter, "the account at {directory}"),
            Self::Certificate { name } => write!(formatter, "the certificate of {name}"),
            Self::Serving { name } => write!(formatter, "the server of {name}"),
        }
    }
}

/// The host of a URL, as far as a file name can show it.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let shown =
        |c: char| if c.is_ascii_alphanumeric() || "-.".contains(c) { c.to_ascii_lowercase() } else { '_' };
    host.chars().map(shown).collect()
}

/// A file name has 255 bytes at most, a domain up to 253, and an ending must fit too. `~` is in no domain.
fn fit(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let hash = sha256(name.as_bytes());
    name.chars().take(LONGEST - 17).chain(['~']).chain(hash.chars().take(16)).collect()
}

/// SHA-256 in lower-case hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CertificateName {
        CertificateName::new(&Identifier::parse(text).unwrap())
    }

    #[test]
    fn a_certificate_is_called_by_its_first_name() {
        for (text, expected) in [
            ("Docs.Example.com", "docs.example.com"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001_db8__1"),
        ] {
            assert_eq!(name(text).as_str(), expected);
            assert_eq!(Key::certificate(name(text)).path(), expected);
        }
    }

    #[test]
    fn the_longest_domain_still_makes_a_file_name() {
        let label = "a".repeat(49);
        let [one, other] =
            ["x", "y"].map(|last| name(&format!("{label}.{label}.{label}.{label}.{label}.{last}")));
        assert_eq!(one.as_str().len(), LONGEST);
        assert_ne!(one, other);
    }

    #[test]
    fn an_account_is_called_by_its_host_and_told_from_others_there() {
        let path = |directory: &str| Key::account(directory).path();
        assert!(path("https://CA.example/dir").starts_with("accounts/ca.example-"));
        assert!(path("https://localhost:14000/dir").starts_with("accounts/localhost_14000-"));
        assert_ne!(path("https://ca.example/dir"), path("https://ca.example/staging"));
    }

    proptest::proptest! {
        #[test]
        fn no_directory_leads_out_of_the_folder(directory: String) {
            let path = Key::account(directory).path();
            let file = path.strip_prefix("accounts/").unwrap();
            proptest::prop_assert!(!file.contains(['/', '\\', '\0']) && file.len() < 230 && file.len() > 12);
        }
    }
}
