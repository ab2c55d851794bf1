//! Renewal while clients are at work: nobody notices.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::streams::Kind;
use crate::harness::{Load, Resource, Setup, Streams, Watcher};

/// A renewal comes half a minute after the one before.
const NEXT: Duration = Duration::from_secs(120);
const RENEWALS: usize = 5;

#[tokio::test]
async fn five_renewals_fail_no_request_and_end_no_stream() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().validity_seconds(60).start().await;
    let docquay = setup.docquay_of(&pebble).option("sse-keep-alive", "1s").start();
    docquay.obtains().await;
    let target = setup.target(&pebble.root_pem().await);
    let watcher = Watcher::of(&target);
    let legacy = Streams::open(&target, Kind::Sse, 3).await.unwrap();
    let session = Streams::open(&target, Kind::Session, 3).await.unwrap();
    let loads = [Load::on(&target, 1, 1), Load::on_http2(&target, 1, 1)];

    let mut shown = vec![target.handshake().await.unwrap().serial];
    for _ in 0..RENEWALS {
        let mark = docquay.mark();
        docquay.wait_for_after(mark, |line| line.contains("certificate obtained"), NEXT).await;
        let served = target.handshake().await.unwrap();
        assert_eq!(Some(&served.serial), pebble.issued().last(), "a new handshake shows the new certificate");
        shown.push(served.serial);
        for load in &loads {
            load.wait_for_answers(20, NEXT).await;
        }
        for streams in [&legacy, &session] {
            streams.wait_for_comments(1, NEXT).await;
        }
    }

    for load in loads {
        let report = load.stop().await;
        report.assert_clean();
        println!("during {RENEWALS} renewals: {report:?}");
    }
    assert_eq!((legacy.ended(), session.ended()), (vec![], vec![]));
    let seen = watcher.seen();
    assert_eq!((seen.failures, &seen.serials), (vec![], &shown), "every certificate once, in order");
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), 1 + RENEWALS);
    assert_eq!(pebble.issued(), shown, "nothing was ordered that was not served");
    assert_eq!(pebble.count(Resource::NewAccount), 1);
    assert!(!docquay.log().contains("WARN") && !docquay.log().contains("ERROR"), "nothing to warn of");
}
