//! One request from its head to the last byte of its answer: counted as it is answered, logged as it ends.
//!
//! Owns the request's id, the line that is logged of it, and what is counted. The line names the route and never
//! the path or the query, in which clients put what is nobody's business. A request whose client goes away before
//! the answer is told too: without a status.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::http::StatusCode;
use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;
use tracing::{Level, debug, enabled, info};

use super::activity::{Running, Tracked};
use super::response::Response;
use super::router::Router;
use crate::metrics;
use crate::trace::{RequestId, RequestIds, Trace, TraceParent, milliseconds};

/// What a router keeps of its requests.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) metrics: Arc<metrics::Http>,
    pub(super) ids: RequestIds,
    pub(super) lines: Lines,
}

impl Journal {
    pub(super) fn new(metrics: Arc<metrics::Http>) -> Self {
        Self { metrics, ids: RequestIds::default(), lines: Lines::default() }
    }
}

/// How loudly each finished request is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// At `debug`.
    #[default]
    Quiet,
    /// At `info`: an access log.
    Loud,
}

/// What a handler says of the work behind its answer, for the request's line: it puts this among the response's
/// extensions, where [`Request::is_logged`](super::Request::is_logged).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Note {
    /// The method that was called, of a closed list.
    pub rpc_method: &'static str,
    /// The revision of the protocol, if it is known.
    pub revision: Option<&'static str>,
    /// What the client calls itself.
    pub client: Option<String>,
    /// The caller's span, if the message named one.
    pub parent: Option<TraceParent>,
}

/// Who asks, as far as the guard knows.
#[derive(Debug, Default)]
pub(super) struct Asker {
    /// The client's address, if a trusted proxy passed the request on.
    pub(super) client: Option<IpAddr>,
    /// The name that its token was made for.
    pub(super) caller: Option<Arc<str>>,
}

/// A request that is not over.
#[derive(Debug)]
pub(super) struct Exchange {
    router: Arc<Router>,
    trace: Trace,
    peer: SocketAddr,
    asker: Asker,
    method: &'static str,
    route: &'static str,
    begun: Instant,
    status: Option<StatusCode>,
    bytes: u64,
    note: Option<Note>,
}

impl Exchange {
    /// A request of this head has arrived for a route, or for none.
    pub(super) fn begin(
        router: &Arc<Router>,
        head: &::http::Request<hyper::body::Incoming>,
        peer: SocketAddr,
        route: Option<&'static str>,
    ) -> Self {
        Self {
            trace: trace(head.headers(), &router.journal().ids),
            router: Arc::clone(router),
            peer,
            asker: Asker::default(),
            method: metrics::http_method(head.method().as_str()),
            route: route.unwrap_or(metrics::OTHER),
            begun: Instant::now(),
            status: None,
            bytes: 0,
            note: None,
        }
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Where it is noted who asks.
    pub(super) fn asker(&mut self) -> &mut Asker {
        &mut self.asker
    }

    /// Whether its line will be written.
    pub(super) fn is_logged(&self) -> bool {
        match self.router.journal().lines {
            Lines::Quiet => enabled!(Level::DEBUG),
            Lines::Loud => enabled!(Level::INFO),
        }
    }

    /// The answer begins: it is counted, gets the request's id, and is followed to its end.
    pub(super) fn answer(mut self, mut response: Response, running: Running) -> ::http::Response<Followed> {
        self.status = Some(response.status());
        self.count();
        self.note = response.extensions_mut().remove();
        if let Some(id) = self.trace.request_id().and_then(|id| HeaderValue::from_str(id).ok()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response.map(|body| {
            let stream = body.is_stream().then(|| OpenStream::of(&self.router.journal().metrics));
            Followed { body: Tracked::new(body, running), exchange: self, _stream: stream }
        })
    }

    fn count(&self) {
        let status = self.status.map(|status| status.as_u16());
        self.router.journal().metrics.answered(self.route, self.method, status, self.begun.elapsed());
    }

    fn log(&self) {
        let journal = self.router.journal();
        let (peer, method, route, bytes) = (self.peer, self.method, self.route, self.bytes);
        let (request_id, note) = (self.trace.request_id(), self.note.as_ref());
        let parent = self.trace.parent.or_else(|| note.and_then(|note| note.parent));
        let trace_id = parent.as_ref().map(TraceParent::trace_id);
        let span_id = parent.as_ref().map(TraceParent::span_id);
        let status = self.status.map(|status| status.as_u16());
        let duration_ms = milliseconds(self.begun.elapsed());
        let rpc_method = note.map(|note| note.rpc_method);
        let revision = note.and_then(|note| note.revision);
        let client_name = note.and_then(|note| note.client.as_deref());
        let client = self.asker.client.map(tracing::field::display);
        let caller = self.asker.caller.as_deref();
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    request_id, trace_id, span_id, %peer, client, caller, method, route, status, duration_ms,
                    bytes, rpc_method, revision, client_name, "request"
                )
            };
        }
        match journal.lines {
            Lines::Quiet => line!(debug),
            Lines::Loud => line!(info),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.count();
        }
        self.router.journal().metrics.sent.add(self.bytes);
        if self.is_logged() {
            self.log();
        }
    }
}

/// The client's own id if it is fit for a log, else one of ours; the trace that its `traceparent` names.
fn trace(headers: &HeaderMap, ids: &RequestIds) -> Trace {
    // W3C Trace Context §3.3.1: a tracing system may take no `traceparent` from a request that has two.
    let text = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    Trace {
        request_id: Some(text(&REQUEST_ID).and_then(RequestId::parse).unwrap_or_else(|| ids.next())),
        parent: text(&TRACEPARENT).and_then(TraceParent::parse),
    }
}

/// A response body that tells its exchange how much was sent, and ends it.
#[derive(Debug)]
pub(super) struct Followed {
    body: Tracked,
    exchange: Exchange,
    _stream: Option<OpenStream>,
}

impl hyper::body::Body for Followed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.exchange.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An event stream, counted as open until this is dropped.
#[derive(Debug)]
struct OpenStream(Arc<metrics::Http>);

impl OpenStream {
    fn of(metrics: &Arc<metrics::Http>) -> Self {
        metrics.streams.increment();
        Self(Arc::clone(metrics))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.streams.decrement();
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(fields: &[(&'static str, &'static str)]) -> Trace {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        trace(&headers, &RequestIds::default())
    }

    #[test]
    fn a_clients_id_is_kept_and_a_bad_or_double_one_is_replaced_by_ours() {
        assert_eq!(traced(&[("x-request-id", "theirs-1")]).request_id(), Some("theirs-1"));
        for fields in [
            &[][..],
            &[("x-request-id", "two words")],
            &[("x-request-id", "")],
            &[("x-request-id", "a"), ("x-request-id", "b")],
        ] {
            assert_eq!(traced(fields).request_id().map(str::len), Some(16), "{fields:?}");
        }
    }

    #[test]
    fn one_traceparent_is_read_and_two_are_none() {
        let parent = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");
        assert_eq!(traced(&[parent]).trace_id(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(traced(&[parent, parent]).trace_id(), None);
        assert_eq!(traced(&[("traceparent", "00-1-2-3")]).trace_id(), None);
    }
}
