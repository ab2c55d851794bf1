//! The first certificate: each challenge type, kind of name and habit of a CA, and what it costs.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::harness::peer::Client;
use crate::harness::setup::ISSUANCE;
use crate::harness::wire;
use crate::harness::{
    Docquay, Pebble, Peer, Proxy, Redirect, Resource, Setup, Target, client, docquay, ports,
};

/// Starts it, and waits for its certificate.
async fn obtain(docquay: docquay::Builder) -> Docquay {
    let docquay = docquay.start();
    docquay.obtains().await;
    docquay
}

/// Each of the names is served with a chain that leads to Pebble's root, and it is the last one issued.
async fn assert_served(setup: &Setup, pebble: &Pebble, names: &[&str]) {
    let root = pebble.root_pem().await;
    for name in names {
        let served = setup.target_for(name, &root).handshake().await.unwrap();
        assert_eq!(Some(&served.serial), pebble.issued().last(), "{name}");
    }
}

#[tokio::test]
async fn http_01_alone_obtains_a_certificate() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;

    let docquay = obtain(setup.docquay_of(&pebble).option("acme-challenge", "http-01")).await;

    assert_served(&setup, &pebble, &["docs.test"]).await;
    let asked = docquay.log().matches("HTTP-01 answered").count();
    assert_eq!((pebble.validations(), pebble.http_attempts(), asked), (1, 3, 3));
}

#[tokio::test]
async fn tls_alpn_01_alone_obtains_a_certificate_and_never_opens_port_80() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    // Asked from before the start until after the end: each time there must be nobody.
    let acme_address = setup.acme_address();
    let knocking = tokio::spawn(async move {
        loop {
            if wire::connect_tcp(acme_address).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });

    let docquay = obtain(setup.docquay_of(&pebble).option("acme-challenge", "tls-alpn-01")).await;

    assert_served(&setup, &pebble, &["docs.test"]).await;
    assert_eq!((pebble.validations(), pebble.http_attempts()), (1, 0));
    assert!(!knocking.is_finished(), "port 80 was open:\n{}", docquay.log());
    assert!(!docquay.log().contains("WARN"), "nothing is amiss:\n{}", docquay.log());
    knocking.abort();
}

#[tokio::test]
async fn several_names_share_a_certificate_by_either_challenge_type() {
    let names = ["docs.test", "www.docs.test", "a.b.docs.test", "127.0.0.1"];
    for challenge in ["http-01", "tls-alpn-01"] {
        let setup = Setup::of(&names);
        let pebble = setup.pebble().start().await;

        let _docquay = obtain(setup.docquay_of(&pebble).option("acme-challenge", challenge)).await;

        assert_served(&setup, &pebble, &names).await;
        assert_eq!((pebble.issued().len(), pebble.validations()), (1, names.len()), "{challenge}");
    }
}

#[tokio::test]
async fn an_address_gets_a_certificate_by_either_challenge_type() {
    for (address, challenge) in
        [("127.0.0.1", "http-01"), ("127.0.0.1", "tls-alpn-01"), ("::1", "http-01"), ("::1", "tls-alpn-01")]
    {
        let setup = Setup::of(&[address]);
        let pebble = setup.pebble().start().await;

        let _docquay = obtain(setup.docquay_of(&pebble).option("acme-challenge", challenge)).await;

        assert_served(&setup, &pebble, &[address]).await;
    }
}

#[tokio::test]
async fn an_external_account_is_bound() {
    let setup = Setup::of(&["docs.test"]);
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let pebble = setup.pebble().eab_key("kid-1", key).start().await;
    let file = setup.docs.path().join("eab.key");
    std::fs::write(&file, format!("{key}\n")).unwrap();

    let bound = setup.docquay_of(&pebble).option("eab-kid", "kid-1").option("eab-hmac-key-file", &file);
    let _docquay = obtain(bound).await;

    assert_served(&setup, &pebble, &["docs.test"]).await;
}

#[tokio::test]
async fn a_ca_that_wants_an_external_account_is_not_asked_without_and_the_options_are_named() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().eab_key("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wE").start().await;

    let docquay = setup.docquay_of(&pebble).start();

    let told = docquay.wait_for(|line| line.contains("--eab-kid"), ISSUANCE).await;
    assert!(told.contains("ERROR") && told.contains("--eab-hmac-key-file"), "{told}");
    assert_eq!((pebble.count(Resource::NewAccount), pebble.count(Resource::NewOrder)), (0, 0));
}

#[tokio::test]
async fn the_preferred_chain_of_three_is_chosen_by_its_issuer() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().chain_length(3).alternate_roots(2).start().await;
    let alternate = pebble.alternate_root_pem(2).await;

    let preferred =
        setup.docquay_of(&pebble).option("acme-preferred-chain", client::issuer_of_pem(&alternate));
    let _docquay = obtain(preferred).await;

    let served = setup.target(&alternate).handshake().await.unwrap();
    assert_eq!(served.chain.len(), 4, "the leaf and three of the CA, without the root");
    setup.target(&pebble.root_pem().await).handshake().await.unwrap_err();
}

#[tokio::test]
async fn a_chain_of_three_is_the_cas_default_without_a_preference_or_where_it_has_no_such() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().chain_length(3).alternate_roots(1).start().await;

    let other = setup.docquay_of(&pebble).option("acme-preferred-chain", "Nobody's Root");
    let _docquay = obtain(other).await;

    assert_served(&setup, &pebble, &["docs.test"]).await;
}

#[tokio::test]
async fn a_ca_that_rejects_half_of_the_nonces_is_coped_with() {
    let setup = Setup::of(&["docs.test", "www.docs.test"]);
    let pebble = setup.pebble().nonce_reject_percent(50).start().await;

    let _docquay = obtain(setup.docquay_of(&pebble)).await;

    assert_served(&setup, &pebble, &["docs.test", "www.docs.test"]).await;
}

#[tokio::test]
async fn what_is_authorized_already_is_not_validated_again() {
    for (reuse, validated_anew) in [(100, 1), (0, 2)] {
        let mut setup = Setup::of(&["docs.test"]);
        let pebble = setup.pebble().authz_reuse_percent(reuse).start().await;
        drop(obtain(setup.docquay_of(&pebble)).await);
        assert_eq!(pebble.validations(), 1);

        setup.rename(&["docs.test", "www.docs.test"]);
        let _docquay = obtain(setup.docquay_of(&pebble)).await;

        assert_served(&setup, &pebble, &["docs.test", "www.docs.test"]).await;
        assert_eq!(pebble.validations(), 1 + validated_anew, "reuse of {reuse} %");
    }
}

#[tokio::test]
async fn where_http_01_fails_the_next_attempt_takes_tls_alpn_01() {
    let setup = Setup::of(&["docs.test"]);
    // The CA asks a port where nobody is, as behind a firewall that lets 443 alone through.
    let pebble = Pebble::builder().tls_port(setup.port).start().await;

    let docquay = setup.docquay_of(&pebble).start();

    let told = docquay.wait_for(|line| line.contains("next_attempt"), ISSUANCE).await;
    assert!(told.contains("ERROR") && told.contains("port 80 must be reachable"), "{told}");
    // After a minute.
    docquay.obtains().await;
    assert_served(&setup, &pebble, &["docs.test"]).await;
    assert_eq!((pebble.validations(), pebble.count(Resource::NewOrder)), (2, 2));
}

#[tokio::test]
async fn a_taken_port_80_is_warned_of_and_tls_alpn_01_does_without() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, setup.acme_port)).await.unwrap();

    let docquay = obtain(setup.docquay_of(&pebble)).await;

    assert_served(&setup, &pebble, &["docs.test"]).await;
    assert_eq!(pebble.http_attempts(), 0);
    let warned = docquay.wait_for(|line| line.contains("WARN"), ISSUANCE).await;
    assert!(warned.contains("TLS-ALPN-01 alone") && warned.contains("another program listens"), "{warned}");
}

#[tokio::test]
async fn http_01_alone_does_not_start_without_port_80_and_says_what_to_do() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, setup.acme_port)).await.unwrap();

    let ended = setup.docquay_of(&pebble).option("acme-challenge", "http-01").run().await;

    assert_eq!(ended.status.code(), Some(1));
    for told in
        [&format!("another program listens on port {}", setup.acme_port), "--acme-challenge tls-alpn-01"]
    {
        assert!(ended.stderr.contains(told), "{told}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_cdn_that_forces_https_leads_the_ca_to_the_tls_port() {
    let setup = Setup::of(&["docs.test"]);
    let cdn = Redirect::start(ports::free(), setup.port).await;
    let pebble = Pebble::builder().http_port(cdn.address().port()).start().await;

    let docquay = obtain(setup.docquay_of(&pebble).option("acme-challenge", "http-01")).await;

    assert_served(&setup, &pebble, &["docs.test"]).await;
    let asked = cdn.asked();
    assert!(asked.len() == 3 && asked[0].starts_with("/.well-known/acme-challenge/"), "{asked:?}");
    assert_eq!(docquay.log().matches("HTTP-01 answered").count(), 3);
}

#[tokio::test]
async fn openssl_and_real_mcp_clients_trust_what_is_served() {
    let setup = Setup::of(&["localhost"]);
    let pebble = setup.pebble().chain_length(2).start().await;
    let _docquay = obtain(setup.docquay_of(&pebble)).await;
    let root = setup.docs.path().join("root.pem");
    std::fs::write(&root, pebble.root_pem().await).unwrap();

    client::openssl_verifies(&[], setup.address(), "localhost", &root).await.unwrap();
    let base = format!("https://localhost:{}", setup.port);
    let (modern, legacy) = ("2026-07-28", "2025-11-25");
    for client in [Client::TypeScript, Client::Python] {
        for (mode, transport, expect) in
            [("auto", "http", modern), ("legacy", "http", legacy), ("auto", "sse", legacy)]
        {
            Peer { client, mode, transport, expect }.talks_to(&base, &root).await.unwrap();
        }
    }
    // Who does not know the root does not talk at all.
    let stranger = Peer { client: Client::TypeScript, mode: "auto", transport: "http", expect: modern };
    let refused = stranger.talks_to(&base, &pebble.ca_file()).await.unwrap_err();
    assert!(refused.contains("FAILED"), "{refused}");
}

#[tokio::test]
async fn the_first_certificate_takes_eleven_requests() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let proxy = Proxy::before(&pebble).await;

    let _docquay = obtain(setup.docquay(&proxy.directory_url(), &pebble.ca_file())).await;

    let kinds: Vec<_> = proxy.requests().iter().map(|request| request.resource).collect();
    let polls = |kind| kinds.iter().filter(|other| **other == kind).count();
    // Pebble is asked twice while it validates and while it issues, seldom more often.
    let spare = polls(Resource::Authorization).saturating_sub(2) + polls(Resource::Order).saturating_sub(2);
    let once = {
        let mut kinds = kinds.clone();
        kinds.dedup();
        kinds
    };
    assert_eq!(
        once,
        [
            Resource::Directory,
            Resource::NewNonce,
            Resource::NewAccount,
            Resource::NewOrder,
            Resource::Authorization,
            Resource::Challenge,
            Resource::Authorization,
            Resource::Order,
            Resource::Finalize,
            Resource::Order,
            Resource::Certificate,
        ]
    );
    assert_eq!(kinds.len() - spare, 11, "{kinds:?}");
}

/// Prints the figure; `--nocapture` shows it.
#[tokio::test]
async fn a_fresh_start_serves_https_with_a_certificate_of_its_own() {
    let mut times = Vec::new();
    for _ in 0..10 {
        let setup = Setup::of(&["127.0.0.1"]);
        let pebble = setup.pebble().start().await;
        let target = setup.target(&pebble.root_pem().await);

        let started = Instant::now();
        let docquay = setup.docquay_of(&pebble).start();
        while answer_of(&target).await.is_none() {
            assert!(started.elapsed() < ISSUANCE, "no answer over https:\n{}", docquay.log());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(started.elapsed());
    }
    times.sort_unstable();
    println!("from start to the first answer over https: median {:?}, all {times:?}", times[times.len() / 2]);
}

/// Over a verified connection, once the gate is open.
async fn answer_of(target: &Target) -> Option<()> {
    target.mcp("tools/list").await.ok().map(|_| ())
}
