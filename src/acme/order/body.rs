//! An order as the CA writes it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::acme::error::{Error, ErrorKind};
use crate::acme::problem::Problem;
use crate::acme::reply::Reply;
use crate::names::Identifier;

/// What an order's document says.
#[derive(Debug)]
pub(super) struct Body {
    status: Status,
    identifiers: Vec<Identifier>,
    authorizations: Vec<String>,
    finalize: String,
    certificate: Option<String>,
    problem: Option<Problem>,
}

/// The states of RFC 8555 §7.1.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Pending,
    Ready,
    Processing,
    Valid,
    /// Pebble says of an order what became of its authorizations: as dead as invalid.
    #[serde(alias = "deactivated", alias = "expired", alias = "revoked")]
    Invalid,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
        }
    }
}

/// `{"type":"dns","value":"docs.example.com"}`.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::acme) struct RawIdentifier {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

impl RawIdentifier {
    pub(super) fn new(identifier: &Identifier) -> Self {
        let kind = match identifier {
            Identifier::Dns(_) => "dns",
            Identifier::Ip(_) => "ip",
        };
        Self { kind: kind.to_owned(), value: identifier.to_string() }
    }

    pub(in crate::acme) fn parse(&self) -> Result<Identifier, Error> {
        let identifier = Identifier::parse(&self.value).ok();
        let same_kind = identifier.filter(|identifier| Self::new(identifier).kind == self.kind);
        same_kind.ok_or_else(|| ErrorKind::Malformed("an identifier").into())
    }
}

#[derive(Deserialize)]
struct Raw {
    status: Status,
    identifiers: Vec<RawIdentifier>,
    #[serde(default)]
    authorizations: Vec<String>,
    finalize: String,
    certificate: Option<String>,
    error: Option<Value>,
}

impl Body {
    pub(super) fn read(reply: &Reply) -> Result<Self, Error> {
        let Raw { status, identifiers, authorizations, finalize, certificate, error } =
            reply.json("order")?;
        let identifiers = identifiers.iter().map(RawIdentifier::parse).collect::<Result<_, _>>()?;
        let problem = error.as_ref().and_then(Problem::from_value);
        Ok(Self { status, identifiers, authorizations, finalize, certificate, problem })
    }

    pub(super) fn status(&self) -> Status {
        self.status
    }

    pub(super) fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    pub(super) fn authorizations(&self) -> &[String] {
        &self.authorizations
    }

    pub(super) fn finalize(&self) -> &str {
        &self.finalize
    }

    pub(super) fn certificate(&self) -> Result<&str, Error> {
        self.certificate.as_deref().ok_or_else(|| ErrorKind::Malformed("an order without certificate").into())
    }

    pub(super) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }
}
