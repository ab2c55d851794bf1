//! A request on its way to a handler: head, peer, and a body that is read once, capped and timed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::accept::Scheme;
use super::guard::Forwarded;
use super::limits::Limits;
use super::response::{Response, text};
use crate::trace::Trace;

/// A request as a [`Handler`](super::Handler) gets it.
#[derive(Debug)]
pub struct Request {
    head: ::http::request::Parts,
    body: Source,
    peer: SocketAddr,
    scheme: Scheme,
    trace: Trace,
    is_logged: bool,
    forwarded: Option<Forwarded>,
    caller: Option<Arc<str>>,
    limit: usize,
    deadline: Duration,
}

#[derive(Debug)]
enum Source {
    Hyper(Incoming),
    Whole(Bytes),
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// More bytes than the limit: 413.
    TooLarge {
        /// The limit, bytes.
        limit: usize,
    },
    /// Not complete in time: 408.
    TimedOut,
    /// The connection broke or the framing is wrong: 400.
    Broken,
}

impl BodyError {
    /// The answer that tells the client what went wrong, as plain text.
    #[must_use]
    pub fn response(self) -> Response {
        match self {
            Self::TooLarge { limit } => {
                text(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {limit} bytes\n"))
            }
            Self::TimedOut => text(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time\n"),
            Self::Broken => text(StatusCode::BAD_REQUEST, "the body broke off\n"),
        }
    }
}

impl Request {
    /// A request whose body is already here: for embedders and tests. It came over plain HTTP, unless
    /// [`with_scheme`](Self::with_scheme) says otherwise.
    #[must_use]
    pub fn whole(head: ::http::request::Parts, body: Bytes, peer: SocketAddr) -> Self {
        let limit = body.len();
        Self::new(head, Source::Whole(body), peer, limit, Duration::MAX)
    }

    /// A request that hyper is still receiving.
    pub(super) fn incoming(request: ::http::Request<Incoming>, peer: SocketAddr, limits: &Limits) -> Self {
        let (head, body) = request.into_parts();
        Self::new(head, Source::Hyper(body), peer, limits.body_bytes, limits.body)
    }

    fn new(
        head: ::http::request::Parts,
        body: Source,
        peer: SocketAddr,
        limit: usize,
        deadline: Duration,
    ) -> Self {
        Self {
            head,
            body,
            peer,
            scheme: Scheme::Http,
            trace: Trace::default(),
            is_logged: false,
            forwarded: None,
            caller: None,
            limit,
            deadline,
        }
    }

    /// The same request over another scheme.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = scheme;
        self
    }

    /// The same request with its id and trace; `is_logged` as [`is_logged`](Self::is_logged) is to say.
    pub(super) fn with_trace(self, trace: Trace, is_logged: bool) -> Self {
        Self { trace, is_logged, ..self }
    }

    /// Its id, and the trace that its `traceparent` names.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Whether a line is logged of it when it is over, for which a [`Note`](super::Note) is worth its while.
    #[must_use]
    pub fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// What the client spoke: what it came over, or what a trusted proxy says that took the TLS off.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.forwarded.as_ref().and_then(|forwarded| forwarded.scheme).unwrap_or(self.scheme)
    }

    /// Whether the client spoke TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.scheme() == Scheme::Https
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &::http::Method {
        &self.head.method
    }

    /// The path, percent-encoding untouched.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The host that the request's target names: HTTP/2's `:authority`, HTTP/1's absolute form.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.head.uri.authority().map(::http::uri::Authority::as_str)
    }

    /// What stands behind the `?`, as it is.
    #[must_use]
    pub fn raw_query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The first query parameter of that name, percent-decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query()?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key) == name).then(|| decode(value))
        })
    }

    /// Every header field.
    #[must_use]
    pub fn headers(&self) -> &::http::HeaderMap {
        &self.head.headers
    }

    /// A header field as text; none if absent or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The whole head: method, URI, version, header fields.
    pub(super) fn head(&self) -> &::http::request::Parts {
        &self.head
    }

    /// Hands a handler another method than the client's (HEAD is answered as GET is).
    pub(super) fn set_method(&mut self, method: ::http::Method) {
        self.head.method = method;
    }

    /// Who is connected: the client, or a proxy.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The client's address: the peer's, or what a trusted proxy says.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.forwarded.as_ref().map_or_else(|| self.peer.ip(), |forwarded| forwarded.client)
    }

    /// Whether the peer is a trusted proxy.
    #[must_use]
    pub fn is_forwarded(&self) -> bool {
        self.forwarded.is_some()
    }

    /// The name of who asks; none where nobody has one.
    #[must_use]
    pub fn caller(&self) -> Option<&Arc<str>> {
        self.caller.as_ref()
    }

    /// The hosts that a trusted proxy says the client asked for.
    pub(super) fn forwarded_hosts(&self) -> &[String] {
        self.forwarded.as_ref().map_or(&[], |forwarded| &forwarded.hosts)
    }

    pub(super) fn set_forwarded(&mut self, forwarded: Option<Forwarded>) {
        self.forwarded = forwarded;
    }

    pub(super) fn set_caller(&mut self, caller: Option<Arc<str>>) {
        self.caller = caller;
    }

    /// Reads the whole body, once; a second call gives an empty one. Not cancel safe.
    ///
    /// # Errors
    /// When it is larger than the limit, slower than the deadline, or breaks off.
    pub async fn body(&mut self) -> Result<Bytes, BodyError> {
        match std::mem::replace(&mut self.body, Source::Whole(Bytes::new())) {
            Source::Whole(bytes) => Ok(bytes),
            Source::Hyper(incoming) => {
                let limit = self.limit;
                // A declared length is refused before a byte is read, and before the client is told
                // to go on (RFC 9110 §10.1.1): hyper sends its 100 with the first poll.
                if hyper::body::Body::size_hint(&incoming).lower() > limit as u64 {
                    return Err(BodyError::TooLarge { limit });
                }
                let read = Limited::new(incoming, limit).collect();
                match tokio::time::timeout(self.deadline, read).await {
                    Ok(Ok(body)) => Ok(body.to_bytes()),
                    Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
                    Ok(Err(_)) => Err(BodyError::Broken),
                    Err(_) => Err(BodyError::TimedOut),
                }
            }
        }
    }
}

/// Percent-decoding as forms do it: `+` is a space, a stray `%` stays, wrong UTF-8 is replaced.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let decoded = match byte {
            b'%' => ahead.next().and_then(hex).zip(ahead.next().and_then(hex)),
            _ => None,
        };
        match (byte, decoded) {
            (_, Some((high, low))) => {
                out.push(high << 4 | low);
                rest = ahead;
            }
            (b'+', None) => out.push(b' '),
            (byte, None) => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> Request {
        let (head, ()) = ::http::Request::get(uri).body(()).unwrap().into_parts();
        Request::whole(head, Bytes::from_static(b"body"), ([127, 0, 0, 1], 1).into())
    }

    #[test]
    fn a_query_parameter_is_the_first_of_its_name_decoded() {
        let request = request("/m?a=1&b%63=x%2By+z&a=2&c&d=%zz%4&e=%ff&f=");
        for (name, value) in [
            ("a", Some("1")),
            ("bc", Some("x+y z")),
            ("c", Some("")),
            ("d", Some("%zz%4")),
            ("e", Some("\u{fffd}")),
            ("f", Some("")),
            ("g", None),
        ] {
            assert_eq!(request.query(name).as_deref(), value, "{name}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_once() {
        let mut request = request("/");
        assert_eq!(request.body().await, Ok(Bytes::from_static(b"body")));
        assert_eq!(request.body().await, Ok(Bytes::new()));
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_fails(text in ".*") {
            decode(&text);
        }
    }
}
