//! The legacy sessions of the HTTP transports, and the requests that run in each.
//!
//! Knows the protocol's state machine; never what carries the messages: that is the `wire` a
//! transport attaches. Spec: 2025-11-25 basic/transports §Session Management.

mod store;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot, watch};

use super::dispatch::{Call, Client, Dispatcher, Reply};
use super::jsonrpc::{Invalid, Message, RequestId};
use super::legacy::{self, Action};
use super::revision::Rules;

pub use store::{Hold, OpenError, Store};

/// One session: the protocol's state, what runs in it, and its transport's `wire`.
pub struct Session<W> {
    id: Arc<str>,
    owner: Option<Arc<str>>,
    state: Mutex<State>,
    negotiated: Notify,
    ended: watch::Sender<bool>,
    wire: W,
}

/// Under one lock, so that a cancellation finds what it cancels.
struct State {
    protocol: legacy::Session,
    /// Dropping a sender stops its request.
    running: HashMap<RequestId, oneshot::Sender<()>>,
}

impl<W> Session<W> {
    fn new(id: Arc<str>, owner: Option<Arc<str>>, protocol: legacy::Session, wire: W) -> Self {
        Self {
            id,
            owner,
            state: Mutex::new(State { protocol, running: HashMap::new() }),
            negotiated: Notify::new(),
            ended: watch::Sender::new(false),
            wire,
        }
    }

    /// Its id: 22 characters of visible ASCII.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What its transport attached.
    #[must_use]
    pub fn wire(&self) -> &W {
        &self.wire
    }

    /// The negotiated revision; none before `initialize`.
    #[must_use]
    pub fn rules(&self) -> Option<&'static Rules> {
        self.lock().protocol.rules()
    }

    /// The rules to encode by, before `initialize` too.
    #[must_use]
    pub fn encoding(&self) -> &'static Rules {
        self.lock().protocol.encoding()
    }

    /// What is known of the client.
    #[must_use]
    pub fn client(&self) -> Arc<Client> {
        Arc::clone(self.lock().protocol.client())
    }

    /// A copy of the URIs it subscribed to.
    #[must_use]
    pub fn subscriptions(&self) -> HashSet<String> {
        self.lock().protocol.subscriptions().clone()
    }

    /// Completes once the revision is negotiated: for one waiter. Cancel safe.
    pub async fn negotiated(&self) -> &'static Rules {
        loop {
            if let Some(rules) = self.rules() {
                return rules;
            }
            self.negotiated.notified().await;
        }
    }

    /// Completes when the session has ended. Cancel safe.
    pub async fn ended(&self) {
        // The sender lives as long as `self`, so the wait cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
    }

    fn end(&self) {
        let mut state = self.lock();
        self.ended.send_replace(true);
        state.running.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> fmt::Debug for Session<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The id opens the session: it is never logged.
        formatter.debug_struct("Session").finish_non_exhaustive()
    }
}

/// What a message of the client leads to. Cancellations have been carried out.
#[derive(Debug)]
pub enum Step<W> {
    /// Run this call with [`Run::to_end`].
    Run(Call, Run<W>),
    /// Answer at once.
    Reply(Reply),
    /// Nothing to answer.
    Accepted,
}

impl<W> Hold<W> {
    /// Takes up the conversation of a client whose session is gone, if this message shows that it is one:
    /// [`legacy::Session::resume_at`].
    pub fn resume_at(&self, message: &Message, rules: &'static Rules) {
        self.session().lock().protocol.resume_at(message, rules);
    }

    /// Takes one message.
    pub fn on(&self, message: Message, dispatcher: &Dispatcher) -> Step<W> {
        let mut state = self.session().lock();
        let action = state.protocol.on(message, dispatcher);
        let step = self.step(&mut state, action);
        self.session().negotiated.notify_one();
        step
    }

    /// Takes an array of messages.
    ///
    /// # Errors
    /// The encoded error when the revision has no batches or the array is too long.
    pub fn on_batch(
        &self,
        batch: Vec<Result<Message, Invalid>>,
        dispatcher: &Dispatcher,
    ) -> Result<Vec<Step<W>>, Reply> {
        let mut state = self.session().lock();
        let actions = state.protocol.on_batch(batch, dispatcher)?;
        Ok(actions.into_iter().map(|action| self.step(&mut state, action)).collect())
    }

    fn step(&self, state: &mut State, action: Action) -> Step<W> {
        match action {
            Action::Run(call) => {
                let (sender, cancelled) = oneshot::channel();
                // In a session that has ended nobody would cancel it: the sender is dropped at once.
                if !*self.session().ended.borrow() {
                    state.running.insert(call.id.clone(), sender);
                }
                let run = Run { hold: self.clone(), id: call.id.clone(), cancelled };
                Step::Run(call, run)
            }
            Action::Reply(reply) => Step::Reply(reply),
            Action::Cancel(id) => {
                state.running.remove(&id);
                Step::Accepted
            }
            Action::Accepted => Step::Accepted,
        }
    }
}

/// A request that runs: until this is dropped its id is in flight and its session not idle.
pub struct Run<W> {
    hold: Hold<W>,
    id: RequestId,
    cancelled: oneshot::Receiver<()>,
}

impl<W> Run<W> {
    /// Runs `work` to its end; none if it is cancelled or the session ends first: `work` is dropped
    /// then and gets no answer.
    pub async fn to_end<T>(mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = &mut self.cancelled => None,
            done = work => Some(done),
        }
    }
}

impl<W> Drop for Run<W> {
    fn drop(&mut self) {
        // After a cancellation the id may be in use anew: then the sender there is not this one's.
        self.cancelled.close();
        let mut state = self.hold.session().lock();
        if state.running.get(&self.id).is_some_and(oneshot::Sender::is_closed) {
            state.running.remove(&self.id);
            state.protocol.finished(&self.id);
        }
    }
}

impl<W> fmt::Debug for Run<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Run").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;
    use crate::mcp::fake;
    use crate::mcp::jsonrpc::{self, Incoming};
    use crate::mcp::limits::Limits;

    fn store() -> Store<()> {
        Store::new(&Limits::default(), Arc::new(SystemClock), Arc::new(SystemEntropy::new()))
    }

    fn open(store: &Store<()>) -> Hold<()> {
        store.open(legacy::Session::new(), (), None).unwrap()
    }

    async fn stopped(run: Run<()>) -> bool {
        run.to_end(std::future::pending::<()>()).await.is_none()
    }

    fn initialized(store: &Store<()>, dispatcher: &Dispatcher) -> Hold<()> {
        let hold = open(store);
        let params =
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#;
        let step = send(&hold, dispatcher, &format!(r#""id":0,"method":"initialize","params":{params}"#));
        assert!(matches!(step, Step::Reply(Reply { error: None, .. })));
        hold
    }

    fn send(hold: &Hold<()>, dispatcher: &Dispatcher, members: &str) -> Step<()> {
        let body = format!(r#"{{"jsonrpc":"2.0",{members}}}"#);
        let Ok(Incoming::Single(message)) = jsonrpc::parse(body.as_bytes()) else { panic!("{body}") };
        hold.on(message, dispatcher)
    }

    fn call(hold: &Hold<()>, dispatcher: &Dispatcher, id: &str) -> Option<Run<()>> {
        match send(hold, dispatcher, &format!(r#""id":{id},"method":"tools/list""#)) {
            Step::Run(_, run) => Some(run),
            _ => None,
        }
    }

    #[tokio::test]
    async fn the_end_of_a_session_stops_its_work_and_tells_its_waiters() {
        let (store, (dispatcher, _fake, _trigger)) = (store(), fake::dispatcher());
        let hold = initialized(&store, &dispatcher);
        let run = call(&hold, &dispatcher, "1").unwrap();
        assert!(store.end(hold.id()));
        assert!(stopped(run).await);
        hold.ended().await;
        assert!(store.get(hold.id(), None).is_none());
        assert!(!store.end(hold.id()));
        assert!(stopped(call(&hold, &dispatcher, "2").unwrap()).await);
    }

    #[tokio::test]
    async fn an_id_is_in_flight_until_its_run_ends() {
        let (store, (dispatcher, _fake, _trigger)) = (store(), fake::dispatcher());
        let hold = initialized(&store, &dispatcher);
        let one = call(&hold, &dispatcher, "1").unwrap();
        assert!(call(&hold, &dispatcher, "1").is_none());
        assert!(call(&hold, &dispatcher, r#""1""#).is_some());
        assert_eq!(one.to_end(async { 7 }).await, Some(7));
        assert!(call(&hold, &dispatcher, "1").is_some());
    }

    #[tokio::test]
    async fn a_cancelled_run_does_not_free_the_id_of_its_successor() {
        let (store, (dispatcher, _fake, _trigger)) = (store(), fake::dispatcher());
        let hold = initialized(&store, &dispatcher);
        let first = call(&hold, &dispatcher, "1").unwrap();
        let cancelled = r#""method":"notifications/cancelled","params":{"requestId":1}"#;
        assert!(matches!(send(&hold, &dispatcher, cancelled), Step::Accepted));
        let second = call(&hold, &dispatcher, "1").unwrap();
        assert!(stopped(first).await);
        assert!(call(&hold, &dispatcher, "1").is_none());
        assert_eq!(second.to_end(async { 2 }).await, Some(2));
    }
}
