//! One connection: which HTTP it speaks, then hyper with clocks of our own.
//!
//! Owns the sniffing of HTTP/2's preface (prior knowledge, RFC 9113 §3.3), hyper's settings, and the
//! end of a connection: a graceful one when the server drains, at once when a clock says so. Takes any
//! stream: TLS hands in its decrypted one. hyper-util's automatic builder does the same sniffing, but
//! without a deadline.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::http::StatusCode;
use ::http::header::{CONNECTION, HeaderValue};
use bytes::{Bytes, BytesMut};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::accept::Scheme;
use super::activity::{Activity, Verdict};
use super::clocked::{ClockedIo, ReadClocks};
use super::exchange::{Exchange, Followed};
use super::limits::Limits;
use super::request::Request;
use super::response::text;
use super::terms::Terms;
use crate::shutdown::Shutdown;

/// What a connection was accepted with.
#[derive(Debug)]
pub(super) struct Context {
    /// Of its listener: each request is answered by the router of its moment.
    pub(super) terms: watch::Receiver<Arc<Terms>>,
    /// Of the moment when it was accepted.
    pub(super) limits: Limits,
    pub(super) scheme: Scheme,
    pub(super) shutdown: Shutdown,
}

/// A stream of any kind, so that hyper and h2 are compiled once: a copy for each kind is 400 KB of program.
type AnyStream = Box<dyn Stream>;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Speaks HTTP over `stream` until the peer ends, a clock ends it, or the drain is through.
pub(super) async fn serve<S>(mut stream: S, peer: SocketAddr, context: Arc<Context>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let sniffed = tokio::select! {
        sniffed = timeout(context.limits.sniff, sniff(&mut stream)) => sniffed,
        // Not at once: the request is on the way.
        () = context.shutdown.drained_for(FIRST_REQUEST) => return,
    };
    let Ok(Some((protocol, prefix))) = sniffed else { return };
    let stream: AnyStream = Box::new(stream);
    let activity = Activity::new();
    match protocol {
        Protocol::Http1 => {
            let io = ClockedIo::new(stream, prefix, Arc::clone(&activity), ReadClocks::Here, &context.limits);
            Box::pin(serve_http1(io, peer, context, activity)).await;
        }
        Protocol::Http2 => {
            let clocks = ReadClocks::Driver;
            let io = ClockedIo::new(stream, prefix, Arc::clone(&activity), clocks, &context.limits);
            Box::pin(serve_http2(io, peer, context, activity)).await;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Reads until the first bytes tell which protocol it is; gives them back to be read again. None:
/// the peer ended first.
async fn sniff<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(Protocol, Bytes)> {
    let mut seen = BytesMut::with_capacity(PREFACE.len());
    loop {
        let left = PREFACE.len() - seen.len();
        if (&mut *stream).take(left as u64).read_buf(&mut seen).await.ok()? == 0 {
            return None;
        }
        if !PREFACE.starts_with(&seen) {
            return Some((Protocol::Http1, seen.freeze()));
        }
        if seen.len() == PREFACE.len() {
            return Some((Protocol::Http2, seen.freeze()));
        }
    }
}

async fn serve_http1(
    io: ClockedIo<AnyStream>,
    peer: SocketAddr,
    context: Arc<Context>,
    activity: Arc<Activity>,
) {
    let builder = http1_builder(&context.limits);
    let shutdown = context.shutdown.clone();
    let service = service_fn(move |request| {
        let answer = answer(request, peer, Arc::clone(&context), Arc::clone(&activity));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        // A client of a kept-alive connection may have sent its next request already: closing now would lose it.
        // It gets its answer, and with that the word that there will be no more.
        () = shutdown.draining() => match timeout(LAST_REQUEST, connection.as_mut()).await {
            Ok(ended) => ended,
            Err(_elapsed) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        },
    };
    log_end(peer, ended);
}

async fn serve_http2(
    io: ClockedIo<AnyStream>,
    peer: SocketAddr,
    context: Arc<Context>,
    activity: Arc<Activity>,
) {
    let (streams, shutdown) = (Streams::default(), context.shutdown.clone());
    let Limits { idle, write_stall, .. } = context.limits;
    let builder = http2_builder(&context.limits, streams.clone());
    let watched = Arc::clone(&activity);
    let service = service_fn(move |request| {
        let answer = answer(request, peer, Arc::clone(&context), Arc::clone(&activity));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut look = pin!(sleep_until(Instant::now() + idle.min(write_stall)));
    let mut ending = Ending::No;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => break log_end(peer, ended),
            () = shutdown.draining(), if ending == Ending::No => {
                ending = Ending::Drain;
                connection.as_mut().graceful_shutdown();
            }
            () = look.as_mut() => match watched.verdict(Instant::now(), idle, write_stall) {
                Verdict::Fine(next) => look.as_mut().reset(next),
                Verdict::Idle if ending != Ending::Idle => {
                    // GOAWAY first; a peer that does not hang up then is hung up on.
                    ending = Ending::Idle;
                    connection.as_mut().graceful_shutdown();
                    look.as_mut().reset(Instant::now() + FAREWELL);
                }
                Verdict::Idle | Verdict::Stalled => break,
            },
        }
    }
    streams.end().await;
}

/// Why an HTTP/2 connection takes no new streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    Drain,
    Idle,
}

/// Keeps the request running, and its exchange open, until its response body has ended.
async fn answer(
    request: ::http::Request<Incoming>,
    peer: SocketAddr,
    context: Arc<Context>,
    activity: Arc<Activity>,
) -> ::http::Response<Followed> {
    let running = activity.begin();
    let (limits, version) = (&context.limits, request.version());
    let router = Arc::clone(&context.terms.borrow().router);
    let route = router.find(request.uri().path());
    let mut exchange = Exchange::begin(&router, &request, peer, router.name(route));
    let mut response = if request.headers().len() > limits.header_fields {
        // hyper counts for HTTP/1 alone.
        text(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            format!("more than {} header fields\n", limits.header_fields),
        )
    } else {
        let request = Request::incoming(request, peer, limits)
            .with_scheme(context.scheme)
            .with_trace(exchange.trace().clone(), exchange.is_logged());
        router.answer_at(route, request, exchange.asker()).await
    };
    if version < ::http::Version::HTTP_2 && context.shutdown.is_draining() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    exchange.answer(response, running)
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // A backstop only: it starts with the pause before the header.
        .header_read_timeout(limits.idle + limits.header)
        .max_header_size(limits.header_bytes)
        // Also what an answer may buffer; hyper takes no less than 8 KiB.
        .max_buf_size(limits.header_bytes.max(8 * 1024));
    if limits.header_fields != HYPER_HEADER_FIELDS {
        // hyper's own bound lies on the stack, any other one costs an allocation per request.
        builder.max_headers(limits.header_fields);
    }
    builder
}

fn http2_builder(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(RESETS)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

fn log_end(peer: SocketAddr, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// The tasks of one HTTP/2 connection's streams: they end with it.
#[derive(Clone, Debug, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl Streams {
    async fn end(self) {
        let mut tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(stream);
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HYPER_HEADER_FIELDS: usize = 100;

/// Streams that a peer opened and reset before we took them (CVE-2023-44487), and those that we
/// reset for its errors (CVE-2025-8671): one more closes the connection.
const RESETS: usize = 64;

/// Between pings, and how long their answer may take.
const PING: Duration = Duration::from_secs(20);

/// From the drain until a connection on which nothing has come yet is closed.
pub(super) const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// From the drain until a kept-alive connection without a request is closed.
const LAST_REQUEST: Duration = Duration::from_millis(500);

/// From the last GOAWAY until we hang up.
const FAREWELL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_preface_in_pieces_is_http2_and_anything_else_is_http1() {
        for (sent, expected) in [
            (PREFACE, Some(Protocol::Http2)),
            (b"GET / HTTP/1.1\r\n".as_slice(), Some(Protocol::Http1)),
            (b"POST / HTTP/1.1\r\n", Some(Protocol::Http1)),
            (b"PRI", None),
            (b"", None),
        ] {
            let mut pieces = tokio_test_pieces(sent);
            let found = sniff(&mut pieces).await;
            assert_eq!(found.as_ref().map(|(protocol, _)| *protocol), expected, "{sent:?}");
            if let Some((_, prefix)) = found {
                assert!(sent.starts_with(&prefix));
            }
        }
    }

    /// A stream that gives one byte at a time.
    fn tokio_test_pieces(sent: &'static [u8]) -> impl AsyncRead + Unpin {
        let (mut near, far) = tokio::io::duplex(1);
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut near, sent).await });
        far
    }
}
