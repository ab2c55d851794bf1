//! A store that is broken in one way or another, as the operator meets it: what is served stays, nothing is ordered
//! that could not be kept, and the message says what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::harness::setup::ISSUANCE;
use crate::harness::{Docquay, Pebble, Resource, Setup, Signal, ports};

const NAME: &str = "127.0.0.1";

/// A server with its first certificate, which is then ended.
async fn obtained(setup: &Setup, pebble: &Pebble) -> String {
    let docquay = setup.docquay_of(pebble).start();
    docquay.obtains().await;
    let serial = setup.target(&pebble.root_pem().await).handshake().await.unwrap().serial;
    end(docquay).await;
    serial
}

async fn end(docquay: Docquay) {
    docquay.signal(Signal::Terminate);
    assert!(docquay.exit(ISSUANCE).await.success());
}

fn truth(setup: &Setup) -> PathBuf {
    setup.certs.path().join(format!(".docquay/{NAME}.pem"))
}

#[tokio::test]
async fn a_first_start_on_a_store_that_keeps_nothing_ends_before_anything_is_ordered() {
    let setup = Setup::of(&[NAME]);
    let pebble = setup.pebble().start().await;
    let certs = setup.certs.path().display().to_string();
    let full = ["-t", "tmpfs", "-o", "size=8k", "tmpfs", &certs];
    let read_only = ["-o", "bind,ro", &certs, &certs];
    let look = format!("df -h {certs}");
    for (mount, cause, help) in
        [(&full[..], "is full", look.as_str()), (&read_only[..], "read-only", "mount")]
    {
        let finished = setup.docquay_of(&pebble).after_mount(mount).run().await;
        assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
        let told = &finished.stderr;
        assert!(told.contains(cause) && told.contains(help) && told.contains(&certs), "{told}");
    }
    assert_eq!((pebble.count(Resource::NewAccount), pebble.count(Resource::NewOrder)), (0, 0));
}

#[tokio::test]
async fn a_store_that_became_read_only_is_served_from_and_nothing_is_ordered_for_it() {
    let setup = Setup::of(&[NAME]);
    // Due after half a minute.
    let pebble = setup.pebble().validity_seconds(60).start().await;
    let serial = obtained(&setup, &pebble).await;
    let certs = setup.certs.path().display().to_string();
    let docquay = setup.docquay_of(&pebble).after_mount(&["-o", "bind,ro", &certs, &certs]).start();
    docquay.serves().await;
    assert!(docquay.log().contains("its renewal could not be kept"), "{}", docquay.log());
    let line = docquay.wait_for(|line| line.contains("nothing was ordered"), ISSUANCE).await;
    assert!(line.contains("read-only") && line.contains("next_attempt"), "{line}");
    let served = setup.target(&pebble.root_pem().await).handshake().await.unwrap().serial;
    assert_eq!((served, pebble.count(Resource::NewOrder)), (serial, 1));
}

#[tokio::test]
async fn a_torn_record_is_set_aside_and_what_was_published_is_served_without_an_order() {
    let setup = Setup::of(&[NAME]);
    let pebble = setup.pebble().start().await;
    let serial = obtained(&setup, &pebble).await;
    let whole = fs::read(truth(&setup)).unwrap();
    fs::write(truth(&setup), &whole[..whole.len() - 100]).unwrap();

    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;
    let line = docquay.wait_for(|line| line.contains("moved aside"), ISSUANCE).await;
    assert!(line.contains(".broken-"), "{line}");
    let served = setup.target(&pebble.root_pem().await).handshake().await.unwrap().serial;
    assert_eq!((served, pebble.count(Resource::NewOrder)), (serial, 1));
}

#[tokio::test]
async fn a_folder_where_the_record_should_be_ends_the_start_and_is_left_alone() {
    let setup = Setup::of(&[NAME]);
    let pebble = setup.pebble().start().await;
    obtained(&setup, &pebble).await;
    fs::remove_file(truth(&setup)).unwrap();
    fs::create_dir(truth(&setup)).unwrap();
    let finished = setup.docquay_of(&pebble).run().await;
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains(&format!("{NAME}.pem")), "{}", finished.stderr);
    assert!(truth(&setup).is_dir() && pebble.count(Resource::NewOrder) == 1);
}

#[tokio::test]
async fn a_published_key_that_does_not_fit_is_told_of_and_left_alone_and_docquays_own_is_served() {
    let setup = Setup::of(&[NAME]);
    let pebble = setup.pebble().start().await;
    let serial = obtained(&setup, &pebble).await;
    let stranger = pebble.authority().leaf(&[NAME]).key_pem().to_owned();
    let published = setup.certs.path().join(format!("{NAME}.key.pem"));
    fs::write(&published, &stranger).unwrap();

    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;
    docquay.wait_for(|line| line.contains("they are left alone"), ISSUANCE).await;
    let served = setup.target(&pebble.root_pem().await).handshake().await.unwrap().serial;
    assert_eq!((served, fs::read_to_string(&published).unwrap()), (serial, stranger));
}

#[tokio::test]
async fn a_place_for_the_store_that_is_a_file_ends_the_start() {
    let setup = Setup::of(&[NAME]);
    let pebble = Pebble::builder().start().await;
    let file = setup.docs.path().join("certs");
    fs::write(&file, "").unwrap();
    let start = Docquay::builder().docs(&setup.docs).port(ports::free()).acme_port(ports::free());
    let start = start.option("bind", NAME).domain(NAME).option("certs", &file);
    let finished = start.ca(&pebble.directory_url(), &pebble.ca_file()).run().await;
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains(file.to_str().unwrap()), "{}", finished.stderr);
    assert_eq!(pebble.count(Resource::NewOrder), 0);
}

#[tokio::test]
async fn a_store_in_memory_is_refused_before_anything_is_ordered_unless_the_ca_is_private_or_it_is_allowed() {
    let setup = Setup::of(&[NAME]);
    let pebble = setup.pebble().start().await;
    let certs = setup.certs.path().display().to_string();
    let start = || setup.docquay_of(&pebble).after_mount(&["-t", "tmpfs", "-o", "size=1m", "tmpfs", &certs]);
    // With another CA to fall back on, a root of one's own does not make it private.
    let with_another = || start().option("fallback-acme-directory", "https://localhost:9/directory");
    let finished = with_another().run().await;
    assert_eq!(finished.status.code(), Some(1), "{}", finished.stderr);
    for part in ["tmpfs", &format!("-v docquay-certs:{certs}"), "--ephemeral-certs"] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    assert_eq!(pebble.count(Resource::Directory), 0);
    let docquay = with_another().arg("--ephemeral-certs").start();
    docquay.obtains().await;
    end(docquay).await;
    start().start().obtains().await;
}

#[tokio::test]
async fn a_published_key_that_others_can_read_is_told_of_and_left_so() {
    let setup = Setup::of(&[NAME]);
    let pebble = setup.pebble().start().await;
    obtained(&setup, &pebble).await;
    let key = setup.certs.path().join(format!("{NAME}.key.pem"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;
    docquay.wait_for(|line| line.contains("can read the published key"), ISSUANCE).await;
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o644);
}
