//! What a handler may ask of its caller while it works: who calls, progress and log messages to it, its answers.
//!
//! Progress grows, goes to its own request alone, and ends before the reply: the dispatcher closes the context when
//! the handler has returned. A question is a request to the client in the legacy era; in the modern one the call ends
//! with what it still needs, and comes again. Spec: basic/patterns/progress, basic/patterns/mrtr,
//! server/utilities/logging.

mod client;
mod waits;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::ask::Ask;
use super::catalog::TaskSupport;
use super::error::{Error, ErrorKind};
use super::jsonrpc::{Object, RequestId};
use super::level::Level;
use super::link::Link;
use super::revision::{Revision, Rules};
use super::rounds::{Round, Sealer};
use super::task::{self, Inputs, Tasks};
use super::wire;
use crate::trace::Trace;
pub use client::{Client, Outbox};
use waits::Waits;

/// What every call of a dispatcher needs to ask and to go on as a task.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) sealer: Sealer,
    pub(super) tasks: Arc<Tasks>,
    pub(super) answer_time: Duration,
}

/// What a handler may ask of its caller while it works. Clones are of the same call.
#[derive(Clone, Debug)]
pub struct Context(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: &'static Rules,
    client: Arc<Client>,
    trace: Trace,
    token: Option<RequestId>,
    desk: Option<Arc<Desk>>,
    /// Only where the call may end with `input_required`.
    round: Option<Round>,
    task_support: TaskSupport,
    /// The log messages that are sent.
    level: Option<Level>,
    state: Mutex<State>,
    task_begun: Notify,
}

#[derive(Debug)]
struct State {
    progress: f64,
    outbox: Outbox,
    /// Answers that were used, for the next round.
    used: Object,
    /// Questions without an answer, by key.
    missing: Object,
    task: Option<Task>,
    waits: Waits,
}

#[derive(Clone, Debug)]
struct Task {
    id: Arc<str>,
    inputs: Arc<Inputs>,
}

/// How a call is to be run, beside who calls.
#[derive(Debug, Default)]
pub(super) struct Manner {
    pub(super) trace: Trace,
    pub(super) desk: Option<Arc<Desk>>,
    pub(super) round: Option<Round>,
    pub(super) task_support: TaskSupport,
    pub(super) level: Option<Level>,
}

impl Context {
    pub(super) fn new(
        rules: &'static Rules,
        client: Arc<Client>,
        params: &Object,
        outbox: Outbox,
        manner: Manner,
    ) -> Self {
        let token = params.get("_meta").and_then(|meta| meta.get("progressToken")).and_then(RequestId::read);
        let state = State {
            progress: f64::NEG_INFINITY,
            outbox,
            used: Object::new(),
            missing: Object::new(),
            task: None,
            waits: Waits::default(),
        };
        let Manner { trace, desk, round, task_support, level } = manner;
        let (state, task_begun) = (Mutex::new(state), Notify::new());
        let inner =
            Inner { rules, client, trace, token, desk, round, task_support, level, state, task_begun };
        Self(Arc::new(inner))
    }

    /// Which request the call came by, and the caller's span.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// What is known of the caller.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Reports progress, if the caller asked for it; dropped if the stream is full, if it has not
    /// grown since the last report, and after the reply.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = &self.0.token else { return };
        let mut state = self.lock();
        if !progress.is_finite() || progress <= state.progress {
            return;
        }
        let Some(queue) = &state.outbox.queue else { return };
        let total = total.filter(|total| total.is_finite());
        if queue.try_send(wire::progress(self.0.rules, token, progress, total, message)).is_ok() {
            state.progress = progress;
        }
    }

    /// Sends a log message to the caller, if it asked for those of that severity; dropped if the stream is full and
    /// after the reply. `logger` names the part of the server that speaks. Nothing secret belongs in it.
    pub fn log(&self, level: Level, logger: Option<&str>, data: &Value) {
        if self.0.level.is_none_or(|wanted| level < wanted) {
            return;
        }
        if let Some(queue) = &self.lock().outbox.queue {
            let _ = queue.try_send(wire::log(level, logger, data));
        }
    }

    /// Closes the connection of a call that will take long, where its client can come back for the answer (Streamable
    /// HTTP since 2025-11-25, in the legacy era); elsewhere nothing happens.
    pub fn release(&self) {
        if !self.0.rules.priming {
            return;
        }
        if let Some(release) = &self.lock().outbox.release {
            release.notify_one();
        }
    }

    /// Asks the client and waits for its answer, however the caller's revision does that. `key` names the question
    /// among those of this call.
    ///
    /// **A handler that asks may be run several times**, each time from its beginning with one more answer at hand
    /// (2026-07-28): ask first, act when everything is known, and hand the error on with `?`. To ask several
    /// things in one go, await them together with `tokio::join!` and look at the results afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::MissingClientCapability`] when the client did not declare that it takes such a question,
    /// [`ErrorKind::NoAnswer`] when it refused or was silent for too long, [`ErrorKind::InputRequired`] to be
    /// handed on.
    pub async fn ask<T>(&self, key: &str, ask: Ask<T>) -> Result<T, Error> {
        let Inner { rules, client, desk, .. } = &*self.0;
        ask.check(rules, &client.capabilities)?;
        let Some(desk) = desk else { return Err(no_way()) };
        let task = self.lock().task.clone();
        match (task, &client.link) {
            (Some(task), _) => self.ask_in_task(key, &ask, &task).await,
            (None, Some(link)) if rules.asks_during_calls => self.ask_now(&ask, link, desk).await,
            (None, _) => self.ask_in_rounds(key, &ask),
        }
    }

    /// Goes on as a task: the caller is answered at once with the task's id, and the handler runs on until its
    /// end. Nothing happens for a tool that supports no tasks, or if the client knows none: it waits for the result.
    ///
    /// # Errors
    /// When too many tasks run already.
    pub async fn begin_task(&self, message: &str) -> Result<(), Error> {
        if !self.may_become_task() {
            return Ok(());
        }
        let Some(desk) = &self.0.desk else { return Ok(()) };
        let message = Some(message).filter(|message| !message.is_empty()).map(str::to_owned);
        let (id, inputs) = desk.tasks.create(desk.sealer.token()?, message, desk.sealer.clock())?;
        {
            let mut state = self.lock();
            state.task = Some(Task { id, inputs });
            // The tasks extension has no progress and no log messages.
            state.outbox = Outbox::closed();
        }
        self.0.task_begun.notify_one();
        // Lets the dispatcher answer before the work goes on.
        tokio::task::yield_now().await;
        Ok(())
    }

    pub(super) fn may_become_task(&self) -> bool {
        let Inner { rules, client, task_support, .. } = &*self.0;
        *task_support != TaskSupport::Never
            && rules.tasks
            && task::is_declared(client)
            && self.lock().task.is_none()
    }

    /// Completes when the handler has begun a task, with its id. Cancel safe.
    pub(super) async fn task_begun(&self) -> Arc<str> {
        loop {
            if let Some(task) = &self.lock().task {
                return Arc::clone(&task.id);
            }
            self.0.task_begun.notified().await;
        }
    }

    /// The task that was begun, if one was.
    pub(super) fn task(&self) -> Option<Arc<str>> {
        self.lock().task.as_ref().map(|task| Arc::clone(&task.id))
    }

    /// What the next round needs: the questions and the sealed state.
    pub(super) fn next_round(&self) -> Result<(Object, String), Error> {
        let Inner { desk: Some(desk), round: Some(round), .. } = &*self.0 else { return Err(no_way()) };
        let (used, missing) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.used), std::mem::take(&mut state.missing))
        };
        Ok((missing, desk.sealer.seal(round, used)?))
    }

    /// Runs the handler until its end or for `limit`, not counted what it waits for its client.
    pub(super) async fn own_time<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (begun, mut work, mut left) = (Instant::now(), std::pin::pin!(work), limit);
        loop {
            if let Ok(done) = timeout(left, &mut work).await {
                return Some(done);
            }
            let state = self.lock();
            left = limit.saturating_sub(begun.elapsed().saturating_sub(state.waits.so_far()));
            if left.is_zero() && !state.waits.any() {
                return None;
            }
            left = left.max(PAUSE);
        }
    }

    /// Nothing is sent from now on, whoever still holds a clone.
    pub(super) fn close(&self) {
        self.lock().outbox = Outbox::closed();
    }

    /// A request to the client, on the call's own stream.
    async fn ask_now<T>(&self, ask: &Ask<T>, link: &Arc<Link>, desk: &Desk) -> Result<T, Error> {
        let queue = self.lock().outbox.queue.clone().ok_or_else(|| {
            let advice = "this asks you something before it answers: send `Accept: application/json, \
                          text/event-stream` with the call";
            Error::new(ErrorKind::NoAnswer, advice)
        })?;
        let params = ask.params(self.0.rules, || desk.sealer.token())?;
        let waiting = Waiting::new(self);
        let answer = link.request(&queue, ask.method(), &params, desk.answer_time).await;
        drop(waiting);
        ask.read(answer?).ok_or_else(|| {
            let message = format!("the client's answer to {} is not what was asked for", ask.method());
            Error::new(ErrorKind::NoAnswer, message)
        })
    }

    /// The answer, if a round has brought it; else the question is noted for the next one.
    fn ask_in_rounds<T>(&self, key: &str, ask: &Ask<T>) -> Result<T, Error> {
        let Some(round) = &self.0.round else { return Err(no_way()) };
        let answer = round.answer(key);
        let read = answer.and_then(|answer| Some((answer, ask.read(answer.clone())?)));
        let mut state = self.lock();
        if let Some((answer, read)) = read {
            state.used.insert(key.to_owned(), answer.clone());
            return Ok(read);
        }
        let params = &ask.params(self.0.rules, no_id)?;
        state.missing.insert(key.to_owned(), json!({ "method": ask.method(), "params": params }));
        Err(Error::new(ErrorKind::InputRequired, "the call goes on when the client has answered"))
    }

    async fn ask_in_task<T>(&self, key: &str, ask: &Ask<T>, task: &Task) -> Result<T, Error> {
        let params = ask.params(self.0.rules, no_id)?;
        loop {
            // An answer that is none is asked for again; the task's time bounds how often.
            if let Some(read) = ask.read(task.inputs.ask(key, ask.method(), &params).await?) {
                return Ok(read);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Context {
    /// Nobody asks: progress goes nowhere.
    fn default() -> Self {
        let rules = Revision::MODERN.rules();
        Self::new(rules, Arc::default(), &Object::new(), Outbox::closed(), Manner::default())
    }
}

/// While this lives, the call waits for its client.
struct Waiting<'a>(&'a Context);

impl<'a> Waiting<'a> {
    fn new(context: &'a Context) -> Self {
        context.lock().waits.begin();
        Self(context)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waits.end();
    }
}

/// The modern era has no ids of elicitations.
fn no_id() -> Result<String, Error> {
    Ok(String::new())
}

fn no_way() -> Error {
    Error::new(ErrorKind::NoAnswer, "here the client cannot be asked anything")
}

/// How long to look away while a call waits for its client at the end of its own time.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::sync::mpsc;

    use super::*;

    fn context(revision: Revision, token: &Value) -> (Context, mpsc::Receiver<Bytes>) {
        let params = json!({ "_meta": { "progressToken": token } });
        let (outbox, receiver) = Outbox::channel(8);
        let params = params.as_object().unwrap();
        (Context::new(revision.rules(), Arc::default(), params, outbox, Manner::default()), receiver)
    }

    fn sent(receiver: &mut mpsc::Receiver<Bytes>) -> Vec<Value> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|message| serde_json::from_slice::<Value>(&message).unwrap()["params"].clone())
            .collect()
    }

    #[test]
    fn progress_carries_the_token_with_its_type_and_only_grows() {
        for token in [json!(7), json!("seven")] {
            let (context, mut receiver) = context(Revision::MODERN, &token);
            context.progress(0.0, Some(100.0), Some("begun"));
            context.progress(0.0, None, None);
            context.progress(f64::NAN, None, None);
            context.progress(50.0, None, None);
            assert_eq!(
                sent(&mut receiver),
                [
                    json!({ "progressToken": token, "progress": 0.0, "total": 100.0, "message": "begun" }),
                    json!({ "progressToken": token, "progress": 50.0 }),
                ]
            );
        }
    }

    #[test]
    fn progress_has_no_message_in_the_first_revision() {
        let (context, mut receiver) = context(Revision::V2024_11_05, &json!(1));
        context.progress(1.0, None, Some("left out"));
        assert_eq!(sent(&mut receiver), [json!({ "progressToken": 1, "progress": 1.0 })]);
    }

    #[test]
    fn nothing_is_sent_without_a_token_or_after_the_reply() {
        let (silent, mut receiver) = context(Revision::MODERN, &Value::Null);
        silent.progress(1.0, None, None);
        assert!(sent(&mut receiver).is_empty());

        let (context, mut receiver) = context(Revision::MODERN, &json!(1));
        let clone = context.clone();
        context.close();
        clone.progress(1.0, None, None);
        assert!(sent(&mut receiver).is_empty());
    }
}
