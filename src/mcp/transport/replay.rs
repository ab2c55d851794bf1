//! The event streams of one legacy session, each with a bounded memory for `Last-Event-ID`.
//!
//! An event's id is `stream-number`: unique in its session, and telling to which stream it belongs.
//! A stream outlives its connection: what is pushed meanwhile waits in the memory for a GET that
//! resumes it. Spec: 2025-11-25 basic/transports §Resumability and Redelivery.
//!
//! Where the revision has it, a stream begins with a priming event: an id and a `retry:` with empty data, so that its
//! client can come back before anything was said.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use crate::http::sse::{self, Event, SendError, Sender, SseBody};

/// The streams of one session.
#[derive(Debug)]
pub(super) struct Streams {
    memory: Memory,
    queue: usize,
    keep_alive: Option<Duration>,
    priming: Priming,
    table: Mutex<Table>,
}

/// Whether streams begin with an event of empty data: older clients take that for broken JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priming {
    Sent,
    None,
}

/// What is kept of one stream for those who come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) events: usize,
    /// The newest event stays even if it alone is larger.
    pub(super) bytes: usize,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    streams: BTreeMap<u64, Stream>,
    ended: VecDeque<u64>,
    fed: bool,
    /// The server has no more messages of its own: its streams end as they open.
    server_ended: bool,
}

/// Names a stream of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamId(u64);

#[derive(Debug)]
struct Stream {
    purpose: Purpose,
    connection: Option<Sender>,
    events: VecDeque<(u64, Bytes)>,
    /// The length of all of `events`.
    kept: usize,
    last: u64,
    ended: bool,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A call's notifications and its answer.
    Call,
    /// The server's own messages.
    Server,
}

impl Streams {
    pub(super) fn new(memory: Memory, queue: usize, keep_alive: Option<Duration>, priming: Priming) -> Self {
        let queue = queue.max(memory.events).max(1);
        Self { memory, queue, keep_alive, priming, table: Mutex::default() }
    }

    /// A new stream and the body that carries it. Too many server streams cut the oldest.
    pub(super) fn open(&self, purpose: Purpose) -> (StreamId, SseBody) {
        let (connection, body) = sse::channel(self.queue, self.keep_alive);
        let mut table = self.lock();
        let id = table.next;
        table.next += 1;
        if self.priming == Priming::Sent {
            let event = Event { id: Some(&format!("{id}-0")), retry: Some(RETRY_MS), ..Event::default() };
            // The first event of an empty queue.
            let _ = connection.try_send(event.encode());
        }
        table.streams.insert(id, Stream::new(purpose, connection));
        if purpose == Purpose::Server && table.server_ended {
            table.end(id);
        }
        table.forget_surplus();
        (StreamId(id), body)
    }

    /// Connects the stream of an event again, beginning with what came after it; none if the id is
    /// none of this session's or the stream is forgotten. An older connection of it is cut.
    pub(super) fn resume(&self, last_event_id: &str) -> Option<SseBody> {
        let (id, seen) = last_event_id.split_once('-')?;
        let (id, seen): (u64, u64) = (id.parse().ok()?, seen.parse().ok()?);
        let mut table = self.lock();
        let stream = table.streams.get_mut(&id)?;
        let (connection, body) = sse::channel(self.queue, self.keep_alive);
        for (_, event) in stream.events.iter().filter(|(number, _)| *number > seen) {
            // The queue is at least as long as the memory.
            let _ = connection.try_send(event.clone());
        }
        stream.connection = (!stream.ended).then_some(connection);
        Some(body)
    }

    /// Appends a message to a stream. A reader that is gone or too slow is cut: it can resume.
    pub(super) fn push(&self, id: StreamId, message: &[u8]) {
        if let Some(stream) = self.lock().streams.get_mut(&id.0) {
            stream.push(id, message, self.memory);
        }
    }

    /// Appends a message of the server's own to exactly one stream: the newest that is connected,
    /// else the newest that can be resumed.
    pub(super) fn push_server(&self, message: &[u8]) {
        let mut table = self.lock();
        let newest = |connected: bool| {
            move |(_, stream): &(&u64, &mut Stream)| {
                stream.purpose == Purpose::Server && !stream.ended && stream.is_connected() == connected
            }
        };
        let found = match table.streams.iter_mut().rev().find(newest(true)) {
            Some((id, _)) => Some(*id),
            None => table.streams.iter_mut().rev().find(newest(false)).map(|(id, _)| *id),
        };
        if let Some((id, stream)) = found.and_then(|id| Some((id, table.streams.get_mut(&id)?))) {
            stream.push(StreamId(id), message, self.memory);
        }
    }

    /// Ends a stream's connection, not the stream: its client comes back for the rest.
    pub(super) fn release(&self, id: StreamId) {
        if let Some(stream) = self.lock().streams.get_mut(&id.0) {
            stream.connection = None;
        }
    }

    /// Ends a stream after what was pushed; it can be resumed for what was missed until newer ended
    /// streams have taken its place.
    pub(super) fn end(&self, id: StreamId) {
        self.lock().end(id.0);
    }

    /// Ends every stream of the server's own, those that are yet to open too.
    pub(super) fn end_server(&self) {
        let mut table = self.lock();
        table.server_ended = true;
        let server = table.streams.iter().filter(|(_, stream)| stream.purpose == Purpose::Server);
        let ids: Vec<u64> = server.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| table.end(id));
    }

    /// Cuts every connection: the session is over.
    pub(super) fn cut(&self) {
        let mut table = self.lock();
        table.server_ended = true;
        table.streams.clear();
    }

    /// True for the first caller alone: who feeds the server's streams.
    pub(super) fn take_feed(&self) -> bool {
        !std::mem::replace(&mut self.lock().fed, true)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn end(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.ended) else { return };
        stream.ended = true;
        stream.connection = None;
        self.ended.push_back(id);
        while self.ended.len() > ENDED_STREAMS {
            if let Some(id) = self.ended.pop_front() {
                self.streams.remove(&id);
            }
        }
    }

    fn forget_surplus(&mut self) {
        let server = |stream: &Stream| stream.purpose == Purpose::Server && !stream.ended;
        while self.streams.values().filter(|stream| server(stream)).count() > SERVER_STREAMS {
            // Those without a reader go first, then the oldest.
            let unread = self.streams.iter().find(|(_, it)| server(it) && !it.is_connected());
            let oldest = || self.streams.iter().find(|(_, it)| server(it));
            let Some(id) = unread.or_else(oldest).map(|(id, _)| *id) else { return };
            self.streams.remove(&id);
        }
    }
}

impl Stream {
    fn new(purpose: Purpose, connection: Sender) -> Self {
        let connection = Some(connection);
        Self { purpose, connection, events: VecDeque::new(), kept: 0, last: 0, ended: false }
    }

    fn push(&mut self, id: StreamId, message: &[u8], memory: Memory) {
        self.last += 1;
        let event_id = format!("{}-{}", id.0, self.last);
        let event = Event { id: Some(&event_id), data: message, ..Event::default() }.encode();
        if memory.events > 0 {
            self.kept += event.len();
            self.events.push_back((self.last, event.clone()));
        }
        while self.events.len() > memory.events.max(1) || (self.kept > memory.bytes && self.events.len() > 1)
        {
            let Some((_, oldest)) = self.events.pop_front() else { break };
            self.kept -= oldest.len();
        }
        let sent = self.connection.as_ref().map(|connection| connection.try_send(event));
        if let Some(Err(SendError::Full | SendError::Closed)) = sent {
            self.connection = None;
        }
    }

    fn is_connected(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| !connection.is_closed())
    }
}

/// How long a client waits before it comes back, milliseconds.
const RETRY_MS: u64 = 1_000;
/// Ended streams that can still be resumed, per session.
const ENDED_STREAMS: usize = 4;
/// Streams of the server's own, per session.
const SERVER_STREAMS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    const BYTES: usize = 1024;

    fn streams(events: usize) -> Streams {
        Streams::new(Memory { events, bytes: BYTES }, 16, None, Priming::None)
    }

    /// What the stream has written and whether it has ended.
    async fn written(body: &mut SseBody) -> (String, bool) {
        let mut text = String::new();
        loop {
            let mut frame = std::pin::pin!(body.frame());
            match std::future::poll_fn(|context| std::task::Poll::Ready(frame.as_mut().poll(context))).await {
                std::task::Poll::Ready(Some(Ok(frame))) => {
                    text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
                }
                std::task::Poll::Ready(_) => return (text, true),
                std::task::Poll::Pending => return (text, false),
            }
        }
    }

    use std::future::Future as _;

    async fn data(body: &mut SseBody) -> Vec<String> {
        let (text, _) = written(body).await;
        text.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_resumed_stream_begins_after_the_last_event_seen() {
        let streams = streams(64);
        let (first, mut body) = streams.open(Purpose::Call);
        for message in ["a", "b", "c"] {
            streams.push(first, message.as_bytes());
        }
        let (text, ended) = written(&mut body).await;
        assert!(text.contains("id: 0-1\ndata: a\n\n") && !ended);
        drop(body);
        streams.push(first, b"d");
        let mut again = streams.resume("0-2").unwrap();
        streams.push(first, b"e");
        streams.end(first);
        let (text, ended) = written(&mut again).await;
        assert_eq!(text, "id: 0-3\ndata: c\n\nid: 0-4\ndata: d\n\nid: 0-5\ndata: e\n\n");
        assert!(ended);
    }

    #[tokio::test]
    async fn a_stream_that_lets_its_client_go_was_primed_and_keeps_the_rest_for_it() {
        let streams = Streams::new(Memory { events: 8, bytes: BYTES }, 16, None, Priming::Sent);
        let (first, mut body) = streams.open(Purpose::Call);
        streams.release(first);
        assert_eq!(written(&mut body).await, ("id: 0-0\nretry: 1000\ndata: \n\n".to_owned(), true));
        streams.push(first, b"answer");
        let mut again = streams.resume("0-0").unwrap();
        streams.end(first);
        assert_eq!(written(&mut again).await, ("id: 0-1\ndata: answer\n\n".to_owned(), true));
    }

    #[tokio::test]
    async fn an_ended_stream_replays_and_ends_until_it_is_forgotten() {
        let streams = streams(64);
        let (first, _body) = streams.open(Purpose::Call);
        streams.push(first, b"answer");
        streams.end(first);
        let mut again = streams.resume("0-0").unwrap();
        assert_eq!(written(&mut again).await, ("id: 0-1\ndata: answer\n\n".to_owned(), true));
        for _ in 0..ENDED_STREAMS {
            let (other, _body) = streams.open(Purpose::Call);
            streams.end(other);
        }
        assert!(streams.resume("0-0").is_none());
    }

    #[tokio::test]
    async fn the_memory_is_bounded_and_keeps_the_newest() {
        let streams = streams(2);
        let (first, _body) = streams.open(Purpose::Call);
        for message in ["a", "b", "c"] {
            streams.push(first, message.as_bytes());
        }
        assert_eq!(data(&mut streams.resume("0-0").unwrap()).await, ["b", "c"]);
    }

    #[tokio::test]
    async fn the_memory_is_bounded_in_bytes_and_keeps_at_least_the_newest() {
        let streams = streams(64);
        let (first, _body) = streams.open(Purpose::Call);
        let long = "x".repeat(BYTES / 3);
        for message in [&long, &long, &long, "last"] {
            streams.push(first, message.as_bytes());
        }
        assert_eq!(data(&mut streams.resume("0-0").unwrap()).await, [&long, &long, "last"]);
        let longer = "y".repeat(BYTES * 2);
        streams.push(first, longer.as_bytes());
        assert_eq!(data(&mut streams.resume("0-0").unwrap()).await, [longer]);
        streams.push(first, b"next");
        assert_eq!(data(&mut streams.resume("0-0").unwrap()).await, ["next"]);
    }

    #[tokio::test]
    async fn a_server_stream_that_opens_after_their_end_ends_at_once_and_a_call_is_answered() {
        let streams = streams(64);
        streams.end_server();
        let (_, mut server) = streams.open(Purpose::Server);
        assert_eq!(written(&mut server).await, (String::new(), true));
        let (call, mut body) = streams.open(Purpose::Call);
        streams.push(call, b"answer");
        assert_eq!(data(&mut body).await, ["answer"]);
    }

    #[tokio::test]
    async fn a_message_of_the_servers_own_reaches_exactly_one_stream() {
        let streams = streams(64);
        let (_, mut call) = streams.open(Purpose::Call);
        let (_, mut old) = streams.open(Purpose::Server);
        let (_, new) = streams.open(Purpose::Server);
        streams.push_server(b"1");
        drop(new);
        streams.push_server(b"2");
        assert_eq!(data(&mut old).await, ["2"]);
        assert!(data(&mut call).await.is_empty());
        drop(old);
        streams.push_server(b"3");
        let mut new = streams.resume("2-1").unwrap();
        assert_eq!(data(&mut new).await, ["3"]);
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_is_cut_and_can_resume() {
        let streams = Streams::new(Memory { events: 2, bytes: BYTES }, 2, None, Priming::None);
        let (_, mut slow) = streams.open(Purpose::Server);
        for message in ["1", "2", "3", "4"] {
            streams.push_server(message.as_bytes());
        }
        let (text, ended) = written(&mut slow).await;
        assert!(ended && text.contains("data: 2") && !text.contains("data: 3"));
        assert_eq!(data(&mut streams.resume("0-2").unwrap()).await, ["3", "4"]);
    }

    #[tokio::test]
    async fn more_server_streams_than_the_bound_cut_the_oldest() {
        let streams = streams(64);
        let (_, mut body) = streams.open(Purpose::Server);
        let _kept: Vec<_> = (0..SERVER_STREAMS).map(|_| streams.open(Purpose::Server)).collect();
        assert!(written(&mut body).await.1);
    }

    #[test]
    fn event_ids_that_are_none_resume_nothing() {
        let streams = streams(64);
        let _open = streams.open(Purpose::Server);
        for id in ["", "-", "0", "0-", "-1", "9-1", "0-x", "0-1-2", "٣-1", "99999999999999999999-1"] {
            assert!(streams.resume(id).is_none(), "{id}");
        }
    }
}
