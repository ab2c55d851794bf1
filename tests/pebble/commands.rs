//! `docquay cert` against Pebble: what it tells, a renewal with and without a server, a revocation.

use serde_json::Value;

use crate::harness::docquay::{self, Docquay, Finished};
use crate::harness::setup::ISSUANCE;
use crate::harness::{Pebble, Resource, Setup};

/// `docquay cert ASK…` with the options of the server.
async fn cert(setup: &Setup, pebble: &Pebble, ask: &[&str]) -> Finished {
    let start: docquay::Builder =
        ask.iter().fold(Docquay::builder().arg("cert"), |start, word| start.arg(word));
    let start = start.certs(&setup.certs).port(setup.port).acme_port(setup.acme_port).domain("127.0.0.1");
    start.option("bind", "127.0.0.1").ca(&pebble.directory_url(), &pebble.ca_file()).run().await
}

async fn status(setup: &Setup, pebble: &Pebble) -> (bool, Value) {
    let finished = cert(setup, pebble, &["status", "--json"]).await;
    (finished.status.success(), serde_json::from_str(&finished.stdout).unwrap())
}

#[tokio::test]
async fn without_a_server_a_renewal_obtains_a_certificate_by_itself() {
    let setup = Setup::of(&["127.0.0.1"]);
    let pebble = setup.pebble().start().await;
    let (good, told) = status(&setup, &pebble).await;
    assert_eq!((good, told["state"].as_str()), (false, Some("none yet")));

    let finished = cert(&setup, &pebble, &["renew"]).await;
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(finished.stdout.starts_with("renewed\n"), "{}", finished.stdout);
    let (good, told) = status(&setup, &pebble).await;
    assert_eq!((good, told["state"].as_str()), (true, Some("valid")));
    assert_eq!(told["serial"].as_str(), pebble.issued().last().map(String::as_str));

    // Again: at the operator's word it is replaced, though it is not due, by the same account.
    assert!(cert(&setup, &pebble, &["renew"]).await.status.success());
    assert_eq!((pebble.issued().len(), pebble.count(Resource::NewAccount)), (2, 1));
}

#[tokio::test]
async fn a_renewal_that_fails_says_why_and_the_next_waits() {
    let setup = Setup::of(&["127.0.0.1"]);
    // A CA that asks at ports where nobody is.
    let pebble = Pebble::builder().start().await;
    let finished = cert(&setup, &pebble, &["renew"]).await;
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.starts_with("error: the CA could not validate 127.0.0.1"), "{}", finished.stderr);
    for part in ["help:  no request of the CA has reached", "the next attempt: "] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    let finished = cert(&setup, &pebble, &["renew"]).await;
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.stderr.contains("the pause after it is not over"), "{}", finished.stderr);
    assert_eq!(pebble.count(Resource::NewOrder), 1);
    let (good, told) = status(&setup, &pebble).await;
    assert_eq!((good, told["last_failure"]["kind"].as_str()), (false, Some("validation")));
    assert!(told["next_attempt_at"].as_u64().unwrap() > told["last_failure"]["at"].as_u64().unwrap());

    // The operator may pass over the pause, but not a name's four failed validations within the hour.
    for orders in [2, 3, 4, 4] {
        let finished = cert(&setup, &pebble, &["renew", "--force"]).await;
        assert_eq!((finished.status.code(), pebble.count(Resource::NewOrder)), (Some(1), orders));
    }
}

#[tokio::test]
async fn the_running_server_renews_when_it_is_asked_to_and_replaces_what_is_revoked() {
    let setup = Setup::of(&["127.0.0.1"]);
    let pebble = setup.pebble().start().await;
    let docquay = setup.docquay_of(&pebble).start();
    docquay.obtains().await;
    let target = setup.target(&pebble.root_pem().await);
    let first = target.handshake().await.unwrap().serial;

    let finished = cert(&setup, &pebble, &["renew"]).await;
    assert!(finished.stdout.starts_with("renewed by the running server\n"), "{}", finished.stdout);
    let second = target.handshake().await.unwrap().serial;
    assert_ne!(first, second);

    let mark = docquay.mark();
    let finished = cert(&setup, &pebble, &["revoke", "--reason", "key-compromise"]).await;
    assert!(finished.status.success(), "{}", finished.stderr);
    let told = pebble.status_of(&second).await;
    assert_eq!((told["Status"].as_str(), told["Reason"].as_u64()), (Some("Revoked"), Some(1)), "{told}");
    // Served until the new one is there, which does not take long.
    assert_eq!(target.get("/readyz").await.unwrap().status, 200);
    docquay.obtains_after(mark).await;
    let third = target.handshake().await.unwrap().serial;
    assert!(third != first && third != second);
    docquay.wait_for(|line| line.contains("certificate obtained"), ISSUANCE).await;
    assert!(status(&setup, &pebble).await.0);
    assert_eq!(pebble.count(Resource::NewAccount), 1);
}
