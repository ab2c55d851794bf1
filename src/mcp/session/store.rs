//! Where sessions are kept: unguessable ids, the cap, and the idle limit.
//!
//! Knows time and who holds what; never what a session says. Spec: 2025-11-25 basic/transports
//! §Session Management.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Session;
use crate::clock::Clock;
use crate::entropy::{self, Entropy, EntropyError};
use crate::mcp::legacy;
use crate::mcp::limits::Limits;

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

    /// Adds a session of `owner` and holds it. At the cap the longest idle one ends to make room.
    ///
    /// # Errors
    /// When no session is idle at the cap, or there is no randomness.
    pub fn open(
        &self,
        protocol: legacy::Session,
        wire: W,
        owner: Option<Arc<str>>,
    ) -> Result<Hold<W>, OpenError> {
        let id = entropy::token(&*self.0.entropy).map_err(|EntropyError| OpenError::Entropy)?;
        let id: Arc<str> = id.into();
        let session = Arc::new(Session::new(Arc::clone(&id), owner, protocol, wire));
        let (mut table, mut ended) = self.swept();
        if table.sessions.len() >= self.0.cap {
            ended.push(table.evict().ok_or(OpenError::Full)?);
        }
        let entry = Entry { session: Arc::clone(&session), holds: 1, idle_since: None };
        table.sessions.insert(id, entry);
        Ok(Hold { session, store: Arc::clone(&self.0) })
    }

    /// Holds the session of that id; none if it is unknown, has ended, or is not the caller's.
    ///
    /// An id alone opens nothing where callers have names (Security Best Practices §Session Hijacking).
    #[must_use]
    pub fn get(&self, id: &str, caller: Option<&Arc<str>>) -> Option<Hold<W>> {
        let (mut table, _ended) = self.swept();
        let Table { sessions, idle, .. } = &mut *table;
        let entry = sessions.get_mut(id).filter(|entry| entry.session.owner.as_ref() == caller)?;
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

    /// Ends the sessions whose idle time is over. Every look for a session does so too; this is for
    /// when none comes.
    pub fn sweep(&self) {
        drop(self.swept());
    }

    /// How many sessions there are, those counted whose idle time is over and that no sweep has
    /// ended yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().sessions.len()
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
        if let Some(entry) = self.store.lock().sessions.get_mut(self.session.id()) {
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
        let Some(entry) = sessions.get_mut(self.session.id()) else { return };
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::SystemTime;

    use super::*;
    use crate::entropy::SystemEntropy;

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
        store.open(legacy::Session::new(), (), None).unwrap()
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
        assert!(store.get(&used, None).is_some());
        clock.advance(20 * MINUTE);
        assert!(store.get(&unused, None).is_none());
        assert!(store.get(&used, None).is_some());
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
        assert!(store.get(&id, None).is_some());
        drop(second);
        clock.advance(29 * MINUTE);
        assert!(store.get(&id, None).is_some());
        clock.advance(30 * MINUTE);
        assert!(store.get(&id, None).is_none());
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
        assert!(store.get(&oldest, None).is_none());
        assert!(store.get(&younger, None).is_some());
        assert!(store.get(held.id(), None).is_some() && store.get(newest.id(), None).is_some());
    }

    #[test]
    fn at_the_cap_with_every_session_in_use_none_is_opened() {
        let clock = FakeClock::new();
        let store = store(2, &clock);
        let (_first, _second) = (open(&store), open(&store));
        assert_eq!(store.open(legacy::Session::new(), (), None).unwrap_err(), OpenError::Full);
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn a_session_is_found_by_its_owner_alone() {
        let store = store(10, &FakeClock::new());
        let name = |name: &str| Some(Arc::<str>::from(name));
        let owned = store.open(legacy::Session::new(), (), name("ana")).unwrap();
        let free = open(&store);
        assert!(store.get(owned.id(), name("ana").as_ref()).is_some());
        assert!(store.get(free.id(), None).is_some());
        for (id, caller) in [(owned.id(), None), (owned.id(), name("bob")), (free.id(), name("ana"))] {
            assert!(store.get(id, caller.as_ref()).is_none(), "{caller:?}");
        }
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
