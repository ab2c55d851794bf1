//! An abort before and after every call of the Store and the Transport, from the first look at the store to the last
//! write, and a restart after each.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use docquay::names::Identifier;
use docquay::store::{CertificateName, Key, Store as _, peek_certificate, save_certificate};
use tokio::task::JoinSet;

use super::child::{self, Plan, SERVES, SETTLED};
use crate::harness::process::{Process, run};
use crate::harness::{Certs, Pebble, Resource, Target, Truth, client, ports};

const NAME: &str = "127.0.0.1";
const LIMIT: Duration = Duration::from_secs(60);
/// Places of the abort are shared out to so many CAs at once: most of an issuance is waiting.
const LANES: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    /// Nothing is there yet.
    Issuance,
    /// A certificate lives, and another is wished for.
    Renewal,
    /// The CA cannot validate the name.
    Failure,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuance_goes_on_after_an_abort_at_any_call() {
    abort_at_every_call(Scenario::Issuance, "an_issuance_goes_on_after_an_abort_at_any_call").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_goes_on_after_an_abort_at_any_call_and_the_living_certificate_is_served() {
    abort_at_every_call(
        Scenario::Renewal,
        "a_renewal_goes_on_after_an_abort_at_any_call_and_the_living_certificate_is_served",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_validation_counts_once_after_an_abort_at_any_call() {
    abort_at_every_call(Scenario::Failure, "a_failed_validation_counts_once_after_an_abort_at_any_call")
        .await;
}

async fn abort_at_every_call(scenario: Scenario, test: &'static str) {
    if let Some(plan) = Plan::of_this_process() {
        return plan.run().await;
    }
    let mut lanes = JoinSet::new();
    for lane in 1..=LANES {
        lanes.spawn(async move {
            let bench = Bench::new(scenario, test).await;
            let mut place = lane;
            while bench.survives_an_abort_at(place).await {
                place += LANES;
            }
            place
        });
    }
    // The smallest number that no call had.
    let calls = lanes.join_all().await.into_iter().min().unwrap();
    println!("{scenario:?}: {} places", calls - 1);
    // Directory, account, order, authorization, challenge, finalize, certificate; twice each, and the store's.
    assert!(calls > 40, "{calls}");
}

/// A CA, and where its one site lies.
struct Bench {
    scenario: Scenario,
    test: String,
    pebble: Pebble,
    root: String,
    http: u16,
    https: u16,
    seed: Option<Certs>,
}

/// What the CA has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tally {
    accounts: usize,
    orders: usize,
    failed: usize,
    issued: usize,
}

impl std::ops::Sub for Tally {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            accounts: self.accounts - before.accounts,
            orders: self.orders - before.orders,
            failed: self.failed - before.failed,
            issued: self.issued - before.issued,
        }
    }
}

impl Bench {
    async fn new(scenario: Scenario, test: &str) -> Self {
        let (http, https) = (ports::free(), ports::free());
        let asked = if scenario == Scenario::Failure { ports::free() } else { http };
        let pebble = Pebble::builder().http_port(asked).tls_port(https).start().await;
        let root = pebble.root_pem().await;
        let test = format!("restart::aborts::{test}");
        let mut bench = Self { scenario, test, pebble, root, http, https, seed: None };
        if scenario == Scenario::Renewal {
            let certs = Certs::new();
            let (process, _) = bench.start(&certs, None, Duration::ZERO);
            process.wait_for(|line| line == SETTLED, LIMIT).await;
            process.kill();
            wish_for_another(certs.path()).await;
            bench.seed = Some(certs);
        }
        bench
    }

    /// A store as it is before the abort.
    fn certs(&self) -> Certs {
        let certs = Certs::new();
        if let Some(seed) = &self.seed {
            run(Command::new("cp").arg("-a").arg(seed.path().join(".")).arg(certs.path()), "coreutils");
        }
        certs
    }

    fn start(&self, certs: &Certs, abort_at: Option<usize>, ahead: Duration) -> (Process, Target) {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let plan = Plan {
            certs: certs.path().to_owned(),
            name: NAME.to_owned(),
            directory: self.pebble.directory_url(),
            ca_file: self.pebble.ca_file(),
            http: local(self.http),
            https: local(self.https),
            abort_at,
            ahead,
        };
        (plan.start(&self.test), Target::https(plan.https, NAME, &self.root))
    }

    fn tally(&self) -> Tally {
        Tally {
            accounts: self.pebble.accounts(),
            orders: self.pebble.count(Resource::NewOrder),
            failed: self.pebble.failed_orders(),
            issued: self.pebble.issued().len(),
        }
    }

    /// Aborts at one place and starts again; false if there is no such place.
    async fn survives_an_abort_at(&self, place: usize) -> bool {
        let certs = self.certs();
        let before = self.tally();
        let (aborted, _) = self.start(&certs, Some(place), Duration::ZERO);
        let status = aborted.exit(LIMIT).await;
        if status.success() {
            assert!(aborted.log().contains(SETTLED), "{}", aborted.log());
            return false;
        }
        assert_eq!(status.signal(), Some(SIGABRT), "{status}: {}", aborted.log());
        let left = Truth::read(certs.path(), NAME);
        let until_abort = self.tally() - before;
        let (process, target) = self.start(&certs, None, Duration::ZERO);
        let served = match left.serial() {
            Some(serial) => {
                let line = process.wait_for(|line| line.starts_with(SERVES), LIMIT).await;
                assert_eq!(line.strip_prefix(SERVES), Some(&*serial));
                Some(target.handshake().await.expect("the living certificate is served").serial)
            }
            None => None,
        };
        process.wait_for(|line| line == SETTLED, LIMIT).await;
        // What is known to the store is not ordered again.
        let is_known = left.record.order.is_some() || left.due().is_some() || left.held_back().is_some();
        let done = self.tally() - before;
        assert_eq!(done.orders - until_abort.orders, usize::from(!is_known), "{}", aborted.log());
        assert!(until_abort.orders <= 1, "{}", aborted.log());
        if self.scenario == Scenario::Failure || done.failed > 0 {
            // Of the other scenarios: the CA looked for the answer while nobody was there.
            self.assert_failed_once(&Truth::read(certs.path(), NAME));
        }
        process.kill();
        if self.scenario != Scenario::Failure {
            let later = if done.failed > 0 { AFTER_A_FAILURE } else { Duration::ZERO };
            let (process, target) = self.start(&certs, None, later);
            process.wait_for(|line| line == SETTLED, LIMIT).await;
            self.assert_obtained(&left, served.as_deref(), &certs, &target).await;
        }
        let all = self.tally() - before;
        let again = if self.scenario == Scenario::Failure { 0 } else { done.failed };
        assert_eq!(all.orders - done.orders, again, "a restart orders again only after a failure");
        let accounts = usize::from(self.scenario != Scenario::Renewal);
        let issued = usize::from(self.scenario != Scenario::Failure);
        assert_eq!((all.accounts, all.issued), (accounts, issued), "{}", aborted.log());
        true
    }

    async fn assert_obtained(&self, left: &Truth, served: Option<&str>, certs: &Certs, target: &Target) {
        let now = Truth::read(certs.path(), NAME);
        now.assert_published();
        assert_eq!(
            (&now.record.order, now.record.renew_requested, now.record.attempts.failures),
            (&None, false, 0)
        );
        let serial = now.serial().unwrap();
        assert_eq!(target.handshake().await.unwrap().serial, serial);
        if let Some(served) = served {
            assert!(served == serial || Some(served) == left.serial().as_deref(), "{served}");
        }
        if let Some(seed) = &self.seed {
            assert!(left.pair.is_some(), "the living certificate is still there");
            let living = client::serial_hex_of_pem(&seed.certificate_pem(NAME).unwrap());
            assert_ne!(serial, living);
        }
    }

    fn assert_failed_once(&self, now: &Truth) {
        assert_eq!(now.pair.is_some(), self.seed.is_some());
        let attempts = &now.record.attempts;
        assert_eq!((attempts.failures, attempts.failed_validations.len()), (1, 1), "{attempts:?}");
        assert!(now.held_back().is_some() && now.record.order.is_none(), "{:?}", now.record);
    }
}

/// As `docquay cert renew` leaves it for a running server.
async fn wish_for_another(certs: &Path) {
    let name = CertificateName::new(&Identifier::parse(NAME).unwrap());
    let store = child::store(certs).await;
    let _lease = store.lease(&Key::certificate(name.clone())).await.unwrap().unwrap();
    let mut entry = peek_certificate(&store, &name).await.unwrap().entry.unwrap();
    entry.record.renew_requested = true;
    save_certificate(&store, &name, &entry).await.unwrap();
}

/// More than the first pause.
const AFTER_A_FAILURE: Duration = Duration::from_secs(70);
const SIGABRT: i32 = 6;
