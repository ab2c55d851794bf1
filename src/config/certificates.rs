//! What an operator says of certificates, and what follows from it: plain HTTP, an own pair, or ACME.

use std::net::IpAddr;
use std::path::PathBuf;

use super::error::Error;
use crate::acme::ChallengeKind;
use crate::names::Identifier;

/// The options about certificates, as they were given; [`Config::security`](super::Config::security) judges them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Certificates {
    /// What the certificate is for; none: plain HTTP, unless there is an own pair.
    pub domains: Vec<Identifier>,
    /// Whom the CA may write to.
    pub email: Option<String>,
    /// The operator's word that the CA's terms are agreed to.
    pub agree_tos: bool,
    /// Where the CA asks for HTTP-01, and browsers for http. Default 80.
    pub acme_port: u16,
    /// Where keys, certificates and the account are kept. Default `certs`.
    pub folder: PathBuf,
    /// Order although the folder does not outlive the container.
    pub ephemeral: bool,
    /// The CA's directory; none: Let's Encrypt.
    pub directory: Option<String>,
    /// Let's Encrypt's staging CA.
    pub staging: bool,
    /// A root to trust besides the public ones, for a CA of one's own.
    pub ca_file: Option<PathBuf>,
    /// The profile to order.
    pub profile: Option<String>,
    /// The chain to take, by its issuers' common name.
    pub preferred_chain: Option<String>,
    /// The one challenge type to use; none: either.
    pub challenge: Option<ChallengeKind>,
    /// External account binding: the key's name at the CA.
    pub eab_kid: Option<String>,
    /// External account binding: the file that holds its key in base64url.
    pub eab_hmac_key_file: Option<PathBuf>,
    /// A second CA, for when the first keeps failing.
    pub fallback_directory: Option<String>,
    /// The operator's own chain.
    pub tls_cert: Option<PathBuf>,
    /// The operator's own key.
    pub tls_key: Option<PathBuf>,
}

/// How connections are protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all: local work, or a proxy in front.
    Plain,
    /// With a pair that the operator brings and renews.
    OwnPair {
        /// The chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// With certificates that docquay obtains.
    Acme {
        /// The CA's directory.
        directory: String,
    },
}

impl Default for Certificates {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            email: None,
            agree_tos: false,
            acme_port: 80,
            folder: PathBuf::from("certs"),
            ephemeral: false,
            directory: None,
            staging: false,
            ca_file: None,
            profile: None,
            preferred_chain: None,
            challenge: None,
            eab_kid: None,
            eab_hmac_key_file: None,
            fallback_directory: None,
            tls_cert: None,
            tls_key: None,
        }
    }
}

impl Certificates {
    /// Whether connections will be protected, if the rest is in order.
    #[must_use]
    pub fn are_wanted(&self) -> bool {
        !self.domains.is_empty() || self.tls_cert.is_some() || self.tls_key.is_some()
    }

    /// The directory that certificates come from.
    #[must_use]
    pub fn directory(&self) -> &str {
        match &self.directory {
            Some(directory) => directory,
            None if self.staging => LETS_ENCRYPT_STAGING,
            None => LETS_ENCRYPT,
        }
    }

    /// Judges the options against each other.
    pub(super) fn security(&self) -> Result<Security, Error> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => return Ok(Security::OwnPair { cert: cert.clone(), key: key.clone() }),
            (None, None) => {}
            (cert, _) => {
                let missing = if cert.is_some() { "tls_key" } else { "tls_cert" };
                return Err(Error::new(
                    "half of a pair cannot be used",
                    format!("{missing} is not set"),
                    "give both: --tls-cert fullchain.pem --tls-key privkey.pem",
                ));
            }
        }
        if self.domains.is_empty() {
            return Ok(Security::Plain);
        }
        self.judge_authority()?;
        self.judge_names()?;
        if !self.agree_tos {
            let terms = if self.is_lets_encrypt() {
                "https://letsencrypt.org/repository/".to_owned()
            } else {
                format!("the entry termsOfService of {}", self.directory())
            };
            return Err(Error::new(
                "no certificate can be ordered",
                "the CA issues only to those who agree to its terms of service",
                format!("read them ({terms}), then add --agree-tos"),
            ));
        }
        Ok(Security::Acme { directory: self.directory().to_owned() })
    }

    fn judge_authority(&self) -> Result<(), Error> {
        if self.staging && self.directory.is_some() {
            return Err(Error::new(
                "staging and acme_directory cannot both be used",
                "staging names Let's Encrypt's staging directory",
                "give one of them",
            ));
        }
        match (&self.eab_kid, &self.eab_hmac_key_file) {
            (Some(_), None) | (None, Some(_)) => Err(Error::new(
                "half of an external account binding cannot be used",
                "eab_kid and eab_hmac_key_file belong together",
                "give both: --eab-kid KID --eab-hmac-key-file FILE",
            )),
            _ => Ok(()),
        }
    }

    /// What no public CA issues for is told before it is asked.
    fn judge_names(&self) -> Result<(), Error> {
        let refused = self.domains.iter().filter(|_| self.is_lets_encrypt()).find(|name| !is_public(name));
        match refused {
            Some(name) => Err(Error::new(
                format!("Let's Encrypt issues no certificate for {name}"),
                "it is no name or address of the public internet",
                "leave out --domain for plain HTTP, bring a pair with --tls-cert and --tls-key,\n\
                 or name a CA of your own: --acme-directory https://ca.internal/directory --acme-ca-file root.pem",
            )),
            None => Ok(()),
        }
    }

    fn is_lets_encrypt(&self) -> bool {
        self.directory.is_none()
    }
}

fn is_public(name: &Identifier) -> bool {
    match name {
        Identifier::Dns(name) => {
            let last = name.as_str().rsplit_once('.').map(|(_, last)| last);
            last.is_some_and(|last| !RESERVED.contains(&last))
        }
        Identifier::Ip(IpAddr::V4(address)) => {
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified())
        }
        Identifier::Ip(IpAddr::V6(address)) => {
            !(address.is_unique_local()
                || address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unspecified())
        }
    }
}

/// RFC 6761, RFC 6762, RFC 8375's parent, ICANN's reservation for private use.
const RESERVED: &[&str] = &["localhost", "local", "test", "invalid", "internal", "arpa", "lan", "home"];
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut Certificates)) -> Result<Security, Error> {
        let domains = vec![Identifier::parse("docs.example.com").unwrap()];
        let mut certificates = Certificates { domains, agree_tos: true, ..Certificates::default() };
        change(&mut certificates);
        certificates.security()
    }

    #[test]
    fn a_domain_means_acme_and_a_pair_means_the_pair() {
        assert_eq!(with(|c| c.domains.clear()), Ok(Security::Plain));
        assert_eq!(with(|_| {}), Ok(Security::Acme { directory: LETS_ENCRYPT.to_owned() }));
        assert_eq!(
            with(|c| c.staging = true),
            Ok(Security::Acme { directory: LETS_ENCRYPT_STAGING.to_owned() })
        );
        let pair = with(|c| (c.tls_cert, c.tls_key) = (Some("a".into()), Some("b".into())));
        assert_eq!(pair, Ok(Security::OwnPair { cert: "a".into(), key: "b".into() }));
    }

    #[test]
    fn what_does_not_belong_together_says_what_is_missing() {
        for (error, help) in [
            (with(|c| c.tls_cert = Some("a".into())), "--tls-key"),
            (with(|c| c.agree_tos = false), "--agree-tos"),
            (with(|c| c.eab_kid = Some("k".into())), "--eab-hmac-key-file"),
            (with(|c| (c.staging, c.directory) = (true, Some("https://ca".into()))), "one of them"),
        ] {
            let error = error.unwrap_err();
            assert!(error.help.contains(help), "{error:?}");
        }
    }

    #[test]
    fn lets_encrypt_is_not_asked_for_what_it_cannot_issue() {
        for name in ["localhost", "docs", "nas.local", "a.test", "192.168.0.1", "::1", "fd00::1"] {
            let named = |c: &mut Certificates| c.domains = vec![Identifier::parse(name).unwrap()];
            assert!(with(named).unwrap_err().help.contains("--acme-directory"), "{name}");
            let own_ca = |c: &mut Certificates| {
                named(c);
                c.directory = Some("https://ca.internal/directory".to_owned());
            };
            assert!(with(own_ca).is_ok(), "{name}");
        }
    }
}
