//! One case: a fault, set in a proxy of its own before a CA that cases share, and docquay run against it.
//!
//! Each case has an address of 127.0.0.0/8 to itself and orders a certificate for it, so that cases run side by side
//! on the two ports that one Pebble dials.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use docquay::clock::SystemClock;
use docquay::entropy::SystemEntropy;
use docquay::names::Identifier;
use docquay::store::{self, CertificateEntry, CertificateName, FileStore, Record};
use docquay::x509::Pair;
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::chains::Root;
use crate::harness::docquay::Builder;
use crate::harness::{Certs, Docquay, Docs, Pebble, Proxy, Target, pebble, ports, wire};

/// A fault and how an attempt in spite of it has to end.
pub(super) struct Case {
    name: String,
    fault: Box<dyn Fn(&Proxy) + Send + Sync>,
    options: Vec<(&'static str, String)>,
    end: End,
}

#[derive(Clone, Debug, Default)]
struct End {
    /// `None`: with a certificate.
    kind: Option<&'static str>,
    /// What the one line about the failure has.
    says: Vec<String>,
    /// How far away the next attempt may be, in seconds.
    again_in: Option<(u64, u64)>,
    /// What the issuer of the chain that is served is called.
    root: Option<String>,
}

/// What docquay begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing; after a failure it is tried again without the fault, and has to succeed.
    Empty,
    /// A certificate that is due for its renewal, and is served whatever happens.
    Due,
}

/// Whether a certificate names its issuer's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IssuerKey {
    Named,
    Unnamed,
}

/// The CA that cases share.
pub(super) struct Range {
    pebble: Pebble,
    http_port: u16,
    tls_port: u16,
    roots: Vec<String>,
    docs: Docs,
}

/// A case with its place in the range.
pub(super) struct Place<'a> {
    range: &'a Range,
    address: Ipv4Addr,
    pub(super) certs: Certs,
}

pub(super) const MOMENT: Duration = Duration::from_secs(90);
/// No attempt takes more requests than this, whatever it meets: 13 is a success, 21 a rejected nonce to the end.
const MOST_REQUESTS: usize = 40;
const AT_ONCE: usize = 6;

impl Case {
    pub(super) fn new(name: impl Into<String>, fault: impl Fn(&Proxy) + Send + Sync + 'static) -> Self {
        Self { name: name.into(), fault: Box::new(fault), options: Vec::new(), end: End::default() }
    }

    /// The attempt ends with a certificate.
    pub(super) fn obtains(self) -> Self {
        self
    }

    /// The attempt fails for a reason of this kind, and one line says so in these words.
    pub(super) fn fails(mut self, kind: &'static str, says: &[&str]) -> Self {
        self.end.kind = Some(kind);
        self.end.says = says.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The next attempt comes so many seconds later, at least and at most.
    pub(super) fn again_in(mut self, least: u64, most: u64) -> Self {
        self.end.again_in = Some((least, most));
        self
    }

    /// With an option of docquay's.
    pub(super) fn option(mut self, name: &'static str, value: &str) -> Self {
        self.options.push((name, value.to_owned()));
        self
    }

    /// The chain that is served ends at this issuer.
    pub(super) fn chain_of(mut self, root: &str) -> Self {
        self.end.root = Some(root.to_owned());
        self
    }
}

impl Range {
    pub(super) async fn new() -> Self {
        Self::with(|pebble| pebble).await
    }

    pub(super) async fn with(change: impl FnOnce(pebble::Builder) -> pebble::Builder) -> Self {
        let (http_port, tls_port) = (ports::free(), ports::free());
        let pebble = change(Pebble::builder().http_port(http_port).tls_port(tls_port)).start().await;
        let roots = vec![pebble.root_pem().await];
        Self { pebble, http_port, tls_port, roots, docs: Docs::new() }
    }

    pub(super) fn pebble(&self) -> &Pebble {
        &self.pebble
    }

    /// A second CA for the same ports and of the same authority.
    pub(super) async fn another_pebble(&self) -> Pebble {
        let builder = Pebble::builder().http_port(self.http_port).tls_port(self.tls_port);
        builder.authority(self.pebble.authority()).start().await
    }

    pub(super) fn also_trust(&mut self, root: String) {
        self.roots.push(root);
    }

    pub(super) fn place(&self) -> Place<'_> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // 127.1.0.1 and up, none with a zero at its end.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = Ipv4Addr::from(0x7F01_0001 + number / 250 * 256 + number % 250);
        Place { range: self, address, certs: Certs::new() }
    }

    /// Runs all cases, a few at a time; a failure with the names of those that failed.
    pub(super) async fn run(self, start: Start, cases: Vec<Case>) {
        assert!(!cases.is_empty());
        let (range, gate) = (Arc::new(self), Arc::new(Semaphore::new(AT_ONCE)));
        let mut running = JoinSet::new();
        let mut names = std::collections::HashMap::new();
        for case in cases {
            let (range, gate, name) = (Arc::clone(&range), Arc::clone(&gate), case.name.clone());
            let task = running.spawn(async move {
                let _permit = gate.acquire_owned().await.unwrap();
                try_out(&range, start, &case).await;
            });
            names.insert(task.id(), name);
        }
        let mut failed = Vec::new();
        while let Some(ended) = running.join_next_with_id().await {
            if let Err(error) = ended {
                failed.push(names[&error.id()].clone());
            }
        }
        assert!(failed.is_empty(), "{} cases failed: {failed:#?}", failed.len());
    }
}

impl Place<'_> {
    pub(super) fn name(&self) -> String {
        self.address.to_string()
    }

    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.address, port))
    }

    pub(super) fn docquay(&self, proxy: &Proxy) -> Builder {
        self.docquay_logging("json", proxy)
    }

    pub(super) fn docquay_logging(&self, format: &str, proxy: &Proxy) -> Builder {
        Docquay::builder()
            .docs(&self.range.docs)
            .option("bind", self.name())
            .port(self.range.tls_port)
            .acme_port(self.range.http_port)
            .domain(&self.name())
            .certs(&self.certs)
            .ca(&proxy.directory_url(), &proxy.authority().file())
            .option("log-format", format)
    }

    /// docquay with a certificate of this root.
    pub(super) fn https(&self, root_pem: &str) -> Target {
        Target::https(self.at(self.range.tls_port), &self.name(), root_pem)
    }

    fn certificate_name(&self) -> CertificateName {
        CertificateName::new(&Identifier::parse(&self.name()).unwrap())
    }

    pub(super) async fn store(&self) -> FileStore {
        open(self.certs.path()).await
    }

    pub(super) async fn entry(&self) -> CertificateEntry {
        let loaded = store::peek_certificate(&self.store().await, &self.certificate_name()).await.unwrap();
        assert!(loaded.broken.is_none(), "{:?}", loaded.broken);
        loaded.entry.unwrap_or_default()
    }

    /// The line about a failure comes before its record.
    async fn entry_after(&self, end: &End) -> CertificateEntry {
        let deadline = Instant::now() + MOMENT;
        loop {
            let entry = self.entry().await;
            if end.kind.is_none() || entry.record.attempts.failures > 0 || Instant::now() > deadline {
                return entry;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn change_record(&self, change: impl FnOnce(&mut Record)) {
        let mut entry = self.entry().await;
        change(&mut entry.record);
        store::save_certificate(&self.store().await, &self.certificate_name(), &entry).await.unwrap();
    }

    /// Leaves a certificate with five of its ninety days to go, as from this CA. Without an issuer's key in it no
    /// CA can be asked about its renewal.
    pub(super) async fn leave_due(&self, root: &Root, directory: &str, issuer: IssuerKey) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![self.name()]).unwrap();
        params.use_authority_key_identifier_extension = issuer == IssuerKey::Named;
        params.not_before = (SystemTime::now() - 85 * DAY).into();
        params.not_after = (SystemTime::now() + 5 * DAY).into();
        let chain = root.sign(&params, &key);
        let pair = Pair::from_pem(chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        let mut record = Record::default();
        record.directory = directory.to_owned();
        record.names = vec![self.name()];
        let mut entry = CertificateEntry::new(record, Some(pair));
        let store = self.store().await;
        store::publish_certificate(&store, &self.certificate_name(), &mut entry).await.unwrap();
    }
}

async fn open(certs: &Path) -> FileStore {
    FileStore::open(certs, Arc::new(SystemClock), Arc::new(SystemEntropy::new())).await.unwrap()
}

async fn try_out(range: &Range, start: Start, case: &Case) {
    let place = range.place();
    let proxy = Proxy::before(&range.pebble).await;
    let root = Root::new("the old CA");
    if start == Start::Due {
        place.leave_due(&root, &proxy.directory_url(), IssuerKey::Named).await;
    }
    (case.fault)(&proxy);
    let run = || {
        case.options.iter().fold(place.docquay(&proxy), |builder, (name, value)| builder.option(name, value))
    };
    let docquay = run().start();

    let outcome = outcome(&docquay, 0).await;
    let requests = proxy.requests().len();
    case.end.compare(&outcome, &case.name);
    let entry = place.entry_after(&case.end).await;
    case.end.compare_record(&entry.record, &outcome, &case.name);
    let next = entry.record.attempts.next_at.map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at));
    if let (Start::Due, Some(pair), Some(next)) = (start, &entry.pair, next) {
        assert!(next + 2 * DAY < pair.leaf().not_after(), "too late for the certificate");
    }
    assert!(requests <= MOST_REQUESTS, "{requests} requests");

    match (start, case.end.kind) {
        (_, None) => serves(&place, range, case.end.root.as_deref()).await,
        (Start::Due, Some(_)) => serves_by(&place.https(root.pem())).await,
        (Start::Empty, Some(_)) => {
            let redirect = wire::get_plain(place.at(range.http_port), "/").await.unwrap();
            assert!(redirect.status.is_redirection(), "{}", redirect.status);
            assert_eq!(proxy.requests().len(), requests, "it goes on asking");
        }
    }
    assert_eq!(failures(&docquay).len(), usize::from(case.end.kind.is_some()), "one failure, one line");
    assert_eq!(docquay.exited(), None);
    comes_to_rest(&docquay).await;
    assert!(!docquay.log().contains("panicked"));
    if start == Start::Empty && case.end.kind.is_some() {
        docquay.kill();
        proxy.clear_rules();
        place.change_record(|record| record.attempts.next_at = None).await;
        let docquay = run().start();
        let again = self::outcome(&docquay, 0).await;
        assert_eq!(again["message"], "certificate obtained", "{again:#}");
        serves(&place, range, None).await;
    }
}

/// The line that ends an attempt, after `mark`.
pub(super) async fn outcome(docquay: &Docquay, mark: usize) -> Value {
    let ends = |line: &str| {
        parse(line).is_some_and(|line| line["message"] == "certificate obtained" || is_failure(&line))
    };
    parse(&docquay.wait_for_after(mark, ends, MOMENT).await).unwrap()
}

fn parse(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok()
}

fn is_failure(line: &Value) -> bool {
    line["next_attempt"].is_string()
}

fn failures(docquay: &Docquay) -> Vec<Value> {
    docquay.log().lines().filter_map(parse).filter(is_failure).collect()
}

impl End {
    fn compare(&self, outcome: &Value, case: &str) {
        // With `--nocapture`: what an operator reads.
        println!("{case}\n{outcome:#}");
        let Some(kind) = self.kind else {
            assert_eq!(outcome["message"], "certificate obtained", "{case}: {outcome:#}");
            return;
        };
        assert_eq!(outcome["kind"], kind, "{case}: {outcome:#}");
        let text = ["message", "cause", "help"]
            .map(|part| outcome[part].as_str().unwrap_or_else(|| panic!("{part}")));
        assert!(text.iter().all(|part| !part.is_empty()));
        let text = text.join("\n");
        for word in &self.says {
            assert!(text.contains(word), "{case}: nothing of {word:?} in {text}");
        }
    }

    fn compare_record(&self, record: &Record, outcome: &Value, case: &str) {
        let attempts = &record.attempts;
        let Some(kind) = self.kind else {
            assert_eq!((attempts.failures, &record.order), (0, &None), "{case}");
            return;
        };
        let last = attempts.last.as_ref().unwrap();
        assert_eq!((attempts.failures, last.kind.as_str()), (1, kind), "{case}");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let pause = attempts.next_at.unwrap() - last.at;
        let next =
            docquay::x509::date(SystemTime::UNIX_EPOCH + Duration::from_secs(attempts.next_at.unwrap()));
        let said = outcome["next_attempt"].as_str().unwrap();
        assert!(said.starts_with(&next), "{case}: said {said}, noted {next}");
        let (least, most) = self.again_in.unwrap_or((54, 66));
        assert!((least..=most).contains(&pause) && attempts.next_at.unwrap() > now, "{case}: {pause} s");
    }
}

/// Serves a new certificate, by this root if it is named.
async fn serves(place: &Place<'_>, range: &Range, issuer: Option<&str>) {
    let mut judged = Vec::new();
    for root in &range.roots {
        let target = place.https(root);
        match target.handshake().await {
            Ok(served) => {
                if let Some(issuer) = issuer {
                    let last = served.chain.last().unwrap().as_slice();
                    let last = docquay::x509::Certificate::parse(last.into()).unwrap();
                    assert_eq!(last.issuer_name(), Some(issuer));
                }
                return serves_by(&target).await;
            }
            Err(failure) => judged.push(failure),
        }
    }
    panic!("no root leads to what is served: {judged:?}");
}

/// It waits, and does not go round in circles.
pub(super) async fn comes_to_rest(docquay: &Docquay) {
    let deadline = Instant::now() + MOMENT;
    loop {
        let before = processor_time(docquay.id());
        sleep(Duration::from_millis(200)).await;
        if processor_time(docquay.id()) - before < Duration::from_millis(50) {
            return;
        }
        assert!(Instant::now() < deadline, "it does not come to rest");
    }
}

/// What a process has used so far, as the kernel counts it: in hundredths of a second.
fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}

pub(super) async fn serves_by(target: &Target) {
    assert_eq!(target.get("/readyz").await.unwrap().status, 200);
    assert!(target.mcp("tools/list").await.unwrap()["tools"].is_array());
}

const DAY: Duration = Duration::from_secs(86_400);
