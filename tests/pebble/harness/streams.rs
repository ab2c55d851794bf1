//! SSE streams held open: whether they outlive a renewal.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::Target;
use super::wire::{self, Failure};

/// Open streams; closed on drop.
#[derive(Debug)]
pub(crate) struct Streams {
    states: Vec<Arc<Mutex<State>>>,
    _tasks: JoinSet<()>,
}

/// One stream so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) bytes: usize,
    /// Lines that start with a colon.
    pub(crate) comments: usize,
    /// Lines that start with `event:` or `data:`, by the blank line after them.
    pub(crate) events: usize,
    /// Why it ended; `None` while it is open.
    pub(crate) ended: Option<String>,
    /// The part of a line that has come.
    pending: String,
    in_event: bool,
}

/// How a stream is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `GET /sse`, of 2024-11-05.
    Sse,
    /// `GET /mcp` in a session of 2025-06-18.
    Session,
}

impl Streams {
    /// Opens `count` streams of `kind` and waits until each has sent its first bytes.
    pub(crate) async fn open(target: &Target, kind: Kind, count: usize) -> Result<Self, Failure> {
        let mut streams = Self { states: Vec::new(), _tasks: JoinSet::new() };
        for _ in 0..count {
            let state = Arc::new(Mutex::new(State::default()));
            streams.states.push(Arc::clone(&state));
            let body = open(target, kind).await?;
            streams._tasks.spawn(follow(body, state));
        }
        let deadline = Instant::now() + wire::PATIENCE;
        while let Some(silent) = streams.states().iter().find(|state| state.bytes == 0) {
            if let Some(why) = &silent.ended {
                return Err(format!("a stream ended at once: {why}"));
            }
            if Instant::now() > deadline {
                return Err("a stream sent nothing".to_owned());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(streams)
    }

    pub(crate) fn states(&self) -> Vec<State> {
        self.states.iter().map(|state| lock(state).clone()).collect()
    }

    /// Why streams ended, if any did.
    pub(crate) fn ended(&self) -> Vec<String> {
        self.states().into_iter().filter_map(|state| state.ended).collect()
    }

    /// Waits until each stream has got `count` more comments from now.
    pub(crate) async fn wait_for_comments(&self, count: usize, limit: Duration) {
        let goals: Vec<usize> = self.states().iter().map(|state| state.comments + count).collect();
        let deadline = Instant::now() + limit;
        while self.states().iter().zip(&goals).any(|(state, goal)| state.comments < *goal) {
            assert!(
                self.ended().is_empty() && Instant::now() < deadline,
                "not {count} comments on each stream within {limit:?}: {:?}",
                self.states()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Opens one stream on a connection of its own; its body keeps the connection alive.
async fn open(target: &Target, kind: Kind) -> Result<hyper::body::Incoming, Failure> {
    let stream = target.connect().await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| wire::describe("http", &error))?;
    tokio::spawn(connection);
    let accept = ("accept", "text/event-stream");
    let request = match kind {
        Kind::Sse => target.request("GET", "/sse", &[accept], ""),
        Kind::Session => {
            let both = ("accept", "application/json, text/event-stream");
            let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
            }});
            let headers = [("content-type", "application/json"), both];
            let opened =
                wire::ask(&mut sender, target.request("POST", "/mcp", &headers, &body.to_string())).await?;
            let session =
                opened.header("mcp-session-id").ok_or_else(|| format!("no session: {}", opened.text()))?;
            target.request("GET", "/mcp", &[accept, ("mcp-session-id", session)], "")
        }
    };
    let response = sender.send_request(request).await.map_err(|error| wire::describe("stream", &error))?;
    if response.status() != 200 {
        return Err(format!("stream: status {}", response.status()));
    }
    Ok(response.into_body())
}

async fn follow(mut body: hyper::body::Incoming, state: Arc<Mutex<State>>) {
    let why = loop {
        match body.frame().await {
            None => break "closed by the server".to_owned(),
            Some(Err(error)) => break wire::describe("body", &error),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    lock(&state).take(data);
                }
            }
        }
    };
    lock(&state).ended = Some(why);
}

impl State {
    fn take(&mut self, data: &[u8]) {
        self.bytes += data.len();
        self.pending.push_str(&String::from_utf8_lossy(data));
        while let Some(end) = self.pending.find('\n') {
            let line: String = self.pending.drain(..=end).collect();
            match line.trim_end() {
                "" => self.events += usize::from(std::mem::take(&mut self.in_event)),
                line if line.starts_with(':') => self.comments += 1,
                _ => self.in_event = true,
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
