//! Renewal when the CA says so (RFC 9773): acme2certifier, which has renewal information, and windows that the proxy
//! puts in front of Pebble.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use docquay::acme::CertificateId;
use docquay::x509::Pair;
use serde_json::Value;
use tokio::time::sleep;

use crate::harness::docquay::Builder;
use crate::harness::proxy::RenewalInfo;
use crate::harness::{
    AcmeTwoCertifier, Certs, Docquay, Docs, Pebble, Proxy, Reply, Resource, Signal, Target, ports,
};

const NAME: &str = "docs.test";
/// Bounds what never comes; what comes does so within seconds, or within the minute that the CA said.
const LIMIT: Duration = Duration::from_secs(120);
/// Long enough for a renewal that must not come.
const A_WHILE: Duration = Duration::from_secs(4);

/// Where docquay is at home: what a restart finds again.
struct Home {
    certs: Certs,
    docs: Docs,
    port: u16,
    acme_port: u16,
}

impl Home {
    fn new() -> Self {
        Self { certs: Certs::new(), docs: Docs::new(), port: ports::free(), acme_port: ports::free() }
    }

    fn docquay(&self, directory_url: &str, ca_file: &Path) -> Builder {
        Docquay::builder()
            .docs(&self.docs)
            .certs(&self.certs)
            .domain(NAME)
            .resolves(NAME, Ipv4Addr::LOCALHOST.into())
            .option("bind", "127.0.0.1")
            .port(self.port)
            .acme_port(self.acme_port)
            .ca(directory_url, ca_file)
    }

    fn target(&self, root_pem: &str) -> Target {
        Target::https(SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), NAME, root_pem)
    }

    /// The record of the store's truth.
    fn record(&self) -> Value {
        let file = std::fs::read_to_string(self.certs.path().join(format!(".docquay/{NAME}.pem"))).unwrap();
        serde_json::from_str(file.split("-----BEGIN").next().unwrap()).unwrap()
    }

    /// The window and the choice, once they are saved.
    async fn window(&self) -> (u64, u64, u64) {
        loop {
            let ari = &self.record()["ari"];
            if let (Some(start), Some(end @ 1..)) = (ari["start"].as_u64(), ari["end"].as_u64()) {
                return (start, end, ari["chosen"].as_u64().unwrap());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What `replaces` has to say of the certificate that is published now.
    fn certificate_id(&self) -> String {
        let read = |text: Option<String>| text.unwrap().into_bytes();
        let (chain, key) = (read(self.certs.certificate_pem(NAME)), read(self.certs.key_pem(NAME)));
        CertificateId::of(Pair::from_pem(&chain, &key).unwrap().leaf()).unwrap().to_string()
    }
}

/// Waits for the `count`th certificate.
async fn obtained(docquay: &Docquay, count: usize) {
    let mut mark = 0;
    for _ in 0..count {
        docquay.wait_for_after(mark, |line| line.contains("certificate obtained"), LIMIT).await;
        let log = docquay.log();
        mark += log[mark..].find("certificate obtained").unwrap() + "certificate obtained".len();
    }
}

/// The value of `replaces` of each order so far.
fn replaced(proxy: &Proxy) -> Vec<Option<String>> {
    let orders = proxy.requests_for(Resource::NewOrder);
    orders.iter().map(|order| order.payload["replaces"].as_str().map(str::to_owned)).collect()
}

fn window(start: i64, end: i64) -> RenewalInfo {
    let now = SystemTime::now();
    let at = |seconds: i64| match u64::try_from(seconds) {
        Ok(ahead) => now + Duration::from_secs(ahead),
        Err(_) => now - Duration::from_secs(seconds.unsigned_abs()),
    };
    RenewalInfo { start: at(start), end: at(end), retry_after: 60 }
}

const DAY: i64 = 86_400;

#[tokio::test]
async fn a_choice_in_acme2certifiers_window_is_kept_over_a_restart() {
    let ca = AcmeTwoCertifier::builder().start().await;
    let home = Home::new();

    let docquay = home.docquay(&ca.directory_url(), &ca.ca_file()).start();
    obtained(&docquay, 1).await;
    home.target(ca.root_pem()).handshake().await.unwrap();
    // From 85 % of 90 days to their end; a time in it is chosen and saved.
    let (start, end, chosen) = home.window().await;
    let span = |from: u64, to: u64| i64::try_from(to).unwrap() - i64::try_from(from).unwrap();
    assert!((13 * DAY..=14 * DAY).contains(&span(start, end)), "{start} to {end}");
    assert!((start..end).contains(&chosen));
    docquay.signal(Signal::Terminate);
    docquay.exit(LIMIT).await;

    let again = home.docquay(&ca.directory_url(), &ca.ca_file()).start();
    again.wait_for(|line| line.contains("serving"), LIMIT).await;
    home.target(ca.root_pem()).handshake().await.unwrap();
    sleep(A_WHILE).await;

    assert_eq!(home.window().await, (start, end, chosen));
    assert_eq!((ca.count(Resource::NewOrder), ca.count(Resource::RenewalInfo)), (1, 1));
}

#[tokio::test]
async fn acme2certifiers_window_within_a_minute_renews_and_names_what_is_replaced() {
    let ca = AcmeTwoCertifier::builder().renewal_threshold_percent(0).window_seconds(10).start().await;
    let proxy = Proxy::of(ca.address(), "/directory", ca.authority()).await;
    let home = Home::new();

    let docquay = home.docquay(&proxy.directory_url(), &ca.ca_file()).start();
    obtained(&docquay, 1).await;
    let first = home.certificate_id();
    obtained(&docquay, 2).await;

    assert_eq!(replaced(&proxy), [None, Some(first)]);
    home.target(ca.root_pem()).handshake().await.unwrap();
    // The new certificate's window is as near. It is left to live for ten minutes at least.
    home.window().await;
    sleep(A_WHILE).await;
    assert_eq!((proxy.count(Resource::NewOrder), home.record()["early_renewals"].as_u64()), (2, Some(1)));
}

/// docquay, the proxy and Pebble behind it.
async fn before_pebble(info: &RenewalInfo) -> (Pebble, Proxy, Home, Docquay) {
    let home = Home::new();
    let pebble = Pebble::builder().http_port(home.acme_port).tls_port(home.port).start().await;
    let proxy = Proxy::before(&pebble).await;
    proxy.offer_renewal_info(info);
    let docquay = home.docquay(&proxy.directory_url(), &pebble.ca_file()).start();
    obtained(&docquay, 1).await;
    (pebble, proxy, home, docquay)
}

#[tokio::test]
async fn a_window_in_the_past_renews_at_once_and_once() {
    let (pebble, proxy, home, docquay) = before_pebble(&window(-2 * DAY, -DAY)).await;
    let root = pebble.root_pem().await;

    obtained(&docquay, 2).await;
    proxy.wait_for(Resource::RenewalInfo, 2, LIMIT).await;
    sleep(A_WHILE).await;

    assert_eq!(pebble.issued().len(), 2);
    assert_eq!(home.target(&root).handshake().await.unwrap().serial, pebble.issued()[1]);

    // Nor does a restart, which knows only what is saved.
    docquay.kill();
    let again = home.docquay(&proxy.directory_url(), &pebble.ca_file()).start();
    again.wait_for(|line| line.contains("serving"), LIMIT).await;
    sleep(A_WHILE).await;
    assert_eq!(pebble.issued().len(), 2);
    assert_eq!(home.target(&root).handshake().await.unwrap().serial, pebble.issued()[1]);
}

#[tokio::test]
async fn a_window_that_moves_into_the_past_renews_within_the_cas_retry_after() {
    let (pebble, proxy, home, docquay) = before_pebble(&window(50 * DAY, 51 * DAY)).await;
    let (first, (start, ..)) = (home.certificate_id(), home.window().await);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(start > now + 49 * 86_400);

    // The CA has to revoke.
    proxy.offer_renewal_info(&window(-3_600, -1_800));

    obtained(&docquay, 2).await;
    assert_eq!(replaced(&proxy), [None, Some(first)]);
    assert_eq!(pebble.issued().len(), 2);
}

#[tokio::test]
async fn a_window_in_the_future_is_waited_for_and_an_inverted_one_is_none() {
    for (info, has_window) in [(window(DAY, 2 * DAY), true), (window(-DAY, -2 * DAY), false)] {
        let (pebble, proxy, home, docquay) = before_pebble(&info).await;

        proxy.wait_for(Resource::RenewalInfo, 1, LIMIT).await;
        sleep(A_WHILE).await;

        assert_eq!((pebble.issued().len(), proxy.count(Resource::RenewalInfo)), (1, 1));
        let chosen = home.record()["ari"]["chosen"].as_u64().unwrap_or_default();
        assert_eq!(chosen > 0, has_window);
        drop(docquay);
    }
}

#[tokio::test]
async fn renewal_information_that_cannot_be_had_breaks_nothing() {
    let home = Home::new();
    let pebble = Pebble::builder().http_port(home.acme_port).tls_port(home.port).start().await;
    let proxy = Proxy::before(&pebble).await;
    proxy.on(Resource::RenewalInfo).nth(1).drops_the_request();
    proxy.on(Resource::RenewalInfo).answers(Reply::new(500));
    proxy.offer_renewal_info(&window(DAY, 2 * DAY));

    let docquay = home.docquay(&proxy.directory_url(), &pebble.ca_file()).start();
    obtained(&docquay, 1).await;
    proxy.wait_for(Resource::RenewalInfo, 1, LIMIT).await;
    sleep(A_WHILE).await;

    // Served, not ordered again, and after a few tries not asked for hours: the lifetime decides.
    home.target(&pebble.root_pem().await).handshake().await.unwrap();
    assert_eq!(pebble.issued().len(), 1);
    assert!(proxy.count(Resource::RenewalInfo) <= 5);
    let record = home.record();
    let (issued, ask_again) = (record["issued_at"].as_u64(), record["ari"]["retry_at"].as_u64());
    assert!(ask_again.unwrap() >= issued.unwrap() + 3_600, "{record}");
    assert_eq!(record["ari"]["end"], 0);
}
