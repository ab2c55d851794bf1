//! One answer of the CA: its parts, and the error that it is if it is one.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{HeaderName, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use serde::de::DeserializeOwned;

use super::error::{Error, ErrorKind};
use super::link::links;
use super::problem::{self, Problem, ProblemKind};
use super::retry::parse_retry_after;

/// An answer, with the time when it came.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    headers: HeaderMap,
    came: SystemTime,
}

impl Reply {
    pub(super) fn new(response: Response<Bytes>, came: SystemTime) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, body, headers: parts.headers, came }
    }

    /// The body as a document; `what` names it.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // A page of HTML, mostly: its beginning says whose.
            let begin = excerpt(&self.body).filter(|_| error.is_syntax() || error.is_eof());
            let why = begin.map_or_else(|| error.to_string(), |begin| format!("{error}, in `{begin}`"));
            Error::from(ErrorKind::Malformed(what)).with_source(why)
        })
    }

    /// `Location`, verbatim: the URL of what was made or found.
    pub(super) fn location(&self) -> Result<&str, Error> {
        self.text(&LOCATION).ok_or_else(|| ErrorKind::MissingHeader("Location").into())
    }

    /// `Retry-After`, counted from when the answer came.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        parse_retry_after(self.text(&RETRY_AFTER)?, self.came)
    }

    /// `Replay-Nonce`; one that is not base64url is as none (RFC 8555 §6.5.1).
    pub(super) fn nonce(&self) -> Option<&str> {
        let nonce = self.text(&REPLAY_NONCE)?;
        let plain = nonce.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (plain && !nonce.is_empty()).then_some(nonce)
    }

    /// The targets of its links with a relation type.
    pub(super) fn links(&self, relation: &str) -> Vec<String> {
        links(&self.headers, relation)
    }

    /// The error that an answer without success is.
    pub(super) fn into_error(self) -> Error {
        if let Some(to) = self.text(&LOCATION).filter(|_| self.status.is_redirection()) {
            return Error::from(ErrorKind::Server(self.status)).with_source(format!("it leads to {to}"));
        }
        let first = |relation| self.links(relation).into_iter().next();
        let problem = Problem::from_body(&self.body);
        let terms = match problem.kind() {
            Some(ProblemKind::UserActionRequired) => first("terms-of-service"),
            _ => None,
        };
        Error::from(ErrorKind::Server(self.status))
            .with_links(first("help"), terms)
            .with_retry_after(self.retry_after())
            .with_problem(Some(problem))
    }

    fn text(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The beginning of a body, for a message.
fn excerpt(body: &[u8]) -> Option<String> {
    let begin = String::from_utf8_lossy(body.get(..SHOWN).unwrap_or(body));
    problem::excerpt(&begin)
}

const SHOWN: usize = 100;
const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");
