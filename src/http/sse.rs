//! Server-Sent Events: encoding an event once, and a body that streams events with keep-alives.
//!
//! The HTML standard, "Server-sent events". The first bytes go out at once (a CDN withholds the 200
//! until the first body byte), and a comment after each silence.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

/// One event, encoded by [`Event::encode`] and then shared as [`Bytes`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'a> {
    /// The `event:` field; none means `message`.
    pub event: Option<&'a str>,
    /// The `id:` field, for resumption.
    pub id: Option<&'a str>,
    /// The `retry:` field, milliseconds.
    pub retry: Option<u64>,
    /// The data; each line becomes one `data:` field.
    pub data: &'a [u8],
}

impl Event<'_> {
    /// The event on the wire, ended by its blank line.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.data.len() + 32);
        let mut field = |name: &str, value: &[u8]| {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.push(b'\n');
        };
        if let Some(event) = self.event {
            field("event", event.as_bytes());
        }
        if let Some(id) = self.id {
            field("id", id.as_bytes());
        }
        if let Some(retry) = self.retry {
            field("retry", retry.to_string().as_bytes());
        }
        for line in self.data.split(|byte| *byte == b'\n') {
            field("data", line);
        }
        out.push(b'\n');
        Bytes::from(out)
    }
}

/// A stream of encoded events: what the [`Sender`] is given, the [`SseBody`] writes.
///
/// `capacity` bounds the events waiting; `keep_alive` is the silence after which a comment goes
/// out (none: never).
#[must_use]
pub fn channel(capacity: usize, keep_alive: Option<Duration>) -> (Sender, SseBody) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Sender(sender), SseBody { receiver, keep_alive, opened: false, timer: None, kept: None })
}

/// The writing half; the stream ends when every clone is dropped.
#[derive(Clone, Debug)]
pub struct Sender(mpsc::Sender<Bytes>);

/// Why an event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The client reads slower than events arrive; the queue is at its bound.
    Full,
    /// The client is gone.
    Closed,
}

impl Sender {
    /// Queues an encoded event without waiting.
    ///
    /// # Errors
    /// [`SendError::Full`] at the queue's bound, [`SendError::Closed`] when the client is gone.
    pub fn try_send(&self, event: Bytes) -> Result<(), SendError> {
        self.0.try_send(event).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
        })
    }

    /// Queues an encoded event, waiting for room. Cancel safe: the event is not queued then.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the client is gone.
    pub async fn send(&self, event: Bytes) -> Result<(), SendError> {
        self.0.send(event).await.map_err(|mpsc::error::SendError(_)| SendError::Closed)
    }

    /// Whether the client is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Completes when the client is gone. Cancel safe.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// The reading half: a body for hyper.
#[derive(Debug)]
pub struct SseBody {
    receiver: mpsc::Receiver<Bytes>,
    keep_alive: Option<Duration>,
    opened: bool,
    timer: Option<Pin<Box<tokio::time::Sleep>>>,
    kept: Option<Kept>,
}

impl SseBody {
    /// Keeps `guard` until the stream is over, whichever side ends it.
    #[must_use]
    pub fn keeping(mut self, guard: impl Send + 'static) -> Self {
        self.kept = Some(Kept(Box::new(guard)));
        self
    }
}

/// Something that lives as long as a stream; only its drop matters.
struct Kept(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Kept")
    }
}

impl hyper::body::Body for SseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        match this.receiver.poll_recv(context) {
            Poll::Ready(Some(event)) => {
                this.opened = true;
                this.timer = None;
                return Poll::Ready(Some(Ok(Frame::data(event))));
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if !this.opened {
            this.opened = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))));
        }
        let Some(keep_alive) = this.keep_alive else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(keep_alive)));
        std::task::ready!(timer.as_mut().poll(context));
        this.timer = None;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(COMMENT)))))
    }
}

const COMMENT: &[u8] = b":\n\n";
