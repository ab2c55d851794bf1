//! TLS in front of the HTTP layer, over real sockets: who gets which certificate, the swap, validations of
//! TLS-ALPN-01, and what a peer may cost before its first request.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use docquay::http::{
    self, Access, Checks, Gate, Handler, HostPolicy, Path, Request, Response, Route, Router, sse, stream,
};
use docquay::names::Identifier;
use docquay::provision::challenges;
use docquay::shutdown::{self, Trigger};
use docquay::tls::{Acceptor, Challenges, Limits, Resolver, self_signed};
use docquay::x509::{Certificate, Pair};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::raw::{Client, PATIENCE, in_time};

/// A server with one page and one stream, for `docs.example.com`.
struct Server {
    address: SocketAddr,
    resolver: Arc<Resolver>,
    challenges: Arc<Challenges>,
    pair: Pair,
    trigger: Option<Trigger>,
    task: JoinHandle<()>,
    /// The writing half of each stream that was opened.
    streams: mpsc::UnboundedReceiver<sse::Sender>,
}

struct Site(mpsc::UnboundedSender<sse::Sender>);

impl Handler for Site {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            if request.path() == "/stream" {
                let (sender, body) = sse::channel(4, None);
                self.0.send(sender).unwrap();
                return stream(body);
            }
            http::text(::http::StatusCode::OK, if request.is_secure() { "secure" } else { "plain" })
        })
    }
}

impl Server {
    async fn start() -> Self {
        Self::with(|_, _| {}, |router| router).await
    }

    async fn with(
        adjust: impl FnOnce(&mut Limits, &mut http::Limits),
        build: impl FnOnce(Router) -> Router,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = shutdown::channel();
        let (sender, streams) = mpsc::unbounded_channel();
        let site = |path, checks, handler| Route { path, access: Access::Open, checks, handler };
        let routes = vec![
            site(Path::Exact("/healthz"), Checks::Exempt, Arc::new(Site(sender.clone())) as Arc<dyn Handler>),
            site(Path::Prefix(""), Checks::HostAndOrigin, Arc::new(Site(sender))),
        ];
        let router = Arc::new(build(Router::new(routes, HostPolicy::default())));
        let (mut limits, mut of_http) = (Limits::default(), http::Limits::default());
        adjust(&mut limits, &mut of_http);
        let pair = pair(&["docs.example.com"]);
        let (resolver, challenges) = (Arc::new(Resolver::new(&pair)), Arc::new(Challenges::new()));
        let acceptor = Acceptor::new(Arc::clone(&resolver), Arc::clone(&challenges), limits).unwrap();
        let task = tokio::spawn(http::serve(listener, acceptor, router, of_http, shutdown));
        Self { address, resolver, challenges, pair, trigger: Some(trigger), task, streams }
    }

    /// A handshake under this name; none sends no SNI.
    async fn connect(
        &self,
        name: Option<&str>,
        config: &Arc<ClientConfig>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match name {
            Some(name) => ServerName::try_from(name.to_owned()).unwrap(),
            None => ServerName::from(self.address.ip()),
        };
        let socket = TcpStream::connect(self.address).await?;
        in_time(TlsConnector::from(Arc::clone(config)).connect(name, socket)).await
    }

    /// A client of HTTP/1.1, on a connection of its own.
    async fn client(&self) -> Client<TlsStream<TcpStream>> {
        Client::over(self.connect(Some(NAME), &client(&["http/1.1"])).await.unwrap())
    }

    /// What a new full handshake under this name sees.
    async fn leaf(&self, name: Option<&str>) -> Certificate {
        leaf(&self.connect(name, &client(&["h2", "http/1.1"])).await.unwrap())
    }

    async fn validate(
        &self,
        identifier: &Identifier,
        protocols: &[&str],
    ) -> io::Result<TlsStream<TcpStream>> {
        self.connect(Some(&identifier.server_name()), &client(protocols)).await
    }

    async fn is_well(&self) {
        let answer = self.client().await.request("GET", "/", &[], "").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "secure"));
    }

    async fn stream(&mut self) -> sse::Sender {
        in_time(self.streams.recv()).await.unwrap()
    }

    fn drain(&mut self) {
        self.trigger.take().unwrap().drain();
    }

    async fn ended(self) {
        in_time(self.task).await.unwrap();
    }
}

const NAME: &str = "docs.example.com";
const SHORT: Duration = Duration::from_millis(200);
/// Where a good client has to keep the limit too, on a loaded machine.
const SECOND: Duration = Duration::from_secs(1);

fn identifier(name: &str) -> Identifier {
    Identifier::parse(name).unwrap()
}

fn pair(names: &[&str]) -> Pair {
    let names: Vec<_> = names.iter().map(|name| identifier(name)).collect();
    self_signed(&names, SystemTime::now()).unwrap()
}

fn leaf(stream: &TlsStream<TcpStream>) -> Certificate {
    Certificate::parse(stream.get_ref().1.peer_certificates().unwrap()[0].clone()).unwrap()
}

fn kind(stream: &TlsStream<TcpStream>) -> HandshakeKind {
    stream.get_ref().1.handshake_kind().unwrap()
}

/// A client that takes any certificate, and offers these protocols.
fn client(protocols: &[&str]) -> Arc<ClientConfig> {
    client_of(rustls::DEFAULT_VERSIONS, protocols)
}

fn client_of(versions: &[&'static SupportedProtocolVersion], protocols: &[&str]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Arc::new(config)
}

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// Takes any certificate whose key signed the handshake.
#[derive(Debug)]
struct Anyone(Arc<rustls::crypto::CryptoProvider>);

mod anyone {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    impl ServerCertVerifier for super::Anyone {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        // webpki reads no certificate with an unknown critical extension, such as that of a challenge.
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}

type H2 = hyper::client::conn::http2::SendRequest<Empty<Bytes>>;

async fn h2(stream: TlsStream<TcpStream>) -> H2 {
    let io = TokioIo::new(stream);
    let (client, connection) =
        in_time(hyper::client::conn::http2::handshake(TokioExecutor::new(), io)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get(path: &str) -> ::http::Request<Empty<Bytes>> {
    ::http::Request::get(format!("https://localhost{path}")).body(Empty::new()).unwrap()
}

async fn body_text<B: hyper::body::Body<Error: std::fmt::Debug>>(body: B) -> String {
    String::from_utf8(in_time(body.collect()).await.unwrap().to_bytes().to_vec()).unwrap()
}

// HTTP over TLS.

#[tokio::test]
async fn h2_is_preferred_and_http_1_1_spoken_without_alpn_in_both_versions_of_tls() {
    let server = Server::start().await;
    for versions in [TLS12, TLS13] {
        for (offered, agreed) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1", "h2"], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let stream = server.connect(Some(NAME), &client_of(versions, offered)).await.unwrap();
            let found =
                stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
            assert_eq!(found.as_deref(), agreed, "{offered:?}");
            if agreed == Some("h2") {
                let response = in_time(h2(stream).await.send_request(get("/"))).await.unwrap();
                assert_eq!(body_text(response.into_body()).await, "secure");
            } else {
                let answer = Client::over(stream).request("GET", "/", &[], "").await;
                assert_eq!(answer.text(), "secure");
            }
        }
    }
}

#[tokio::test]
async fn a_client_with_no_protocol_in_common_is_refused() {
    let server = Server::start().await;
    let error = server.connect(Some(NAME), &client(&["spdy/3"])).await.unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    server.is_well().await;
}

#[tokio::test]
async fn a_connection_is_kept_alive_and_a_stream_opens_at_once() {
    let mut server = Server::start().await;
    let mut client = server.client().await;
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/", &[], "").await.text(), "secure");
    }
    client.ask("GET", "/stream", &[], "").await;
    assert_eq!(client.head().await.header("content-type"), Some("text/event-stream"));
    assert_eq!(client.piece().await.unwrap(), b":\n\n");
    let sender = server.stream().await;
    let long = "x".repeat(100_000);
    for data in ["one", &long] {
        sender.send(sse::Event { data: data.as_bytes(), ..sse::Event::default() }.encode()).await.unwrap();
        assert_eq!(client.event().await.unwrap().data, data);
    }
    drop(client);
    in_time(sender.closed()).await;
}

#[tokio::test]
async fn a_client_that_stops_reading_its_stream_is_dropped() {
    let mut server = Server::with(|_, http| http.write_stall = SHORT, |router| router).await;
    let mut client = server.client().await;
    client.ask("GET", "/stream", &[], "").await;
    let sender = server.stream().await;
    let event = sse::Event { data: &[b'x'; 60_000], ..sse::Event::default() }.encode();
    in_time(async { while sender.send(event.clone()).await.is_ok() {} }).await;
    drop(client);
    server.is_well().await;
}

#[tokio::test]
async fn every_end_that_the_server_chooses_is_announced_by_close_notify() {
    let limits = |_: &mut Limits, http: &mut http::Limits| {
        http.idle = SECOND;
        http.header = SECOND;
    };
    let server = Server::with(limits, |router| router).await;
    let mut idle = server.client().await;
    assert_eq!(idle.request("GET", "/", &[], "").await.status, 200);
    idle.end().await.unwrap();
    let mut slow = server.client().await;
    slow.send("GET / HTTP/1.1\r\nhost: ").await;
    assert_eq!(slow.answer().await.status, 408);
    slow.end().await.unwrap();
    let mut last = server.client().await;
    assert_eq!(last.request("GET", "/", &[("connection", "close")], "").await.status, 200);
    last.end().await.unwrap();
}

#[tokio::test]
async fn a_drain_ends_connections_by_close_notify_and_lets_streams_end() {
    let mut server = Server::with(|_, http| http.drain = PATIENCE, |router| router).await;
    let mut idle = server.client().await;
    assert_eq!(idle.request("GET", "/", &[], "").await.status, 200);
    let mut reader = server.client().await;
    reader.ask("GET", "/stream", &[], "").await;
    let sender = server.stream().await;
    let mut reader2 = h2(server.connect(Some(NAME), &client(&["h2"])).await.unwrap()).await;
    let stream2 = in_time(reader2.send_request(get("/stream"))).await.unwrap();
    let sender2 = server.stream().await;

    server.drain();

    idle.end().await.unwrap();
    for sender in [sender, sender2] {
        sender.send(Bytes::from_static(b"data: last\n\n")).await.unwrap();
    }
    assert_eq!(reader.head().await.status, 200);
    assert_eq!(reader.event().await.unwrap().data, "last");
    assert_eq!(reader.event().await, None);
    reader.end().await.unwrap();
    assert_eq!(body_text(stream2.into_body()).await, ":\n\ndata: last\n\n");
    server.ended().await;
}

#[tokio::test]
async fn until_the_gate_opens_the_challenge_path_is_answered_and_the_rest_waits() {
    let retry_after = Duration::from_secs(7);
    let (gate, watched) = watch::channel(Gate::Closed { reason: "no certificate yet".into(), retry_after });
    let tokens = challenges::Challenges::new();
    let presented = tokens.present("token", "token.thumbprint");
    let server = Server::with(
        |_, _| {},
        |router| {
            // The table of the server, the challenge before all of it.
            let routes = std::iter::once(tokens.route()).chain(
                router.routes().iter().map(|route| Route { handler: Arc::clone(&route.handler), ..*route }),
            );
            Router::new(routes.collect(), HostPolicy::default()).with_gate(watched)
        },
    )
    .await;
    let mut client = server.client().await;
    let held = client.request("GET", "/", &[], "").await;
    assert_eq!((held.status, held.text().as_str()), (503, "no certificate yet\n"));
    assert_eq!(held.header("retry-after"), Some("7"));
    let foreign = [("host", "cdn.example"), ("user-agent", "a CA")];
    let path = "/.well-known/acme-challenge/token";
    let answer = client.request("GET", path, &foreign, "").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "token.thumbprint"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let head = client.request("HEAD", path, &foreign, "").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("16")));
    assert_eq!(client.request("GET", &format!("{path}2"), &foreign, "").await.status, 404);
    assert_eq!(client.request("GET", "/healthz", &foreign, "").await.status, 200);
    assert_eq!(presented.answered(), 2);
    gate.send_replace(Gate::Open);
    assert_eq!(client.request("GET", "/", &[], "").await.status, 200);
}

// Certificates.

#[tokio::test]
async fn the_certificate_is_the_one_of_the_name_and_nobody_goes_without() {
    let server = Server::start().await;
    let (second, address) = (pair(&["api.example.com"]), pair(&["127.0.0.1"]));
    server.resolver.install_all([&server.pair, &second, &address]);
    for (name, expected) in [
        (Some(NAME), &server.pair),
        (Some("api.example.com"), &second),
        (Some("unknown.example"), &server.pair),
        (None, &address),
    ] {
        assert_eq!(&server.leaf(name).await, expected.leaf(), "{name:?}");
    }
}

#[tokio::test]
async fn a_swap_reaches_every_new_full_handshake_and_no_open_connection() {
    let mut server = Server::start().await;
    let mut kept = server.client().await;
    assert_eq!(kept.request("GET", "/", &[], "").await.status, 200);
    let mut reader = server.client().await;
    reader.ask("GET", "/stream", &[], "").await;
    assert_eq!(reader.head().await.status, 200);
    let sender = server.stream().await;
    let mut multiplexed = h2(server.connect(Some(NAME), &client(&["h2"])).await.unwrap()).await;
    let stream = in_time(multiplexed.send_request(get("/stream"))).await.unwrap();
    let sender2 = server.stream().await;

    for round in 0..5 {
        assert_eq!(&server.leaf(Some(NAME)).await, server.pair.leaf());
        server.pair = pair(&[NAME]);
        server.resolver.install(&server.pair);
        for versions in [TLS12, TLS13] {
            let stream = server.connect(Some(NAME), &client_of(versions, &[])).await.unwrap();
            assert_eq!(&leaf(&stream), server.pair.leaf());
        }
        assert_eq!(kept.request("GET", "/", &[], "").await.text(), "secure");
        assert_eq!(in_time(multiplexed.send_request(get("/"))).await.unwrap().status(), 200);
        let event = Bytes::from(format!("data: {round}\n\n"));
        sender.send(event.clone()).await.unwrap();
        sender2.send(event).await.unwrap();
        assert_eq!(reader.event().await.unwrap().data, round.to_string());
    }
    drop((sender, sender2));
    let text = body_text(stream.into_body()).await;
    assert!(text.contains("data: 0\n") && text.ends_with("data: 4\n\n"), "{text}");
}

#[tokio::test]
async fn a_client_that_comes_back_resumes_and_a_swap_does_not_break_it() {
    let server = Server::start().await;
    for versions in [TLS12, TLS13] {
        let config = client_of(versions, &["http/1.1"]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let stream = server.connect(Some(NAME), &config).await.unwrap();
            assert_eq!(kind(&stream), expected);
            // Reading the answer reads the tickets of TLS 1.3 too.
            let answer = Client::over(stream).request("GET", "/", &[], "").await;
            assert_eq!(answer.status, 200);
            server.resolver.install(&pair(&[NAME]));
        }
    }
}

// TLS-ALPN-01.

/// The extension acmeIdentifier, critical, with a digest of 32 times this byte (RFC 8737 §3).
fn acme_identifier(byte: u8) -> Vec<u8> {
    let mut extension = vec![0x06, 0x08, 0x2B, 6, 1, 5, 5, 7, 1, 0x1F, 1, 1, 0xFF, 4, 34, 4, 32];
    extension.extend([byte; 32]);
    extension
}

#[tokio::test]
async fn a_validation_sees_the_challenge_and_then_the_end() {
    let server = Server::start().await;
    for (byte, name) in [(7, NAME), (8, "192.0.2.1"), (9, "2001:db8::1")] {
        let asked = identifier(name);
        let presented = server.challenges.present(&asked, [byte; 32]).unwrap();
        for versions in [TLS12, TLS13] {
            let config = client_of(versions, &["acme-tls/1"]);
            let stream = server.connect(Some(&asked.server_name()), &config).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
            let leaf = leaf(&stream);
            assert_eq!(leaf.identifiers(), std::slice::from_ref(&asked));
            let extension = acme_identifier(byte);
            assert!(leaf.der().windows(extension.len()).any(|window| window == extension));
            Client::over(stream).end().await.unwrap();
        }
        assert_eq!(presented.answered(), 2);
    }
    server.is_well().await;
}

#[tokio::test]
async fn a_validation_without_its_challenge_is_refused() {
    let server = Server::start().await;
    let (ours, other) = (identifier(NAME), identifier("other.example"));
    let refused = |result: io::Result<TlsStream<TcpStream>>| {
        let error = result.expect_err("a refusal");
        assert!(error.to_string().contains("AccessDenied"), "{error}");
    };
    refused(server.validate(&ours, &["acme-tls/1"]).await);
    let presented = server.challenges.present(&ours, [7; 32]).unwrap();
    refused(server.validate(&other, &["acme-tls/1"]).await);
    refused(server.connect(None, &client(&["acme-tls/1"])).await);
    for offered in [["acme-tls/1", "h2"], ["h2", "acme-tls/1"], ["acme-tls/1", "acme-tls/1"]] {
        refused(server.validate(&ours, &offered).await);
    }
    assert!(server.validate(&ours, &["acme-tls/1"]).await.is_ok());
    drop(presented);
    refused(server.validate(&ours, &["acme-tls/1"]).await);
    server.is_well().await;
}

#[tokio::test]
async fn a_client_never_sees_a_challenge() {
    let server = Server::start().await;
    let _presented = server.challenges.present(&identifier(NAME), [7; 32]).unwrap();
    for offered in [&["h2", "http/1.1"][..], &["http/1.1"], &[], &["h2", "acme-tls/2"]] {
        let stream = server.connect(Some(NAME), &client(offered)).await.unwrap();
        assert_eq!(&leaf(&stream), server.pair.leaf(), "{offered:?}");
    }
}

#[tokio::test]
async fn a_validation_is_never_resumed() {
    let server = Server::start().await;
    for versions in [TLS12, TLS13] {
        // The client has a ticket of the same name from an ordinary visit, too.
        let mut config = client_of(versions, &["http/1.1"]);
        let mut visit = Client::over(server.connect(Some(NAME), &config).await.unwrap());
        assert_eq!(visit.request("GET", "/", &[], "").await.status, 200);
        Arc::make_mut(&mut config).alpn_protocols = vec![b"acme-tls/1".to_vec()];
        for byte in [7, 8] {
            let _presented = server.challenges.present(&identifier(NAME), [byte; 32]).unwrap();
            let stream = server.connect(Some(NAME), &config).await.unwrap();
            assert_eq!(kind(&stream), HandshakeKind::Full);
            let extension = acme_identifier(byte);
            assert!(leaf(&stream).der().windows(extension.len()).any(|window| window == extension));
            Client::over(stream).end().await.unwrap();
        }
    }
}

// What a peer may cost.

#[tokio::test]
async fn plain_http_is_told_that_https_is_spoken() {
    let server = Server::start().await;
    for request in ["GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = Client::connect(server.address).await;
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("https"), "{}", answer.text());
        assert!(client.is_closed().await);
    }
    let mut client = Client::connect(server.address).await;
    client.send(format!("POST / HTTP/1.1\r\nhost: localhost\r\n\r\n{}", "x".repeat(30_000))).await;
    assert_eq!(client.answer().await.status, 400);
    server.is_well().await;
}

#[tokio::test]
async fn what_is_neither_tls_nor_http_is_closed_without_a_word() {
    let server = Server::start().await;
    for bytes in [&b"\0\0\0\0"[..], b"\x80\x2e\x01\0\x02", b"\x15\x03\x01\0\x02\x01\0", b"\r\n\r\n"] {
        let mut client = Client::connect(server.address).await;
        client.send(bytes).await;
        assert!(client.is_closed().await, "{bytes:?}");
    }
    server.is_well().await;
}

/// The bytes of a ClientHello.
fn client_hello() -> Vec<u8> {
    let name = ServerName::try_from(NAME).unwrap();
    let mut connection = rustls::ClientConnection::new(client(&["h2"]), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Reads to the end, however it comes.
async fn until_closed(mut socket: TcpStream) {
    let mut bytes = Vec::new();
    let _ = in_time(socket.read_to_end(&mut bytes)).await;
}

#[tokio::test]
async fn a_handshake_ends_at_its_deadline_wherever_it_stands() {
    let server = Server::with(|limits, _| limits.handshake = SECOND, |router| router).await;
    let hello = client_hello();
    let mut begun = Vec::new();
    for sent in [&[][..], &hello[..1], &hello[..hello.len() / 2], &hello[..]] {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(sent).await.unwrap();
        begun.push(socket);
    }
    let mut dripping = TcpStream::connect(server.address).await.unwrap();
    let dripped = async {
        for byte in hello.iter().cycle() {
            if dripping.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(SECOND / 50).await;
        }
    };
    in_time(dripped).await;
    for socket in begun {
        until_closed(socket).await;
    }
    server.is_well().await;
}

#[tokio::test]
async fn a_handshake_in_progress_at_the_drain_may_finish_and_ask_but_not_linger() {
    let long = Duration::from_secs(3600);
    let adjust = |limits: &mut Limits, http: &mut http::Limits| {
        limits.handshake = long;
        http.drain = long;
    };
    let mut server = Server::with(adjust, |router| router).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let mut begun = TcpStream::connect(server.address).await.unwrap();
    begun.write_all(&client_hello()).await.unwrap();
    // The server has answered: it waits for the rest.
    assert_eq!(in_time(begun.read_u8()).await.unwrap(), 0x16);
    let late = TcpStream::connect(server.address).await.unwrap();
    server.is_well().await;
    server.drain();
    let tls = TlsConnector::from(client(&["http/1.1"]));
    let late = tls.connect(ServerName::try_from(NAME).unwrap(), late).await.unwrap();
    let answer = Client::over(late).request("GET", "/", &[], "").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    until_closed(silent).await;
    until_closed(begun).await;
    server.ended().await;
}

#[tokio::test]
async fn ten_thousand_aborted_handshakes_leave_nothing_behind() {
    let adjust = |_: &mut Limits, http: &mut http::Limits| http.connections = 64;
    let server = Server::with(adjust, |router| router).await;
    let hello = client_hello();
    for number in 0..10_000_usize {
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.set_zero_linger().unwrap();
        let _ = socket.write_all(&hello[..number % (hello.len() + 1)]).await;
    }
    // As many as the bound allows are served at once, so none of those counts any more.
    let well = async {
        loop {
            let mut clients = Vec::new();
            while clients.len() < 64
                && let Ok(stream) = server.connect(Some(NAME), &client(&["http/1.1"])).await
            {
                clients.push(stream);
            }
            if clients.len() == 64 {
                break;
            }
            drop(clients);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(well).await;
}
