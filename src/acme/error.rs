//! Why something could not be had from the CA, with the CA's own words.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::challenge::ChallengeKind;
use super::problem::{Problem, ProblemKind};
use crate::names::Identifier;
use crate::x509;

/// Why it failed. The CA's own words are its [`problem`](Self::problem) and its `source`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    more: Box<More>,
}

#[derive(Debug, Default)]
struct More {
    during: Option<&'static str>,
    problem: Option<Problem>,
    authorizations: Vec<(Identifier, Problem)>,
    retry_after: Option<Duration>,
    help: Option<String>,
    terms: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No whole answer came.
    Transport,
    /// Not done in this time.
    TimedOut(Duration),
    /// The answer is an error; [`Error::problem`] has the CA's words.
    Server(StatusCode),
    /// The answer is not what the protocol says: not JSON, cut short, or this is missing in it or wrong.
    Malformed(&'static str),
    /// The answer lacks this header field.
    MissingHeader(&'static str),
    /// A URL, mostly one that the CA named, is not https.
    InsecureUrl,
    /// The CA's directory has no such resource.
    NotOffered(&'static str),
    /// The CA does not offer this profile.
    ProfileNotOffered {
        /// The one asked for.
        profile: String,
        /// Those it has; empty if it has no profiles.
        offered: Vec<String>,
    },
    /// The CA binds accounts to customers, and no binding was given.
    ExternalAccountRequired,
    /// The account is deactivated or revoked.
    AccountClosed,
    /// The CA's order is for other names than were asked.
    OrderDiffers,
    /// The order failed for good; [`Error::authorizations`] says for which names.
    OrderInvalid,
    /// The order is in this state, which cannot be here.
    OrderUnexpected(&'static str),
    /// The CA does not offer this kind of challenge for the name.
    NoChallenge(ChallengeKind, Identifier),
    /// The CA could not, or not any more, be shown control of this name.
    ValidationFailed(Identifier),
    /// The certificate that came is not the one asked for.
    Certificate(x509::Error),
    /// Not a P-256 key in PKCS#8, or none could be made.
    Key,
    /// The external account's key is not base64.
    ExternalKey,
    /// The signing request could not be written.
    Request,
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What was being asked: `newOrder`.
    #[must_use]
    pub fn during(&self) -> Option<&'static str> {
        self.more.during
    }

    /// The CA's problem document: of the answer, of the order, or of the validation.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        self.more.problem.as_ref()
    }

    /// The problem's type, if it is a known one. [`ProblemKind::AccountDoesNotExist`] on a stored account: register
    /// again with the same key.
    #[must_use]
    pub fn problem_kind(&self) -> Option<ProblemKind> {
        self.problem().and_then(Problem::kind)
    }

    /// With [`ErrorKind::OrderInvalid`]: the names whose validation failed, each with the CA's words.
    #[must_use]
    pub fn authorizations(&self) -> &[(Identifier, Problem)] {
        &self.more.authorizations
    }

    /// How long the CA asks to be left alone, counted from its answer.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.more.retry_after
    }

    /// `Link rel="help"`: where the CA explains the limit that was hit.
    #[must_use]
    pub fn help_link(&self) -> Option<&str> {
        self.more.help.as_deref()
    }

    /// `Link rel="terms-of-service"`, with [`ProblemKind::UserActionRequired`]; the page to visit is the problem's
    /// `instance`.
    #[must_use]
    pub fn terms_link(&self) -> Option<&str> {
        self.more.terms.as_deref()
    }

    /// Whether the same request may succeed later without anybody's doing: no answer, a busy or failing CA, a rate
    /// limit.
    ///
    /// An order or a validation that failed is not retryable: only a new order helps.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.kind {
            ErrorKind::Transport | ErrorKind::TimedOut(_) | ErrorKind::Malformed(_) => true,
            ErrorKind::MissingHeader(_) => true,
            ErrorKind::Server(status) => {
                status.is_server_error()
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
                    || matches!(self.problem_kind(), Some(ProblemKind::RateLimited | ProblemKind::BadNonce))
            }
            _ => false,
        }
    }

    /// Whether it is the CA that turned the request down, as opposed to a request that may not have arrived.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self.kind, ErrorKind::Server(status) if !status.is_server_error())
    }

    /// Whether the CA refused what was asked, as opposed to being busy or elsewhere.
    pub(super) fn is_refusal(&self) -> bool {
        let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
        matches!(self.kind, ErrorKind::Server(status) if status.is_client_error() && !busy.contains(&status))
    }

    pub(super) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.more.source = Some(source.into());
        self
    }

    pub(super) fn with_problem(mut self, problem: Option<Problem>) -> Self {
        self.more.problem = problem;
        self
    }

    pub(super) fn with_authorizations(mut self, authorizations: Vec<(Identifier, Problem)>) -> Self {
        self.more.authorizations = authorizations;
        self
    }

    pub(super) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.more.retry_after = retry_after;
        self
    }

    pub(super) fn with_links(mut self, help: Option<String>, terms: Option<String>) -> Self {
        (self.more.help, self.more.terms) = (help, terms);
        self
    }

    /// The innermost name stays.
    pub(super) fn while_doing(mut self, what: &'static str) -> Self {
        self.more.during.get_or_insert(what);
        self
    }

    /// The same failure, told as one of another kind: a challenge's own answer is the validation's failure.
    pub(super) fn told_as(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, more: Box::default() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(during) = self.more.during {
            write!(formatter, "{during}: ")?;
        }
        self.kind.fmt(formatter)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport => formatter.write_str("no whole answer came from the CA"),
            Self::TimedOut(total) => write!(formatter, "not done within {total:?}"),
            Self::Server(status) => write!(formatter, "the CA answered {status}"),
            Self::Malformed(what) => write!(formatter, "the CA's answer is malformed: {what}"),
            Self::MissingHeader(name) => write!(formatter, "the CA's answer lacks {name}"),
            Self::InsecureUrl => formatter.write_str("a URL that is not https is not asked"),
            Self::NotOffered(name) => write!(formatter, "the CA does not offer {name}"),
            Self::ProfileNotOffered { profile, offered } if offered.is_empty() => {
                write!(formatter, "the CA has no profiles, so not `{profile}`")
            }
            Self::ProfileNotOffered { profile, offered } => {
                write!(formatter, "the CA has no profile `{profile}`, but {}", offered.join(", "))
            }
            Self::ExternalAccountRequired => {
                formatter.write_str("the CA requires an external account binding")
            }
            Self::AccountClosed => formatter.write_str("the account is deactivated or revoked"),
            Self::OrderDiffers => formatter.write_str("the CA's order is for other names"),
            Self::OrderInvalid => formatter.write_str("the order failed"),
            Self::OrderUnexpected(status) => {
                write!(formatter, "the order is {status}, which it cannot be here")
            }
            Self::NoChallenge(kind, name) => write!(formatter, "the CA offers no {kind} for {name}"),
            Self::ValidationFailed(name) => write!(formatter, "the CA could not validate {name}"),
            Self::Certificate(_) => formatter.write_str("the certificate that came is not the one asked for"),
            Self::Key => formatter.write_str("not a P-256 key in PKCS#8"),
            Self::ExternalKey => formatter.write_str("the external account's key is not base64url"),
            Self::Request => formatter.write_str("the signing request could not be written"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        if let ErrorKind::Certificate(error) = &self.kind {
            return Some(error);
        }
        let problem = self.more.problem.as_ref().map(|problem| problem as &(dyn StdError + 'static));
        problem.or_else(|| self.more.source.as_deref().map(|source| source as &(dyn StdError + 'static)))
    }
}
