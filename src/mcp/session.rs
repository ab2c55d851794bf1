//! The legacy sessions of the HTTP transports: unguessable ids, the cap, the idle limit, and the
//! requests that run in each.
//!
//! Knows the protocol's state machine and time; never what carries the messages: that is the
//! `wire` a transport attaches. Spec: 2025-11-25 basic/transports §Session Management.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot, watch};

use super::dispatch::{Call, Dispatcher, Reply};
use super::jsonrpc::{Invalid, Message, RequestId};
use super::legacy::{self, Action};
use super::limits::Limits;
use super::revision::Rules;
use crate::clock::Clock;
use crate::entropy::{self, Entropy, EntropyError};

/// Every session of the process. Sessions are found by id and kept alive by a [`Hold`]; one that
/// nobody holds is idle, ends after the idle limit, and makes room when the cap is reached.
pub struct Store<W>(Arc<Inner<W>>);

struct Inner<W> {
    cap: usize,
    idle_limit: Duration,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    table: Mutex<Table<W>>,
}

struct Table<W> {
    sessions: HashMap<Arc<str>, Entry<W>>,
    /// The idle ones, longest idle first.
    idle: BTreeMap<IdleSince, Arc<str>>,
    tick: u64,
}

/// When a session fell idle; the tick tells apart those of one instant.
type IdleSince = (Instant, u64);

struct Entry<W> {
    session: Arc<Session<W>>,
    holds: usize,
    idle_since: Option<IdleSince>,
}

/// Why a session was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The cap is reached and every session has an open stream or a running request.
    Full,
    /// No random bytes for an id.
    Entropy,
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Full => "every session is in use; try again later",
            Self::Entropy => "no session id could be made; try again later",
        })
    }
}

impl std::error::Error for OpenError {}

impl<W> Store<W> {
    /// An empty store.
    #[must_use]
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let table = Table { sessions: HashMap::new(), idle: BTreeMap::new(), tick: 0 };
        Self(Arc::new(Inner {
            cap: limits.sessions,
            idle_limit: limits.session_idle,
            clock,
            entropy,
            table: Mutex::new(table),
        }))
    }

    /// Adds a session and holds it. At the cap the longest idle one ends to make room.
    ///
    /// # Errors
    /// When no session is idle at the cap, or there is no randomness.
    pub fn open(&self, protocol: legacy::Session, wire: W) -> Result<Hold<W>, OpenError> {
        let id = entropy::token(&*self.0.entropy).map_err(|EntropyError| OpenError::Entropy)?;
        let id: Arc<str> = id.into();
        let session = Arc::new(Session::new(Arc::clone(&id), protocol, wire));
        let (mut table, mut ended) = self.swept();
        if table.sessions.len() >= self.0.cap {
            ended.push(table.evict().ok_or(OpenError::Full)?);
        }
        let entry = Entry { session: Arc::clone(&session), holds: 1, idle_since: None };
        table.sessions.insert(id, entry);
        Ok(Hold { session, store: Arc::clone(&self.0) })
    }

    /// Holds the session of that id; none if it is unknown or has ended.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Hold<W>> {
        let (mut table, _ended) = self.swept();
        let Table { sessions, idle, .. } = &mut *table;
        let entry = sessions.get_mut(id)?;
        if let Some(since) = entry.idle_since.take() {
            idle.remove(&since);
        }
        entry.holds += 1;
        Some(Hold { session: Arc::clone(&entry.session), store: Arc::clone(&self.0) })
    }

    /// Ends a session: its streams close and its work stops. False if there is none of that id.
    pub fn end(&self, id: &str) -> bool {
        let ended = self.0.lock().remove(id);
        ended.is_some_and(|session| {
            session.end();
            true
        })
    }

    /// How many sessions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.swept().0.sessions.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The table without those whose idle time is over, and these: each ends as it is dropped.
    fn swept(&self) -> (MutexGuard<'_, Table<W>>, Vec<Ending<W>>) {
        let now = self.0.clock.now();
        let mut table = self.0.lock();
        let mut ended = Vec::new();
        while let Some((&(since, _), _)) = table.idle.first_key_value() {
            if now.saturating_duration_since(since) < self.0.idle_limit {
                break;
            }
            ended.extend(table.evict());
        }
        (table, ended)
    }
}

impl<W> Clone for Store<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W> fmt::Debug for Store<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("cap", &self.0.cap).finish_non_exhaustive()
    }
}

impl<W> Inner<W> {
    fn lock(&self) -> MutexGuard<'_, Table<W>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Table<W> {
    fn remove(&mut self, id: &str) -> Option<Arc<Session<W>>> {
        let entry = self.sessions.remove(id)?;
        if let Some(since) = entry.idle_since {
            self.idle.remove(&since);
        }
        Some(entry.session)
    }

    fn evict(&mut self) -> Option<Ending<W>> {
        let (_, id) = self.idle.pop_first()?;
        self.sessions.remove(&id).map(|entry| Ending(entry.session))
    }
}

/// A session that is out of the table and ends when this is dropped.
struct Ending<W>(Arc<Session<W>>);

impl<W> Drop for Ending<W> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A session in use: while it is held it is not idle.
pub struct Hold<W> {
    session: Arc<Session<W>>,
    store: Arc<Inner<W>>,
}

impl<W> Hold<W> {
    /// The session alone, which does not keep it from being idle.
    #[must_use]
    pub fn session(&self) -> &Arc<Session<W>> {
        &self.session
    }
}

impl<W> Deref for Hold<W> {
    type Target = Session<W>;

    fn deref(&self) -> &Session<W> {
        &self.session
    }
}

impl<W> Clone for Hold<W> {
    fn clone(&self) -> Self {
        if let Some(entry) = self.store.lock().sessions.get_mut(&*self.session.id) {
            entry.holds += 1;
        }
        Self { session: Arc::clone(&self.session), store: Arc::clone(&self.store) }
    }
}

impl<W> Drop for Hold<W> {
    fn drop(&mut self) {
        let now = self.store.clock.now();
        let mut table = self.store.lock();
        let Table { sessions, idle, tick } = &mut *table;
        let Some(entry) = sessions.get_mut(&*self.session.id) else { return };
        entry.holds = entry.holds.saturating_sub(1);
        if entry.holds == 0 {
            *tick += 1;
            entry.idle_since = Some((now, *tick));
            idle.insert((now, *tick), Arc::clone(&self.session.id));
        }
    }
}

impl<W> fmt::Debug for Hold<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The id opens the session: it is never logged.
        formatter.debug_struct("Hold").finish_non_exhaustive()
    }
}

/// One session: the protocol's state, what runs in it, and its transport's `wire`.
pub struct Session<W> {
    id: Arc<str>,
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
    fn new(id: Arc<str>, protocol: legacy::Session, wire: W) -> Self {
        Self {
            id,
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
    /// Takes one message.
    pub fn on(&self, message: Message, dispatcher: &Dispatcher) -> Step<W> {
        let mut state = self.session.lock();
        let action = state.protocol.on(message, dispatcher);
        let step = self.step(&mut state, action);
        self.session.negotiated.notify_one();
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
        let mut state = self.session.lock();
        let actions = state.protocol.on_batch(batch, dispatcher)?;
        Ok(actions.into_iter().map(|action| self.step(&mut state, action)).collect())
    }

    fn step(&self, state: &mut State, action: Action) -> Step<W> {
        match action {
            Action::Run(call) => {
                let (sender, cancelled) = oneshot::channel();
                // In a session that has ended nobody would cancel it: the sender is dropped at once.
                if !*self.session.ended.borrow() {
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
        let mut state = self.hold.session.lock();
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
    use std::time::SystemTime;

    use super::*;
    use crate::entropy::SystemEntropy;
    use crate::mcp::fake;
    use crate::mcp::jsonrpc::{self, Incoming};

    #[derive(Debug)]
    struct FakeClock(Mutex<Instant>);

    impl FakeClock {
        fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new(Instant::now())))
        }

        fn advance(&self, by: Duration) {
            *self.0.lock().unwrap() += by;
        }
    }

    impl Clock for FakeClock {
        fn now(&self) -> Instant {
            *self.0.lock().unwrap()
        }

        fn system(&self) -> SystemTime {
            SystemTime::now()
        }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn store(sessions: usize, clock: &Arc<FakeClock>) -> Store<()> {
        let limits = Limits { sessions, session_idle: 30 * MINUTE, ..Limits::default() };
        Store::new(&limits, Arc::clone(clock) as Arc<dyn Clock>, Arc::new(SystemEntropy::new()))
    }

    fn open(store: &Store<()>) -> Hold<()> {
        store.open(legacy::Session::new(), ()).unwrap()
    }

    fn id_of(hold: Hold<()>) -> String {
        hold.id().to_owned()
    }

    #[test]
    fn an_idle_session_ends_after_the_limit_and_a_used_one_does_not() {
        let clock = FakeClock::new();
        let store = store(10, &clock);
        let (used, unused) = (id_of(open(&store)), id_of(open(&store)));
        clock.advance(20 * MINUTE);
        assert!(store.get(&used).is_some());
        clock.advance(20 * MINUTE);
        assert!(store.get(&unused).is_none());
        assert!(store.get(&used).is_some());
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn a_held_session_is_not_idle_however_long_it_is_held() {
        let clock = FakeClock::new();
        let store = store(10, &clock);
        let hold = open(&store);
        let second = hold.clone();
        drop(hold);
        clock.advance(300 * MINUTE);
        let id = second.id().to_owned();
        assert!(store.get(&id).is_some());
        drop(second);
        clock.advance(29 * MINUTE);
        assert!(store.get(&id).is_some());
        clock.advance(30 * MINUTE);
        assert!(store.get(&id).is_none());
    }

    #[test]
    fn at_the_cap_the_longest_idle_session_makes_room() {
        let clock = FakeClock::new();
        let store = store(3, &clock);
        let held = open(&store);
        let oldest = id_of(open(&store));
        clock.advance(MINUTE);
        let younger = id_of(open(&store));
        let newest = open(&store);
        assert!(store.get(&oldest).is_none());
        assert!(store.get(&younger).is_some());
        assert!(store.get(held.id()).is_some() && store.get(newest.id()).is_some());
    }

    #[test]
    fn at_the_cap_with_every_session_in_use_none_is_opened() {
        let clock = FakeClock::new();
        let store = store(2, &clock);
        let (_first, _second) = (open(&store), open(&store));
        assert_eq!(store.open(legacy::Session::new(), ()).unwrap_err(), OpenError::Full);
        assert_eq!(store.len(), 2);
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
        let (store, (dispatcher, _fake, _trigger)) = (store(2, &FakeClock::new()), fake::dispatcher());
        let hold = initialized(&store, &dispatcher);
        let run = call(&hold, &dispatcher, "1").unwrap();
        assert!(store.end(hold.id()));
        assert!(stopped(run).await);
        hold.ended().await;
        assert!(store.get(hold.id()).is_none());
        assert!(!store.end(hold.id()));
        assert!(stopped(call(&hold, &dispatcher, "2").unwrap()).await);
    }

    #[tokio::test]
    async fn an_id_is_in_flight_until_its_run_ends() {
        let (store, (dispatcher, _fake, _trigger)) = (store(2, &FakeClock::new()), fake::dispatcher());
        let hold = initialized(&store, &dispatcher);
        let one = call(&hold, &dispatcher, "1").unwrap();
        assert!(call(&hold, &dispatcher, "1").is_none());
        assert!(call(&hold, &dispatcher, r#""1""#).is_some());
        assert_eq!(one.to_end(async { 7 }).await, Some(7));
        assert!(call(&hold, &dispatcher, "1").is_some());
    }

    #[tokio::test]
    async fn a_cancelled_run_does_not_free_the_id_of_its_successor() {
        let (store, (dispatcher, _fake, _trigger)) = (store(2, &FakeClock::new()), fake::dispatcher());
        let hold = initialized(&store, &dispatcher);
        let first = call(&hold, &dispatcher, "1").unwrap();
        let cancelled = r#""method":"notifications/cancelled","params":{"requestId":1}"#;
        assert!(matches!(send(&hold, &dispatcher, cancelled), Step::Accepted));
        let second = call(&hold, &dispatcher, "1").unwrap();
        assert!(stopped(first).await);
        assert!(call(&hold, &dispatcher, "1").is_none());
        assert_eq!(second.to_end(async { 2 }).await, Some(2));
    }

    #[test]
    fn a_thousand_ids_differ_and_are_visible_ascii() {
        let clock = FakeClock::new();
        let store = store(1_000, &clock);
        let holds: Vec<_> = (0..1_000).map(|_| open(&store)).collect();
        let ids: HashSet<_> = holds.iter().map(|hold| hold.id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_graphic())));
    }
}
