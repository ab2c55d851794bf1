//! What a connection is doing, shared by its two observers: the service and the IO.
//!
//! The service knows when a request begins and its response ends, the IO knows when bytes move;
//! neither alone can tell silence between requests from a handler at work. Owns that knowledge and
//! the clocks' verdicts over it; never touches a socket.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::body::Body;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Clone, Copy, Debug)]
struct State {
    /// Requests begun since the connection opened.
    begun: u64,
    /// Requests whose response has not ended.
    running: usize,
    /// Since when nothing runs (meaningful while `running` is 0).
    quiet_since: Instant,
    /// Response bodies that gave a frame and were not asked for the next one.
    offered: usize,
    /// When a body was last asked or gave a frame.
    progress: Instant,
}

/// What the read clock of a connection measures now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A request runs: its body and its handler have limits of their own.
    Busy,
    /// Between requests since that instant; `begun` tells one pause from the next.
    Quiet { since: Instant, begun: u64 },
}

/// What the clocks of a multiplexed connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then.
    Fine(Instant),
    /// No stream for the idle limit.
    Idle,
    /// The peer takes none of the bytes that wait for it.
    Stalled,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self(Mutex::new(State {
            begun: 0,
            running: 0,
            quiet_since: now,
            offered: 0,
            progress: now,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins; it ends when the guard, or the body that holds it, is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        let mut state = self.state();
        state.begun = state.begun.wrapping_add(1);
        state.running += 1;
        Running(Arc::clone(self))
    }

    pub(super) fn phase(&self) -> Phase {
        let state = self.state();
        match state.running {
            0 => Phase::Quiet { since: state.quiet_since, begun: state.begun },
            _ => Phase::Busy,
        }
    }

    /// Bytes left after a wait: the peer is slow, not idle.
    pub(super) fn wrote(&self) {
        self.state().quiet_since = Instant::now();
    }

    pub(super) fn verdict(&self, now: Instant, idle: Duration, stall: Duration) -> Verdict {
        let state = self.state();
        let idle_at = state.quiet_since + idle;
        let stall_at = state.progress + stall;
        if state.running == 0 && now >= idle_at {
            Verdict::Idle
        } else if state.offered > 0 && now >= stall_at {
            Verdict::Stalled
        } else {
            let next = now + idle.min(stall);
            let next = if state.running == 0 { next.min(idle_at) } else { next };
            Verdict::Fine(if state.offered > 0 { next.min(stall_at) } else { next })
        }
    }
}

/// A request that runs.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.running = state.running.saturating_sub(1);
        state.quiet_since = Instant::now();
    }
}

/// A response body that keeps its request running and reports its progress.
#[derive(Debug)]
pub(super) struct Tracked {
    body: Body,
    running: Running,
    offered: bool,
}

impl Tracked {
    pub(super) fn new(body: Body, running: Running) -> Self {
        Self { body, running, offered: false }
    }

    fn set_offered(&mut self, offered: bool) {
        if !offered && !self.offered {
            return;
        }
        let mut state = self.running.0.state();
        state.progress = Instant::now();
        match (self.offered, offered) {
            (false, true) => state.offered += 1,
            (true, false) => state.offered = state.offered.saturating_sub(1),
            _ => {}
        }
        drop(state);
        self.offered = offered;
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.set_offered(false);
    }
}

impl hyper::body::Body for Tracked {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.set_offered(matches!(frame, Poll::Ready(Some(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::body::Body as _;

    use super::*;
    use crate::http::sse;

    const IDLE: Duration = Duration::from_secs(75);
    const STALL: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_without_requests_is_idle() {
        let activity = Activity::new();
        let running = activity.begin();
        tokio::time::advance(IDLE * 2).await;
        assert!(matches!(activity.verdict(Instant::now(), IDLE, STALL), Verdict::Fine(_)));
        assert_eq!(activity.phase(), Phase::Busy);
        drop(running);
        assert!(matches!(activity.verdict(Instant::now(), IDLE, STALL), Verdict::Fine(_)));
        tokio::time::advance(IDLE).await;
        assert_eq!(activity.verdict(Instant::now(), IDLE, STALL), Verdict::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_waits_for_events_is_not_stalled_but_one_whose_frames_stay_is() {
        let activity = Activity::new();
        let (sender, body) = sse::channel(4, None);
        let mut body = Tracked::new(Body::from(body), activity.begin());
        // The first frame is the opening comment; asked again, the body waits for an event.
        poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
        assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut body).poll_frame(context))).await.is_pending());
        tokio::time::advance(STALL * 2).await;
        assert!(matches!(activity.verdict(Instant::now(), IDLE, STALL), Verdict::Fine(_)));

        sender.try_send(Bytes::from_static(b"data: 1\n\n")).unwrap();
        poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
        tokio::time::advance(STALL).await;
        assert_eq!(activity.verdict(Instant::now(), IDLE, STALL), Verdict::Stalled);
        drop(body);
        assert!(matches!(activity.verdict(Instant::now(), IDLE, STALL), Verdict::Fine(_)));
    }
}
