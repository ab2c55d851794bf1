//! What a CA says went wrong: problem documents, read tolerantly.
//!
//! RFC 7807, RFC 8555 §6.7. Nothing is required of them: servers leave out types, send strings for numbers, or
//! HTML. What cannot be read is left out.

use std::fmt;
use std::net::IpAddr;

use serde_json::{Map, Value};

/// A problem document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// `type`, verbatim; empty if there is none.
    pub type_: String,
    /// `title`.
    pub title: Option<String>,
    /// `detail`: the CA's words for people. Of an answer that is no JSON, the beginning of its text.
    pub detail: Option<String>,
    /// `status`.
    pub status: Option<u16>,
    /// `instance`: a URL; with `userActionRequired` the page to visit.
    pub instance: Option<String>,
    /// `subproblems`, in the CA's order.
    pub subproblems: Vec<Subproblem>,
    /// With a challenge's problem: the addresses that the CA asked, as its `validationRecord` has them.
    pub addresses_used: Vec<IpAddr>,
}

/// One part of a problem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subproblem {
    /// `identifier.value`: the name that it is about.
    pub identifier: Option<String>,
    /// The problem, without subproblems of its own.
    pub problem: Problem,
}

/// The problem types of RFC 8555 §6.7, RFC 9773 and the profiles draft, as far as somebody acts on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The account URL is unknown to the CA.
    AccountDoesNotExist,
    /// `replaces` names a certificate that was replaced already.
    AlreadyReplaced,
    /// The certificate is revoked already.
    AlreadyRevoked,
    /// The CSR is refused.
    BadCsr,
    /// The nonce is not, or no more, known.
    BadNonce,
    /// The JWS' algorithm or the key is refused.
    BadSignatureAlgorithm,
    /// A CAA record forbids it.
    Caa,
    /// The validation's answer was not the one expected.
    IncorrectResponse,
    /// The CA could not connect.
    Connection,
    /// The CA could not resolve the name.
    Dns,
    /// The CA wants an external account binding.
    ExternalAccountRequired,
    /// A contact is refused.
    InvalidContact,
    /// The profile is not offered.
    InvalidProfile,
    /// The request is malformed.
    Malformed,
    /// The order is not ready to be finalized.
    OrderNotReady,
    /// A limit of the CA.
    RateLimited,
    /// The CA does not issue for the name.
    RejectedIdentifier,
    /// A fault of the CA's own.
    ServerInternal,
    /// The CA could not do TLS with the name.
    Tls,
    /// Not allowed; with a validation, a wrong answer.
    Unauthorized,
    /// The CA does not do this kind of identifier.
    UnsupportedIdentifier,
    /// A person must visit a page, mostly to agree to new terms.
    UserActionRequired,
    /// Several of the above: see the subproblems.
    Compound,
}

const KINDS: &[(&str, ProblemKind)] = &[
    ("accountDoesNotExist", ProblemKind::AccountDoesNotExist),
    ("alreadyReplaced", ProblemKind::AlreadyReplaced),
    ("alreadyRevoked", ProblemKind::AlreadyRevoked),
    ("badCSR", ProblemKind::BadCsr),
    ("badNonce", ProblemKind::BadNonce),
    ("badSignatureAlgorithm", ProblemKind::BadSignatureAlgorithm),
    ("badPublicKey", ProblemKind::BadSignatureAlgorithm),
    ("caa", ProblemKind::Caa),
    ("incorrectResponse", ProblemKind::IncorrectResponse),
    ("connection", ProblemKind::Connection),
    ("dns", ProblemKind::Dns),
    ("externalAccountRequired", ProblemKind::ExternalAccountRequired),
    ("invalidContact", ProblemKind::InvalidContact),
    ("unsupportedContact", ProblemKind::InvalidContact),
    ("invalidProfile", ProblemKind::InvalidProfile),
    ("malformed", ProblemKind::Malformed),
    ("orderNotReady", ProblemKind::OrderNotReady),
    ("rateLimited", ProblemKind::RateLimited),
    ("rejectedIdentifier", ProblemKind::RejectedIdentifier),
    ("serverInternal", ProblemKind::ServerInternal),
    ("tls", ProblemKind::Tls),
    ("unauthorized", ProblemKind::Unauthorized),
    ("unsupportedIdentifier", ProblemKind::UnsupportedIdentifier),
    ("userActionRequired", ProblemKind::UserActionRequired),
    // Servers older than RFC 8555.
    ("agreementRequired", ProblemKind::UserActionRequired),
    ("compound", ProblemKind::Compound),
];

impl Problem {
    /// The type, if it is one of ACME's that somebody acts on.
    #[must_use]
    pub fn kind(&self) -> Option<ProblemKind> {
        let name = PREFIXES.iter().find_map(|prefix| self.type_.strip_prefix(prefix))?;
        KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Reads the body of an answer that is an error, whatever it is.
    pub(super) fn from_body(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Self::from_fields(&fields),
            _ => Self { detail: excerpt(&String::from_utf8_lossy(body)), ..Self::default() },
        }
    }

    /// Reads a problem inside another document: an order's `error`.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        value.as_object().map(Self::from_fields)
    }

    /// Reads a challenge's `error`, and which addresses the CA asked. `validationRecord` is Boulder's own: an entry
    /// for each request, redirects followed, with `addressUsed`.
    pub(super) fn of_challenge(challenge: &Value) -> Option<Self> {
        let problem = challenge.get("error").and_then(Self::from_value)?;
        let records = challenge.get("validationRecord").and_then(Value::as_array);
        let used = |record: &Value| record.get("addressUsed")?.as_str()?.parse::<IpAddr>().ok();
        let mut addresses_used: Vec<IpAddr> = Vec::new();
        for address in records.into_iter().flatten().filter_map(used).take(MOST_PARTS) {
            if !addresses_used.contains(&address) {
                addresses_used.push(address);
            }
        }
        Some(Self { addresses_used, ..problem })
    }

    fn from_fields(fields: &Map<String, Value>) -> Self {
        let parts = fields.get("subproblems").and_then(Value::as_array);
        let subproblems = parts.into_iter().flatten().filter_map(Subproblem::from_value).take(MOST_PARTS);
        Self { subproblems: subproblems.collect(), ..Self::flat(fields) }
    }

    fn flat(fields: &Map<String, Value>) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let status = fields.get("status").and_then(Value::as_u64);
        Self {
            type_: text("type").unwrap_or_default(),
            title: text("title"),
            detail: text("detail"),
            status: status.and_then(|status| status.try_into().ok()),
            instance: text("instance").and_then(|page| excerpt(&page)),
            subproblems: Vec::new(),
            addresses_used: Vec::new(),
        }
    }
}

impl Subproblem {
    fn from_value(value: &Value) -> Option<Self> {
        let identifier = value.get("identifier").and_then(|identifier| identifier.get("value"));
        Some(Self {
            identifier: identifier.and_then(Value::as_str).map(str::to_owned),
            problem: Problem::flat(value.as_object()?),
        })
    }
}

/// The CA's words and the type's last part: `DNS problem: … (dns)`; then the addresses, as far as the words do not
/// name them, and each subproblem.
impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = PREFIXES.iter().find_map(|prefix| self.type_.strip_prefix(prefix)).unwrap_or(&self.type_);
        let words = self.detail.as_deref().or(self.title.as_deref());
        match (words.and_then(excerpt), excerpt(name)) {
            (Some(words), Some(name)) => write!(formatter, "{words} ({name})")?,
            (Some(words), None) => formatter.write_str(&words)?,
            (None, Some(name)) => formatter.write_str(&name)?,
            (None, None) => formatter.write_str("the CA did not say why")?,
        }
        let said = words.unwrap_or_default();
        for address in self.addresses_used.iter().filter(|address| !said.contains(&address.to_string())) {
            write!(formatter, "; the CA asked at {address}")?;
        }
        for part in &self.subproblems {
            let identifier = part.identifier.as_deref().and_then(excerpt);
            write!(
                formatter,
                "; {}{}",
                identifier.map(|name| name + ": ").unwrap_or_default(),
                part.problem
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// A text of the server's for a log: one line, without control characters, not endless.
pub(super) fn excerpt(text: &str) -> Option<String> {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line: String = words.collect::<Vec<_>>().join(" ").chars().take(LONGEST_TEXT).collect();
    (!line.is_empty()).then_some(line)
}

/// The second is of servers older than RFC 8555.
const PREFIXES: &[&str] = &["urn:ietf:params:acme:error:", "urn:acme:error:"];
const LONGEST_TEXT: usize = 1_000;
const MOST_PARTS: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_keeps_the_words_of_the_ca() {
        let problem = Problem::from_body(
            br#"{"type":"urn:ietf:params:acme:error:compound","detail":"Some of the identifiers\nwere refused","status":403,
                "subproblems":[
                    {"type":"urn:ietf:params:acme:error:caa","detail":"CAA forbids","identifier":{"type":"dns","value":"a.example"}},
                    {"type":"urn:ietf:params:acme:error:dns","title":"No such name"}, 7, {}]}"#,
        );
        assert_eq!((problem.kind(), problem.status), (Some(ProblemKind::Compound), Some(403)));
        assert_eq!(problem.subproblems[0].problem.kind(), Some(ProblemKind::Caa));
        assert_eq!(
            problem.to_string(),
            "Some of the identifiers were refused (compound); a.example: CAA forbids (caa); No such name (dns); the CA did not say why"
        );
    }

    #[test]
    fn what_is_no_problem_document_still_says_something() {
        for (body, shown) in [
            (&b""[..], "the CA did not say why"),
            (b"{}", "the CA did not say why"),
            (b"<html>\r\n502 Bad Gateway\x1b[31m", "<html> 502 Bad Gateway [31m"),
            (br#"["a"]"#, r#"["a"]"#),
            (br#"{"type":"https://example.com/probs/no","title":"No"}"#, "No (https://example.com/probs/no)"),
            (
                br#"{"type":7,"detail":{},"status":"x","subproblems":{},"instance":[]}"#,
                "the CA did not say why",
            ),
            (br#"{"detail":"cut"#, r#"{"detail":"cut"#),
        ] {
            let problem = Problem::from_body(body);
            assert_eq!((problem.to_string().as_str(), problem.kind()), (shown, None));
        }
    }

    #[test]
    fn the_addresses_that_the_ca_asked_are_told_once() {
        let told = |detail: &str, records: Value| {
            let challenge = json!({ "error": { "detail": detail }, "validationRecord": records });
            Problem::of_challenge(&challenge).unwrap().to_string()
        };
        let used = |address: &str| json!({ "hostname": "a.example", "addressUsed": address });
        let elsewhere = || json!([used("2001:db8::99"), used("2001:db8::99"), used("192.0.2.9")]);
        assert_eq!(
            told("Timeout", elsewhere()),
            "Timeout; the CA asked at 2001:db8::99; the CA asked at 192.0.2.9"
        );
        assert_eq!(
            told("2001:db8::99: Timeout", elsewhere()),
            "2001:db8::99: Timeout; the CA asked at 192.0.2.9"
        );
        for nothing in [json!(null), json!([]), json!({}), json!([7, {}, used("nowhere"), used("")])] {
            assert_eq!(told("Timeout", nothing), "Timeout");
        }
        assert_eq!(Problem::of_challenge(&json!({ "validationRecord": [used("192.0.2.9")] })), None);
    }

    #[test]
    fn types_are_matched_whole() {
        let kind = |type_: &str| Problem { type_: type_.to_owned(), ..Problem::default() }.kind();
        assert_eq!(kind("urn:ietf:params:acme:error:badNonce"), Some(ProblemKind::BadNonce));
        assert_eq!(kind("urn:acme:error:agreementRequired"), Some(ProblemKind::UserActionRequired));
        for foreign in ["", "badNonce", "urn:ietf:params:acme:error:", "urn:ietf:params:acme:error:badNonce2"]
        {
            assert_eq!(kind(foreign), None, "{foreign:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_panics_and_none_breaks_a_line(body: Vec<u8>, text: String) {
            let given = serde_json::json!({ "type": &text, "detail": &text, "subproblems": [{ "title": &text }] });
            for bytes in [body, given.to_string().into_bytes()] {
                let shown = Problem::from_body(&bytes).to_string();
                proptest::prop_assert!(!shown.is_empty() && !shown.contains(char::is_control));
            }
        }
    }
}
