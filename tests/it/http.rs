//! The HTTP layer over real sockets, with small limits: what a peer may cost, and that the next one
//! is served all the same.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use docquay::http::{
    Access, Checks, Gate, Handler, HostPolicy, Limits, Path, Plain, Request, Response, Route, Router, Terms,
    redirect::ToHttps, serve, serve_on_terms, sse, stream, text,
};
use docquay::shutdown::{self, Shutdown, Trigger};
use http::StatusCode;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::harness::raw::{Client, PATIENCE, in_time};

/// A server with one page, one echo and one stream.
struct Server {
    address: SocketAddr,
    trigger: Option<Trigger>,
    task: JoinHandle<()>,
    /// The writing half of each stream that was opened.
    streams: mpsc::UnboundedReceiver<sse::Sender>,
}

struct Site {
    streams: mpsc::UnboundedSender<sse::Sender>,
    shutdown: Shutdown,
}

impl Handler for Site {
    fn handle(self: Arc<Self>, mut request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            match request.path() {
                "/stream" => {
                    let (sender, body) = sse::channel(4, None);
                    self.streams.send(sender).unwrap();
                    stream(body)
                }
                "/drain" => {
                    // Tells the test that it runs.
                    self.streams.send(sse::channel(1, None).0).unwrap();
                    self.shutdown.draining().await;
                    text(StatusCode::OK, "drained")
                }
                "/stuck" => std::future::pending().await,
                "/unread" => text(StatusCode::OK, "unread"),
                "/secure" => text(StatusCode::OK, request.is_secure().to_string()),
                _ => match request.body().await {
                    Ok(body) => text(StatusCode::OK, format!("{} bytes", body.len())),
                    Err(error) => error.response(),
                },
            }
        })
    }
}

impl Server {
    async fn start(adjust: impl FnOnce(&mut Limits)) -> Self {
        Self::with(adjust, |router| router).await
    }

    async fn with(adjust: impl FnOnce(&mut Limits), build: impl FnOnce(Router) -> Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = shutdown::channel();
        let (sender, streams) = mpsc::unbounded_channel();
        let site = Arc::new(Site { streams: sender, shutdown: shutdown.clone() });
        let route = Route {
            path: Path::Prefix(""),
            access: Access::Open,
            checks: Checks::HostAndOrigin,
            handler: site,
        };
        let router = Arc::new(build(Router::new(vec![route], HostPolicy::default())));
        let mut limits = Limits::default();
        adjust(&mut limits);
        let task = tokio::spawn(serve(listener, Plain, router, limits, shutdown));
        Self { address, trigger: Some(trigger), task, streams }
    }

    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A good request on a connection of its own.
    async fn is_well(&self) {
        let answer = self.client().await.request("POST", "/echo", &[], "hello").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "5 bytes"));
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

const SHORT: Duration = Duration::from_millis(200);

// Clocks.

#[tokio::test]
async fn silence_after_connecting_ends_at_the_sniff_deadline() {
    let server = Server::start(|limits| limits.sniff = SHORT).await;
    assert!(server.client().await.is_closed().await);
    server.is_well().await;
}

#[tokio::test]
async fn a_preface_that_never_completes_ends_at_the_sniff_deadline() {
    let server = Server::start(|limits| limits.sniff = SHORT).await;
    for bytes in ["PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        let mut client = server.client().await;
        client.send(bytes).await;
        assert!(client.is_closed().await, "{bytes:?}");
    }
    server.is_well().await;
}

#[tokio::test]
async fn a_slow_header_is_a_408_though_bytes_keep_coming() {
    let server = Server::start(|limits| limits.header = SHORT).await;
    let mut client = server.client().await;
    client.send("GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
    for _ in 0..8 {
        tokio::time::sleep(SHORT / 4).await;
        if !client.try_send("a").await {
            break;
        }
    }
    assert_eq!(client.answer().await.status, 408);
    assert!(client.is_closed().await);
    server.is_well().await;
}

#[tokio::test]
async fn the_header_clock_starts_with_the_first_byte_of_each_request() {
    let server = Server::start(|limits| limits.header = SHORT).await;
    let mut client = server.client().await;
    for _ in 0..2 {
        assert_eq!(client.request("GET", "/", &[], "").await.status, 200);
        // Idle for longer than a header may take.
        tokio::time::sleep(SHORT * 2).await;
    }
    client.send("G").await;
    assert_eq!(client.answer().await.status, 408);
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let mut server = Server::start(|limits| limits.idle = SHORT).await;
    let mut busy = server.client().await;
    busy.ask("GET", "/stream", &[], "").await;
    let sender = server.stream().await;
    let mut idle = server.client().await;
    assert_eq!(idle.request("GET", "/", &[], "").await.status, 200);
    assert!(idle.is_closed().await);
    tokio::time::sleep(SHORT).await;
    sender.try_send(Bytes::from_static(b"data: still here\n\n")).unwrap();
    assert_eq!(busy.head().await.status, 200);
    assert_eq!(busy.event().await.unwrap().data, "still here");
    server.is_well().await;
}

#[tokio::test]
async fn a_body_that_does_not_end_in_time_is_a_408() {
    let server = Server::start(|limits| limits.body = SHORT).await;
    let mut client = server.client().await;
    client.send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nabc").await;
    assert_eq!(client.answer().await.status, 408);
    assert!(client.is_closed().await);
    server.is_well().await;
}

#[tokio::test]
async fn a_client_that_stops_reading_its_stream_is_dropped() {
    let mut server = Server::start(|limits| limits.write_stall = SHORT).await;
    let mut client = server.client().await;
    client.ask("GET", "/stream", &[], "").await;
    let sender = server.stream().await;
    let event = sse::Event { data: &[b'x'; 60_000], ..sse::Event::default() }.encode();
    let flood = async { while sender.send(event.clone()).await.is_ok() {} };
    in_time(flood).await;
    sender.closed().await;
    drop(client);
    server.is_well().await;
}

// Sizes.

#[tokio::test]
async fn a_header_over_its_bound_is_a_431() {
    let server = Server::start(|limits| limits.header_bytes = 8 * 1024).await;
    for (head, why) in [
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(9000)), "whole"),
        (format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}", "a".repeat(9000)), "never ending"),
        (format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(9000)), "target"),
    ] {
        let mut client = server.client().await;
        client.send(head).await;
        assert_eq!(client.answer().await.status, 431, "{why}");
        assert!(client.is_closed().await);
    }
    server.is_well().await;
}

#[tokio::test]
async fn too_many_header_fields_are_a_431() {
    for bound in [10, 100] {
        let server = Server::start(|limits| limits.header_fields = bound).await;
        let fields: String = (1..=bound).map(|n| format!("x-{n}: y\r\n")).collect();
        let mut client = server.client().await;
        client.send(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{fields}\r\n")).await;
        assert_eq!(client.answer().await.status, 431);
        server.is_well().await;
    }
}

#[tokio::test]
async fn a_body_over_its_bound_is_a_413_declared_or_not() {
    let server = Server::start(|limits| limits.body_bytes = 1000).await;
    let fits = server.client().await.request("POST", "/echo", &[], &"a".repeat(1000)).await;
    assert_eq!(fits.text(), "1000 bytes");

    let mut client = server.client().await;
    client.send("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1001\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 413, "declared, nothing sent");

    let mut client = server.client().await;
    let chunk = format!("3e9\r\n{}\r\n", "a".repeat(1001));
    client.send("POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.send(chunk).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text().as_str()), (413, "the body is larger than 1000 bytes\n"));
    assert!(client.is_closed().await);
    server.is_well().await;
}

#[tokio::test]
async fn a_refused_body_that_is_sent_all_the_same_does_not_destroy_the_answer() {
    let server = Server::start(|limits| limits.body_bytes = 1000).await;
    for path in ["/echo", "/unread"] {
        let mut client = server.client().await;
        let body = "a".repeat(300_000);
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 300000\r\n\r\n");
        client.send(head).await;
        client.try_send(body).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, if path == "/echo" { 413 } else { 200 });
    }
    server.is_well().await;
}

#[tokio::test]
async fn expect_100_continue_is_answered_only_for_a_body_that_is_wanted() {
    let server = Server::start(|limits| limits.body_bytes = 1000).await;
    let head = |length| {
        format!(
            "POST /echo HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut client = server.client().await;
    client.send(head(5)).await;
    assert_eq!(client.head().await.status, 100);
    client.send("hello").await;
    assert_eq!(client.answer().await.text(), "5 bytes");

    let mut client = server.client().await;
    client.send(head(5000)).await;
    assert_eq!(client.head().await.status, 413);
}

// Numbers.

#[tokio::test]
async fn a_connection_over_the_bound_is_closed_at_once_and_the_next_after_an_end_is_served() {
    let server = Server::start(|limits| limits.connections = 2).await;
    let mut first = server.client().await;
    let mut second = server.client().await;
    assert_eq!(first.request("GET", "/", &[], "").await.status, 200);
    assert_eq!(second.request("GET", "/", &[], "").await.status, 200);
    assert!(server.client().await.is_closed().await);
    drop(first);
    // The server learns of the end in its own time.
    let served = async {
        loop {
            let mut client = server.client().await;
            if client.try_send("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await && !client.is_closed().await
            {
                break client.head().await.status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(in_time(served).await, 200);
}

// HTTP/1.

#[tokio::test]
async fn malformed_requests_are_400s() {
    let server = Server::start(|_| {}).await;
    for request in [
        "\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
        "GET http://localhost/ HTTP/1.1\r\nhost: other\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nnope\r\n\r\n",
    ] {
        let mut client = server.client().await;
        client.send(request).await;
        assert_eq!(client.answer().await.status, 400, "{request:?}");
    }
    server.is_well().await;
}

#[tokio::test]
async fn an_evil_host_or_origin_is_refused_and_the_connection_goes_on() {
    let server = Server::start(|_| {}).await;
    let mut client = server.client().await;
    for field in [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")] {
        let answer = client.request("GET", "/", &[field], "").await;
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains(field.1) && answer.text().contains("allow_"), "{}", answer.text());
    }
    let answer = client.request("GET", "/", &[("origin", "http://localhost:5173")], "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
}

#[tokio::test]
async fn a_kept_alive_connection_answers_pipelined_requests_in_order() {
    let server = Server::start(|_| {}).await;
    let mut client = server.client().await;
    let post = |body: &str| {
        format!("POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    client.send(post("a") + &post("bb") + &post("ccc")).await;
    for expected in ["1 bytes", "2 bytes", "3 bytes"] {
        assert_eq!(client.answer().await.text(), expected);
    }
}

#[tokio::test]
async fn head_is_answered_with_the_length_of_get_and_the_connection_goes_on() {
    let server = Server::start(|_| {}).await;
    let mut client = server.client().await;
    let head = client.request("HEAD", "/", &[], "").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("7")));
    assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(head.header("server"), None);
    // No stray body precedes the next answer.
    assert_eq!(client.request("GET", "/", &[], "").await.text(), "0 bytes");
}

#[tokio::test]
async fn a_stream_opens_at_once_and_its_sender_learns_that_the_client_left() {
    let mut server = Server::start(|_| {}).await;
    let mut client = server.client().await;
    client.ask("GET", "/stream", &[], "").await;
    let head = client.head().await;
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(client.piece().await.unwrap(), b":\n\n");
    let sender = server.stream().await;
    let event = sse::Event { event: Some("a"), id: Some("1"), retry: Some(5), data: b"x\ny" };
    sender.send(event.encode()).await.unwrap();
    let event = client.event().await.unwrap();
    assert_eq!((event.event.as_str(), event.data.as_str()), ("a", "x\ny"));
    assert_eq!((event.id.as_deref(), event.retry), (Some("1"), Some(5)));
    drop(client);
    in_time(sender.closed()).await;
    server.is_well().await;
}

#[tokio::test]
async fn a_plain_listener_says_that_it_is_not_secure() {
    let server = Server::start(|_| {}).await;
    assert_eq!(server.client().await.request("GET", "/secure", &[], "").await.text(), "false");
}

#[tokio::test]
async fn a_closed_gate_is_a_503_until_it_opens() {
    let (gate, watched) =
        watch::channel(Gate::Closed { reason: "not yet".into(), retry_after: Duration::from_secs(30) });
    let server = Server::with(|_| {}, |router| router.with_gate(watched)).await;
    let mut client = server.client().await;
    for method in ["GET", "HEAD", "POST"] {
        let answer = client.request(method, "/", &[], "").await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")), "{method}");
        assert_eq!(answer.text(), if method == "HEAD" { "" } else { "not yet\n" });
    }
    gate.send_replace(Gate::Open);
    assert_eq!(client.request("GET", "/", &[], "").await.status, 200);
}

#[tokio::test]
async fn a_redirecting_listener_never_repeats_the_host_that_it_was_asked_for() {
    let to_https = Arc::new(ToHttps::new("https://docs.example.com"));
    let server =
        Server::with(|_| {}, |_| Router::new(Vec::new(), HostPolicy::default()).with_fallback(to_https))
            .await;
    let mut client = server.client().await;
    for (method, path, host, status) in [
        ("GET", "/docs/a?b=c", "docs.example.com", 301),
        ("HEAD", "/docs/a?b=c", "evil.example", 301),
        ("POST", "/mcp", "evil.example:80", 308),
    ] {
        let answer = client.request(method, path, &[("host", host)], "").await;
        let location = format!("https://docs.example.com{path}");
        assert_eq!((answer.status, answer.header("location")), (status, Some(location.as_str())));
        assert!(!answer.text().contains("evil") && answer.header("strict-transport-security").is_none());
    }
    client.send("GET http://evil.example/a HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    assert_eq!(client.answer().await.header("location"), Some("https://docs.example.com/a"));
    client.send("OPTIONS * HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    assert_eq!(client.answer().await.header("location"), Some("https://docs.example.com/"));
}

// HTTP/2.

type H2<B> = hyper::client::conn::http2::SendRequest<B>;

async fn h2<B>(address: SocketAddr) -> H2<B>
where
    B: hyper::body::Body<Data = Bytes, Error = std::convert::Infallible> + Send + Unpin + 'static,
{
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (client, connection) =
        in_time(hyper::client::conn::http2::handshake(TokioExecutor::new(), io)).await.unwrap();
    tokio::spawn(connection);
    client
}

fn get(path: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(format!("http://localhost{path}")).body(Empty::new()).unwrap()
}

fn post(body: Bytes) -> http::Request<Full<Bytes>> {
    http::Request::post("http://localhost/echo").body(Full::new(body)).unwrap()
}

async fn body_text<B: hyper::body::Body<Error: std::fmt::Debug>>(body: B) -> String {
    String::from_utf8(in_time(body.collect()).await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn http2_by_prior_knowledge_has_the_same_limits() {
    let server = Server::start(|limits| {
        limits.body_bytes = 1000;
        limits.header_fields = 10;
        limits.header_bytes = 8 * 1024;
    })
    .await;
    let mut client = h2::<Full<Bytes>>(server.address).await;
    for (length, status) in [(1000, 200), (1001, 413), (200_000, 413), (5, 200)] {
        let response = in_time(client.send_request(post(vec![b'a'; length].into()))).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{length}");
        if status == 200 {
            assert_eq!(body_text(response.into_body()).await, format!("{length} bytes"));
        }
    }
    let mut many = post(Bytes::new());
    for n in 0..11 {
        many.headers_mut().insert(http::HeaderName::try_from(format!("x-{n}")).unwrap(), n.into());
    }
    assert_eq!(in_time(client.send_request(many)).await.unwrap().status(), 431);
    let mut evil = post(Bytes::new());
    evil.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(in_time(client.send_request(evil)).await.unwrap().status(), 403);
    let mut head = post(Bytes::new());
    *head.method_mut() = http::Method::HEAD;
    let head = in_time(client.send_request(head)).await.unwrap();
    assert_eq!(head.headers()["content-length"], "7");
    assert_eq!(body_text(head.into_body()).await, "");
    server.is_well().await;
}

#[tokio::test]
async fn an_http2_stream_over_the_bound_waits_for_another_to_end() {
    let mut server = Server::start(|limits| limits.h2_streams = 2).await;
    let mut client = h2::<Empty<Bytes>>(server.address).await;
    // The first answer shows that the server's settings have arrived.
    let first = in_time(client.send_request(get("/stream"))).await.unwrap();
    let second = in_time(client.send_request(get("/stream"))).await.unwrap();
    let (_sender_of_first, _sender_of_second) = (server.stream().await, server.stream().await);
    let third = client.send_request(get("/stream"));
    let mut third = std::pin::pin!(third);
    assert!(tokio::time::timeout(SHORT, third.as_mut()).await.is_err());
    assert!(server.streams.try_recv().is_err());
    drop(first);
    assert_eq!(in_time(third).await.unwrap().status(), 200);
    drop(second);
    server.is_well().await;
}

#[tokio::test]
async fn an_http2_client_that_stops_reading_its_stream_is_dropped() {
    let mut server = Server::start(|limits| limits.write_stall = SHORT).await;
    let mut client = h2::<Empty<Bytes>>(server.address).await;
    let unread = in_time(client.send_request(get("/stream"))).await.unwrap();
    let sender = server.stream().await;
    let event = sse::Event { data: &[b'x'; 60_000], ..sse::Event::default() }.encode();
    let flood = async { while sender.send(event.clone()).await.is_ok() {} };
    in_time(flood).await;
    drop(unread);
    server.is_well().await;
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_and_one_with_a_stream_is_not() {
    let mut server = Server::start(|limits| limits.idle = SHORT).await;
    let mut busy = h2::<Empty<Bytes>>(server.address).await;
    let stream = in_time(busy.send_request(get("/stream"))).await.unwrap();
    let sender = server.stream().await;
    let mut idle = h2::<Empty<Bytes>>(server.address).await;
    assert_eq!(in_time(idle.send_request(get("/"))).await.unwrap().status(), 200);
    in_time(async {
        while !idle.is_closed() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    sender.send(Bytes::from_static(b"data: still here\n\n")).await.unwrap();
    drop(sender);
    assert_eq!(body_text(stream.into_body()).await, ":\n\ndata: still here\n\n");
}

/// A frame of HTTP/2 (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let server = Server::start(|_| {}).await;
    let mut client = server.client().await;
    let mut flood = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    flood.extend(frame(4, 0, 0, &[]));
    // GET / http, :authority localhost (RFC 7541: indexed fields, then a literal).
    let head = [b"\x82\x84\x86\x41\x09".as_slice(), b"localhost"].concat();
    for stream in (1..4001).step_by(2) {
        flood.extend(frame(1, 5, stream, &head));
        flood.extend(frame(3, 0, stream, &8u32.to_be_bytes()));
    }
    client.try_send(&flood).await;
    in_time(async {
        while !client.is_closed().await {
            client.discard()
        }
    })
    .await;
    server.is_well().await;
}

// The drain.

#[tokio::test]
async fn a_drain_answers_what_runs_closes_what_idles_and_lets_streams_end() {
    let mut server = Server::start(|limits| limits.drain = PATIENCE).await;
    let mut idle = server.client().await;
    assert_eq!(idle.request("GET", "/", &[], "").await.status, 200);
    let mut silent = server.client().await;
    let mut reader = server.client().await;
    reader.ask("GET", "/stream", &[], "").await;
    let sender = server.stream().await;
    let mut reader2 = h2::<Empty<Bytes>>(server.address).await;
    let stream2 = in_time(reader2.send_request(get("/stream"))).await.unwrap();
    let sender2 = server.stream().await;
    let mut running = server.client().await;
    running.ask("GET", "/drain", &[], "").await;
    let _runs = server.stream().await;

    server.drain();

    assert_eq!(running.answer().await.text(), "drained");
    assert!(running.is_closed().await && idle.is_closed().await && silent.is_closed().await);
    assert!(TcpStream::connect(server.address).await.is_err());
    for sender in [sender, sender2] {
        sender.send(Bytes::from_static(b"data: last\n\n")).await.unwrap();
    }
    assert_eq!(reader.head().await.status, 200);
    assert_eq!(reader.event().await.unwrap().data, "last");
    assert_eq!(reader.event().await, None);
    assert!(reader.is_closed().await);
    assert_eq!(body_text(stream2.into_body()).await, ":\n\ndata: last\n\n");
    server.ended().await;
}

#[tokio::test]
async fn the_next_request_of_an_open_connection_is_its_last_at_the_drain() {
    let mut server = Server::start(|limits| limits.drain = PATIENCE).await;
    let mut kept = server.client().await;
    assert_eq!(kept.request("POST", "/echo", &[], "one").await.header("connection"), None);
    let mut fresh = server.client().await;
    // Accepted, for the one after it is served.
    server.is_well().await;
    server.drain();
    for client in [&mut kept, &mut fresh] {
        let answer = client.request("POST", "/echo", &[], "hello").await;
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("5 bytes", Some("close")));
        assert!(client.is_closed().await);
    }
    server.ended().await;
}

#[tokio::test]
async fn a_new_router_answers_the_next_request_of_an_open_connection() {
    let terms = |fields: usize, policy: HostPolicy| {
        let mut limits = Limits::default();
        limits.header_fields = fields;
        let (streams, _) = mpsc::unbounded_channel();
        let (_, shutdown) = shutdown::channel();
        let handler = Arc::new(Site { streams, shutdown });
        let path = Path::Prefix("");
        let route = Route { path, access: Access::Open, checks: Checks::HostAndOrigin, handler };
        Arc::new(Terms { router: Arc::new(Router::new(vec![route], policy)), limits })
    };
    let mut open = HostPolicy::default();
    open.any_host = true;
    let (replace, current) = watch::channel(terms(9, open));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let task = tokio::spawn(serve_on_terms(listener, Plain, current, shutdown));
    let host = [("host", "docs.example.com"), ("a", ""), ("b", "")];
    let mut client = Client::connect(address).await;
    assert_eq!(client.request("POST", "/echo", &host, "hello").await.status, 200);
    replace.send_replace(terms(2, HostPolicy::default()));
    // Its limits are those it came with; the policy is that of the moment.
    assert_eq!(client.request("POST", "/echo", &host, "hello").await.status, 403);
    assert_eq!(Client::connect(address).await.request("POST", "/echo", &host, "hello").await.status, 431);
    trigger.drain();
    in_time(task).await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_is_cut_at_the_drain_limit() {
    let mut server = Server::start(|limits| limits.drain = SHORT).await;
    let mut stuck = server.client().await;
    stuck.ask("GET", "/stuck", &[], "").await;
    let mut reader = server.client().await;
    reader.ask("GET", "/stream", &[], "").await;
    let sender = server.stream().await;
    server.drain();
    server.ended().await;
    assert!(stuck.is_closed().await);
    in_time(sender.closed()).await;
}
