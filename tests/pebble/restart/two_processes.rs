//! Two processes on one store.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::harness::{Certs, Docquay, Docs, Pebble, Proxy, Resource, Target, Truth, Watcher, ports};

const LIMIT: Duration = Duration::from_secs(60);
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What both processes share.
struct Pair {
    pebble: Pebble,
    proxy: Proxy,
    docs: Docs,
    certs: Certs,
    domain: &'static str,
    http: u16,
    https: u16,
}

impl Pair {
    async fn new(domain: &'static str, leads_to: Ipv4Addr) -> Self {
        let (http, https) = (ports::free(), ports::free());
        let pebble = Pebble::builder().http_port(http).names_resolve_to(leads_to.into()).start().await;
        let proxy = Proxy::before(&pebble).await;
        Self { pebble, proxy, docs: Docs::new(), certs: Certs::new(), domain, http, https }
    }

    /// One of the two, at an address of its own.
    fn start(&self, address: Ipv4Addr) -> Docquay {
        Docquay::builder()
            .docs(&self.docs)
            .certs(&self.certs)
            .domain(self.domain)
            .option("bind", address.to_string())
            .option("log-level", "debug")
            .port(self.https)
            .acme_port(self.http)
            .ca(&self.proxy.directory_url(), &self.proxy.authority().file())
            .start()
    }

    async fn served_at(&self, address: Ipv4Addr) -> String {
        let address = SocketAddr::from((address, self.https));
        let target = Target::https(address, self.domain, &self.pebble.root_pem().await);
        Watcher::of(&target).wait_for_serials(1, LIMIT).await.remove(0)
    }

    async fn assert_ordered_once(&self, serial: &str) {
        assert_eq!(self.pebble.issued(), [serial]);
        assert_eq!((self.pebble.count(Resource::NewOrder), self.pebble.accounts()), (1, 1));
        // Both processes live and look after the store: this may be the moment of a write.
        let read = || Truth::read(self.certs.path(), self.domain);
        let end = Instant::now() + LIMIT;
        while !read().half_written().is_empty() && Instant::now() < end {
            sleep(Duration::from_millis(20)).await;
        }
        let truth = read();
        truth.assert_published();
        assert_eq!(truth.serial().as_deref(), Some(serial));
    }
}

fn waits_for_another(line: &str) -> bool {
    line.contains("another process is obtaining this certificate")
}

#[tokio::test]
async fn one_process_orders_and_the_other_picks_the_certificate_up() {
    let pair = Pair::new("127.0.0.1", ONE).await;
    pair.proxy.on(Resource::Finalize).nth(1).delays_the_answer(Duration::from_secs(2));

    let one = pair.start(ONE);
    pair.proxy.wait_for(Resource::Finalize, 1, LIMIT).await;
    let other = pair.start(OTHER);
    other.wait_for(waits_for_another, LIMIT).await;

    let serial = pair.served_at(ONE).await;
    assert_eq!(pair.served_at(OTHER).await, serial);
    pair.assert_ordered_once(&serial).await;
    assert!(one.exited().is_none() && !other.log().contains("waiting after a failure"), "{}", other.log());
}

#[tokio::test]
async fn a_killed_process_leaves_its_lease_and_its_order_to_the_other() {
    let pair = Pair::new("localhost", OTHER).await;
    pair.proxy.on(Resource::Authorization).nth(1).delays_the_answer(LIMIT);

    let one = pair.start(ONE);
    pair.proxy.wait_for(Resource::Authorization, 1, LIMIT).await;
    let other = pair.start(OTHER);
    other.wait_for(waits_for_another, LIMIT).await;
    one.kill();

    let serial = pair.served_at(OTHER).await;
    other.wait_for(|line| line.contains("certificate obtained"), LIMIT).await;
    assert!(other.log().contains("going on with the order of an earlier run"));
    pair.assert_ordered_once(&serial).await;
}
