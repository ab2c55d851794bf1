//! What a client may cost the protocol layer.

use std::time::Duration;

/// The limits of sessions, streams and calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Legacy sessions at once. Default 10,000; the longest idle one makes room.
    pub sessions: usize,
    /// Silence after which a session ends; an open stream is not idle. Default 30 min.
    pub session_idle: Duration,
    /// Events kept per stream for `Last-Event-ID`. Default 64.
    pub replay_events: usize,
    /// Bytes of these events, but for the newest: an answer can be fetched however long it is.
    /// Default 256 KiB.
    pub replay_bytes: usize,
    /// A tool's own time, without what it waits for its client's answers. Default 30 s.
    pub tool_time: Duration,
    /// How long a client may take to answer a request for input: as a wait in the legacy era, as the lifetime of
    /// a `requestState` in the modern one. Default 10 min.
    pub answer_time: Duration,
    /// Tasks at once, the ended ones counted that are kept for their results. Default 1,000.
    pub tasks: usize,
    /// How long a task may take and its result is kept, from its creation. Default 1 h.
    pub task_ttl: Duration,
    /// Messages waiting on one stream before its client counts as gone. Default 256.
    pub stream_queue: usize,
    /// Requests at once in one session or stdio process. Default 64.
    pub in_flight: usize,
    /// Messages in a 2025-03-26 batch. Default 64.
    pub batch: usize,
    /// Bytes of one message on stdio. Default 256 KiB.
    pub line: usize,
    /// Resources that one legacy session or one listen stream may watch. Default 1,000.
    pub subscriptions: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            session_idle: Duration::from_secs(30 * 60),
            replay_events: 64,
            replay_bytes: 256 * 1024,
            tool_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(10 * 60),
            tasks: 1_000,
            task_ttl: Duration::from_secs(60 * 60),
            stream_queue: 256,
            in_flight: 64,
            batch: 64,
            line: 256 * 1024,
            subscriptions: 1_000,
        }
    }
}
