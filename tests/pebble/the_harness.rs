//! The harness itself, tried without docquay.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

use crate::harness::proxy::{RenewalInfo, rfc3339};
use crate::harness::wire::{self, Answer, Failure};
use crate::harness::{
    AcmeTwoCertifier, Authority, Certs, Docquay, Docs, Families, Load, Network, Pebble, Proxy, Reach,
    Redirect, Reply, Resource, Signal, Streams, Target, Watcher, client, ports, process, streams,
};

#[tokio::test]
async fn pebble_answers_its_directory() {
    let pebble = Pebble::builder().start().await;

    let answer = wire::get(pebble.address(), "localhost", "/dir", pebble.authority().pem()).await.unwrap();

    let url = answer.json()["newOrder"].as_str().unwrap().to_owned();
    assert_eq!(url, pebble.directory_url().replace("/dir", "/order-plz"));
    assert!(pebble.count(Resource::Directory) > 0 && pebble.count(Resource::NewOrder) == 0);
}

#[tokio::test]
async fn two_pebbles_run_at_once_and_share_nothing() {
    let (one, other) = tokio::join!(Pebble::builder().start(), Pebble::builder().alternate_roots(1).start());

    assert_ne!(one.root_pem().await, other.root_pem().await);
    assert_ne!(other.root_pem().await, other.alternate_root_pem(1).await);
    assert_ne!(one.directory_url(), other.directory_url());
}

#[tokio::test]
async fn the_proxy_passes_what_no_rule_names() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    proxy.on(Resource::NewNonce).answers(Reply::new(503));

    let answer = through(&proxy, "/dir").await.unwrap();

    assert_eq!(answer.json()["newOrder"], format!("{}/order-plz", proxy.base_url()));
    assert_eq!((proxy.count(Resource::Directory), pebble.count(Resource::Directory)), (1, 1));
    let [request] = &proxy.requests()[..] else { panic!("one request") };
    assert!(request.forwarded && request.status == Some(200) && request.path == "/dir");
}

#[tokio::test]
async fn the_proxy_answers_in_the_cas_place() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    let busy = Reply::problem(429, "rateLimited", "slow down").header("retry-after", "7");
    proxy.on(Resource::Directory).nth(2).answers(busy);

    let first = through(&proxy, "/dir").await.unwrap();
    let second = through(&proxy, "/dir").await.unwrap();
    let third = through(&proxy, "/dir").await.unwrap();

    assert_eq!([first.status, second.status, third.status].map(|status| status.as_u16()), [200, 429, 200]);
    assert_eq!(second.header("retry-after"), Some("7"));
    assert_eq!(second.json()["type"], "urn:ietf:params:acme:error:rateLimited");
    assert_eq!(pebble.count(Resource::Directory), 2);
}

#[tokio::test]
async fn the_proxy_drops_requests_and_answers() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    proxy.on(Resource::Directory).nth(1).drops_the_request();
    proxy.on(Resource::Directory).nth(2).loses_the_answer();
    proxy.on(Resource::Directory).nth(3).cuts_the_answer_after(10);

    for got_by_the_ca in [0, 1, 2] {
        through(&proxy, "/dir").await.unwrap_err();
        assert_eq!(pebble.count(Resource::Directory), got_by_the_ca);
    }
    through(&proxy, "/dir").await.unwrap();
}

#[tokio::test]
async fn the_proxy_changes_answers() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    proxy
        .on(Resource::Directory)
        .edits_json(|directory| directory["meta"]["profiles"] = json!({"short": "days"}));
    proxy.on(Resource::Directory).strips("cache-control");
    proxy.on(Resource::Directory).sets("retry-after", "1");
    let now = std::time::SystemTime::now();
    proxy.offer_renewal_info(&RenewalInfo { start: now, end: now, retry_after: 60 });

    let answer = through(&proxy, "/dir").await.unwrap();

    assert_eq!(answer.json()["meta"]["profiles"]["short"], "days");
    assert_eq!((answer.header("cache-control"), answer.header("retry-after")), (None, Some("1")));
    assert_eq!(answer.json()["renewalInfo"], format!("{}/renewal-info", proxy.base_url()));
    let window = through(&proxy, "/renewal-info/abc.def").await.unwrap();
    assert_eq!(window.json()["suggestedWindow"]["start"], rfc3339(now));
}

#[tokio::test]
async fn the_proxy_speaks_http2_as_the_product_does() {
    let pebble = Pebble::builder().start().await;
    let proxy = Proxy::before(&pebble).await;
    proxy.on(Resource::Directory).nth(2).loses_the_answer();
    proxy.on(Resource::Directory).nth(3).cuts_the_answer_after(10);

    let answer = through_http2(&proxy, "/dir").await.unwrap();
    through_http2(&proxy, "/dir").await.unwrap_err();
    through_http2(&proxy, "/dir").await.unwrap_err();

    assert_eq!(answer.json()["newOrder"], format!("{}/order-plz", proxy.base_url()));
    assert_eq!(pebble.count(Resource::Directory), 3);
}

async fn through_http2(proxy: &Proxy, path: &str) -> Result<Answer, Failure> {
    let config = wire::client(proxy.authority().pem(), &["h2"]);
    let stream = wire::connect(proxy.address(), "localhost", &config).await?;
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    let request = http::Request::get(format!("{}{path}", proxy.base_url())).body(Full::<Bytes>::default());
    let response = sender.send_request(request.unwrap()).await.map_err(|error| error.to_string())?;
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}

async fn through(proxy: &Proxy, path: &str) -> Result<Answer, Failure> {
    wire::get(proxy.address(), "localhost", path, proxy.authority().pem()).await
}

const MOMENT: Duration = Duration::from_secs(20);

/// docquay over plain HTTP, serving.
async fn plain_docquay() -> (Docquay, Docs, Target) {
    let (docs, port) = (Docs::new(), ports::free());
    let docquay = Docquay::builder().docs(&docs).port(port).start();
    docquay.wait_for(|line| line.contains("/mcp"), MOMENT).await;
    (docquay, docs, Target::http(SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

#[tokio::test]
async fn docquay_runs_with_its_log_read_and_ends_on_a_signal() {
    let (docquay, _docs, target) = plain_docquay().await;

    let tools = target.mcp("tools/list").await.unwrap();
    assert_eq!(tools["tools"][0]["name"], "search");

    docquay.signal(Signal::Terminate);
    assert!(docquay.exit(MOMENT).await.success());
}

#[tokio::test]
async fn a_command_of_docquay_leaves_its_output() {
    let docs = Docs::new();

    let found = Docquay::builder().arg("search").arg("bowline").docs(&docs).run().await;

    assert!(found.status.success() && found.stdout.contains("rope"), "{found:?}");
}

#[tokio::test]
async fn a_name_is_known_to_docquay_alone() {
    let docquay = Docquay::builder()
        .resolves("docs.test", Ipv4Addr::LOCALHOST.into())
        .arg("http://docs.test:9/index.json")
        .port(ports::free())
        .start();

    // Found, where nobody listens. A name that is not found is another error.
    docquay.wait_for(|line| line.contains("docs.test") && line.contains("refused"), MOMENT).await;
    assert!(std::fs::read_to_string("/etc/hosts").is_ok_and(|hosts| !hosts.contains("docs.test")));
}

#[tokio::test]
async fn a_load_counts_answers_and_says_why_requests_fail() {
    let (docquay, _docs, target) = plain_docquay().await;
    let load = Load::on(&target, 2, 2);
    load.wait_for_answers(50, MOMENT).await;
    load.report().assert_clean();
    assert!(load.report().connections > 2);

    docquay.kill();
    let refused = |cause: &String| cause.starts_with("connect: ");
    while !load.report().failures.keys().any(refused) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    assert!(load.stop().await.answered >= 50);
}

#[tokio::test]
async fn streams_stay_open_until_the_server_ends() {
    let (docquay, _docs, target) = plain_docquay().await;
    let sse = Streams::open(&target, streams::Kind::Sse, 2).await.unwrap();
    let session = Streams::open(&target, streams::Kind::Session, 2).await.unwrap();
    assert!(sse.states().iter().all(|stream| stream.events == 1), "the endpoint: {:?}", sse.states());
    assert!(sse.ended().is_empty() && session.ended().is_empty());

    docquay.kill();
    while sse.ended().len() < 2 || session.ended().len() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_watcher_sees_a_certificate_change() {
    let authority = Authority::new();
    let server = Swapping::start(authority.leaf(&["docs.test"]).server(&["http/1.1"])).await;
    let target = Target::https(server.address, "docs.test", authority.pem());
    let watcher = Watcher::of(&target);
    let first = watcher.wait_for_serials(1, MOMENT).await;

    let next = authority.leaf(&["docs.test"]);
    server.swap(next.server(&["http/1.1"]));

    let serials = watcher.wait_for_serials(2, MOMENT).await;
    assert_eq!(serials, [first[0].clone(), client::serial_hex_of_pem(next.certificate_pem())]);
    assert_eq!(watcher.seen().failures, Vec::<String>::new());
    assert_eq!(target.handshake().await.unwrap().protocol.as_deref(), Some("http/1.1"));
}

#[tokio::test]
async fn openssl_judges_what_is_served() {
    let authority = Authority::new();
    let server = Swapping::start(authority.leaf(&["docs.test"]).server(&[])).await;

    let judge = async |name, root: &Authority| {
        client::openssl_verifies(&[], server.address, name, &root.file()).await
    };

    judge("docs.test", &authority).await.unwrap();
    judge("other.test", &authority).await.unwrap_err();
    judge("docs.test", &Authority::new()).await.unwrap_err();
}

#[test]
fn a_folder_of_certificates_shows_its_files_and_their_modes() {
    let certs = Certs::new();
    std::fs::write(certs.path().join("docs.test.cert.pem"), "x").unwrap();

    assert!(certs.certificate_pem("docs.test").is_some() && certs.key_pem("docs.test").is_none());
    assert_eq!(certs.files().keys().collect::<Vec<_>>(), [std::path::Path::new("docs.test.cert.pem")]);
}

#[tokio::test]
async fn pebble_and_docquay_run_on_two_machines_of_either_family() {
    for families in [Families::Ipv4, Families::Ipv6, Families::Both] {
        let network = Network::new(families);
        let pebble = Pebble::builder().within(network.ca()).start().await;
        let docs = Docs::new();
        let listening = SocketAddr::new(network.server().address(), 80);
        let bind = listening.ip().to_string();
        let docquay =
            Docquay::builder().within(network.server()).docs(&docs).option("bind", bind).port(80).start();
        docquay.wait_for(|line| line.contains("/mcp"), MOMENT).await;

        // Each reaches the other, over the cable, and the CA's name leads there.
        let from_ca = Reach::Within(network.ca().prefix());
        assert_eq!(from_ca.post(listening, "/healthz", "").await.unwrap().status, 405);
        let from_server = Reach::Within(network.server().prefix());
        let directory =
            from_server.get_https(pebble.address(), "ca.test", "/dir", &pebble.ca_file()).await.unwrap();
        assert_eq!(directory.json()["newOrder"], pebble.directory_url().replace("/dir", "/order-plz"));
    }
}

#[tokio::test]
async fn acme2certifier_answers_its_directory_and_knows_of_renewal() {
    let ca = AcmeTwoCertifier::builder().profiles(r#"{"short": "days"}"#).start().await;

    let directory =
        wire::get(ca.address(), "localhost", "/directory", ca.authority().pem()).await.unwrap().json();
    let base = ca.directory_url().replace("/directory", "");
    assert_eq!(directory["newOrder"], format!("{base}/acme/neworders"));
    assert_eq!(directory["renewalInfo"], format!("{base}/acme/renewal-info"));
    assert_eq!(directory["meta"]["profiles"]["short"], "days");

    let path = "/acme/renewal-info/aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";
    let unknown = wire::get(ca.address(), "localhost", path, ca.authority().pem()).await.unwrap();
    assert_eq!((unknown.status.as_u16(), ca.count(Resource::RenewalInfo)), (404, 1));
}

#[tokio::test]
async fn acme2certifier_runs_on_a_machine_of_its_own() {
    let network = Network::new(Families::Both);

    let ca = AcmeTwoCertifier::builder().within(network.ca()).start().await;

    let from_server = Reach::Within(network.server().prefix());
    let directory =
        from_server.get_https(ca.address(), "ca.test", "/directory", &ca.ca_file()).await.unwrap();
    assert_eq!(directory.json()["meta"]["version"], "0.46.3");
}

#[tokio::test]
async fn a_cdn_sends_everybody_to_https() {
    let cdn = Redirect::start(ports::free(), 8443).await;

    let answer = wire::get_plain(cdn.address(), "/.well-known/acme-challenge/token?x=1").await.unwrap();

    assert_eq!(answer.status, 301);
    let expected = "https://127.0.0.1:8443/.well-known/acme-challenge/token?x=1";
    assert_eq!(answer.header("location"), Some(expected));
    assert_eq!(cdn.asked(), ["/.well-known/acme-challenge/token?x=1"]);
}

#[tokio::test]
async fn a_machine_resolves_what_the_test_says() {
    let network = Network::new(Families::Both);
    let pebble = Pebble::builder().within(network.ca()).start().await;
    let lookup = |name: &str| {
        let mut getent = process::command(&network.server().prefix(), "getent");
        let output = getent.args(["ahosts", name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(lookup("docs.test"), "");
    assert!(lookup("ca.test").contains("192.0.2.1") && lookup("ca.test").contains("2001:db8::1"));

    pebble.dns().add_a("docs.test", &[network.server().ipv4().unwrap()]).await;
    assert!(lookup("docs.test").contains("192.0.2.2"));
    assert!(pebble.dns().queries("docs.test").await > 0);

    pebble.dns().add_aaaa("docs.test", &[network.server().ipv6().unwrap()]).await;
    assert!(lookup("docs.test").contains("2001:db8::2"));
}

/// A TLS server whose certificate a test changes.
struct Swapping {
    address: SocketAddr,
    config: tokio::sync::watch::Sender<std::sync::Arc<rustls::ServerConfig>>,
}

impl Swapping {
    async fn start(config: std::sync::Arc<rustls::ServerConfig>) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (config, current) = tokio::sync::watch::channel(config);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let acceptor = tokio_rustls::TlsAcceptor::from(current.borrow().clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                });
            }
        });
        Self { address, config }
    }

    fn swap(&self, config: std::sync::Arc<rustls::ServerConfig>) {
        self.config.send_replace(config);
    }
}
