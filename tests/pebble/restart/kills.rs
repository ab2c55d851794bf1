//! `kill -9` of the real program: at moments drawn by lot, and right after a failure.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until};

use crate::harness::{Certs, Docquay, Docs, Pebble, Resource, Target, Truth, Watcher, pebble, ports, wire};

const KILLS: usize = 50;
/// A renewal is due after half of it.
const VALIDITY: u32 = 6;
/// A certificate of a CA that dates it by whole seconds is not due before this.
const EARLIEST_RENEWAL: Duration = Duration::from_millis(2_400);
/// The longest life of a process: more than an issuance takes, with validations of a second.
const LONGEST_LIFE: u64 = 1_600;
const LIMIT: Duration = Duration::from_secs(60);

/// One store, one CA, and a site that moves to another address when a failure holds it back.
struct Site {
    pebble: Pebble,
    docs: Docs,
    certs: Certs,
    http: u16,
    https: u16,
    address: Ipv4Addr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    ByTheCa,
    ByNobody,
}

impl Site {
    async fn new(pebble: pebble::Builder, reached: Reached) -> Self {
        let (http, https) = (ports::free(), ports::free());
        let asked = |port| if reached == Reached::ByTheCa { port } else { ports::free() };
        let pebble = pebble.http_port(asked(http)).tls_port(asked(https)).start().await;
        Self { pebble, docs: Docs::new(), certs: Certs::new(), http, https, address: Ipv4Addr::LOCALHOST }
    }

    fn name(&self) -> String {
        self.address.to_string()
    }

    fn start(&self) -> Docquay {
        Docquay::builder()
            .docs(&self.docs)
            .certs(&self.certs)
            .domain(&self.name())
            .option("bind", self.name())
            .port(self.https)
            .acme_port(self.http)
            .ca(&self.pebble.directory_url(), &self.pebble.ca_file())
            .start()
    }

    fn truth(&self) -> Truth {
        Truth::read(self.certs.path(), &self.name())
    }

    /// A failure, of this process or of an earlier one, is told and recorded.
    async fn wait_for_the_pause(&self, docquay: &Docquay) {
        docquay.wait_for(is_of_a_pause, LIMIT).await;
        let deadline = Instant::now() + LIMIT;
        while self.truth().held_back().is_none() {
            assert!(Instant::now() < deadline, "{}", docquay.log());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many orders the CA has seen, those among them that were sent a moment ago.
    async fn orders(&self) -> usize {
        sleep(Duration::from_millis(30)).await;
        let ca = self.pebble.authority().pem();
        wire::get(self.pebble.address(), "localhost", "/dir", ca).await.unwrap();
        self.pebble.count(Resource::NewOrder)
    }
}

fn is_of_a_pause(line: &str) -> bool {
    line.contains("waiting after a failure") || line.contains("next_attempt=")
}

#[tokio::test]
async fn fifty_kills_at_random_lose_nothing_and_order_nothing_twice() {
    let mut lot = Lot::new();
    let pebble = Pebble::builder().validity_seconds(VALIDITY).validation_sleep(2);
    let mut site = Site::new(pebble, Reached::ByTheCa).await;
    let (mut during_orders, mut during_renewals, mut failures) = (0, 0, 0);
    for kill in 1..=KILLS {
        let (before, orders) = (site.truth(), site.orders().await);
        let started = Instant::now();
        let docquay = site.start();
        let end = started + Duration::from_millis(lot.draw(LONGEST_LIFE));
        assert_published_once_it_serves(&site, &docquay, &before, end).await;
        sleep_until(end).await;
        docquay.kill();
        let killed = SystemTime::now();
        let (after, ordered) = (site.truth(), site.orders().await - orders);
        after.assert_known();
        assert!(before.pair.is_none() || after.pair.is_some(), "the certificate is lost");
        let allowed = most_orders(&before, killed, started.elapsed());
        assert!(
            ordered <= allowed,
            "kill {kill}: {ordered} orders: {before:?}\n{after:?}\n{}",
            docquay.log()
        );
        during_orders += usize::from(after.record.order.is_some());
        during_renewals += usize::from(after.record.order.is_some() && after.pair.is_some());
        if before.held_back().is_some() {
            // The CA asked while nobody was there. That it waits is seen; the next site need not.
            failures += 1;
            site.address = Ipv4Addr::from_bits(site.address.to_bits() + 1);
        }
    }
    println!(
        "{KILLS} kills: {during_orders} with an order open, {during_renewals} of a renewal, {failures} failures"
    );
    assert!(during_orders > 0 && during_renewals > 0);
    assert_eq!(site.pebble.accounts(), 1);

    let docquay = site.start();
    docquay.wait_for(|line| line.contains("certificate obtained") || is_of_a_pause(line), LIMIT).await;
    if site.truth().held_back().is_some() {
        docquay.kill();
        site.address = Ipv4Addr::from_bits(site.address.to_bits() + 1);
    }
    drop(docquay);
    let docquay = site.start();
    let root = site.pebble.root_pem().await;
    let target = Target::https(SocketAddr::from((site.address, site.https)), &site.name(), &root);
    Watcher::of(&target).wait_for_serials(1, LIMIT).await;
    assert!(docquay.exited().is_none(), "{}", docquay.log());
    assert_eq!(site.pebble.accounts(), 1);
}

/// While the process lives: as soon as it serves, what other programs read is one pair.
async fn assert_published_once_it_serves(site: &Site, docquay: &Docquay, before: &Truth, end: Instant) {
    if before.pair.is_none() {
        return;
    }
    while !docquay.log().contains("/mcp") {
        if Instant::now() >= end {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    // The two are replaced one after the other, and this may be the moment between.
    for _ in 0..20 {
        if site.truth().published().is_ok() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", site.truth().published());
}

/// How many orders a process may have placed that began with `before` and was killed then.
fn most_orders(before: &Truth, killed: SystemTime, life: Duration) -> usize {
    // More than one only if it lived so long that its own certificate came to be due.
    let whole_lives = (life.as_secs_f64() / EARLIEST_RENEWAL.as_secs_f64()) as usize;
    let is_held_back = before.held_back().is_some_and(|until| until > killed);
    let is_due_later = before.due().is_some_and(|due| due > killed);
    // The certificate of an order that is gone on with may be due when it is there at last.
    let is_resumed = before.record.order.as_ref().is_some_and(|order| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(order.placed_at) + EARLIEST_RENEWAL > killed
    });
    whole_lives + usize::from(!is_held_back && !is_due_later && !is_resumed)
}

/// When the process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The CA has decided, and the process may not have heard of it.
    TheCaHasDecided,
    /// The failure was told and recorded.
    ThePauseHasBegun,
}

#[tokio::test]
async fn a_failure_is_remembered_by_ten_restarts_after_a_kill() {
    for moment in [Moment::TheCaHasDecided, Moment::ThePauseHasBegun] {
        let site = Site::new(Pebble::builder(), Reached::ByNobody).await;
        let docquay = site.start();
        match moment {
            Moment::TheCaHasDecided => {
                site.pebble.wait_for(|line| line.contains("set INVALID"), LIMIT).await;
            }
            Moment::ThePauseHasBegun => {
                site.wait_for_the_pause(&docquay).await;
            }
        }
        docquay.kill();
        for _ in 0..10 {
            let docquay = site.start();
            site.wait_for_the_pause(&docquay).await;
            docquay.kill();
        }
        let truth = site.truth();
        assert!(truth.held_back().is_some(), "all within the first pause: {truth:?}");
        let attempts = &truth.record.attempts;
        assert_eq!(
            (attempts.failures, attempts.failed_validations.len()),
            (1, 1),
            "{moment:?}: {attempts:?}"
        );
        assert_eq!((site.orders().await, site.pebble.accounts()), (1, 1), "{moment:?}");
    }
}

/// Numbers by splitmix64, from a seed that is printed; `DOCQUAY_TEST_SEED` repeats one.
struct Lot(u64);

impl Lot {
    fn new() -> Self {
        let drawn = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed = std::env::var("DOCQUAY_TEST_SEED").ok().map_or_else(drawn, |seed| seed.parse().unwrap());
        println!("DOCQUAY_TEST_SEED={seed}");
        Self(seed)
    }

    /// From 0 up to, but not including, `end`.
    fn draw(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
