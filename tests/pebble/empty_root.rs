//! The static binary in an image from scratch: nothing but itself, a folder for certificates and the CA's root.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use crate::harness::docquay::Builder;
use crate::harness::{Docquay, EmptyRoot, Families, Network, Pebble, Target, client, ports};

const LIMIT: Duration = Duration::from_secs(90);

/// docquay inside, with its own manual for documents.
fn docquay(builder: Builder, root: &EmptyRoot, pebble: &Pebble) -> Builder {
    root.add("ca.pem", &pebble.ca_file());
    builder.inside(root).option("certs", "/certs").option("acme-ca-file", "/ca.pem").arg("--agree-tos")
}

async fn obtained(docquay: &Docquay) {
    docquay.wait_for(|line| line.contains("certificate obtained"), LIMIT).await;
}

/// A CA on loopback that asks at the two ports.
async fn loopback() -> (Pebble, u16, u16) {
    let (port, acme_port) = (ports::free(), ports::free());
    (Pebble::builder().http_port(acme_port).tls_port(port).start().await, port, acme_port)
}

fn on_loopback(root: &EmptyRoot, pebble: &Pebble, port: u16, acme_port: u16) -> Builder {
    let builder = docquay(Docquay::builder(), root, pebble).domain("127.0.0.1");
    builder.option("bind", "127.0.0.1").port(port).acme_port(acme_port)
}

#[tokio::test]
async fn a_ca_at_an_address_or_at_localhost_needs_no_file() {
    for (host, challenge) in [("127.0.0.1", "http-01"), ("localhost", "tls-alpn-01")] {
        let (pebble, port, acme_port) = loopback().await;
        let root = EmptyRoot::new();
        let directory = pebble.directory_url().replace("localhost", host);

        let docquay = on_loopback(&root, &pebble, port, acme_port)
            .option("acme-directory", directory)
            .option("acme-challenge", challenge)
            .start();

        obtained(&docquay).await;
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let target = Target::https(here, "127.0.0.1", &pebble.root_pem().await);
        assert_eq!(target.get("/readyz").await.unwrap().status, 200);
        assert_eq!(target.mcp("tools/list").await.unwrap()["tools"][0]["name"], "search");
    }
}

/// A CA at a name on another machine, and an empty root on docquay's.
async fn apart() -> (Network, Pebble, EmptyRoot) {
    let network = Network::new(Families::Both);
    let pebble = Pebble::builder().within(network.ca()).http_port(80).tls_port(443).start().await;
    (network, pebble, EmptyRoot::new())
}

fn on_the_server(root: &EmptyRoot, pebble: &Pebble, network: &Network) -> Builder {
    let builder = docquay(Docquay::builder().within(network.server()), root, pebble);
    builder.option("acme-directory", pebble.directory_url())
}

#[tokio::test]
async fn names_are_resolved_by_the_files_that_container_runtimes_mount() {
    let (network, pebble, root) = apart().await;
    pebble.dns().add_a("docs.test", &[network.server().ipv4().unwrap()]).await;
    root.write_etc("hosts", &format!("{} ca.test\n", network.ca().address()));
    root.write_etc("resolv.conf", &format!("nameserver {}\n", network.ca().address()));

    let docquay = on_the_server(&root, &pebble, &network).domain("docs.test").start();

    obtained(&docquay).await;
    let pem = root.path().join("root.pem");
    std::fs::write(&pem, pebble.root_pem().await).unwrap();
    let address = SocketAddr::new(network.server().address(), 443);
    client::openssl_verifies(&network.ca().prefix(), address, "docs.test", &pem).await.unwrap();
}

#[tokio::test]
async fn without_the_files_the_log_says_that_they_are_missing() {
    let (network, pebble, root) = apart().await;
    let missing = "names cannot be resolved here: /etc/resolv.conf and /etc/hosts are missing";

    // The name of the certificate, looked up before the CA is asked.
    let docquay = on_the_server(&root, &pebble, &network).domain("docs.test").start();
    let told = docquay.wait_for(|line| line.contains("waiting for docs.test to resolve"), LIMIT).await;
    assert!(told.contains(missing) && told.contains("mount both, as container runtimes do"), "{told}");
    drop(docquay);

    // The name of the CA.
    let address = network.server().address().to_string();
    let docquay = on_the_server(&root, &pebble, &network).domain(&address).start();
    let told = docquay.wait_for(|line| line.contains("cannot be reached"), LIMIT).await;
    assert!(told.contains("ca.test") && told.contains(missing), "{told}");
    drop(docquay);

    // One of them leads to the CA, and to nothing else. (In another root: the one before remembers its failure.)
    let root = EmptyRoot::new();
    root.write_etc("hosts", &format!("{} ca.test\n", network.ca().address()));
    let docquay = on_the_server(&root, &pebble, &network).domain("docs.test").start();
    let told = docquay.wait_for(|line| line.contains("waiting for docs.test to resolve"), LIMIT).await;
    assert!(told.contains("/etc/resolv.conf is missing, and the name is not in /etc/hosts"), "{told}");
    drop(docquay);
    let docquay = on_the_server(&root, &pebble, &network).domain(&address).start();
    obtained(&docquay).await;
}

/// The figure: `DOCQUAY_STATIC=… cargo test --test pebble from_start_to_https -- --nocapture`, with a release.
#[tokio::test]
async fn from_start_to_https() {
    let mut times = Vec::new();
    let runs = if std::env::var_os("DOCQUAY_STATIC").is_some() { 10 } else { 2 };
    for _ in 0..runs {
        let (pebble, port, acme_port) = loopback().await;
        let root = EmptyRoot::new();
        let target_root = pebble.root_pem().await;
        let here = SocketAddr::from((IpAddr::from(Ipv4Addr::LOCALHOST), port));
        let target = Target::https(here, "127.0.0.1", &target_root);
        let builder = on_loopback(&root, &pebble, port, acme_port);
        let builder = builder.option("acme-directory", pebble.directory_url());

        let started = Instant::now();
        let _docquay = builder.start();
        while target.get("/readyz").await.is_err() {
            assert!(started.elapsed() < LIMIT);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }

        times.push(started.elapsed());
    }
    times.sort_unstable();
    // Of an even number the two in the middle.
    let median = (times[(times.len() - 1) / 2] + times[times.len() / 2]) / 2;
    println!("from start to https: median {median:?} of {times:?}");
}
