//! SIGTERM: readiness off first, then nothing new, and nothing cut.

use std::time::Duration;

use super::daemon::{Folder, Target, eventually, serving};
use super::load::{Load, streams};
use super::process::{Process, Signal};
use super::raw::{PATIENCE, in_time};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_200_requests_a_second_and_100_streams_cuts_no_response() {
    let folder = Folder::new();
    let server = folder.start(&["docs"]);
    let target = Target::plain(serving(&server).await);
    drained_under_load(&server, &target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_the_same_load_over_tls_cuts_no_response() {
    let folder = Folder::new();
    let trusted = folder.pair();
    let server =
        folder.start(&["docs", "--bind", "127.0.0.1", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let target = Target::tls(serving(&server).await, &trusted);
    drained_under_load(&server, &target).await;
}

async fn drained_under_load(server: &Process, target: &Target) {
    let open = streams(target, 100).await;
    let load = Load::on(target);
    load.answers(200).await;
    server.signal(Signal::Terminate);
    let ends: Vec<_> = open.into_iter().map(|stream| tokio::spawn(stream.ends_properly())).collect();
    for end in ends {
        in_time(end).await.unwrap();
    }
    let status = server.exit(PATIENCE).await;
    let report = load.stop().await;
    println!("{report:?}");
    assert!(status.success(), "{status}");
    assert!(report.faults.is_empty(), "{report:?}");
    // The drain was seen by those who had a connection, and after it by those who wanted one.
    assert!(report.last > 0 && report.refused > 0, "{report:?}");
    assert!(!server.log().contains("drain limit reached"), "{}", server.log());
}

#[tokio::test]
async fn readiness_goes_first_and_the_rest_goes_on_for_the_delay() {
    let folder = Folder::new();
    let server = folder.start(&["docs", "--drain-delay", "5s"]);
    let target = Target::plain(serving(&server).await);
    assert_eq!(target.get("/readyz").await.status, 200);
    let mut stream = streams(&target, 1).await;
    server.signal(Signal::Terminate);
    eventually("not ready", || async { target.get("/readyz").await.status == 503 }).await;
    assert_eq!(target.get("/readyz").await.text(), "not ready: the server is ending\n");
    // A balancer has not noticed yet.
    let answer = target.get("/llms.txt").await;
    assert_eq!((answer.status, answer.header("connection")), (200, None));
    assert_eq!(target.get("/healthz").await.status, 200);
    eventually("refused", || async { target.connect().await.is_err() }).await;
    stream.remove(0).ends_properly().await;
    assert!(server.exit(PATIENCE).await.success());
}

#[tokio::test]
async fn a_second_signal_ends_the_delay_and_the_drain_at_once() {
    let folder = Folder::new();
    let server = folder.start(&["docs", "--drain-delay", "1h"]);
    let target = Target::plain(serving(&server).await);
    server.signal(Signal::Terminate);
    eventually("not ready", || async { target.get("/readyz").await.status == 503 }).await;
    server.signal(Signal::Interrupt);
    assert!(server.exit(Duration::from_secs(10)).await.success());
}
