//! Machines with one family of addresses or both, at the real ports 80 and 443, with a DNS of their own.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::docquay::Builder;
use crate::harness::{Certs, Docquay, Docs, Families, Network, Pebble, Resource, client};

const NAME: &str = "docs.test";
/// Bounds what never comes; nothing here takes long.
const LIMIT: Duration = Duration::from_secs(90);

/// A CA on one machine, and on the other what docquay needs to start.
struct Place {
    pebble: Pebble,
    certs: Certs,
    docs: Docs,
    folder: TempDir,
    // Last, since the others run in it.
    network: Network,
}

impl Place {
    async fn new(families: Families) -> Self {
        let network = Network::new(families);
        let pebble = Pebble::builder().within(network.ca()).http_port(80).tls_port(443).start().await;
        let folder = tempfile::tempdir().unwrap();
        Self { pebble, certs: Certs::new(), docs: Docs::new(), folder, network }
    }

    /// The records of a name that leads to docquay's machine.
    async fn point_here(&self, name: &str) {
        let (server, dns) = (self.network.server(), self.pebble.dns());
        if let Some(address) = server.ipv4() {
            dns.add_a(name, &[address]).await;
        }
        if let Some(address) = server.ipv6() {
            dns.add_aaaa(name, &[address]).await;
        }
    }

    /// docquay with the ports and the address that it takes by itself.
    fn docquay(&self, names: &[&str]) -> Builder {
        let builder = Docquay::builder().within(self.network.server()).docs(&self.docs).certs(&self.certs);
        let builder = builder.ca(&self.pebble.directory_url(), &self.pebble.ca_file());
        names.iter().fold(builder, |builder, name| builder.domain(name))
    }

    async fn root_file(&self) -> PathBuf {
        let file = self.folder.path().join("root.pem");
        std::fs::write(&file, self.pebble.root_pem().await).unwrap();
        file
    }

    /// A client on the other machine gets a certificate of `name` that it trusts, at every address.
    async fn assert_served(&self, name: &str) {
        let (server, root) = (self.network.server(), self.root_file().await);
        let addresses = [server.ipv4().map(IpAddr::from), server.ipv6().map(IpAddr::from)];
        for address in addresses.into_iter().flatten() {
            let address = SocketAddr::new(address, 443);
            let verified = client::openssl_verifies(&self.network.ca().prefix(), address, name, &root).await;
            verified.unwrap_or_else(|said| panic!("{name} at {address}: {said}"));
        }
    }
}

async fn obtained(docquay: &Docquay) {
    docquay.wait_for(|line| line.contains("certificate obtained"), LIMIT).await;
}

async fn a_certificate_is_obtained_by(challenge: &str, families: Families) {
    let place = Place::new(families).await;
    place.point_here(NAME).await;

    let docquay = place.docquay(&[NAME]).option("acme-challenge", challenge).start();

    obtained(&docquay).await;
    place.assert_served(NAME).await;
    assert_eq!((place.pebble.validations(), place.pebble.issued().len()), (1, 1));
    assert!(!docquay.log().contains("not this machine's own"), "{}", docquay.log());
}

#[tokio::test]
async fn ipv4_alone_does_for_http_01() {
    a_certificate_is_obtained_by("http-01", Families::Ipv4).await;
}

#[tokio::test]
async fn ipv4_alone_does_for_tls_alpn_01() {
    a_certificate_is_obtained_by("tls-alpn-01", Families::Ipv4).await;
}

#[tokio::test]
async fn ipv6_alone_does_for_http_01() {
    a_certificate_is_obtained_by("http-01", Families::Ipv6).await;
}

#[tokio::test]
async fn ipv6_alone_does_for_tls_alpn_01() {
    a_certificate_is_obtained_by("tls-alpn-01", Families::Ipv6).await;
}

#[tokio::test]
async fn both_families_do_for_http_01() {
    a_certificate_is_obtained_by("http-01", Families::Both).await;
}

#[tokio::test]
async fn both_families_do_for_tls_alpn_01() {
    a_certificate_is_obtained_by("tls-alpn-01", Families::Both).await;
}

#[tokio::test]
async fn several_names_are_one_certificate() {
    let place = Place::new(Families::Both).await;
    // One by each family, one by both.
    let server = place.network.server();
    place.pebble.dns().add_a("a.test", &[server.ipv4().unwrap()]).await;
    place.pebble.dns().add_aaaa("b.test", &[server.ipv6().unwrap()]).await;
    place.point_here("c.test").await;

    let docquay = place.docquay(&["a.test", "b.test", "c.test"]).start();

    obtained(&docquay).await;
    for name in ["a.test", "b.test", "c.test"] {
        place.assert_served(name).await;
    }
    assert_eq!((place.pebble.validations(), place.pebble.issued().len()), (3, 1));
}

#[tokio::test]
async fn an_aaaa_record_that_leads_elsewhere_is_named_by_the_ca_and_by_us() {
    let place = Place::new(Families::Both).await;
    // Where nobody listens: Pebble asks there, and not at the IPv4 address after it.
    let elsewhere = place.network.ca().ipv6().unwrap();
    place.pebble.dns().add_a(NAME, &[place.network.server().ipv4().unwrap()]).await;
    place.pebble.dns().add_aaaa(NAME, &[elsewhere]).await;

    let docquay = place.docquay(&[NAME]).start();

    let told = docquay.wait_for(|line| line.contains("could not validate"), LIMIT).await;
    assert!(told.contains(&format!("[{elsewhere}]:80")), "{told}");
    assert!(told.contains("docs.test leads to 192.0.2.2, 2001:db8::1"), "{told}");
    assert!(told.contains("remove an AAAA record"), "{told}");
    assert!(told.contains("no request of the CA has reached this server"), "{told}");
    let foreign = docquay.wait_for(|line| line.contains("not this machine's own"), LIMIT).await;
    assert!(foreign.contains("2001:db8::1") && !foreign.contains("192.0.2.2"), "{foreign}");
}

#[tokio::test]
async fn a_name_without_records_costs_the_ca_nothing_and_is_asked_again() {
    let place = Place::new(Families::Both).await;

    let docquay = place.docquay(&[NAME]).start();

    let told = docquay.wait_for(|line| line.contains("waiting for docs.test to resolve"), LIMIT).await;
    assert!(
        told.contains("create an A (and, if this machine has IPv6, AAAA) record for docs.test"),
        "{told}"
    );
    for resource in [Resource::Directory, Resource::NewNonce, Resource::NewAccount, Resource::NewOrder] {
        assert_eq!(place.pebble.count(resource), 0, "{resource:?}");
    }

    place.point_here(NAME).await;

    obtained(&docquay).await;
    place.assert_served(NAME).await;
    assert_eq!(place.pebble.validations(), 1);
}

#[tokio::test]
async fn a_machine_whose_ipv6_is_switched_off_is_served_by_the_same_listener() {
    let place = Place::new(Families::Ipv4).await;
    place.point_here(NAME).await;

    let docquay = place.docquay(&[NAME]).start();

    obtained(&docquay).await;
    place.assert_served(NAME).await;
    // The kernel still binds [::]; peers are known by their own addresses.
    assert!(docquay.log().contains("serving address=[::]:443"), "{}", docquay.log());
    docquay.wait_for(|line| line.contains("HTTP-01 answered peer=192.0.2.1:"), LIMIT).await;
}

#[tokio::test]
async fn a_kernel_without_ipv6_is_listened_to_by_ipv4() {
    for (challenge, port) in [("http-01", 80), ("tls-alpn-01", 443)] {
        let place = Place::new(Families::Ipv4).await;
        place.point_here(NAME).await;

        let docquay = place.docquay(&[NAME]).without_ipv6().option("acme-challenge", challenge).start();

        obtained(&docquay).await;
        place.assert_served(NAME).await;
        let told = |line: &str| line.contains("this machine has no IPv6") && line.contains(&port.to_string());
        docquay.wait_for(told, LIMIT).await;
        assert!(docquay.log().contains("serving address=0.0.0.0:443"), "{}", docquay.log());
    }
}
