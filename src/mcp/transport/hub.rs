//! What the transports over HTTP share: the dispatcher, the sessions, the tasks of open streams.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::replay::{Memory, Priming, Streams};
use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::http::{Response, json};
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::error::Error;
use crate::mcp::jsonrpc::RequestId;
use crate::mcp::revision::{Revision, Rules};
use crate::mcp::session::Store;
use crate::metrics::Calls;

/// How the transports over HTTP stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Silence on a stream after which a comment goes out; none: never. Default 15 s.
    pub keep_alive: Option<Duration>,
    /// How long an answer may take before its client gets a stream instead of silence. Default 2 s.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep_alive: Some(Duration::from_secs(15)), patience: Duration::from_secs(2) }
    }
}

/// What the transports over HTTP share: `/mcp`, `/sse` and `/message` count to one cap of sessions.
pub struct Hub {
    pub(super) dispatcher: Arc<Dispatcher>,
    pub(super) sessions: Store<Wire>,
    pub(super) options: Options,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

impl Hub {
    /// A hub without sessions.
    #[must_use]
    pub fn new(
        dispatcher: Arc<Dispatcher>,
        options: Options,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        let sessions = Store::new(dispatcher.limits(), clock, entropy);
        Self { dispatcher, sessions, options, tasks: Arc::default() }
    }

    /// A hub that answers otherwise from now on, over the same sessions and open streams. Their cap and their idle
    /// limit stay those of the first.
    #[must_use]
    pub fn successor(&self, dispatcher: Arc<Dispatcher>, options: Options) -> Self {
        Self { dispatcher, options, sessions: self.sessions.clone(), tasks: Arc::clone(&self.tasks) }
    }

    /// Ends sessions that have been idle for too long, also while nobody calls. Completes at the
    /// drain.
    pub async fn run(&self) {
        let limits = self.dispatcher.limits();
        // A session may outlive its limit by this.
        let period = (limits.session_idle / 8).clamp(Duration::from_millis(10), Duration::from_secs(60));
        loop {
            tokio::select! {
                biased;
                () = self.dispatcher.shutdown().draining() => return,
                () = tokio::time::sleep(period) => self.sessions.sweep(),
            }
        }
    }

    /// How many legacy sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// What is counted of the calls.
    #[must_use]
    pub fn calls(&self) -> &Arc<Calls> {
        self.dispatcher.metrics()
    }

    /// The streams of a new session on `/mcp`.
    pub(super) fn streams(&self, rules: &Rules) -> Streams {
        let limits = self.dispatcher.limits();
        // One change may tell of every subscription; an empty queue costs nothing.
        let queue = limits.stream_queue.max(limits.subscriptions + LISTS);
        let memory = Memory { events: limits.replay_events, bytes: limits.replay_bytes };
        let priming = if rules.priming { Priming::Sent } else { Priming::None };
        Streams::new(memory, queue, self.options.keep_alive, priming)
    }

    /// Runs `task` until it ends, or the hub and its successors go.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Without a runtime the process is ending, and what would run ends with it.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(task, &runtime);
    }

    /// A refusal as JSON-RPC, in the words of a revision.
    pub(super) fn refuse(
        &self,
        status: ::http::StatusCode,
        id: Option<&RequestId>,
        rules: &'static Rules,
        error: &Error,
    ) -> Response {
        json(status, self.dispatcher.error(id, rules, error).message)
    }

    /// A refusal of what has no revision yet: without an id it has none, not even null.
    pub(super) fn refuse_unread(
        &self,
        status: ::http::StatusCode,
        id: Option<&RequestId>,
        error: &Error,
    ) -> Response {
        self.refuse(status, id, Revision::MODERN.rules(), error)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Lists that can change beside the resources subscribed to: tools, prompts, resources.
const LISTS: usize = 3;

/// What carries a session's messages.
#[derive(Debug)]
pub(super) enum Wire {
    /// `/mcp`: streams come and go.
    Streamable(Streams),
    /// `/sse`: one stream, and the session ends with it.
    HttpSse(super::sse_legacy::Stream),
}

impl Wire {
    pub(super) fn streams(&self) -> Option<&Streams> {
        match self {
            Self::Streamable(streams) => Some(streams),
            Self::HttpSse(_) => None,
        }
    }
}
