//! From one configuration to another, and pairs that others bring: the right certificate in the end, and no gap.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::authority::Leaf;
use crate::harness::client::serial_hex_of_pem;
use crate::harness::setup::ISSUANCE;
use crate::harness::{Authority, Docquay, Pebble, Resource, Setup, Signal, Target, Watcher};

/// Ends `docquay` and starts it anew for what `setup` says now, with certificates of `pebble`, which answers only
/// once the certificate of before was seen to serve; then the new one is awaited.
///
/// `before` trusts both, and asks for a name that both certificates have.
async fn restart(docquay: Docquay, setup: &Setup, pebble: &Pebble, before: &Target) -> Docquay {
    let old = before.handshake().await.unwrap().serial;
    docquay.signal(Signal::Terminate);
    assert!(docquay.exit(ISSUANCE).await.success());
    pebble.pause();
    let docquay = setup.docquay_of(pebble).start();
    docquay.serves().await;

    let watcher = Watcher::of(before);
    assert_eq!(watcher.wait_for_serials(1, ISSUANCE).await[0], old);
    assert_eq!(before.get("/readyz").await.unwrap().status, 200);
    assert_eq!(before.mcp("tools/list").await.unwrap()["tools"][0]["name"], "search");
    pebble.resume();
    docquay.obtains().await;

    let serials = watcher.wait_for_serials(2, ISSUANCE).await;
    let new = pebble.issued().last().unwrap().clone();
    assert_eq!((serials, watcher.seen().failures), (vec![old, new], vec![]));
    docquay
}

#[tokio::test]
async fn from_staging_to_production_and_back_clients_are_served_without_a_gap() {
    let setup = Setup::of(&["docs.test"]);
    let staging = setup.pebble().start().await;
    let production = setup.pebble().authority(staging.authority()).start().await;
    let (staging_root, production_root) = (staging.root_pem().await, production.root_pem().await);
    let either = setup.target(&format!("{staging_root}{production_root}"));

    let docquay = setup.docquay_of(&staging).start();
    docquay.obtains().await;
    let docquay = restart(docquay, &setup, &production, &either).await;
    setup.target(&production_root).handshake().await.unwrap();
    let _docquay = restart(docquay, &setup, &staging, &either).await;
    setup.target(&staging_root).handshake().await.unwrap();

    let issued = (staging.issued().len(), production.issued().len());
    let accounts = (staging.count(Resource::NewAccount), production.count(Resource::NewAccount));
    assert_eq!((issued, accounts), ((2, 1), (1, 1)));
}

#[tokio::test]
async fn a_name_is_added_and_removed_without_a_gap() {
    let mut setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let root = pebble.root_pem().await;
    let (docs, www) = (setup.target_for("docs.test", &root), setup.target_for("www.docs.test", &root));

    let docquay = setup.docquay_of(&pebble).start();
    docquay.obtains().await;
    www.handshake().await.unwrap_err();

    setup.rename(&["docs.test", "www.docs.test"]);
    let docquay = restart(docquay, &setup, &pebble, &docs).await;
    www.handshake().await.unwrap();

    setup.rename(&["docs.test"]);
    let _docquay = restart(docquay, &setup, &pebble, &docs).await;
    www.handshake().await.unwrap_err();
    assert_eq!((pebble.issued().len(), pebble.count(Resource::NewAccount)), (3, 1));
}

#[tokio::test]
async fn the_first_name_goes_or_another_comes_before_it_without_a_gap() {
    let mut setup = Setup::of(&["docs.test", "www.docs.test"]);
    let pebble = setup.pebble().start().await;
    let www = setup.target_for("www.docs.test", &pebble.root_pem().await);
    let docquay = setup.docquay_of(&pebble).start();
    docquay.obtains().await;

    setup.rename(&["www.docs.test"]);
    let docquay = restart(docquay, &setup, &pebble, &www).await;
    setup.rename(&["new.docs.test", "www.docs.test"]);
    let _docquay = restart(docquay, &setup, &pebble, &www).await;

    assert_eq!((pebble.issued().len(), pebble.count(Resource::NewAccount)), (3, 1));
}

#[tokio::test]
async fn a_restart_with_the_same_configuration_asks_the_ca_for_nothing() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let target = setup.target(&pebble.root_pem().await);
    let docquay = setup.docquay_of(&pebble).start();
    docquay.obtains().await;
    drop(docquay);

    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;

    assert_eq!(target.handshake().await.unwrap().serial, pebble.issued()[0]);
    assert_eq!(target.get("/readyz").await.unwrap().status, 200);
    assert_eq!((pebble.issued().len(), pebble.count(Resource::NewOrder)), (1, 1));
}

#[tokio::test]
async fn an_own_pair_is_served_and_read_again_on_sighup_and_when_it_changes() {
    let setup = Setup::of(&["docs.test"]);
    let authority = Authority::new();
    let place = setup.certs.path();
    let pairs = [(); 3].map(|()| authority.leaf(&["docs.test"]));
    let serials = pairs.each_ref().map(|pair| serial_hex_of_pem(pair.certificate_pem()));
    let (cert, key) = pairs[0].write(place, "own");

    let docquay = setup.without_ca().option("tls-cert", cert).option("tls-key", key).start();
    docquay.serves().await;
    let target = setup.target(authority.pem());
    let watcher = Watcher::of(&target);
    assert_eq!(target.mcp("tools/list").await.unwrap()["tools"][0]["name"], "search");
    watcher.wait_for_serials(1, ISSUANCE).await;

    pairs[1].write(place, "own");
    docquay.signal(Signal::Hangup);
    watcher.wait_for_serials(2, Duration::from_secs(20)).await;

    // Half of it: a certificate with the key of the one before is warned of, and changes nothing.
    std::fs::write(place.join("own.pem"), pairs[2].certificate_pem()).unwrap();
    docquay.signal(Signal::Hangup);
    docquay.wait_for(|line| line.contains("WARN") && line.contains("does not belong"), ISSUANCE).await;
    assert_eq!(target.handshake().await.unwrap().serial, serials[1]);

    // Without a word: seen within half a minute.
    pairs[2].write(place, "own");
    watcher.wait_for_serials(3, ISSUANCE).await;
    assert_eq!((watcher.seen().serials, watcher.seen().failures), (serials.to_vec(), vec![]));
}

#[tokio::test]
async fn a_pair_of_the_operators_among_the_certificates_is_served_watched_and_left_alone() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let authority = Authority::new();
    let pairs = [(); 2].map(|()| authority.leaf(&["docs.test"]));
    let serials = pairs.each_ref().map(|pair| serial_hex_of_pem(pair.certificate_pem()));
    bring(&setup, &pairs[0]);

    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;
    let target = setup.target(authority.pem());
    assert_eq!(target.handshake().await.unwrap().serial, serials[0]);
    assert_eq!(target.get("/readyz").await.unwrap().status, 200);

    let mark = docquay.mark();
    bring(&setup, &pairs[1]);
    docquay.signal(Signal::Hangup);
    docquay.wait_for_after(mark, |line| line.contains("another certificate is served"), ISSUANCE).await;
    assert_eq!(target.handshake().await.unwrap().serial, serials[1]);
    assert_is_there(&setup, &pairs[1]);
    assert_eq!((pebble.count(Resource::Directory), pebble.count(Resource::NewOrder)), (0, 0));
}

#[tokio::test]
async fn a_pair_of_the_operators_that_ends_is_replaced_in_service_and_not_on_the_disk() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let authority = Authority::new();
    let now = SystemTime::now();
    let ends =
        authority.leaf_valid(&["docs.test"], now - Duration::from_secs(60), now + Duration::from_secs(15));
    bring(&setup, &ends);

    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;
    let either = setup.target(&format!("{}{}", authority.pem(), pebble.root_pem().await));
    let watcher = Watcher::of(&either);
    docquay.obtains().await;
    // Before the end, so that nobody sees an ended one.
    assert_eq!((watcher.wait_for_serials(2, ISSUANCE).await.len(), watcher.seen().failures), (2, vec![]));

    assert_eq!(
        Some(&setup.target(&pebble.root_pem().await).handshake().await.unwrap().serial),
        pebble.issued().last()
    );
    assert_is_there(&setup, &ends);
    drop(docquay);
    // Nor after a restart.
    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;
    setup.target(&pebble.root_pem().await).handshake().await.unwrap();
    assert_is_there(&setup, &ends);
    assert_eq!(pebble.issued().len(), 1);
}

/// Puts a pair where the published one would lie.
fn bring(setup: &Setup, pair: &Leaf) {
    std::fs::write(published(setup, "cert"), pair.certificate_pem()).unwrap();
    std::fs::write(published(setup, "key"), pair.key_pem()).unwrap();
}

fn assert_is_there(setup: &Setup, pair: &Leaf) {
    assert_eq!(setup.certs.certificate_pem("docs.test").as_deref(), Some(pair.certificate_pem()));
    assert_eq!(setup.certs.key_pem("docs.test"), Some(pair.key_pem()));
}

fn published(setup: &Setup, what: &str) -> PathBuf {
    Path::join(setup.certs.path(), format!("docs.test.{what}.pem"))
}
