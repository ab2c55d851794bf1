//! The one response body type: nothing, a whole buffer, or an event stream.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::sse::SseBody;

/// A response body.
pub struct Body {
    kind: Kind,
    /// Ends a stream from outside.
    end: Option<End>,
}

/// Completes when a stream is to end.
pub(super) type End = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Stream(Box<SseBody>),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(Kind::Whole(None))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, end: None }
    }

    /// Whether it goes on for as long as there is something to say.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// The same, but a stream is over when `end` completes.
    pub(super) fn until(self, end: End) -> Self {
        Self { end: Some(end), ..self }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::of(Kind::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }
}

impl From<SseBody> for Body {
    fn from(stream: SseBody) -> Self {
        Self::of(Kind::Stream(Box::new(stream)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(formatter)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_stream()
            && let Some(end) = &mut self.end
            && end.as_mut().poll(context).is_ready()
        {
            // Dropped here and now, with what is tied to the stream.
            *self = Self::empty();
        }
        match &mut self.kind {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Stream(stream) => Pin::new(&mut **stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Kind::Stream(_) => SizeHint::default(),
        }
    }
}
