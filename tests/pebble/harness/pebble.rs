//! Pebble 2.4.0 (Debian package `pebble`), a small ACME CA for tests, with pebble-challtestsrv as its DNS.
//!
//! What it does, tried out and read in its source:
//! - It keeps all in memory: each start makes new roots (`/roots/N` on the management port) and forgets accounts.
//! - It logs each request as `METHOD PATTERN -> calling handler()`, the pattern without the id (`POST /chalZ/`), and
//!   nothing of the answer. [`Pebble::count`] reads this. A certificate is `Issued certificate serial HEX for order ID`.
//! - A validation is `Pulled a task from the Tasks queue`, then three attempts at once, each of which must succeed:
//!   `Attempting to validate w/ HTTP: http://NAME:PORT/.well-known/acme-challenge/TOKEN` appears three times.
//!   With the default `PEBBLE_VA_NOSLEEP=1` they start at once, else after 0 to `PEBBLE_VA_SLEEPTIME` seconds each.
//! - http-01 is `GET` with `Host: NAME:PORT`, `User-Agent: LetsEncrypt-Pebble-VA (linux; amd64)`, `Accept: */*`,
//!   `Accept-Encoding: gzip` and `Connection: close`; it follows redirects, to https too, without looking at the
//!   certificate; white space after the key authorization is ignored; 15 s in all. The port of a redirect's target is dialled as it stands.
//! - It asks for AAAA, then A, and dials the **first** address only: a wrong AAAA record is never made up for.
//! - tls-alpn-01 of an address has the reverse name as its SNI, `1.0.0.127.in-addr.arpa`.
//! - It validates after it has answered the challenge's POST, which mostly still says `pending` (`processing` is
//!   never seen); `finalize` answers `processing` and the next poll mostly `valid`. No `Retry-After` is ever sent, nor
//!   429 or 503: the proxy does that.
//! - `certificateValidityPeriod` is in seconds; notBefore is now and notAfter one second less than that later, so
//!   that a certificate of 60 is valid for exactly 60 seconds as RFC 5280 counts (both ends included).
//! - It builds its URLs from the Host field (and the scheme from `X-Forwarded-Proto`, if there) and checks the `url` of
//!   each JWS against `https://HOST/PATH`.
//! - `-strict=true` wants a challenge's POST to be exactly `{}` and no ACME v1 `resource` field anywhere.
//! - Unknown fields of a payload (`replaces`, `profile`) are ignored.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::dns::Dns;
use super::namespace::{self, Namespace};
use super::process::{Process, Signal, command};
use super::reach::Reach;
use super::{Authority, Resource, ports};

/// A running CA; ended on drop.
#[derive(Debug)]
pub(crate) struct Pebble {
    authority: Arc<Authority>,
    name: String,
    address: SocketAddr,
    management: SocketAddr,
    reach: Reach,
    dns: Dns,
    pebble: Process,
    challtestsrv: Process,
    /// How often the harness itself asked for the directory.
    own_requests: usize,
    _folder: TempDir,
}

/// How a [`Pebble`] is to be; [`Builder::start`] starts it.
#[derive(Debug)]
pub(crate) struct Builder {
    authority: Option<Arc<Authority>>,
    validity: u32,
    chain_length: u8,
    alternate_roots: u8,
    nonce_reject_percent: u8,
    authz_reuse_percent: u8,
    eab_keys: Vec<(String, String)>,
    blocked: Vec<String>,
    http_port: Option<u16>,
    tls_port: Option<u16>,
    environment: Vec<(String, String)>,
    default_address: Option<IpAddr>,
    dns_port: Option<u16>,
    bind: IpAddr,
    name: String,
    reach: Reach,
}

const PACKAGE: &str = "pebble";
/// A start makes RSA keys, on machines that may be busy with other tests.
const START: Duration = Duration::from_secs(60);

impl Pebble {
    /// A CA that issues for 90 days, rejects no nonce, reuses no authorization and validates without waiting.
    pub(crate) fn builder() -> Builder {
        Builder {
            authority: None,
            validity: 7_776_000,
            chain_length: 1,
            alternate_roots: 0,
            nonce_reject_percent: 0,
            authz_reuse_percent: 0,
            eab_keys: Vec::new(),
            blocked: Vec::new(),
            http_port: None,
            tls_port: None,
            environment: vec![("PEBBLE_VA_NOSLEEP".to_owned(), "1".to_owned())],
            default_address: Some(Ipv4Addr::LOCALHOST.into()),
            dns_port: None,
            bind: Ipv4Addr::LOCALHOST.into(),
            name: "localhost".to_owned(),
            reach: Reach::Direct,
        }
    }

    /// What docquay's `--acme-directory` gets.
    pub(crate) fn directory_url(&self) -> String {
        format!("https://{}:{}/dir", self.name, self.address.port())
    }

    /// Where its API listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CA of its API's own certificate, for `--acme-ca-file`.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.authority.file()
    }

    /// The same CA, to make more servers that docquay trusts.
    pub(crate) fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// The root (PEM) that ends the default chain: what a client of docquay trusts.
    pub(crate) async fn root_pem(&self) -> String {
        self.managed("/roots/0").await
    }

    /// The root (PEM) of alternate chain `number`, from 1; 0 is the default chain's.
    pub(crate) async fn alternate_root_pem(&self, number: usize) -> String {
        self.managed(&format!("/roots/{number}")).await
    }

    /// The issuing intermediate (PEM) of chain `number`: one key in all chains, signed by different issuers.
    pub(crate) async fn intermediate_pem(&self, number: usize) -> String {
        self.managed(&format!("/intermediates/{number}")).await
    }

    /// What it knows of the certificate with this serial (`/cert-status-by-serial/HEX`): status, certificate, reason.
    pub(crate) async fn status_of(&self, serial_hex: &str) -> serde_json::Value {
        serde_json::from_str(&self.managed(&format!("/cert-status-by-serial/{serial_hex}")).await).unwrap()
    }

    /// The DNS it asks.
    pub(crate) fn dns(&self) -> &Dns {
        &self.dns
    }

    /// All it logged so far.
    pub(crate) fn log(&self) -> String {
        self.pebble.log()
    }

    /// How many requests for `resource` it has got so far, failed ones too; HEAD and GET and POST alike.
    pub(crate) fn count(&self, resource: Resource) -> usize {
        let own = if resource == Resource::Directory { self.own_requests } else { 0 };
        self.log().lines().filter(|line| requested(line) == Some(resource)).count() - own
    }

    /// The serials of the certificates it issued, in order, in hex as it logs them.
    pub(crate) fn issued(&self) -> Vec<String> {
        let serial = |line: &str| {
            let (_, rest) = line.split_once("Issued certificate serial ")?;
            Some(rest.split(' ').next()?.to_owned())
        };
        self.log().lines().filter_map(serial).collect()
    }

    /// How many accounts it has made so far.
    pub(crate) fn accounts(&self) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains("There are now ") && line.contains(" accounts in memory"))
            .count()
    }

    /// How many orders a validation has made invalid so far.
    pub(crate) fn failed_orders(&self) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(" order ") && line.contains(" set INVALID by "))
            .count()
    }

    /// How many validations it has started so far; each is three attempts.
    pub(crate) fn validations(&self) -> usize {
        self.log().matches("Pulled a task from the Tasks queue").count()
    }

    /// How many attempts of http-01 it has made so far.
    pub(crate) fn http_attempts(&self) -> usize {
        self.log().matches("Attempting to validate w/ HTTP").count()
    }

    /// Waits for a line of its log, written before or from now on.
    pub(crate) async fn wait_for(&self, is_it: impl Fn(&str) -> bool, limit: Duration) -> String {
        self.pebble.wait_for(is_it, limit).await
    }

    /// Answers nobody until [`Pebble::resume`]; connections are still taken by the kernel.
    pub(crate) fn pause(&self) {
        self.pebble.signal(Signal::Stop);
    }

    pub(crate) fn resume(&self) {
        self.pebble.signal(Signal::Continue);
    }

    /// Gone from now on: connections are refused.
    pub(crate) fn stop(&self) {
        self.pebble.kill();
    }

    async fn managed(&self, path: &str) -> String {
        let answer = self.reach.get_https(self.management, "localhost", path, &self.ca_file()).await.unwrap();
        assert!(answer.status.is_success(), "Pebble: {path}: {} {}", answer.status, answer.text());
        answer.text()
    }
}

impl Builder {
    /// For how many seconds a certificate is valid.
    pub(crate) fn validity_seconds(mut self, seconds: u32) -> Self {
        self.validity = seconds;
        self
    }

    /// How many certificates of the CA a chain has, the root not counted: 1 is leaf and one intermediate.
    pub(crate) fn chain_length(mut self, length: u8) -> Self {
        self.chain_length = length;
        self
    }

    /// How many roots there are besides the default, each with a chain of its own.
    pub(crate) fn alternate_roots(mut self, count: u8) -> Self {
        self.alternate_roots = count;
        self
    }

    /// How many good nonces of a hundred are answered with badNonce.
    pub(crate) fn nonce_reject_percent(mut self, percent: u8) -> Self {
        self.nonce_reject_percent = percent;
        self
    }

    /// How often of a hundred an account's valid authorization serves its next order.
    pub(crate) fn authz_reuse_percent(mut self, percent: u8) -> Self {
        self.authz_reuse_percent = percent;
        self
    }

    /// A key of External Account Binding, base64url; with one, an account without a binding is refused.
    pub(crate) fn eab_key(mut self, kid: &str, key: &str) -> Self {
        self.eab_keys.push((kid.to_owned(), key.to_owned()));
        self
    }

    /// A name for which an order is refused (rejectedIdentifier).
    pub(crate) fn blocked(mut self, name: &str) -> Self {
        self.blocked.push(name.to_owned());
        self
    }

    /// The port that http-01 dials: docquay's `--acme-port`. Without it one where nobody listens.
    pub(crate) fn http_port(mut self, port: u16) -> Self {
        self.http_port = Some(port);
        self
    }

    /// The port that tls-alpn-01 dials: docquay's `--port`. Without it one where nobody listens.
    pub(crate) fn tls_port(mut self, port: u16) -> Self {
        self.tls_port = Some(port);
        self
    }

    /// A variable of its environment, such as `PEBBLE_VA_ALWAYS_VALID`.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Each attempt of a validation first waits a random whole number of seconds below `seconds`.
    pub(crate) fn validation_sleep(mut self, seconds: u32) -> Self {
        self.environment.retain(|(name, _)| name != "PEBBLE_VA_NOSLEEP");
        self.env("PEBBLE_VA_SLEEPTIME", &seconds.to_string())
    }

    /// What names without records of their own resolve to; 127.0.0.1 if not said.
    pub(crate) fn names_resolve_to(mut self, address: IpAddr) -> Self {
        self.default_address = Some(address);
        self
    }

    /// The CA that signs its API's certificate: a second Pebble that the same docquay trusts.
    pub(crate) fn authority(mut self, authority: &Arc<Authority>) -> Self {
        self.authority = Some(Arc::clone(authority));
        self
    }

    /// Reached as `https://NAME`; who reaches it must resolve that.
    pub(crate) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Runs in a namespace, its API at the name [`CA`](super::namespace::CA) and its DNS at port 53 of its address. No
    /// name has an address until the test gives it one.
    pub(crate) fn within(mut self, namespace: &Namespace) -> Self {
        self.reach = Reach::Within(namespace.prefix());
        self.bind = namespace.address();
        namespace::CA.clone_into(&mut self.name);
        self.default_address = None;
        self.dns_port = Some(53);
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> Pebble {
        let mut faults = Vec::new();
        // A port that was free a moment ago may be another program's by now.
        for _ in 0..5 {
            match self.try_start().await {
                Ok(pebble) => return pebble,
                Err(fault) => faults.push(fault),
            }
        }
        panic!("Pebble did not start:\n{}", faults.join("\n"));
    }

    async fn try_start(&self) -> Result<Pebble, String> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let dns = Dns {
            reach: self.reach.clone(),
            management: local(ports::free()),
            address: SocketAddr::new(self.bind, self.dns_port.unwrap_or_else(ports::free)),
        };
        let challtestsrv = self.start_dns(&dns);
        let (address, management) = (SocketAddr::new(self.bind, ports::free()), local(ports::free()));
        let authority = self.authority.clone().unwrap_or_else(Authority::new);
        let folder = tempfile::tempdir().unwrap();
        let bind = self.bind.to_string();
        let leaf = authority.leaf(&["localhost", "127.0.0.1", "::1", &self.name, &bind]);
        let (certificate, key) = leaf.write(folder.path(), "api");
        let config = folder.path().join("config.json");
        let settings = json!({"pebble": {
            "listenAddress": address.to_string(),
            "managementListenAddress": management.to_string(),
            "certificate": certificate,
            "privateKey": key,
            "httpPort": self.http_port.unwrap_or_else(ports::free),
            "tlsPort": self.tls_port.unwrap_or_else(ports::free),
            "ocspResponderURL": "",
            "certificateValidityPeriod": self.validity,
            "domainBlocklist": self.blocked,
            "externalAccountBindingRequired": !self.eab_keys.is_empty(),
            "externalAccountMACKeys": self.eab_keys.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        }});
        std::fs::write(&config, settings.to_string()).unwrap();
        let mut command = command(self.reach.prefix(), "pebble");
        command
            .arg("-config")
            .arg(&config)
            .arg("-strict=true")
            .args(["-dnsserver", &dns.address.to_string()]);
        command.env("PEBBLE_CHAIN_LENGTH", self.chain_length.to_string());
        command.env("PEBBLE_ALTERNATE_ROOTS", self.alternate_roots.to_string());
        command.env("PEBBLE_WFE_NONCEREJECT", self.nonce_reject_percent.to_string());
        command.env("PEBBLE_AUTHZREUSE", self.authz_reuse_percent.to_string());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let pebble = Pebble {
            authority,
            name: self.name.clone(),
            address,
            management,
            reach: self.reach.clone(),
            dns,
            pebble: Process::start(command, PACKAGE),
            challtestsrv,
            own_requests: 0,
            _folder: folder,
        };
        pebble.ready().await
    }

    fn start_dns(&self, dns: &Dns) -> Process {
        let mut command = command(self.reach.prefix(), "pebble-challtestsrv");
        let (ipv4, ipv6) = match self.default_address {
            None => (String::new(), String::new()),
            Some(IpAddr::V4(address)) => (address.to_string(), String::new()),
            Some(IpAddr::V6(address)) => (String::new(), address.to_string()),
        };
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        command.args(["-defaultIPv4", &ipv4, "-defaultIPv6", &ipv6]);
        command.args(["-dns01", &dns.address.to_string(), "-management", &dns.management.to_string()]);
        Process::start(command, PACKAGE)
    }
}

impl Pebble {
    /// Waits until both programs answer.
    async fn ready(mut self) -> Result<Self, String> {
        let started = Instant::now();
        loop {
            for program in [&self.pebble, &self.challtestsrv] {
                if let Some(status) = program.exited() {
                    return Err(format!("ended ({status}):\n{}", program.log()));
                }
            }
            let api = self.reach.get_https(self.address, &self.name, "/dir", &self.ca_file()).await;
            let managed =
                self.reach.get_https(self.management, "localhost", "/roots/0", &self.ca_file()).await;
            let dns = self.reach.post(self.dns.management, "/clear-a", r#"{"host":"ready.test"}"#).await;
            self.own_requests += usize::from(api.is_ok());
            let fault = match (api, managed, dns) {
                (Ok(_), Ok(_), Ok(_)) => return Ok(self),
                (api, managed, dns) => format!("{api:?} {managed:?} {dns:?}"),
            };
            if started.elapsed() > START {
                return Err(format!(
                    "does not answer: {fault}\n{}{}",
                    self.pebble.log(),
                    self.challtestsrv.log()
                ));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The resource of a logged request.
fn requested(line: &str) -> Option<Resource> {
    let (before, _) = line.split_once(" -> calling handler()")?;
    before.rsplit(' ').next().map(Resource::of)
}
