//! A request on its way to a handler: head, peer, and a body that is read once, capped and timed.

use std::net::SocketAddr;
use std::time::Duration;

use ::http::StatusCode;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::response::{Response, text};

/// A request as a [`Handler`](super::Handler) gets it.
#[derive(Debug)]
pub struct Request {
    head: ::http::request::Parts,
    body: Source,
    peer: SocketAddr,
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
    /// A request whose body is already here: for embedders and tests.
    #[must_use]
    pub fn whole(head: ::http::request::Parts, body: Bytes, peer: SocketAddr) -> Self {
        let limit = body.len();
        Self { head, body: Source::Whole(body), peer, limit, deadline: Duration::MAX }
    }

    /// A request that hyper is still receiving.
    pub(crate) fn incoming(
        request: ::http::Request<Incoming>,
        peer: SocketAddr,
        limit: usize,
        deadline: Duration,
    ) -> Self {
        let (head, body) = request.into_parts();
        Self { head, body: Source::Hyper(body), peer, limit, deadline }
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

    /// The first query parameter of that name, percent-decoded.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.head.uri.query()?;
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.to_owned())
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

    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
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
