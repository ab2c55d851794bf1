//! Certificates that keep themselves: joins the ACME client, the store and TLS.
//!
//! [`Provisioner::open`] takes what the store has and serves it at once; [`Provisioner::run`] obtains what is
//! missing and renews what ends, for as long as the process lives. When is decided by [`schedule`], a pure
//! function; how an order goes by the private `attempt`; what the operator reads by `report`. A failure never ends
//! the process and never takes a certificate away.

mod accept;
mod attempt;
pub mod challenges;
mod choice;
mod driver;
mod holding;
mod lookup;
mod report;
pub mod schedule;
mod selfcheck;
mod status;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

pub use challenges::Challenges;
pub use driver::{Provisioner, Wake};
pub use lookup::{Lookup, SystemLookup, is_ours};
pub use report::{Failure, date_and_distance, ephemeral};
pub use status::Status;

use crate::acme::{ChallengeKind, ExternalAccount, Transport};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::http::Gate;
use crate::metrics;
use crate::names::Identifier;
use crate::store::{CertificateName, Store};
use crate::tls;

/// What is to be provisioned, and from whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the certificate is for; the first gives it its name in the store. Never empty.
    pub names: Vec<Identifier>,
    /// The CA, and after it the one to turn to when it keeps failing. Never empty.
    pub authorities: Vec<Authority>,
    /// Whom the CA may write to: `mailto:ops@example.com`.
    pub contact: Vec<String>,
    /// Whether the operator has agreed to the CA's terms.
    pub terms_agreed: bool,
    /// The profile to order, where the CA has it.
    pub profile: Option<String>,
    /// The chain to take, by a common name among its issuers.
    pub preferred_chain: Option<String>,
    /// The one challenge type to use; none: either.
    pub challenge: Option<ChallengeKind>,
    /// What to do when the store does not outlive the process.
    pub ephemeral: Ephemeral,
}

/// A certification authority.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Its directory's URL.
    pub directory: String,
    /// The way to it.
    pub transport: Arc<dyn Transport>,
    /// The binding to an account outside of ACME, for CAs that ask for one.
    pub external_account: Option<ExternalAccount>,
}

/// Whether certificates may be ordered for a store that is gone with the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ephemeral {
    /// No: each restart would order again, until the CA's rate limit.
    Refused,
    /// Yes: the operator said so, or the CA is private.
    Allowed,
}

/// What the provisioner works with; shared with the listeners.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where keys and certificates last.
    pub store: Arc<dyn Store>,
    /// What TLS handshakes are answered with.
    pub resolver: Arc<tls::Resolver>,
    /// What HTTP-01 requests are answered with.
    pub http_challenges: Challenges,
    /// What TLS-ALPN-01 handshakes are answered with.
    pub tls_challenges: Arc<tls::Challenges>,
    /// Whether HTTP-01 can be answered.
    pub http_01: HttpListener,
    /// Resolves the names before a CA does.
    pub lookup: Arc<dyn Lookup>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Jitter and moments in a window.
    pub entropy: Arc<dyn Entropy>,
    /// What is counted.
    pub metrics: Arc<metrics::Certificates>,
    /// Opened with the first certificate.
    pub gate: watch::Sender<Gate>,
}

/// Whether HTTP-01 can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpListener {
    /// By the listener bound here, which is asked before the CA is told to.
    Bound(SocketAddr),
    /// By a listener of the embedder's that has the challenges' route.
    Elsewhere,
    /// No: it could not be bound, or was not to be.
    Closed,
}

impl Options {
    fn certificate_name(&self) -> Option<CertificateName> {
        self.names.first().map(CertificateName::new)
    }

    /// The names as the store and the CA have them, sorted.
    fn sorted_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        names
    }
}
