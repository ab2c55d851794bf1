//! `docquay check` on a machine with the real ports 80 and 443, a DNS and a CA: what is well, what is amiss, the trial.

use std::time::Duration;

use serde_json::Value;

use crate::harness::docquay::{Builder, Finished};
use crate::harness::process::{self, Process};
use crate::harness::{Certs, Docquay, Docs, Families, Network, Pebble};

const NAME: &str = "docs.test";
/// Bounds what never comes; nothing here takes long.
const LIMIT: Duration = Duration::from_secs(90);

/// A CA and a DNS on one machine, and on the other what docquay is checked with.
struct Place {
    pebble: Pebble,
    certs: Certs,
    docs: Docs,
    // Last, since the others run in it.
    network: Network,
}

impl Place {
    async fn new() -> Self {
        let network = Network::new(Families::Both);
        let pebble = Pebble::builder().within(network.ca()).http_port(80).tls_port(443).start().await;
        Self { pebble, certs: Certs::new(), docs: Docs::new(), network }
    }

    async fn point_here(&self) {
        let (server, dns) = (self.network.server(), self.pebble.dns());
        dns.add_a(NAME, &[server.ipv4().unwrap()]).await;
        dns.add_aaaa(NAME, &[server.ipv6().unwrap()]).await;
    }

    fn docquay(&self, command: &[&str]) -> Builder {
        let start = Docquay::builder().within(self.network.server());
        let start = command.iter().fold(start, |start, word| start.arg(word));
        let start = start.docs(&self.docs).certs(&self.certs).domain(NAME);
        start.ca(&self.pebble.directory_url(), &self.pebble.ca_file())
    }

    async fn check(&self, options: &[&str]) -> Checked {
        let start = options.iter().fold(self.docquay(&["check", "--json"]), |start, word| start.arg(word));
        Checked::of(start.run().await)
    }
}

/// What came of it.
struct Checked {
    finished: Finished,
    findings: Vec<Value>,
}

impl Checked {
    fn of(finished: Finished) -> Self {
        let findings =
            serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{}", finished.stderr));
        Self { finished, findings }
    }

    /// `outcome what | cause | help` of every finding of a check.
    fn of_check(&self, check: &str) -> Vec<String> {
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let of_it = self.findings.iter().filter(|finding| finding["check"] == check);
        of_it
            .map(|finding| ["outcome", "what", "cause", "help"].map(|key| text(finding, key)).join(" | "))
            .collect()
    }

    fn one(&self, check: &str) -> String {
        let found = self.of_check(check);
        assert_eq!(found.len(), 1, "{check}: {found:?}");
        found.concat()
    }

    fn assert_exit(&self, code: i32) {
        assert_eq!(self.finished.status.code(), Some(code), "{}", self.finished.stdout);
    }
}

#[tokio::test]
async fn all_that_is_well_is_said_and_a_trial_leaves_nothing_behind() {
    let place = Place::new().await;
    place.point_here().await;

    let checked = place.check(&["--dry-run"]).await;

    checked.assert_exit(0);
    let reached = checked.of_check("reach");
    assert_eq!(reached.len(), 4, "two addresses, two challenge types: {reached:?}");
    for (address, port) in [("192.0.2.2", 80), ("192.0.2.2", 443), ("2001:db8::2", 80), ("2001:db8::2", 443)]
    {
        let line = format!("ok | {NAME} at {address} port {port} leads here");
        assert!(reached.iter().any(|found| found.starts_with(&line)), "{line}: {reached:?}");
    }
    let names = checked.of_check("name");
    assert!(names[0].starts_with(&format!("ok | A of {NAME}: 192.0.2.2 (of this machine)")), "{names:?}");
    assert!(
        names[1].starts_with(&format!("ok | AAAA of {NAME}: 2001:db8::2 (of this machine)")),
        "{names:?}"
    );
    assert!(checked.one("CAA").starts_with("ok | no record"), "{}", checked.one("CAA"));
    assert!(checked.one("clock").starts_with("ok | within 5 seconds"), "{}", checked.one("clock"));
    assert!(checked.one("trial order").contains("has issued a certificate; nothing of it was kept"));
    assert_eq!(place.pebble.issued().len(), 1);
    assert!(place.certs.files().is_empty(), "{:?}", place.certs.files());
}

#[tokio::test]
async fn beside_a_docquay_that_runs_its_ports_and_its_certificate_are_well() {
    let place = Place::new().await;
    place.point_here().await;
    let docquay = place.docquay(&[]).start();
    docquay.wait_for(|line| line.contains("certificate obtained"), LIMIT).await;

    let checked = place.check(&["--dry-run"]).await;

    checked.assert_exit(0);
    for line in checked.of_check("port") {
        assert!(line.contains("is held by a docquay that runs"), "{line}");
    }
    assert!(
        checked.of_check("reach").iter().all(|line| line.starts_with("ok")),
        "{:?}",
        checked.of_check("reach")
    );
    assert!(checked.one("certificate").starts_with("ok | valid"), "{}", checked.one("certificate"));
    assert!(checked.one("trial order").starts_with("skipped"), "{}", checked.one("trial order"));
}

#[tokio::test]
async fn a_name_that_leads_to_another_server_fails_with_that_servers_words() {
    let place = Place::new().await;
    let elsewhere = place.network.ca();
    place.pebble.dns().add_a(NAME, &[elsewhere.ipv4().unwrap()]).await;
    let mut python = process::command(&elsewhere.prefix(), "python3");
    python.args(["-u", "-m", "http.server", "80", "--bind", "192.0.2.1"]);
    let other = Process::start(python, "python3");
    other.wait_for(|line| line.contains("Serving HTTP"), LIMIT).await;

    let checked = place.check(&["--acme-challenge", "http-01"]).await;

    checked.assert_exit(1);
    let reach = checked.one("reach");
    assert!(reach.starts_with("failed | docs.test at 192.0.2.1 port 80 does not lead here"), "{reach}");
    assert!(reach.contains("SimpleHTTP") && reach.contains("correct the record of docs.test"), "{reach}");
    assert!(
        checked.of_check("name")[0].contains("192.0.2.1 (not of this machine"),
        "{:?}",
        checked.of_check("name")
    );
}

#[tokio::test]
async fn a_port_that_another_program_has_is_told_with_the_programs_words() {
    let place = Place::new().await;
    place.point_here().await;
    let mut python = process::command(&place.network.server().prefix(), "python3");
    python.args(["-u", "-m", "http.server", "80", "--bind", "0.0.0.0"]);
    let other = Process::start(python, "python3");
    other.wait_for(|line| line.contains("Serving HTTP"), LIMIT).await;

    let both = place.check(&[]).await;
    let alone = place.check(&["--acme-challenge", "http-01"]).await;

    // The other challenge type can do.
    both.assert_exit(0);
    alone.assert_exit(1);
    for (checked, outcome) in [(both, "warning"), (alone, "failed")] {
        let line = checked.of_check("port").into_iter().find(|line| line.starts_with(outcome)).unwrap();
        assert!(line.contains("another program listens on port 80; it answers"), "{line}");
        assert!(line.contains("SimpleHTTP") && line.contains("ss -ltnp"), "{line}");
    }
}

#[tokio::test]
async fn caa_is_asked_of_the_name_and_above_it_and_a_dns_that_cannot_tell_fails() {
    let place = Place::new().await;
    place.point_here().await;
    let dns = place.pebble.dns();
    // Pebble names no identity of its own: whom the records name is told, and not judged.
    dns.add_caa("test", &[("issue", "other.example")]).await;
    let checked = place.check(&[]).await;
    checked.assert_exit(0);
    let caa = checked.one("CAA");
    assert!(caa.starts_with("warning") && caa.contains("the records of test name other.example"), "{caa}");

    dns.add_caa(NAME, &[("iodef", "mailto:ops@docs.test")]).await;
    let caa = place.check(&[]).await.one("CAA");
    assert!(caa.starts_with("ok | the records of docs.test let the CA issue"), "{caa}");

    dns.fail(NAME).await;
    let checked = place.check(&[]).await;
    checked.assert_exit(1);
    let caa = checked.one("CAA");
    assert!(caa.starts_with("failed") && caa.contains("SERVFAIL (2)"), "{caa}");
}

#[tokio::test]
async fn a_ca_that_is_away_and_a_store_that_cannot_be_written_are_each_told() {
    let place = Place::new().await;
    place.point_here().await;
    place.pebble.stop();
    std::fs::write(place.certs.path().join(".docquay"), "in the way").unwrap();
    place.docs.write("index.md", "# Quay\n\n[gone](gone.md)\n");

    let checked = place.check(&[]).await;

    checked.assert_exit(1);
    assert!(checked.one("CA").starts_with("failed"), "{}", checked.one("CA"));
    assert!(checked.one("clock").starts_with("skipped"), "{}", checked.one("clock"));
    assert!(checked.one("store").starts_with("failed"), "{}", checked.one("store"));
    assert!(checked.one("links").contains("index → gone.md"), "{}", checked.one("links"));
}
