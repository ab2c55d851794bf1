//! Certificates over days and months, in paused time: a CA of the test's own, a store in memory.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ::http::{Request, StatusCode};
use bytes::Bytes;
use docquay::acme::{self, ChallengeKind, Transport};
use docquay::clock::Clock as _;
use docquay::entropy::SystemEntropy;
use docquay::http::Gate;
use docquay::metrics::{self, Failed};
use docquay::names::Identifier;
use docquay::provision::{Authority, Challenges, Ephemeral, HttpListener, Options, Parts, Provisioner};
use docquay::secret::Secret;
use docquay::shutdown::{self, Trigger};
use docquay::store::{self, CertificateName, MemoryStore, Record, Store};
use docquay::tls;
use docquay::x509::Pair;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::fake_ca::{FakeCa, FakeLookup, RenewalInfo, TestClock};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A machine whose process can be ended and begun again; what lasts is the store.
struct Machine {
    clock: TestClock,
    store: Arc<MemoryStore>,
    authorities: Vec<Arc<FakeCa>>,
    names: Vec<&'static str>,
    challenge: Option<ChallengeKind>,
    ephemeral: Ephemeral,
}

/// A running process.
struct Process {
    clock: TestClock,
    resolver: Arc<tls::Resolver>,
    metrics: Arc<metrics::Certificates>,
    gate: watch::Receiver<Gate>,
    task: JoinHandle<()>,
    _trigger: Trigger,
}

impl Machine {
    fn new() -> Self {
        let clock = TestClock::new();
        Self {
            clock,
            store: Arc::new(MemoryStore::new()),
            authorities: vec![FakeCa::new("https://ca.example", clock)],
            names: vec!["docs.example.com"],
            challenge: None,
            ephemeral: Ephemeral::Allowed,
        }
    }

    fn ca(&self) -> &FakeCa {
        &self.authorities[0]
    }

    fn name(&self) -> CertificateName {
        CertificateName::new(&Identifier::parse(self.names[0]).unwrap())
    }

    fn options(&self) -> Options {
        let authority = |ca: &Arc<FakeCa>| Authority {
            directory: ca.directory(),
            transport: Arc::clone(ca) as _,
            external_account: None,
        };
        Options {
            names: self.names.iter().map(|name| Identifier::parse(name).unwrap()).collect(),
            authorities: self.authorities.iter().map(authority).collect(),
            contact: Vec::new(),
            terms_agreed: true,
            profile: None,
            preferred_chain: None,
            challenge: self.challenge,
            ephemeral: self.ephemeral,
        }
    }

    fn parts(&self) -> (Parts, watch::Receiver<Gate>) {
        let stand_in = tls::self_signed(&self.options().names, self.clock.system()).unwrap();
        let closed = Gate::Closed { reason: "waiting".to_owned(), retry_after: Duration::from_secs(10) };
        let (gate, watched) = watch::channel(closed);
        let parts = Parts {
            store: Arc::clone(&self.store) as _,
            resolver: Arc::new(tls::Resolver::new(&stand_in)),
            http_challenges: Challenges::new(),
            tls_challenges: Arc::new(tls::Challenges::new()),
            http_01: HttpListener::Elsewhere,
            lookup: Arc::new(FakeLookup),
            clock: Arc::new(self.clock),
            entropy: Arc::new(SystemEntropy::new()),
            metrics: Arc::default(),
            gate,
        };
        (parts, watched)
    }

    async fn open(&self) -> Result<(Provisioner, Parts, watch::Receiver<Gate>), docquay::provision::Failure> {
        let (parts, gate) = self.parts();
        let provisioner = Provisioner::open(self.options(), parts.clone()).await?;
        Ok((provisioner, parts, gate))
    }

    async fn start(&self) -> Process {
        let (provisioner, parts, gate) = self.open().await.unwrap();
        let (trigger, shutdown) = shutdown::channel();
        let task = tokio::spawn(provisioner.run(shutdown));
        let Parts { resolver, metrics, .. } = parts;
        Process { clock: self.clock, resolver, metrics, gate, task, _trigger: trigger }
    }

    async fn record(&self) -> Record {
        let loaded = store::peek_certificate(self.store.as_ref(), &self.name()).await.unwrap();
        loaded.entry.unwrap().record
    }

    /// Puts a pair where the published one lies, as an operator does.
    async fn put(&self, lifetime: Duration, names: &[&str]) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = self.clock.system().into();
        params.not_after = (self.clock.system() + lifetime).into();
        let certificate = params.self_signed(&key).unwrap();
        let pair = || Pair::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
        self.store.publish(&self.name(), &pair()).await.unwrap();
        pair()
    }
}

impl Process {
    /// Lets time pass.
    async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    fn not_after(&self) -> SystemTime {
        self.resolver.leaf().not_after()
    }

    fn left(&self) -> Duration {
        self.not_after().duration_since(self.clock.system()).unwrap()
    }

    fn serves_one_of(&self, ca: &FakeCa) -> bool {
        self.resolver
            .leaf()
            .issuer_name()
            .is_some_and(|issuer| ca.directory().contains(issuer.rsplit("//").next().unwrap()))
    }

    async fn end(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// The most that lie within any hour.
fn most_in_an_hour(times: &[SystemTime]) -> usize {
    times
        .iter()
        .map(|begin| times.iter().filter(|time| (*begin..*begin + HOUR).contains(*time)).count())
        .max()
        .unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_first_start_obtains_saves_publishes_and_serves() {
    let machine = Machine::new();
    let process = machine.start().await;
    process.pass(MINUTE).await;
    assert!(process.serves_one_of(machine.ca()));
    assert_eq!(*process.gate.borrow(), Gate::Open);
    assert_eq!(process.metrics.issued(), 1);
    assert_eq!(process.metrics.not_after(), Some(process.not_after()));
    let record = machine.record().await;
    assert_eq!(
        (record.directory, record.order, record.attempts.failures),
        (machine.ca().directory(), None, 0)
    );
    let published = machine.store.published(&machine.name()).await.unwrap();
    assert!(published.cert.is_some() && published.key.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_first_start_takes_the_fewest_requests() {
    let machine = Machine::new();
    let process = machine.start().await;
    process.pass(MINUTE).await;
    let asked: Vec<&str> = machine.ca().state().asked.iter().map(|asked| asked.what).collect();
    // A directory that brings a nonce, as this one does, saves the HEAD for the first.
    let expected = [
        "directory",
        "newAccount",
        "newOrder",
        "authorization",
        "challenge",
        "authorization",
        "finalize",
        "certificate",
    ];
    // An order that is polled before it is finalized is one request more.
    let asked: Vec<&str> = asked.into_iter().filter(|what| *what != "order").collect();
    assert_eq!(asked, expected);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_orders_nothing_that_the_store_holds() {
    let machine = Machine::new();
    for _ in 0..5 {
        let process = machine.start().await;
        process.pass(MINUTE).await;
        assert!(process.serves_one_of(machine.ca()));
        process.end().await;
    }
    assert_eq!((machine.ca().count("newOrder"), machine.ca().count("newAccount")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let machine = Machine::new();
    let process = machine.start().await;
    process.pass(MINUTE).await;
    for _ in 0..125 {
        process.pass(DAY).await;
        assert!(process.left() > DAY * 29, "{:?}", process.left());
    }
    let orders = machine.ca().times("newOrder");
    assert!(orders.len() == 3, "{}", orders.len());
    assert_eq!(machine.ca().count("newAccount"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_never_validates_is_asked_at_most_four_times_in_any_hour() {
    let machine = Machine::new();
    machine.ca().state().validates = |_, _| false;
    let mut process = machine.start().await;
    // Restarts and wishes of the operator do not help it.
    for _ in 0..24 {
        process.pass(HOUR).await;
        process.end().await;
        process = machine.start().await;
    }
    let times = machine.ca().times("challenge");
    assert!(times.len() >= 4, "{}", times.len());
    assert!(most_in_an_hour(&times) <= 4, "{times:?}");
    assert_eq!(process.metrics.issued(), 0);
    assert!(matches!(*process.gate.borrow(), Gate::Closed { .. }));
}

#[tokio::test(start_paused = true)]
async fn pauses_after_failures_are_a_minute_ten_a_hundred_and_a_day() {
    let machine = Machine::new();
    machine.ca().state().validates = |_, _| false;
    let process = machine.start().await;
    process.pass(DAY * 3).await;
    let times = machine.ca().times("newOrder");
    let minutes: Vec<u64> =
        times.windows(2).map(|pair| pair[1].duration_since(pair[0]).unwrap().as_secs() / 60).collect();
    for (minutes, around) in minutes.iter().zip([1, 10, 100, 1_440, 1_440]) {
        assert!((around * 8 / 10..=around * 11 / 10 + 1).contains(minutes), "{minutes} instead of {around}");
    }
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_attempt_takes_the_other_challenge_type() {
    let machine = Machine::new();
    machine.ca().state().validates = |_, kind| kind == "tls-alpn-01";
    let process = machine.start().await;
    process.pass(MINUTE * 3).await;
    let kinds: Vec<String> = {
        let state = machine.ca().state();
        let asked = state.asked.iter().filter(|asked| asked.what == "challenge");
        asked.map(|asked| asked.payload.as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds, ["http-01", "tls-alpn-01"]);
    assert_eq!(process.metrics.failures(Failed::Validation), 1);
    // And what worked is what the renewal begins with.
    process.pass(DAY * 61).await;
    assert_eq!(machine.ca().count("challenge"), 3);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_backoff_is_remembered_over_a_restart() {
    let machine = Machine::new();
    machine.ca().state().validates = |_, _| false;
    for _ in 0..10 {
        let process = machine.start().await;
        process.pass(Duration::from_secs(5)).await;
        process.end().await;
    }
    assert_eq!(machine.ca().count("newOrder"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_keeps_the_certificate_and_is_tried_until_it_succeeds() {
    let machine = Machine::new();
    let process = machine.start().await;
    process.pass(MINUTE).await;
    let first = process.not_after();
    machine.ca().state().refuses = Some((StatusCode::INTERNAL_SERVER_ERROR, json!({}), None));
    process.pass(DAY * 75).await;
    assert_eq!(process.not_after(), first);
    assert!(process.metrics.failures(Failed::Answer) > 3);
    machine.ca().state().refuses = None;
    process.pass(DAY * 2).await;
    assert!(process.not_after() > first);
    assert_eq!(machine.record().await.attempts.failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_asks_to_wait_is_waited_for() {
    let machine = Machine::new();
    let problem = json!({ "type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many" });
    machine.ca().state().refuses = Some((StatusCode::TOO_MANY_REQUESTS, problem, Some(6 * 3_600)));
    let process = machine.start().await;
    process.pass(MINUTE).await;
    let asked = machine.ca().state().asked.len();
    process.pass(HOUR * 5).await;
    assert_eq!(machine.ca().state().asked.len(), asked);
    machine.ca().state().refuses = None;
    process.pass(HOUR * 2).await;
    assert!(process.serves_one_of(machine.ca()));
}

#[tokio::test(start_paused = true)]
async fn a_second_ca_is_asked_when_the_first_keeps_failing() {
    let mut machine = Machine::new();
    machine.authorities.push(FakeCa::new("https://other.example", machine.clock));
    machine.ca().state().refuses = Some((StatusCode::INTERNAL_SERVER_ERROR, json!({}), None));
    let process = machine.start().await;
    process.pass(HOUR * 3).await;
    assert!(process.serves_one_of(&machine.authorities[1]));
    // The renewal begins with the first again.
    machine.ca().state().refuses = None;
    process.pass(DAY * 61).await;
    assert!(process.serves_one_of(machine.ca()));
}

#[tokio::test(start_paused = true)]
async fn a_second_ca_is_asked_at_once_when_the_first_asks_to_wait() {
    let mut machine = Machine::new();
    machine.authorities.push(FakeCa::new("https://other.example", machine.clock));
    let problem = json!({ "type": "urn:ietf:params:acme:error:rateLimited" });
    machine.ca().state().refuses = Some((StatusCode::TOO_MANY_REQUESTS, problem, Some(6 * 3_600)));
    let process = machine.start().await;
    process.pass(MINUTE * 3).await;
    assert!(process.serves_one_of(&machine.authorities[1]));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_resolve_costs_the_ca_nothing() {
    let mut machine = Machine::new();
    machine.names = vec!["docs.example.com", "nowhere.example.com"];
    let process = machine.start().await;
    process.pass(HOUR).await;
    assert!(machine.ca().state().asked.is_empty());
    let looks = process.metrics.failures(Failed::Name);
    assert!((100..=121).contains(&looks), "{looks}");
}

#[tokio::test(start_paused = true)]
async fn a_name_added_or_removed_ends_with_the_right_certificate_and_no_gap() {
    let mut machine = Machine::new();
    for names in [&["docs.example.com"][..], &["docs.example.com", "api.example.com"], &["docs.example.com"]]
    {
        machine.names = names.to_vec();
        let process = machine.start().await;
        // From the second on there is a certificate at once.
        assert!(machine.ca().count("newOrder") == 0 || process.gate.borrow().eq(&Gate::Open));
        process.pass(MINUTE).await;
        let mut found: Vec<String> =
            process.resolver.leaf().identifiers().iter().map(ToString::to_string).collect();
        found.sort_unstable();
        let mut names: Vec<&str> = names.to_vec();
        names.sort_unstable();
        assert_eq!(found, names);
        process.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn from_staging_to_production_and_back_there_is_no_gap() {
    let mut machine = Machine::new();
    let (staging, production) =
        (FakeCa::new("https://staging.example", machine.clock), machine.authorities.remove(0));
    for ca in [&staging, &production, &staging] {
        machine.authorities = vec![Arc::clone(ca)];
        let process = machine.start().await;
        assert!(
            production.count("newOrder") + staging.count("newOrder") == 0
                || *process.gate.borrow() == Gate::Open
        );
        process.pass(MINUTE).await;
        assert!(process.serves_one_of(ca));
        process.end().await;
    }
    assert_eq!((staging.count("newOrder"), staging.count("newAccount")), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_window_of_the_ca_decides_and_its_choice_survives_a_restart() {
    let machine = Machine::new();
    let begin = machine.clock.system();
    let (start, end) = (begin + DAY * 10, begin + DAY * 12);
    machine.ca().state().renewal_info = RenewalInfo::Window(start, end);
    let process = machine.start().await;
    process.pass(MINUTE).await;
    let chosen = machine.record().await.ari.unwrap().chosen;
    process.end().await;
    let process = machine.start().await;
    process.pass(DAY * 9).await;
    assert_eq!(machine.record().await.ari.unwrap().chosen, chosen);
    assert!(machine.ca().count("renewalInfo") >= 18, "twice a day at least");
    machine.ca().state().renewal_info = RenewalInfo::Window(begin + DAY * 80, begin + DAY * 82);
    process.pass(DAY * 4).await;
    // The window moved before its time came: so did the renewal.
    assert_eq!(machine.ca().count("newOrder"), 1);
    assert!(machine.record().await.ari.unwrap().chosen > chosen);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_falls_into_the_window() {
    let machine = Machine::new();
    let begin = machine.clock.system();
    machine.ca().state().renewal_info = RenewalInfo::Window(begin + DAY * 10, begin + DAY * 12);
    let process = machine.start().await;
    process.pass(DAY * 11).await;
    process.pass(DAY).await;
    let orders = machine.ca().times("newOrder");
    assert!(
        orders.len() >= 2 && (begin + DAY * 10..=begin + DAY * 12 + MINUTE).contains(&orders[1]),
        "{orders:?}"
    );
    // It names the certificate that it replaces (RFC 9773 §5).
    let payload = {
        let state = machine.ca().state();
        state.asked.iter().filter(|asked| asked.what == "newOrder").nth(1).unwrap().payload.clone()
    };
    assert!(payload["replaces"].as_str().unwrap().contains('.'));
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_in_the_past_renews_at_once() {
    let machine = Machine::new();
    let begin = machine.clock.system();
    let process = machine.start().await;
    process.pass(DAY * 3).await;
    process.end().await;
    // The CA will revoke: it moves the window back.
    machine.ca().state().renewal_info = RenewalInfo::Window(begin + DAY, begin + DAY * 2);
    let process = machine.start().await;
    process.pass(MINUTE).await;
    assert_eq!(machine.ca().count("newOrder"), 2);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_window_that_stays_in_the_past_does_not_make_orders_without_end() {
    let machine = Machine::new();
    let begin = machine.clock.system();
    machine.ca().state().renewal_info = RenewalInfo::Stuck(begin - DAY * 2, begin - DAY);
    let process = machine.start().await;
    process.pass(DAY * 40).await;
    // The first, one at once, and then after 10 minutes, 100 minutes, a day and each sixth of the lifetime.
    let times = machine.ca().times("newOrder");
    let minutes = |span: Duration| (span.as_secs() + 30) / 60;
    let ages: Vec<u64> =
        times.windows(2).map(|pair| minutes(pair[1].duration_since(pair[0]).unwrap())).collect();
    assert_eq!(ages, [0, 10, 100, 24 * 60, 15 * 24 * 60, 15 * 24 * 60]);
    assert_eq!(machine.record().await.early_renewals, 6);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_inverted_window_and_an_unreachable_one_leave_the_lifetime_to_decide() {
    for info in [
        RenewalInfo::Window(SystemTime::UNIX_EPOCH + DAY * 2, SystemTime::UNIX_EPOCH + DAY),
        RenewalInfo::Unreachable,
    ] {
        let machine = Machine::new();
        machine.ca().state().renewal_info = info.clone();
        let process = machine.start().await;
        process.pass(DAY * 59).await;
        assert_eq!(machine.ca().count("newOrder"), 1, "{info:?}");
        let asked = machine.ca().count("renewalInfo");
        assert!((100..20_000).contains(&asked), "{asked} {info:?}");
        process.pass(DAY * 2).await;
        assert_eq!(machine.ca().count("newOrder"), 2, "{info:?}");
        process.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_replaces_is_dropped() {
    let machine = Machine::new();
    let begin = machine.clock.system();
    {
        let mut state = machine.ca().state();
        state.renewal_info = RenewalInfo::Window(begin + DAY * 10, begin + DAY * 12);
        state.refuses_replaces = true;
    }
    let process = machine.start().await;
    process.pass(MINUTE).await;
    let first = process.not_after();
    process.pass(DAY * 12 + HOUR).await;
    assert!(process.not_after() > first);
    assert_eq!(machine.record().await.attempts.failures, 0);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_operators_own_pair_is_served_while_it_is_valid_and_never_overwritten() {
    let machine = Machine::new();
    let own = machine.put(DAY * 30, &["docs.example.com"]).await;
    let process = machine.start().await;
    process.pass(DAY * 29).await;
    assert_eq!(process.resolver.leaf().der(), own.leaf().der());
    assert!(machine.ca().state().asked.is_empty());
    // About to end: docquay has its own ready, and takes it before the end, so that nobody sees an ended one.
    process.pass(HOUR * 23).await;
    assert_eq!((process.resolver.leaf().der(), machine.ca().count("newOrder")), (own.leaf().der(), 1));
    process.pass(HOUR - MINUTE / 2).await;
    assert!(process.serves_one_of(machine.ca()));
    process.pass(DAY).await;
    // The files are left alone.
    assert!(process.serves_one_of(machine.ca()));
    let published = machine.store.published(&machine.name()).await.unwrap();
    assert_eq!(published.cert.unwrap(), own.chain().to_pem().into_bytes());
    // The operator renews theirs: it is served within a minute or so.
    let renewed = machine.put(DAY * 30, &["docs.example.com"]).await;
    process.pass(MINUTE * 2).await;
    assert_eq!(process.resolver.leaf().der(), renewed.leaf().der());
}

#[tokio::test(start_paused = true)]
async fn the_operators_own_pair_that_lacks_a_name_is_an_error_at_the_start() {
    let mut machine = Machine::new();
    machine.names = vec!["docs.example.com", "api.example.com"];
    machine.put(DAY * 30, &["docs.example.com"]).await;
    let failure = machine.open().await.unwrap_err();
    assert!(failure.cause.contains("not for api.example.com"), "{failure}");
    assert!(failure.help.contains("--domain api.example.com"), "{}", failure.help);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_last_stops_the_start_before_anything_is_ordered() {
    let mut machine = Machine::new();
    machine.ephemeral = Ephemeral::Refused;
    let failure = machine.open().await.unwrap_err();
    assert!(failure.help.contains("-v ") && failure.help.contains("--ephemeral-certs"), "{}", failure.help);
    assert!(machine.ca().state().asked.is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_one_store_order_once() {
    let machine = Machine::new();
    let (one, other) = (machine.start().await, machine.start().await);
    one.pass(MINUTE * 2).await;
    assert_eq!(machine.ca().count("newOrder"), 1);
    assert_eq!(one.not_after(), other.not_after());
    assert_eq!((one.gate.borrow().clone(), other.gate.borrow().clone()), (Gate::Open, Gate::Open));
}

/// Long enough for an order to be placed and its challenge to be answered, not for the verdict to be seen.
const UNTIL_THE_CHALLENGE: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_validation_that_failed_while_no_process_was_there_counts() {
    let machine = Machine::new();
    machine.ca().state().validates = |_, _| false;
    let process = machine.start().await;
    process.pass(UNTIL_THE_CHALLENGE).await;
    assert_eq!(machine.ca().count("challenge"), 1);
    process.end().await;
    for _ in 0..10 {
        let process = machine.start().await;
        process.pass(Duration::from_secs(5)).await;
        process.end().await;
    }
    let attempts = machine.record().await.attempts;
    assert_eq!((attempts.failures, attempts.failed_validations.len()), (1, 1));
    assert_eq!((attempts.last_challenge.as_deref(), machine.ca().count("newOrder")), (Some("http-01"), 1));
    let process = machine.start().await;
    process.pass(MINUTE * 2).await;
    let kinds: Vec<_> = {
        let state = machine.ca().state();
        let asked = state.asked.iter().filter(|asked| asked.what == "challenge");
        asked.map(|asked| asked.payload.clone()).collect()
    };
    assert_eq!(kinds, ["http-01", "tls-alpn-01"]);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_order_waits_for_a_ca_that_is_away() {
    let machine = Machine::new();
    let process = machine.start().await;
    process.pass(UNTIL_THE_CHALLENGE).await;
    process.end().await;
    machine.ca().state().refuses = Some((StatusCode::INTERNAL_SERVER_ERROR, json!({}), None));
    let process = machine.start().await;
    process.pass(MINUTE * 5).await;
    machine.ca().state().refuses = None;
    process.pass(MINUTE * 15).await;
    assert!(process.serves_one_of(machine.ca()));
    assert_eq!(machine.ca().count("newOrder"), 1);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_order_of_yesterday_is_left_alone() {
    let machine = Machine::new();
    let process = machine.start().await;
    process.pass(UNTIL_THE_CHALLENGE).await;
    process.end().await;
    tokio::time::sleep(DAY).await;
    let process = machine.start().await;
    process.pass(MINUTE).await;
    assert!(process.serves_one_of(machine.ca()));
    assert_eq!(machine.ca().count("newOrder"), 2);
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_success_does_not_make_the_ca_forget_a_failed_validation() {
    let machine = Machine::new();
    machine.ca().state().validates = |_, kind| kind == "tls-alpn-01";
    let process = machine.start().await;
    process.pass(MINUTE * 3).await;
    assert!(process.serves_one_of(machine.ca()));
    let attempts = machine.record().await.attempts;
    assert_eq!((attempts.failures, attempts.failed_validations.len()), (0, 1));
    process.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_a_newer_docquay_wrote_is_not_written_over() {
    let machine = Machine::new();
    let process = machine.start().await;
    process.pass(MINUTE).await;
    let newer = br#"{"format": 99, "pem_sha256": ""}"#;
    let key = store::Key::certificate(machine.name());
    machine.store.save(&key, Secret::new(newer.as_slice())).await.unwrap();
    process.pass(DAY * 70).await;
    assert_eq!(machine.store.load(&key).await.unwrap().unwrap().bytes(), newer);
    assert!(process.serves_one_of(machine.ca()));
    assert_eq!(machine.ca().count("newOrder"), 1);
    process.end().await;
}

/// A CA during whose answer on the renewal window the operator asks for a renewal.
#[derive(Debug)]
struct Meanwhile {
    ca: Arc<FakeCa>,
    store: Arc<MemoryStore>,
    name: CertificateName,
}

impl Transport for Meanwhile {
    fn send<'a>(&'a self, request: Request<Bytes>) -> acme::transport::Answer<'a> {
        Box::pin(async move {
            if request.uri().path().starts_with("/renewal-info") && self.ca.count("newOrder") == 1 {
                let loaded = store::peek_certificate(self.store.as_ref(), &self.name).await.unwrap();
                let mut entry = loaded.entry.unwrap();
                entry.record.renew_requested = true;
                store::save_certificate(self.store.as_ref(), &self.name, &entry).await.unwrap();
            }
            self.ca.send(request).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_wish_of_the_operator_is_not_lost_while_the_ca_is_asked_for_its_window() {
    let machine = Machine::new();
    let begin = machine.clock.system();
    machine.ca().state().renewal_info = RenewalInfo::Window(begin + DAY * 60, begin + DAY * 61);
    let mut options = machine.options();
    let (ca, store) = (Arc::clone(&machine.authorities[0]), Arc::clone(&machine.store));
    options.authorities[0].transport = Arc::new(Meanwhile { ca, store, name: machine.name() });
    let (parts, _gate) = machine.parts();
    let (_trigger, shutdown) = shutdown::channel();
    let task = tokio::spawn(Provisioner::open(options, parts).await.unwrap().run(shutdown));
    tokio::time::sleep(MINUTE * 5).await;
    assert_eq!(machine.ca().count("newOrder"), 2);
    assert!(!machine.record().await.renew_requested);
    task.abort();
}
