//! What a CA asks for to see control of a name: the challenge, and the answer that is to be published.
//!
//! RFC 8555 §8.1 and §8.3, RFC 8737 §3.

use std::fmt;

use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::problem::Problem;

/// The kinds that can be answered here; others are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChallengeKind {
    /// Port 80: `GET /.well-known/acme-challenge/TOKEN` answers the key authorization, and nothing else.
    Http01,
    /// Port 443: a handshake for `acme-tls/1` presents the digest in a certificate.
    TlsAlpn01,
}

/// One way to show control of a name.
#[derive(Clone, Debug)]
pub struct Challenge {
    pub(super) kind: ChallengeKind,
    pub(super) url: String,
    pub(super) status: String,
    pub(super) problem: Option<Problem>,
    key_authorization: KeyAuthorization,
}

/// What is published so that the CA finds it. Not secret once the challenge is answered; not shown in debug forms.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyAuthorization {
    text: String,
    token_length: usize,
}

impl ChallengeKind {
    /// As in the protocol: `http-01`, `tls-alpn-01`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// From its name in the protocol.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Http01, Self::TlsAlpn01].into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Challenge {
    /// Reads one of an authorization's challenges; `None` for a kind that is unknown here.
    pub(super) fn from_value(value: &Value, thumbprint: &str) -> Result<Option<Self>, Error> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let Some(kind) = text("type").and_then(ChallengeKind::parse) else { return Ok(None) };
        let token = text("token").unwrap_or_default();
        let url = text("url").ok_or(ErrorKind::Malformed("a challenge without url"))?.to_owned();
        let status = text("status").unwrap_or(PENDING).to_owned();
        let problem = Problem::of_challenge(value);
        let key_authorization = KeyAuthorization::new(token, thumbprint)?;
        Ok(Some(Self { kind, url, status, problem, key_authorization }))
    }

    /// How control is shown.
    #[must_use]
    pub fn kind(&self) -> ChallengeKind {
        self.kind
    }

    /// What names it: letters, digits, `-` and `_`, safe in a path.
    #[must_use]
    pub fn token(&self) -> &str {
        self.key_authorization.text.get(..self.key_authorization.token_length).unwrap_or_default()
    }

    /// What is to be published.
    #[must_use]
    pub fn key_authorization(&self) -> &KeyAuthorization {
        &self.key_authorization
    }

    /// Whether the CA waits for the word that the answer is published.
    pub(super) fn is_unanswered(&self) -> bool {
        self.status == PENDING
    }
}

impl KeyAuthorization {
    /// The token, a dot, the key's thumbprint (RFC 8555 §8.1). A token that is no base64url is refused: it becomes
    /// part of a path.
    fn new(token: &str, thumbprint: &str) -> Result<Self, Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=LONGEST_TOKEN).contains(&token.len()) || !token.bytes().all(plain) {
            return Err(ErrorKind::Malformed("a challenge's token").into());
        }
        Ok(Self { text: format!("{token}.{thumbprint}"), token_length: token.len() })
    }

    /// The body of the answer over HTTP, without a newline.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its SHA-256, which the certificate for `acme-tls/1` carries (RFC 8737 §3).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let hash = digest(&SHA256, self.text.as_bytes());
        // SHA-256 has as many bytes.
        bytes.iter_mut().zip(hash.as_ref()).for_each(|(to, from)| *to = *from);
        bytes
    }
}

impl fmt::Debug for KeyAuthorization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KeyAuthorization").finish_non_exhaustive()
    }
}

const PENDING: &str = "pending";
const LONGEST_TOKEN: usize = 255;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Option<Challenge>, Error> {
        Challenge::from_value(value, "thumb")
    }

    #[test]
    fn a_key_authorization_is_token_and_thumbprint() {
        // RFC 8555 §8.3's token; the digest was computed by sha256sum.
        let token = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
        let value = json!({ "type": "http-01", "url": "https://ca/c/1", "token": token });
        let challenge = read(&value).unwrap().unwrap();
        assert_eq!(challenge.token(), token);
        assert_eq!(challenge.key_authorization().as_str(), format!("{token}.thumb"));
        let digest: String =
            challenge.key_authorization().digest().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, "b421ab0ba8b0a88aab650101e0e1325e4a8fef07200dea5e1f9411785f8ad635");
        assert!(!format!("{challenge:?}").contains(token));
    }

    #[test]
    fn unknown_kinds_are_passed_over_and_unsafe_tokens_refused() {
        assert!(read(&json!({ "type": "dns-01", "token": "../x" })).unwrap().is_none());
        assert!(read(&json!({})).unwrap().is_none());
        for token in ["", "../etc", "a/b", "a.b", "a b", "\u{e9}", "a\n", &"a".repeat(256)] {
            let value = json!({ "type": "tls-alpn-01", "url": "https://ca/c/1", "token": token });
            assert!(read(&value).is_err(), "{token:?}");
        }
        assert!(read(&json!({ "type": "http-01", "token": "abc" })).is_err(), "no url");
    }

    proptest::proptest! {
        #[test]
        fn an_accepted_token_is_safe_in_a_path(token: String, plain in "[A-Za-z0-9_-]{1,255}") {
            if let Ok(authorization) = KeyAuthorization::new(&token, "t") {
                proptest::prop_assert!(!authorization.as_str().contains(['/', '\\', '%', '\0', ' ']));
            }
            proptest::prop_assert!(KeyAuthorization::new(&plain, "t").is_ok());
        }
    }
}
