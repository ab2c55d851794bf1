//! A process that provisions a certificate with the library, and may end at a call of its Store or its Transport.
//!
//! A test runs itself again as this process: with [`PLAN`] in its environment it is the child and nothing else.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use docquay::acme::{HttpTransport, transport};
use docquay::clock::{Clock, SystemClock};
use docquay::entropy::SystemEntropy;
use docquay::http::{self, Accept, Gate, HostPolicy, Plain, Router};
use docquay::metrics;
use docquay::names::Identifier;
use docquay::provision::{
    Authority, Challenges, Ephemeral, HttpListener, Options, Parts, Provisioner, SystemLookup,
};
use docquay::shutdown::{self, Shutdown};
use docquay::store::FileStore;
use docquay::tls::{self, Acceptor, Resolver};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::calls::{Calls, CountedStore, CountedTransport};
use crate::harness::client::serial_hex;
use crate::harness::process::Process;

/// What a child is to do.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Plan {
    pub(super) certs: PathBuf,
    pub(super) name: String,
    pub(super) directory: String,
    pub(super) ca_file: PathBuf,
    pub(super) http: SocketAddr,
    pub(super) https: SocketAddr,
    /// The number of the call to end at, each counted before and after; none: it goes on until it is killed.
    pub(super) abort_at: Option<usize>,
    /// How far its calendar is ahead.
    pub(super) ahead: Duration,
}

/// The calendar of a process that was started later than it was.
#[derive(Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn system(&self) -> SystemTime {
        SystemTime::now() + self.0
    }
}

const PLAN: &str = "DOCQUAY_TEST_RESTART_PLAN";
/// Printed with the serial of what is served as soon as the store is read.
pub(super) const SERVES: &str = "serves from the start: ";
/// Printed when nothing is left to do for now.
pub(super) const SETTLED: &str = "settled";

impl Plan {
    /// Of this process, if it is a child.
    pub(super) fn of_this_process() -> Option<Self> {
        let plan = std::env::var(PLAN).ok()?;
        Some(serde_json::from_str(&plan).unwrap())
    }

    /// Starts `test` of this binary as a child.
    pub(super) fn start(&self, test: &str) -> Process {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--nocapture"]).env(PLAN, serde_json::to_string(self).unwrap());
        command.current_dir(&self.certs);
        Process::start(command, "none: the test itself")
    }

    /// The child's whole life. Comes back only if it was to abort and there was no such call.
    pub(super) async fn run(self) {
        let calls = Calls::until(self.abort_at);
        let options = self.options(&calls);
        let stand_in = tls::self_signed(&options.names, SystemTime::now()).unwrap();
        let (gate, _watched) = watch::channel(Gate::Open);
        let parts = Parts {
            store: Arc::new(CountedStore::new(self.store().await, &calls)),
            resolver: Arc::new(Resolver::new(&stand_in)),
            http_challenges: Challenges::new(),
            tls_challenges: Arc::new(tls::Challenges::new()),
            http_01: HttpListener::Bound(self.http),
            lookup: Arc::new(SystemLookup),
            clock: Arc::new(Ahead(self.ahead)),
            entropy: Arc::new(SystemEntropy::new()),
            metrics: Arc::<metrics::Certificates>::default(),
            gate,
        };
        let (_trigger, shutdown) = shutdown::channel();
        let acceptor = Acceptor::new(
            Arc::clone(&parts.resolver),
            Arc::clone(&parts.tls_challenges),
            tls::Limits::default(),
        );
        serve(self.http, Plain, &parts.http_challenges, &shutdown).await;
        serve(self.https, acceptor.unwrap(), &parts.http_challenges, &shutdown).await;
        let provisioner = Provisioner::open(options, parts.clone()).await.unwrap();
        if provisioner.has_certificate() {
            println!("{SERVES}{}", serial_hex(parts.resolver.leaf().der()));
        }
        tokio::spawn(provisioner.run(shutdown));
        while parts.metrics.next_attempt().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("{SETTLED}");
        if self.abort_at.is_none() {
            std::future::pending().await
        }
    }

    async fn store(&self) -> FileStore {
        store(&self.certs).await
    }

    fn options(&self, calls: &Arc<Calls>) -> Options {
        let mut reaching = transport::Options::default();
        reaching.ca_pem = Some(std::fs::read(&self.ca_file).unwrap());
        let transport = HttpTransport::new(&reaching).unwrap();
        let authority = Authority {
            directory: self.directory.clone(),
            transport: Arc::new(CountedTransport::new(transport, calls)),
            external_account: None,
        };
        Options {
            names: vec![Identifier::parse(&self.name).unwrap()],
            authorities: vec![authority],
            contact: Vec::new(),
            terms_agreed: true,
            profile: None,
            preferred_chain: None,
            challenge: None,
            ephemeral: Ephemeral::Allowed,
        }
    }
}

pub(super) async fn store(certs: &Path) -> FileStore {
    FileStore::open(certs, Arc::new(SystemClock), Arc::new(SystemEntropy::new())).await.unwrap()
}

/// Answers challenges and nothing else.
async fn serve(address: SocketAddr, accept: impl Accept, challenges: &Challenges, shutdown: &Shutdown) {
    let listener = TcpListener::bind(address).await.unwrap();
    let router = Arc::new(Router::new(vec![challenges.route()], HostPolicy::default()));
    tokio::spawn(http::serve(listener, accept, router, http::Limits::default(), shutdown.clone()));
}
