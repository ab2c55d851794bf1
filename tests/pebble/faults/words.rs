//! The log as it is read, in both formats; and a real CA that validates inside the challenge's POST.

use serde_json::{Value, json};

use super::trial::{MOMENT, Range};
use crate::harness::{
    AcmeTwoCertifier, Certs, Docquay, Docs, Families, Network, Pebble, Proxy, Reply, Resource,
};

/// A problem of several lines and an attempt at colours.
fn refusal() -> Reply {
    let part = |name: &str, detail: &str| {
        json!({
            "type": "urn:ietf:params:acme:error:caa", "detail": detail,
            "identifier": {"type": "dns", "value": name},
        })
    };
    let body = json!({
        "type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "some names\r\nare \u{1b}[31mrefused",
        "subproblems": [part("a.test", "CAA\nforbids"), part("b.test", "so does this")],
    });
    let help = r#"<https://ca.test/names>;rel="help""#;
    Reply::new(403)
        .header("content-type", "application/problem+json")
        .header("link", help)
        .body(&body.to_string())
}

const CAUSE: &str = "newOrder: the CA answered 403 Forbidden: some names are [31mrefused (rejectedIdentifier); \
                     a.test: CAA forbids (caa); b.test: so does this (caa)";

#[tokio::test]
async fn a_failure_is_one_line_of_text_with_the_cas_words_and_the_next_attempt() {
    let range = Range::new().await;
    let (place, proxy) = (range.place(), Proxy::before(range.pebble()).await);
    proxy.on(Resource::NewOrder).answers(refusal());

    let docquay = place.docquay_logging("text", &proxy).start();

    let line = docquay.wait_for(|line| line.contains("next_attempt"), MOMENT).await;
    println!("{line}");
    assert!(
        line.contains("ERROR") && line.contains("refuses the order; there is no certificate to serve"),
        "{line}"
    );
    assert!(line.contains(&format!("cause=\"{CAUSE}\"")), "{line}");
    assert!(line.contains("change --domain; the CA explains it at https://ca.test/names"), "{line}");
    assert!(!line.contains(char::is_control) && !line.contains("\\n"), "{line}");
}

#[tokio::test]
async fn a_failure_is_one_object_of_json_with_the_same_words() {
    let range = Range::new().await;
    let (place, proxy) = (range.place(), Proxy::before(range.pebble()).await);
    proxy.on(Resource::NewOrder).answers(refusal());

    let docquay = place.docquay(&proxy).start();

    let line = docquay.wait_for(|line| line.contains("next_attempt"), MOMENT).await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["cause"], &line["kind"]), (&json!(CAUSE), &json!("order")));
}

#[tokio::test]
async fn two_names_that_fail_are_told_in_one_line() {
    let range = Range::new().await;
    let (place, other, proxy) = (range.place(), range.place(), Proxy::before(range.pebble()).await);
    // Nobody listens at the other's address, and both are said to be somewhere else.
    proxy.on(Resource::Challenge).answers(Reply::problem(403, "dns", "no such name"));

    let docquay = place.docquay_logging("text", &proxy).domain(&other.name()).start();

    let line = docquay.wait_for(|line| line.contains("next_attempt"), MOMENT).await;
    println!("{line}");
    for name in [place.name(), other.name()] {
        assert!(line.contains(&format!("could not validate {name}")), "{line}");
        assert!(line.contains(&format!("{name} leads to {name}")), "{line}");
    }
    assert_eq!(
        (line.matches("no such name (dns)").count(), line.matches("next_attempt").count()),
        (2, 1),
        "{line}"
    );
}

#[tokio::test]
async fn acme2certifier_looks_inside_the_post_and_its_refusal_is_told() {
    let network = Network::new(Families::Ipv4);
    // For its DNS.
    let pebble = Pebble::builder().within(network.ca()).start().await;
    pebble.dns().add_a("docs.test", &[network.server().ipv4().unwrap()]).await;
    let ca = AcmeTwoCertifier::builder().within(network.ca()).start().await;
    let (docs, certs) = (Docs::new(), Certs::new());
    let docquay = |http_port| {
        let start =
            Docquay::builder().within(network.server()).docs(&docs).certs(&certs).acme_port(http_port);
        start.ca(&ca.directory_url(), &ca.ca_file()).domain(NAME).option("acme-challenge", "http-01")
    };

    // Where it does not look.
    let running = docquay(81).start();
    let line = running.wait_for(|line| line.contains("next_attempt"), MOMENT).await;
    println!("{line}");
    assert!(line.contains("the CA could not validate docs.test by http-01"), "{line}");
    // It has the reason in its own log alone.
    assert!(line.contains("the CA did not say why"), "{line}");
    assert!(
        line.contains("no request of the CA has reached this server; port 80 must be reachable"),
        "{line}"
    );
    assert!(ca.count(Resource::Challenge) <= 2, "{}", ca.count(Resource::Challenge));
    assert_eq!(running.exited(), None);
    running.kill();

    // Where it does.
    std::fs::remove_file(certs.path().join(".docquay").join(format!("{NAME}.pem"))).unwrap();
    let running = docquay(80).start();
    running.wait_for(|line| line.contains("certificate obtained"), MOMENT).await;
    assert!(certs.certificate_pem(NAME).is_some());
}

const NAME: &str = "docs.test";
