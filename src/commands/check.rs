//! `docquay check`: tries everything that the server needs, and says the exact fix for what is amiss.
//!
//! Each check stands for itself and gives findings; none stops another, and none leaves anything behind. Owns the
//! order and the two forms of the report.

mod ask;
mod authority;
mod certificate;
mod documents;
mod finding;
mod ports;
mod reach;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Security};
use crate::dns;
use crate::entropy::{Entropy, SystemEntropy};
use crate::provision::{Lookup, SystemLookup};
use crate::server;
pub use finding::{Finding, Outcome, Report};

/// Whether a certificate is ordered to see that it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// No.
    None,
    /// From the staging CA, or the one that is configured; what it issues is thrown away.
    Order,
}

/// What the checks ask of the machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Surroundings {
    /// Names to addresses.
    pub lookup: Arc<dyn Lookup>,
    /// Who is asked for CAA records.
    pub nameservers: Vec<SocketAddr>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Tokens and the numbers of queries.
    pub entropy: Arc<dyn Entropy>,
}

impl Surroundings {
    /// The machine as it is; nameservers by `/etc/resolv.conf`.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self {
            lookup: Arc::new(SystemLookup),
            nameservers: dns::nameservers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::new()),
        }
    }
}

/// Runs every check, one after the other. What concerns a certificate is asked only if there is a domain.
pub async fn run(mut config: Config, trial: Trial, around: &Surroundings) -> Report {
    let mut report = Report::default();
    let security = configuration(&config, &mut report);
    // What else is amiss is told whether the terms are agreed to or not.
    config.certificates.agree_tos = true;
    documents::check(&config, &mut report).await;
    let mut bound = ports::check(&config, &mut report).await;
    match config.security() {
        Ok(Security::Acme { directory }) => {
            let reached = reach::check(&config, &mut bound, around, &mut report).await;
            certificate::check(&config, around, &mut report).await;
            authority::check(&config, &directory, around, &mut report).await;
            let wanted = (trial, security, bound.are_ours() && reached);
            certificate::trial(config, wanted, &mut report).await;
        }
        Ok(Security::OwnPair { cert, key }) => certificate::own_pair(&config, cert, key, around, &mut report),
        Ok(Security::Plain) => {
            report.skip("certificate", "no domain is configured: the server speaks plain HTTP")
        }
        Err(_) => report.skip("certificate", "the configuration is of no use yet"),
    }
    report
}

/// Whether the options fit each other; how connections would be protected.
fn configuration(config: &Config, report: &mut Report) -> bool {
    let security = config.security();
    match &security {
        Ok(security) => report.ok(
            "configuration",
            match security {
                Security::Plain => format!("plain HTTP on {}", config.address()),
                Security::OwnPair { .. } => format!("https on {} with your own pair", config.address()),
                Security::Acme { directory } => {
                    format!("https on {}, certificates from {directory}", config.address())
                }
            },
        ),
        Err(error) => report.fail("configuration", &error.what, &error.cause, &error.help),
    }
    for exposure in server::exposures(config, config.address().ip()) {
        report.warn("configuration", exposure.what, exposure.cause, exposure.help);
    }
    let names = &config.certificates.domains;
    if let Some(base) = config.base_url.as_ref().filter(|_| !names.is_empty())
        && !names.iter().any(|name| name.host() == *base.host())
    {
        report.warn(
            "configuration",
            format!("base_url {} is no name of the certificate", base.as_str()),
            "links lead there, and this server's certificate is not for it",
            format!(
                "add --domain {}, unless something in front of this server has its own certificate",
                base.host()
            ),
        );
    }
    security.is_ok()
}
