//! SIGHUP with other names, or with another CA: the certificate follows, and nobody is without one meanwhile.

use std::path::Path;

use crate::harness::setup::ISSUANCE;
use crate::harness::{Docquay, Load, Setup, Signal, Watcher};

fn write(file: &Path, names: &[&str], more: &str) {
    std::fs::write(file, format!("domain = {names:?}\n{more}")).unwrap();
}

/// SIGHUP, and the line that says what came of it.
async fn reload(docquay: &Docquay, line: &str) -> String {
    let mark = docquay.mark();
    docquay.signal(Signal::Hangup);
    docquay.wait_for_after(mark, |written| written.contains(line), ISSUANCE).await;
    docquay.written_after(mark)
}

#[tokio::test]
async fn a_name_that_is_added_gets_its_certificate_while_the_old_one_serves() {
    let setup = Setup::of(&["docs.test", "www.docs.test"]);
    let pebble = setup.pebble().start().await;
    let root = pebble.root_pem().await;
    let (docs, www) = (setup.target_for("docs.test", &root), setup.target_for("www.docs.test", &root));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docquay.toml");
    write(&file, &["docs.test"], "");
    let docquay = setup.docquay_by(&file, &pebble).start();
    docquay.obtains().await;
    www.handshake().await.unwrap_err();

    let (load, watcher) = (Load::on(&docs, 1, 1), Watcher::of(&docs));
    load.wait_for_answers(20, ISSUANCE).await;
    let mark = docquay.mark();
    write(&file, &["docs.test", "www.docs.test"], "email = \"ops@docs.test\"\n");
    let log = reload(&docquay, "the configuration changed").await;
    assert!(log.contains("keys=\"domain, email\""), "{log}");
    docquay.obtains_after(mark).await;
    www.handshake().await.unwrap();
    assert!(www.mcp("tools/list").await.unwrap()["tools"].is_array());

    // The first name goes: the store has another entry then.
    let mark = docquay.mark();
    write(&file, &["www.docs.test"], "");
    reload(&docquay, "the configuration changed").await;
    docquay.obtains_after(mark).await;
    www.handshake().await.unwrap();
    docs.handshake().await.unwrap_err();
    let issued = pebble.issued();
    assert_eq!(issued.len(), 3);
    // `docs` was served until its name was gone.
    assert_eq!(watcher.seen().serials, issued[..2]);
    drop(load);
}

#[tokio::test]
async fn what_cannot_be_kept_leaves_the_certificate_and_its_driver_as_they_were() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let target = setup.target(&pebble.root_pem().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docquay.toml");
    write(&file, &["docs.test"], "");
    let docquay = setup.docquay_by(&file, &pebble).start();
    docquay.obtains().await;
    let served = target.handshake().await.unwrap().serial;

    let blocks = folder.path().join("key");
    std::fs::create_dir(&blocks).unwrap();
    for more in [
        format!("eab_kid = \"kid\"\neab_hmac_key_file = {blocks:?}\n"),
        // The certificate's part is in order, the documents' is not.
        "email = \"ops@docs.test\"\n[limits.docs]\ncorpus_bytes = 1\n".to_owned(),
    ] {
        write(&file, &["docs.test"], &more);
        let log = reload(&docquay, "the old configuration stays").await;
        assert!(log.contains("cause=") && log.contains("help="), "{log}");
        assert_eq!(target.handshake().await.unwrap().serial, served);
    }
    // The driver lives: it renews.
    write(&file, &["docs.test"], "");
    reload(&docquay, "the documents are the same").await;
    let mark = docquay.mark();
    let renew = Docquay::builder().arg("cert").arg("renew").domain("docs.test").certs(&setup.certs);
    let renewed = tokio::spawn(renew.ca(&pebble.directory_url(), &pebble.ca_file()).run());
    // The driver looks by itself too, once a minute.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    docquay.signal(Signal::Hangup);
    let renewed = renewed.await.unwrap();
    assert!(renewed.stdout.starts_with("renewed by the running server"), "{renewed:?}");
    docquay.obtains_after(mark).await;
    assert_ne!(target.handshake().await.unwrap().serial, served);
}
