//! What a test tells the proxy to do, and to which requests.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

use crate::harness::Resource;
use crate::harness::wire::Answer;

/// An answer of the proxy's own.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether an answer to a POST brings a nonce of the CA's, as RFC 8555 §6.5 wants of errors too.
    pub(super) nonce: bool,
}

/// Which requests, and what is done to them.
#[derive(Debug)]
pub(super) struct Rule {
    resource: Option<Resource>,
    which: Which,
    seen: usize,
    action: Action,
    renewal_info: bool,
}

/// A rule that does not act yet.
#[derive(Debug)]
pub(crate) struct RuleBuilder<'a> {
    rules: &'a Mutex<Vec<Rule>>,
    resource: Option<Resource>,
    which: Which,
    renewal_info: bool,
}

#[derive(Clone, Copy, Debug)]
enum Which {
    All,
    Nth(usize),
    First(usize),
    From(usize),
}

#[derive(Clone)]
pub(super) enum Action {
    /// The CA never hears of it.
    Answer(Reply),
    /// The CA acts, and the client is told something else.
    ActAndAnswer(Reply),
    Drop,
    ActAndDrop,
    /// The connection ends after so many bytes of the answer's body.
    Cut(usize),
    Delay(Duration),
    Edit(Arc<dyn Fn(&mut Answer) + Send + Sync>),
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), nonce: true }
    }

    /// A problem document (RFC 8555 §6.7): `kind` without its URN prefix.
    pub(crate) fn problem(status: u16, kind: &str, detail: &str) -> Self {
        let kind = format!("urn:ietf:params:acme:error:{kind}");
        let body = json!({"type": kind, "detail": detail, "status": status}).to_string();
        Self::new(status).header("content-type", "application/problem+json").body(&body)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = Bytes::copy_from_slice(body.as_bytes());
        self
    }

    /// Brings no nonce, as a load balancer in front of a CA.
    pub(crate) fn without_nonce(mut self) -> Self {
        self.nonce = false;
        self
    }
}

impl<'a> RuleBuilder<'a> {
    pub(super) fn new(rules: &'a Mutex<Vec<Rule>>, resource: Option<Resource>) -> Self {
        Self { rules, resource, which: Which::All, renewal_info: false }
    }

    /// The `n`th from now, from 1, and no other.
    pub(crate) fn nth(self, n: usize) -> Self {
        Self { which: Which::Nth(n), ..self }
    }

    /// The next `n`.
    pub(crate) fn first(self, n: usize) -> Self {
        Self { which: Which::First(n), ..self }
    }

    /// All from the `n`th from now on, from 1.
    pub(crate) fn from(self, n: usize) -> Self {
        Self { which: Which::From(n), ..self }
    }

    pub(super) fn of_renewal_info(self) -> Self {
        Self { renewal_info: true, ..self }
    }

    /// Answered in the CA's place, which never hears of it.
    pub(crate) fn answers(self, reply: Reply) {
        self.set(Action::Answer(reply));
    }

    /// The CA acts, and the client gets this instead of what it said.
    pub(crate) fn acts_but_answers(self, reply: Reply) {
        self.set(Action::ActAndAnswer(reply));
    }

    /// The connection ends; the CA never hears of it.
    pub(crate) fn drops_the_request(self) {
        self.set(Action::Drop);
    }

    /// The CA acts; the connection ends before its answer.
    pub(crate) fn loses_the_answer(self) {
        self.set(Action::ActAndDrop);
    }

    /// The CA acts; the head of its answer and `bytes` of the body come, then the connection ends.
    pub(crate) fn cuts_the_answer_after(self, bytes: usize) {
        self.set(Action::Cut(bytes));
    }

    /// The CA acts at once, its answer comes late.
    pub(crate) fn delays_the_answer(self, time: Duration) {
        self.set(Action::Delay(time));
    }

    /// The answer lacks a header field.
    pub(crate) fn strips(self, header: &str) {
        let header = HeaderName::try_from(header).unwrap();
        self.edits(move |answer| {
            answer.headers.remove(&header);
        });
    }

    /// The answer has a header field with this value alone.
    pub(crate) fn sets(self, header: &str, value: &str) {
        let (header, value) = (HeaderName::try_from(header).unwrap(), HeaderValue::try_from(value).unwrap());
        self.edits(move |answer| {
            answer.headers.insert(header.clone(), value.clone());
        });
    }

    /// The answer's JSON is changed.
    pub(crate) fn edits_json(self, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
        self.edits(move |answer| {
            let mut value = answer.json();
            edit(&mut value);
            answer.body = value.to_string().into();
        });
    }

    /// The answer's bytes are changed.
    pub(crate) fn edits_body(self, edit: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) {
        self.edits(move |answer| answer.body = edit(&answer.body).into());
    }

    /// Anything of the answer is changed.
    pub(crate) fn edits(self, edit: impl Fn(&mut Answer) + Send + Sync + 'static) {
        self.set(Action::Edit(Arc::new(edit)));
    }

    fn set(self, action: Action) {
        let Self { rules, resource, which, renewal_info } = self;
        let rule = Rule { resource, which, seen: 0, action, renewal_info };
        rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }
}

impl Rule {
    /// What is done to this request for `resource`, which counts as seen.
    pub(super) fn meet(&mut self, resource: Resource) -> Option<Action> {
        if self.resource.is_some_and(|mine| mine != resource) {
            return None;
        }
        self.seen += 1;
        let meets = match self.which {
            Which::All => true,
            Which::Nth(n) => self.seen == n,
            Which::First(n) => self.seen <= n,
            Which::From(n) => self.seen >= n,
        };
        meets.then(|| self.action.clone())
    }

    pub(super) fn is_of_renewal_info(&self) -> bool {
        self.renewal_info
    }
}

impl Reply {
    pub(super) fn into_answer(self) -> Answer {
        Answer { status: StatusCode::from_u16(self.status).unwrap(), headers: self.headers, body: self.body }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(reply) => write!(out, "answer {}", reply.status),
            Self::ActAndAnswer(reply) => write!(out, "act and answer {}", reply.status),
            Self::Drop => write!(out, "drop the request"),
            Self::ActAndDrop => write!(out, "lose the answer"),
            Self::Cut(bytes) => write!(out, "cut after {bytes}"),
            Self::Delay(time) => write!(out, "delay by {time:?}"),
            Self::Edit(_) => write!(out, "edit"),
        }
    }
}
