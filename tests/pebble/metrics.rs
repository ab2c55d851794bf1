//! What `/metrics` says of the certificate, while a CA issues it and when the CA is gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use docquay::x509::Certificate;
use tokio::time::sleep;

use crate::harness::setup::ISSUANCE;
use crate::harness::{Setup, Target, ports};

#[tokio::test]
async fn an_issued_certificate_and_the_failures_after_it_are_shown() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().validity_seconds(60).start().await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
    let metrics = Metrics(Target::http(address));
    pebble.pause();
    let docquay = setup.docquay_of(&pebble).option("metrics-bind", address.to_string()).start();
    docquay.serves().await;
    assert_eq!(metrics.value(ISSUED).await, Some(0.0));
    assert_eq!(metrics.value(ENDS).await, None, "the stand-in is not a certificate");

    pebble.resume();
    docquay.obtains().await;
    let served = setup.target(&pebble.root_pem().await).handshake().await.unwrap();
    let leaf = Certificate::parse(served.chain[0].as_slice().into()).unwrap();
    let now = seconds(SystemTime::now());
    assert_eq!(metrics.value(ISSUED).await, Some(1.0));
    assert_eq!(metrics.value(ENDS).await, Some(seconds(leaf.not_after())));
    let issued = metrics.value("docquay_certificate_issued_timestamp_seconds").await.unwrap();
    assert!((now - 90.0..=now).contains(&issued), "{issued} at {now}");
    let next = metrics.value("docquay_certificate_next_attempt_timestamp_seconds").await.unwrap();
    assert!(next > issued, "{next} after {issued}");

    pebble.stop();
    let (failed, end) = ("docquay_certificate_failures_total{kind=\"network\"}", Instant::now() + ISSUANCE);
    while metrics.value(failed).await == Some(0.0) {
        assert!(Instant::now() < end, "no failure was counted; docquay wrote:\n{}", docquay.log());
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(metrics.value(ENDS).await, Some(seconds(leaf.not_after())), "what is served stays");
}

struct Metrics(Target);

impl Metrics {
    /// The value of one series, exactly as it is written.
    async fn value(&self, series: &str) -> Option<f64> {
        let page = self.0.get("/metrics").await.unwrap();
        assert_eq!(page.status, 200);
        let text = page.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64().floor()
}

const ISSUED: &str = "docquay_certificates_issued_total";
const ENDS: &str = "docquay_certificate_not_after_timestamp_seconds";
