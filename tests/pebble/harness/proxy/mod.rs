//! A reverse proxy in front of a CA that spoils its traffic as a test says, and remembers all of it.
//!
//! It answers over HTTPS (HTTP/1.1 and HTTP/2) with a certificate of the CA's own [`Authority`] and hands the Host
//! field on unchanged, so that the CA builds URLs that lead back here and the `url` of each JWS still matches.
//! Rules are set while it runs; a request that no rule names passes untouched.
//!
//! ```ignore
//! proxy.on(Resource::NewOrder).first(2).answers(Reply::problem(429, "rateLimited", "slow down").header("retry-after", "1"));
//! proxy.on(Resource::Finalize).nth(1).loses_the_answer();
//! ```

mod connection;
mod record;
mod rule;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Authority, Pebble, Resource, ports, wire};

pub(crate) use record::Recorded;
use rule::Rule;
pub(crate) use rule::{Reply, RuleBuilder};

/// A running proxy; gone on drop.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    directory: String,
    authority: Arc<Authority>,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    /// Where the CA gives nonces, for answers of the proxy's own.
    nonce_path: &'static str,
    client: Arc<ClientConfig>,
    rules: Mutex<Vec<Rule>>,
    records: Mutex<Vec<Recorded>>,
}

/// What ARI answers for every certificate (RFC 9773 §4.2).
#[derive(Clone, Debug)]
pub(crate) struct RenewalInfo {
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    /// Seconds.
    pub(crate) retry_after: u32,
}

impl Proxy {
    /// Starts one in front of `pebble`, on a loopback port of its own.
    pub(crate) async fn before(pebble: &Pebble) -> Self {
        Self::of(pebble.address(), "/dir", pebble.authority()).await
    }

    /// Starts one in front of any CA whose API's certificate is `authority`'s for `localhost`.
    pub(crate) async fn of(upstream: SocketAddr, directory: &str, authority: &Arc<Authority>) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let listener = TcpListener::bind(address).await.unwrap();
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            nonce_path: if directory == "/dir" { "/nonce-plz" } else { "/acme/newnonce" },
            client: wire::client(authority.pem(), &["http/1.1"]),
            rules: Mutex::default(),
            records: Mutex::default(),
        });
        let tls = authority.leaf(&["localhost", "127.0.0.1"]).server(&["h2", "http/1.1"]);
        let server = tokio::spawn(connection::serve(listener, tls, Arc::clone(&shared)));
        Self { address, directory: directory.to_owned(), authority: Arc::clone(authority), shared, server }
    }

    /// From now on another Pebble answers, whose API's certificate is of the same authority.
    pub(crate) fn leads_to(&self, pebble: &Pebble) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = pebble.address();
    }

    /// What docquay's `--acme-directory` gets.
    pub(crate) fn directory_url(&self) -> String {
        format!("{}{}", self.base_url(), self.directory)
    }

    /// What every URL of the CA starts with, seen from here: `https://localhost:PORT`.
    pub(crate) fn base_url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Begins a rule for the requests for `resource`. Occurrences count from when the rule is set. Of several rules
    /// that meet a request each acts, in the order they were set; the first that answers or drops ends it.
    pub(crate) fn on(&self, resource: Resource) -> RuleBuilder<'_> {
        RuleBuilder::new(&self.shared.rules, Some(resource))
    }

    /// Begins a rule for every request.
    pub(crate) fn on_any(&self) -> RuleBuilder<'_> {
        RuleBuilder::new(&self.shared.rules, None)
    }

    /// Everything passes again.
    pub(crate) fn clear_rules(&self) {
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Adds `renewalInfo` to the directory and answers there, which Pebble 2.4.0 does not. Said again, it replaces
    /// the answer (and nothing else; rules of the test's own that came before stay first).
    pub(crate) fn offer_renewal_info(&self, info: &RenewalInfo) {
        let url = format!("{}/renewal-info", self.base_url());
        let body = json!({"suggestedWindow": {"start": rfc3339(info.start), "end": rfc3339(info.end)}});
        let reply = Reply::new(200)
            .header("content-type", "application/json")
            .header("retry-after", &info.retry_after.to_string())
            .body(&body.to_string());
        self.shared
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|rule| !rule.is_of_renewal_info());
        self.on(Resource::Directory).of_renewal_info().edits_json(move |directory| {
            directory["renewalInfo"] = url.clone().into();
        });
        self.on(Resource::RenewalInfo).of_renewal_info().answers(reply);
    }

    /// Every request so far, in order of arrival.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The requests for `resource` so far.
    pub(crate) fn requests_for(&self, resource: Resource) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| request.resource == resource).collect()
    }

    /// How many requests for `resource` came so far, whatever became of them.
    pub(crate) fn count(&self, resource: Resource) -> usize {
        self.requests_for(resource).len()
    }

    /// Waits until `count` requests for `resource` have come; a failure with all requests if they do not.
    pub(crate) async fn wait_for(&self, resource: Resource, count: usize, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.count(resource) < count {
            assert!(
                Instant::now() < deadline,
                "fewer than {count} requests for {resource:?} within {limit:?}:\n{}",
                self.requests().iter().map(|request| format!("{request}\n")).collect::<String>()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
        if std::thread::panicking() {
            eprintln!("--- the proxy saw:");
            for request in self.requests() {
                eprintln!("{request}");
            }
            eprintln!("---");
        }
    }
}

/// `2026-11-24T20:31:15Z`.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    docquay::x509::date(time).replace(" UTC", "Z").replace(' ', "T")
}
