//! A legacy session's way back to its client: requests of ours, their answers, the level of its log.
//!
//! Ids are numbers that the session counts; an answer is looked up among its own session's requests alone. It never
//! learns what carries a message: a request goes onto the queue of the call that asks. Spec: 2025-11-25
//! basic/lifecycle §Timeouts, client/elicitation, client/sampling, client/roots.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::timeout;

use super::error::{Error, ErrorKind};
use super::jsonrpc::{Object, RequestId, Response};
use super::level::Level;
use super::wire;

/// What a session and its calls share.
#[derive(Debug)]
pub(super) struct Link {
    requests: Mutex<Requests>,
    opened: Notify,
    level: AtomicU8,
}

#[derive(Debug, Default)]
struct Requests {
    last: i64,
    open: HashMap<i64, oneshot::Sender<Outcome>>,
}

/// A result, or the error that the client answered with.
type Outcome = Result<Value, Value>;

impl Default for Link {
    fn default() -> Self {
        // Before `logging/setLevel` the choice is the server's: what happens, without what helps to debug it.
        let level = AtomicU8::new(Level::Info as u8);
        Self { requests: Mutex::default(), opened: Notify::new(), level }
    }
}

impl Link {
    pub(super) fn level(&self) -> Level {
        Level::ranked(self.level.load(Ordering::Relaxed))
    }

    pub(super) fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Takes a client's answer. One to no open request is late, or none of ours: it is dropped.
    pub(super) fn answered(&self, response: Response) {
        let Some(RequestId::Number(id)) = response.id else { return };
        if let Some(asker) = self.lock().open.remove(&id) {
            // Who asked may be gone.
            let _ = asker.send(response.outcome);
        }
    }

    /// Whether a request of ours waits for its answer.
    pub(super) fn awaits(&self) -> bool {
        !self.lock().open.is_empty()
    }

    /// Completes when a request was opened since the last time: for one waiter. Cancel safe.
    pub(super) async fn opened(&self) {
        self.opened.notified().await;
    }

    /// Asks the client; dropping the future cancels the request.
    pub(super) async fn request(
        self: &Arc<Self>,
        queue: &mpsc::Sender<Bytes>,
        method: &str,
        params: &Object,
        time: Duration,
    ) -> Result<Value, Error> {
        let (mut open, answer) = self.open(queue.clone())?;
        let message = wire::request(open.id, method, params);
        if queue.send(message).await.is_err() {
            open.done = true;
            return Err(no_answer("the client cannot be asked any more"));
        }
        self.opened.notify_one();
        match timeout(time, answer).await {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(Ok(Err(refusal))) => {
                let said = refusal.get("message").and_then(Value::as_str).unwrap_or("without a message");
                Err(no_answer(format!("the client answered {method} with an error: {said}")))
            }
            Ok(Err(oneshot::error::RecvError { .. })) => Err(no_answer("the session has ended")),
            Err(_elapsed) => Err(no_answer(format!("no answer to {method} within {} s", time.as_secs_f64()))),
        }
    }

    fn open(
        self: &Arc<Self>,
        queue: mpsc::Sender<Bytes>,
    ) -> Result<(Open, oneshot::Receiver<Outcome>), Error> {
        let mut requests = self.lock();
        if requests.open.len() >= OPEN {
            return Err(no_answer("too many requests wait for the client's answers already"));
        }
        requests.last += 1;
        let (asker, answer) = oneshot::channel();
        let id = requests.last;
        requests.open.insert(id, asker);
        Ok((Open { link: Arc::clone(self), queue, id, done: false }, answer))
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits for its answer; given up without one, the client is told.
struct Open {
    link: Arc<Link>,
    queue: mpsc::Sender<Bytes>,
    id: i64,
    done: bool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.link.lock().open.remove(&self.id).is_some() && !self.done {
            let _ = self.queue.try_send(wire::cancelled(self.id));
        }
    }
}

fn no_answer(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::NoAnswer, message)
}

/// Requests of ours that one session may leave unanswered at once.
const OPEN: usize = 1_024;
