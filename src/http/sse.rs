//! Server-Sent Events: encoding an event once, and a body that streams events with keep-alives.
//!
//! The HTML standard, "Server-sent events". The first bytes go out at once (a CDN withholds the 200
//! until the first body byte), and a comment after each silence.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::Frame;
use tokio::sync::mpsc;
use tokio::task::coop;
use tokio::time::Instant;

use super::alarm::Alarm;

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
    ///
    /// Whatever the fields hold, it stays one event: each line of `data`, ended by LF, CR or CRLF,
    /// gets its own field, and what would end a field is left out of `event` and `id` (so is NUL,
    /// which makes a browser ignore an id).
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.data.len() + 64);
        if let Some(event) = self.event {
            field(&mut out, b"event: ", event.bytes().filter(|byte| !b"\r\n".contains(byte)));
        }
        if let Some(id) = self.id {
            field(&mut out, b"id: ", id.bytes().filter(|byte| !b"\r\n\0".contains(byte)));
        }
        if let Some(retry) = self.retry {
            field(&mut out, b"retry: ", retry.to_string().bytes());
        }
        let mut rest = Some(self.data);
        while let Some(data) = rest {
            let (line, after) = first_line(data);
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line);
            out.push(b'\n');
            rest = after;
        }
        out.push(b'\n');
        Bytes::from(out)
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], value: impl Iterator<Item = u8>) {
    out.extend_from_slice(name);
    out.extend(value);
    out.push(b'\n');
}

/// A line without its end, and what follows; nothing follows the last one.
fn first_line(data: &[u8]) -> (&[u8], Option<&[u8]>) {
    let end = data.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let Some((line, after)) = end.and_then(|end| data.split_at_checked(end)) else { return (data, None) };
    let after = after.strip_prefix(b"\r\n").or_else(|| after.get(1..));
    (line, after)
}

/// A stream of encoded events: what the [`Sender`] is given, the [`SseBody`] writes.
///
/// `capacity` bounds the events waiting; `keep_alive` is the silence after which a comment goes
/// out (none or zero: never). A frame holds all events that wait, up to 64 KiB.
#[must_use]
pub fn channel(capacity: usize, keep_alive: Option<Duration>) -> (Sender, SseBody) {
    let (sender, receiver) = mpsc::channel(capacity.max(1));
    let keep_alive = keep_alive.filter(|silence| !silence.is_zero());
    let body = SseBody {
        receiver,
        held: None,
        keep_alive,
        opened: false,
        last_sent: Instant::now(),
        silence: Alarm::default(),
        kept: None,
    };
    (Sender(sender), body)
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
    /// An event that would have made the last frame too large.
    held: Option<Bytes>,
    keep_alive: Option<Duration>,
    opened: bool,
    last_sent: Instant,
    silence: Alarm,
    kept: Option<Kept>,
}

impl SseBody {
    /// Keeps `guard` until the stream is over, whichever side ends it.
    #[must_use]
    pub fn keeping(mut self, guard: impl Send + 'static) -> Self {
        self.kept = Some(Kept(Box::new(guard)));
        self
    }

    /// `first` and the events that wait behind it, as one frame: one chunk and one write instead of
    /// many. A lone event goes out as the shared buffer that it is.
    fn coalesce(&mut self, first: Bytes) -> Bytes {
        let Ok(second) = self.receiver.try_recv() else { return first };
        let mut frame = BytesMut::with_capacity(first.len() * 4);
        frame.extend_from_slice(&first);
        let mut next = Some(second);
        while let Some(event) = next {
            if frame.len() + event.len() > FRAME {
                self.held = Some(event);
                break;
            }
            frame.extend_from_slice(&event);
            next = self.receiver.try_recv().ok();
        }
        frame.freeze()
    }

    fn sent(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.opened = true;
        if self.keep_alive.is_some() {
            self.last_sent = Instant::now();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
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
        // Both ways take tokio's budget, so that a stream that is never short of events still lets
        // other connections run.
        let waiting = if this.held.is_some() {
            ready!(coop::poll_proceed(context)).made_progress();
            Poll::Ready(this.held.take())
        } else {
            this.receiver.poll_recv(context)
        };
        match waiting {
            Poll::Ready(Some(event)) => {
                let frame = this.coalesce(event);
                return this.sent(frame);
            }
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending if !this.opened => return this.sent(Bytes::from_static(COMMENT)),
            Poll::Pending => {}
        }
        let Some(keep_alive) = this.keep_alive else { return Poll::Pending };
        ready!(this.silence.poll_at(this.last_sent + keep_alive, context));
        this.sent(Bytes::from_static(COMMENT))
    }
}

/// Something that lives as long as a stream; only its drop matters.
struct Kept(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send>);

impl std::fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Kept")
    }
}

const COMMENT: &[u8] = b":\n\n";

/// The most bytes of several events in one frame; a larger event has a frame of its own.
const FRAME: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::body::Body as _;

    use super::*;

    async fn frame(body: &mut SseBody) -> Option<Bytes> {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    async fn nothing_waits(body: &mut SseBody) -> bool {
        poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_frame(context))).await.is_pending()
    }

    /// The dispatched events of a stream as the HTML standard interprets it: (type, id, data).
    fn interpret(stream: &str) -> Vec<(String, String, String)> {
        let (mut events, mut kind, mut id, mut data) =
            (Vec::new(), String::new(), String::new(), String::new());
        let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
        for line in stream.split('\n') {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match (line, name) {
                ("", _) => {
                    if let Some(data) = data.strip_suffix('\n') {
                        events.push((kind.clone(), id.clone(), data.to_owned()));
                    }
                    kind.clear();
                    data.clear();
                }
                (_, "event") => kind = value.to_owned(),
                (_, "id") if !value.contains('\0') => id = value.to_owned(),
                (_, "data") => data = format!("{data}{value}\n"),
                _ => {}
            }
        }
        events
    }

    #[test]
    fn an_event_is_encoded_field_by_field() {
        let event = Event { event: Some("endpoint"), id: Some("7"), retry: Some(250), data: b"a\nb\r\nc\rd" };
        let expected = "event: endpoint\nid: 7\nretry: 250\ndata: a\ndata: b\ndata: c\ndata: d\n\n";
        assert_eq!(event.encode(), expected);
        assert_eq!(Event::default().encode(), "data: \n\n");
        assert_eq!(Event { data: b"a\n", ..Event::default() }.encode(), "data: a\ndata: \n\n");
    }

    #[test]
    fn no_field_can_end_its_event_early() {
        let event = Event {
            event: Some("x\n\ndata: forged"),
            id: Some("1\r\r\0data: forged"),
            data: b"\n\nevent: forged",
            ..Event::default()
        };
        let events = interpret(std::str::from_utf8(&event.encode()).unwrap());
        let expected = ("xdata: forged".into(), "1data: forged".into(), "\n\nevent: forged".into());
        assert_eq!(events, [expected]);
    }

    proptest::proptest! {
        #[test]
        fn data_arrives_as_it_was_but_for_its_line_ends(data in "(?s).{0,64}") {
            let encoded = Event { data: data.as_bytes(), ..Event::default() }.encode();
            let events = interpret(std::str::from_utf8(&encoded).unwrap());
            let expected = data.replace("\r\n", "\n").replace('\r', "\n");
            proptest::prop_assert_eq!(events, vec![(String::new(), String::new(), expected)]);
        }
    }

    #[tokio::test]
    async fn a_stream_without_an_event_opens_with_a_comment_at_once() {
        let (_sender, mut body) = channel(4, None);
        assert_eq!(frame(&mut body).await.unwrap(), COMMENT);
        assert!(nothing_waits(&mut body).await);
    }

    #[tokio::test]
    async fn a_stream_with_an_event_opens_with_it() {
        let (sender, mut body) = channel(4, None);
        sender.try_send(Bytes::from_static(b"data: 1\n\n")).unwrap();
        assert_eq!(frame(&mut body).await.unwrap(), "data: 1\n\n");
        assert!(nothing_waits(&mut body).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_comment_follows_each_silence_and_only_a_silence() {
        let silence = Duration::from_secs(15);
        let (sender, mut body) = channel(4, Some(silence));
        let start = Instant::now();
        frame(&mut body).await.unwrap();
        assert_eq!(frame(&mut body).await.unwrap(), COMMENT);
        assert_eq!(start.elapsed(), silence);
        tokio::time::advance(Duration::from_secs(10)).await;
        sender.try_send(Bytes::from_static(b"data: 1\n\n")).unwrap();
        assert_eq!(frame(&mut body).await.unwrap(), "data: 1\n\n");
        assert_eq!(frame(&mut body).await.unwrap(), COMMENT);
        assert_eq!(start.elapsed(), Duration::from_secs(40));
    }

    #[tokio::test(start_paused = true)]
    async fn a_keep_alive_of_zero_is_none() {
        let (_sender, mut body) = channel(4, Some(Duration::ZERO));
        frame(&mut body).await.unwrap();
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(nothing_waits(&mut body).await);
    }

    #[tokio::test]
    async fn waiting_events_share_a_frame_up_to_its_bound() {
        let (sender, mut body) = channel(8, None);
        for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
            sender.try_send(Bytes::from_static(event.as_bytes())).unwrap();
        }
        assert_eq!(frame(&mut body).await.unwrap(), "data: 1\n\ndata: 2\n\ndata: 3\n\n");
        for _ in 0..3 {
            sender.try_send(Bytes::from(vec![b'x'; FRAME / 2])).unwrap();
        }
        drop(sender);
        assert_eq!(frame(&mut body).await.unwrap().len(), FRAME);
        assert_eq!(frame(&mut body).await.unwrap().len(), FRAME / 2);
        assert_eq!(frame(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_full_queue_and_a_client_that_left_are_told_apart() {
        let (sender, body) = channel(1, None);
        let event = Bytes::from_static(b"data: 1\n\n");
        sender.try_send(event.clone()).unwrap();
        assert_eq!(sender.try_send(event.clone()), Err(SendError::Full));
        assert!(!sender.is_closed());
        drop(body);
        sender.closed().await;
        assert_eq!(sender.try_send(event.clone()), Err(SendError::Closed));
        assert_eq!(sender.send(event).await, Err(SendError::Closed));
    }
}
