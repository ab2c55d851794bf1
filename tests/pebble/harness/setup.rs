//! What most tests start with: a docquay for some names, and a Pebble whose validations lead to it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::docquay::{self, Certs, Docquay, Docs};
use super::pebble::{self, Pebble};
use super::{Target, ports};

/// The names, ports and folders of one docquay, which may be started more than once.
#[derive(Debug)]
pub(crate) struct Setup {
    names: Vec<String>,
    pub(crate) docs: Docs,
    pub(crate) certs: Certs,
    /// Of `/mcp` and tls-alpn-01.
    pub(crate) port: u16,
    /// Of http-01 and redirects.
    pub(crate) acme_port: u16,
}

impl Setup {
    /// For these DNS names and addresses, all of loopback.
    pub(crate) fn of(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            docs: Docs::new(),
            certs: Certs::new(),
            port: ports::free(),
            acme_port: ports::free(),
        }
    }

    /// The same folders and ports, for other names from the next start on.
    pub(crate) fn rename(&mut self, names: &[&str]) {
        self.names = names.iter().map(|name| (*name).to_owned()).collect();
    }

    /// A CA that reaches it by both challenge types.
    pub(crate) fn pebble(&self) -> pebble::Builder {
        Pebble::builder().http_port(self.acme_port).tls_port(self.port)
    }

    /// The command line, with a CA's directory and the root of its API.
    pub(crate) fn docquay(&self, directory_url: &str, ca_file: &Path) -> docquay::Builder {
        self.without_ca().ca(directory_url, ca_file)
    }

    /// The command line for certificates of `pebble`.
    pub(crate) fn docquay_of(&self, pebble: &Pebble) -> docquay::Builder {
        self.docquay(&pebble.directory_url(), &pebble.ca_file())
    }

    /// The command line for certificates of `pebble`, whose names stand in that file.
    pub(crate) fn docquay_by(&self, file: &Path, pebble: &Pebble) -> docquay::Builder {
        let start =
            self.without_names().option("config", file).ca(&pebble.directory_url(), &pebble.ca_file());
        self.names.iter().fold(start, |start, name| start.resolves(name, self.ip()))
    }

    /// The command line but for what says whose certificates are wanted.
    pub(crate) fn without_ca(&self) -> docquay::Builder {
        self.names.iter().fold(self.without_names(), |start, name| {
            let start = start.domain(name);
            if name.parse::<IpAddr>().is_ok() { start } else { start.resolves(name, self.ip()) }
        })
    }

    fn without_names(&self) -> docquay::Builder {
        let start = Docquay::builder().docs(&self.docs).certs(&self.certs);
        start.port(self.port).acme_port(self.acme_port).option("bind", self.ip().to_string())
    }

    /// Where it serves.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }

    /// Where it answers http-01.
    pub(crate) fn acme_address(&self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.acme_port)
    }

    /// A client that asks for its first name and trusts the roots of `root_pem` alone.
    pub(crate) fn target(&self, root_pem: &str) -> Target {
        self.target_for(&self.names[0], root_pem)
    }

    pub(crate) fn target_for(&self, name: &str, root_pem: &str) -> Target {
        Target::https(self.address(), name, root_pem)
    }

    /// The loopback address: the other family's if the first name is one of it.
    fn ip(&self) -> IpAddr {
        self.names[0].parse().unwrap_or(Ipv4Addr::LOCALHOST.into())
    }
}

impl Docquay {
    /// Waits until it serves a certificate that it has obtained.
    pub(crate) async fn obtains(&self) {
        self.obtains_after(0).await;
    }

    /// The same after `mark`.
    pub(crate) async fn obtains_after(&self, mark: usize) {
        self.wait_for_after(mark, |line| line.contains("certificate obtained"), ISSUANCE).await;
    }

    /// Waits until it listens and says so.
    pub(crate) async fn serves(&self) {
        self.wait_for(|line| line.contains("serving"), ISSUANCE).await;
    }
}

/// An issuance takes half a second; this is for a machine that is busy with others.
pub(crate) const ISSUANCE: Duration = Duration::from_secs(90);
