//! Answering a POST: one JSON body, or an event stream once there is something to stream.
//!
//! A modern client that goes away cancels its call. A legacy one may come back for the answer with
//! `Last-Event-ID`, so that its work goes on. Spec: basic/transports of 2025-11-25 and 2026-07-28.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{Notify, mpsc};

use super::accept::Form;
use super::hub::{Hub, Wire};
use super::replay::{Purpose, StreamId};
use super::work::Work;
use crate::http::sse::{self, Event, SseBody};
use crate::http::{Response, empty, json, stream};
use crate::mcp::dispatch::{Outbox, Reply};
use crate::mcp::error::ErrorKind;
use crate::mcp::session::Hold;

/// Whose request it is: this decides statuses and what a disconnect means.
#[derive(Debug)]
pub(super) enum Era {
    Modern,
    Legacy(Hold<Wire>),
}

/// Whether replies stand alone or in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    Batch,
}

/// How a POST is to be answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) hub: Arc<Hub>,
    pub(super) era: Era,
    pub(super) form: Form,
    pub(super) shape: Shape,
}

/// What a call says before its reply.
#[derive(Debug)]
pub(super) struct Notes {
    queue: mpsc::Receiver<Bytes>,
    /// Its handler lets the connection go.
    release: Arc<Notify>,
}

/// One thing that a call says.
enum Note {
    Message(Bytes),
    Release,
}

impl Notes {
    /// Nothing, from now on.
    fn none() -> Self {
        Self { queue: mpsc::channel(1).1, release: Arc::default() }
    }

    /// The next one; cancel safe. What was said before a release goes out before it.
    async fn next(&mut self) -> Note {
        tokio::select! {
            biased;
            Some(message) = self.queue.recv() => Note::Message(message),
            () = self.release.notified() => Note::Release,
        }
    }
}

/// An outbox for a call that is answered in `form`, and what it will be filled with.
pub(super) fn outbox(hub: &Hub, form: Form) -> (Outbox, Notes) {
    let (outbox, queue) = Outbox::channel(hub.dispatcher.limits().stream_queue);
    let release = Arc::<Notify>::default();
    let outbox =
        if form == Form::Json { Outbox::closed() } else { outbox.with_release(Arc::clone(&release)) };
    (outbox, Notes { queue, release })
}

impl Answer {
    /// Runs `work` and answers with its replies; `notes` are the notifications that precede them.
    pub(super) async fn run(self, work: Work, mut notes: Notes) -> Response {
        let legacy = matches!(self.era, Era::Legacy(_));
        let mut pending = Pending { work: Some(work), goes_on: legacy.then(|| Arc::clone(&self.hub)) };
        let (early, replies) = match self.form {
            Form::Json => (None, Some(pending.done().await)),
            Form::Either | Form::Stream => tokio::select! {
                biased;
                note = notes.next() => (Some(note), None),
                replies = pending.done() => (None, Some(replies)),
                () = tokio::time::sleep(self.hub.options.patience) => (None, None),
            },
        };
        match (replies, pending.work.take()) {
            (Some(replies), _) if notes.queue.is_empty() => self.at_once(replies),
            (Some(replies), _) => self.streamed(early, Box::pin(std::future::ready(replies)), notes),
            (None, Some(work)) => self.streamed(early, work, notes),
            (None, None) => unanswered(self.form),
        }
    }

    /// Answers with finished replies.
    pub(super) fn at_once(self, replies: Vec<Reply>) -> Response {
        let status = match (replies.as_slice(), self.shape) {
            ([], _) => return unanswered(self.form),
            ([reply, ..], Shape::Single) => self.era.status(reply),
            (_, Shape::Batch) => StatusCode::OK,
        };
        match (replies.as_slice(), self.shape) {
            // A refusal is told by its status, which a stream does not have.
            (_, _) if self.form == Form::Stream && status == StatusCode::OK => {
                self.streamed(None, Box::pin(std::future::ready(replies)), Notes::none())
            }
            ([reply, ..], Shape::Single) => json(status, reply.message.clone()),
            (replies, _) => {
                let messages: Vec<Bytes> = replies.iter().map(|reply| reply.message.clone()).collect();
                json(status, Reply::array(&messages).unwrap_or_default())
            }
        }
    }

    fn streamed(self, early: Option<Note>, work: Work, notes: Notes) -> Response {
        let (sink, body) = Sink::open(&self.hub, self.era);
        self.hub.spawn(pump(sink, early, work, notes));
        stream(body)
    }
}

/// To a request that its client has cancelled, and that gets no response. The transports' pages answer a request by a
/// stream or by JSON, so it is a stream that ends; for one who takes JSON alone there is nothing better than 202.
fn unanswered(form: Form) -> Response {
    if form == Form::Json {
        return empty(StatusCode::ACCEPTED);
    }
    let (_ended, body) = sse::channel(1, None);
    stream(body)
}

impl Era {
    /// The status that goes with a reply.
    fn status(&self, reply: &Reply) -> StatusCode {
        match (self, reply.error) {
            (_, None) => StatusCode::OK,
            (_, Some(ErrorKind::Parse | ErrorKind::InvalidRequest)) => StatusCode::BAD_REQUEST,
            (Self::Legacy(_), Some(_)) => StatusCode::OK,
            (Self::Modern, Some(kind)) => modern_status(kind),
        }
    }
}

/// 2026-07-28 names a status for an unknown method and for its own codes. Any other error is a
/// method's answer, which a stream would carry under 200: so does JSON.
pub(super) fn modern_status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::MethodNotFound => StatusCode::NOT_FOUND,
        ErrorKind::Parse
        | ErrorKind::InvalidRequest
        | ErrorKind::HeaderMismatch
        | ErrorKind::MissingClientCapability
        | ErrorKind::UnsupportedProtocolVersion => StatusCode::BAD_REQUEST,
        ErrorKind::InvalidParams
        | ErrorKind::Internal
        | ErrorKind::ResourceNotFound
        | ErrorKind::NoAnswer
        | ErrorKind::InputRequired => StatusCode::OK,
    }
}

/// Work that is awaited by its POST. In the legacy era it goes on if the POST is dropped.
struct Pending {
    work: Option<Work>,
    goes_on: Option<Arc<Hub>>,
}

impl Pending {
    /// The replies; cancel safe.
    async fn done(&mut self) -> Vec<Reply> {
        let Some(work) = &mut self.work else { return Vec::new() };
        let replies = work.await;
        self.work = None;
        replies
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let (Some(work), Some(hub)) = (self.work.take(), &self.goes_on) {
            hub.spawn(async move {
                let _unclaimed = work.await;
            });
        }
    }
}

/// Where a stream's messages go.
enum Sink {
    /// Its one connection.
    Connection(sse::Sender),
    /// A stream of a session, which may be resumed.
    Resumable { hold: Hold<Wire>, id: StreamId },
}

impl Sink {
    fn open(hub: &Hub, era: Era) -> (Self, SseBody) {
        if let Era::Legacy(hold) = era
            && let Some((id, body)) = hold.wire().streams().map(|streams| streams.open(Purpose::Call))
        {
            return (Self::Resumable { hold, id }, body);
        }
        let (sender, body) = sse::channel(hub.dispatcher.limits().stream_queue, hub.options.keep_alive);
        (Self::Connection(sender), body)
    }

    /// Completes when nobody can receive the answer any more.
    async fn gone(&self) {
        match self {
            Self::Connection(sender) => sender.closed().await,
            Self::Resumable { .. } => std::future::pending().await,
        }
    }

    fn take(&self, note: &Note) {
        match (note, self) {
            (Note::Message(message), _) => self.note(message),
            // What cannot be resumed is not let go.
            (Note::Release, Self::Connection(_)) => {}
            (Note::Release, Self::Resumable { hold, id }) => {
                if let Some(streams) = hold.wire().streams() {
                    streams.release(*id);
                }
            }
        }
    }

    /// A message before the reply; one for which a slow reader leaves no room is dropped.
    fn note(&self, message: &Bytes) {
        match self {
            Self::Connection(sender) => drop(sender.try_send(encode(message))),
            Self::Resumable { hold, id } => {
                if let Some(streams) = hold.wire().streams() {
                    streams.push(*id, message);
                }
            }
        }
    }

    /// A reply; waits for room, which the connection's write limit bounds.
    async fn reply(&self, message: &Bytes) {
        match self {
            Self::Connection(sender) => drop(sender.send(encode(message)).await),
            Self::Resumable { .. } => self.note(message),
        }
    }

    fn end(self) {
        if let Self::Resumable { hold, id } = self
            && let Some(streams) = hold.wire().streams()
        {
            streams.end(id);
        }
    }
}

fn encode(message: &Bytes) -> Bytes {
    Event { data: message, ..Event::default() }.encode()
}

async fn pump(sink: Sink, early: Option<Note>, mut work: Work, mut notes: Notes) {
    early.iter().for_each(|note| sink.take(note));
    let replies = loop {
        tokio::select! {
            biased;
            () = sink.gone() => return,
            note = notes.next() => sink.take(&note),
            replies = &mut work => break replies,
        }
    };
    while let Ok(message) = notes.queue.try_recv() {
        sink.note(&message);
    }
    for reply in &replies {
        sink.reply(&reply.message).await;
    }
    sink.end();
}
