//! The ports that the server listens on: free, held by a docquay that runs, or by somebody else.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;

use super::{Outcome, Report, ask};
use crate::acme::ChallengeKind;
use crate::config::Config;
use crate::provision::challenges;
use crate::server::{Error, bind};

/// The ports as they were found.
#[derive(Debug)]
pub(super) struct Bound {
    /// On those that were free.
    pub(super) listeners: Vec<TcpListener>,
    /// Where `/mcp` is served, and TLS-ALPN-01 is answered.
    pub(super) serving: Port,
    /// Where HTTP-01 is answered, if it is to be.
    pub(super) acme: Option<Port>,
}

/// What is at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// Nobody was.
    Free,
    /// A docquay, probably the one that is asked about.
    Docquay,
    /// Somebody else, or it may not be opened.
    Taken,
}

impl Bound {
    /// Whether every port was free.
    pub(super) fn are_ours(&self) -> bool {
        self.serving == Port::Free && self.acme.is_none_or(|port| port == Port::Free)
    }
}

pub(super) async fn check(config: &Config, report: &mut Report) -> Bound {
    let address = config.address();
    let mut listeners = Vec::new();
    let serving = look(address, bind::bind(address), Outcome::Failed, &mut listeners, report).await;
    let certificates = &config.certificates;
    let acme = if certificates.domains.is_empty()
        || certificates.tls_cert.is_some()
        || certificates.challenge == Some(ChallengeKind::TlsAlpn01)
    {
        None
    } else {
        let address = SocketAddr::new(address.ip(), certificates.acme_port);
        // With either challenge type allowed, the other can do.
        let amiss = if certificates.challenge.is_some() { Outcome::Failed } else { Outcome::Warning };
        Some(look(address, bind::bind_acme(address), amiss, &mut listeners, report).await)
    };
    // While a docquay runs, that port is its own.
    if let (Some(address), Port::Free) = (config.metrics_bind, serving) {
        look(address, bind::bind_metrics(address), Outcome::Failed, &mut Vec::new(), report).await;
    }
    Bound { listeners, serving, acme }
}

async fn look(
    address: SocketAddr,
    bound: Result<TcpListener, Error>,
    amiss: Outcome,
    listeners: &mut Vec<TcpListener>,
    report: &mut Report,
) -> Port {
    let port = address.port();
    let error = match bound {
        Ok(listener) => {
            let free =
                if port == 0 { "the system has one to give".to_owned() } else { format!("{port} is free") };
            report.ok("port", free);
            listeners.push(listener);
            return Port::Free;
        }
        Err(error) => error,
    };
    let (what, cause, help) = error.parts();
    let mut cause = cause.to_owned();
    match resident(address).await {
        Ok(answer) if answer.is_docquays() => {
            report.ok("port", format!("{port} is held by a docquay that runs"));
            return Port::Docquay;
        }
        Ok(answer) => cause.push_str(&format!("; it answers {}", answer.shown())),
        Err(_) => {}
    }
    report.add("port", amiss, what, cause, help);
    Port::Taken
}

/// What answers at a port of this machine.
async fn resident(address: SocketAddr) -> io::Result<ask::Answer> {
    let mut last = Err(io::ErrorKind::AddrNotAvailable.into());
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let addresses = if address.ip().is_unspecified() { loopback.to_vec() } else { vec![address.ip()] };
    for ip in addresses {
        let address = SocketAddr::new(ip, address.port());
        for path in [&format!("{}none", challenges::PREFIX), "/healthz"] {
            match ask::get(address, "localhost", path).await {
                Ok(answer) if answer.is_docquays() => return Ok(answer),
                Err(error) if last.is_err() => last = Err(error),
                Ok(answer) => last = Ok(answer),
                Err(_) => {}
            }
        }
    }
    last
}
