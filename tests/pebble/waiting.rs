//! Before the first certificate, and what port 80 does for life.

use crate::harness::setup::ISSUANCE;
use crate::harness::wire::{self, Answer};
use crate::harness::{Pebble, Setup, Target};

const CHALLENGE: &str = "/.well-known/acme-challenge/DGyRejmCefe7v4NfDGDKfA";

#[tokio::test]
async fn until_the_first_certificate_a_stand_in_is_shown_and_all_but_the_challenges_waits() {
    let setup = Setup::of(&["docs.test"]);
    let pebble = setup.pebble().start().await;
    let verified = setup.target(&pebble.root_pem().await);
    pebble.pause();

    let docquay = setup.docquay_of(&pebble).start();
    docquay.serves().await;

    let waiting = Target::trusting_anyone(setup.address(), "docs.test");
    assert_eq!(waiting.handshake().await.unwrap().chain.len(), 1, "nobody vouches for it");
    verified.handshake().await.unwrap_err();
    for request in [waiting.mcp_request("tools/list"), waiting.request("GET", "/sse", &[], "")] {
        let answer = waiting.send(request).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("10")));
        assert!(answer.text().contains("waiting for the certificate of docs.test"), "{}", answer.text());
    }
    let ready = waiting.get("/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("waiting for the certificate of docs.test"), "{}", ready.text());
    assert_eq!(waiting.get("/healthz").await.unwrap().status, 200);
    assert_eq!(waiting.get(CHALLENGE).await.unwrap().status, 404);
    assert_eq!(plain(&setup, CHALLENGE, "docs.test").await.status, 404);

    pebble.resume();
    docquay.obtains().await;
    assert_eq!(verified.get("/readyz").await.unwrap().status, 200);
    assert_eq!(verified.mcp("tools/list").await.unwrap()["tools"][0]["name"], "search");
    assert_eq!(pebble.issued().len(), 1);
}

#[tokio::test]
async fn port_80_sends_everybody_to_the_base_url_whatever_the_host() {
    for base in [None, Some("https://public.example/quay")] {
        let setup = Setup::of(&["docs.test"]);
        let pebble = setup.pebble().start().await;
        let docquay = setup.docquay_of(&pebble);
        let docquay =
            base.into_iter().fold(docquay, |docquay, base| docquay.option("base-url", base)).start();
        docquay.obtains().await;
        let expected = base.map_or_else(|| format!("https://docs.test:{}", setup.port), str::to_owned);

        for host in ["docs.test", "evil.example", "evil.example:80"] {
            let answer = plain(&setup, "/docs/rope?x=1", host).await;
            assert_eq!(answer.status, 301);
            assert_eq!(answer.header("location"), Some(format!("{expected}/docs/rope?x=1").as_str()));
            assert_eq!(plain(&setup, CHALLENGE, host).await.status, 404);
        }
        let answer = wire::exchange(
            wire::connect_tcp(setup.acme_address()).await.unwrap(),
            wire::request("POST", "docs.test", "/mcp", "{}"),
        );
        assert_eq!(answer.await.unwrap().status, 308);
    }
}

#[tokio::test]
async fn a_ca_that_is_away_is_waited_for_and_said_to_be() {
    let setup = Setup::of(&["docs.test"]);
    let pebble: Pebble = setup.pebble().start().await;
    pebble.stop();

    let docquay = setup.docquay_of(&pebble).start();

    let told = docquay.wait_for(|line| line.contains("next_attempt"), ISSUANCE).await;
    assert!(told.contains("ERROR") && told.contains(&pebble.directory_url()), "{told}");
    assert!(docquay.exited().is_none());
    let waiting = Target::trusting_anyone(setup.address(), "docs.test");
    assert_eq!(waiting.get("/healthz").await.unwrap().status, 200);
}

async fn plain(setup: &Setup, path: &str, host: &str) -> Answer {
    let stream = wire::connect_tcp(setup.acme_address()).await.unwrap();
    wire::exchange(stream, wire::request("GET", host, path, "")).await.unwrap()
}
