//! The current index and its reloads: loads sources, swaps whole, keeps the old one on failure.
//!
//! Owns when sources are read and what becomes of a failure. Reading and indexing run on blocking threads;
//! a reader of the index never waits for them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use super::index::Index;
use super::load::{self, Known, Outcome};
use super::loader::Loader;
use super::source::{Options, Source, SourceError};
use super::watch::Watch;
use crate::clock::{Clock as _, SystemClock};
use crate::metrics::{Documents, Read};
use crate::shutdown::Shutdown;

/// The first wait after a failure; doubled each time, up to `reload_every`.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// Sources and the index made of them.
pub struct Library {
    wanted: watch::Sender<Wanted>,
    index: watch::Sender<Arc<Index>>,
    state: watch::Sender<State>,
    /// Held for the length of a reload: one at a time.
    known: Mutex<Known>,
    loader: Loader,
    metrics: Arc<Documents>,
}

/// How current the index is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// Whether every source has been read at least once.
    pub ready: bool,
    /// The newest failure, until a reload succeeds: what, cause, help.
    pub failure: Option<String>,
    /// Successful loads so far that brought a new index.
    pub loads: u64,
}

impl Library {
    /// Reads every source and builds the index. Reading and indexing run off the async threads.
    ///
    /// # Errors
    /// A missing or unreadable path (unless `source_wait`), a malformed index. An unreachable URL is
    /// no error: the library starts empty and not ready, and [`run`](Self::run) tries again.
    pub async fn open(sources: Vec<Source>, options: Options) -> Result<Self, SourceError> {
        let library = Self::new(sources, options)?;
        library.load().await?;
        Ok(library)
    }

    /// A library that has read nothing yet: [`load`](Self::load) comes next.
    ///
    /// # Errors
    /// When the system gives no thread to read on.
    pub fn new(sources: Vec<Source>, options: Options) -> Result<Self, SourceError> {
        Ok(Self {
            loader: Loader::start()?,
            known: Mutex::new(Known::new(&sources)),
            wanted: watch::Sender::new(Wanted::new(sources, options)),
            index: watch::Sender::new(Arc::default()),
            state: watch::Sender::new(State::default()),
            metrics: Arc::default(),
        })
    }

    /// The first reading.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub async fn load(&self) -> Result<(), SourceError> {
        let mut known = self.known.lock().await;
        // An index that is not there yet may come; one that is wrong will not mend itself.
        let wanted = self.wanted();
        let outcome = self.read(&wanted, &mut known, Reread::All).await?;
        self.settle(&mut known, outcome);
        Ok(())
    }

    /// Completes when the first reading is over, be it that a source is still waited for. Cancel safe.
    pub async fn loaded(&self) {
        // The sender is ours, so that it cannot be gone.
        let _ = self.state.subscribe().wait_for(|state| state.ready || state.failure.is_some()).await;
    }

    /// Reads other sources, or the same otherwise, and from now on keeps these current; tells whether the pages
    /// changed.
    ///
    /// # Errors
    /// When one of them cannot be read: everything stays as it was.
    pub async fn replace(&self, sources: Vec<Source>, options: Options) -> Result<bool, SourceError> {
        let mut known = self.known.lock().await;
        let (mut fresh, wanted) = (known.for_others(&sources), Wanted::new(sources, options));
        let outcome = self.read(&wanted, &mut fresh, Reread::All).await?;
        if let Some(error) = fresh.waiting_for() {
            return Err(error);
        }
        *known = fresh;
        self.wanted.send_replace(wanted);
        Ok(self.settle(&mut known, outcome))
    }

    /// The index as it is now.
    #[must_use]
    pub fn index(&self) -> Arc<Index> {
        self.index.borrow().clone()
    }

    /// Wakes at each swap.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Index>> {
        self.index.subscribe()
    }

    /// How current the index is.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// What is counted of its readings.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Documents> {
        &self.metrics
    }

    /// What was left out of the index, as of the last load; waits for a load that is going on.
    pub async fn warnings(&self) -> Vec<String> {
        self.known.lock().await.warnings().to_vec()
    }

    /// Wakes at each change of the state.
    #[must_use]
    pub fn subscribe_state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Reads every source now and swaps the index if the pages changed; tells whether they did.
    ///
    /// # Errors
    /// When a source cannot be read: the old index stays, and [`state`](Self::state) says why.
    pub async fn reload(&self) -> Result<bool, SourceError> {
        self.refresh(Reread::All).await
    }

    /// Watches, scans and polls until `shutdown` drains.
    pub async fn run(&self, shutdown: Shutdown) {
        let mut wanted = self.wanted.subscribe();
        let mut watch = self.follow(Watch::new()).await;
        let mut failures = 0_u32;
        loop {
            let woken = watch.waker();
            tokio::select! {
                () = shutdown.draining() => return,
                Ok(()) = wanted.changed() => {
                    failures = 0;
                    watch = self.follow(watch).await;
                    continue;
                }
                () = self.next_look(failures) => {}
                () = woken.notified() => tokio::select! {
                    () = shutdown.draining() => return,
                    () = self.quiet(&woken) => {}
                },
            }
            tokio::select! {
                () = shutdown.draining() => return,
                // The state tells what came of it.
                _ = self.refresh(Reread::Changed) => {}
            }
            // A source that is still waited for fails too, though the others were read.
            let failed = self.state.borrow().failure.is_some();
            failures = if failed { failures.saturating_add(1) } else { 0 };
            watch = self.follow(watch).await;
        }
    }

    /// Waits for the next scan or poll.
    async fn next_look(&self, failures: u32) {
        let failed = self.state.borrow().failure.is_some();
        let (every, changing) = {
            let wanted = self.wanted.borrow();
            let changing = wanted.sources.iter().any(|source| !matches!(source, Source::Manual));
            (wanted.options.reload_every, changing)
        };
        if changing {
            tokio::time::sleep(if failed { retry_after(every, failures) } else { every }).await;
        } else {
            // The manual is part of the program.
            std::future::pending().await
        }
    }

    fn wanted(&self) -> Wanted {
        self.wanted.borrow().clone()
    }

    /// Waits until a burst of events is over; ten times `settle` at most.
    async fn quiet(&self, woken: &tokio::sync::Notify) {
        let settle = self.wanted.borrow().options.settle;
        for _ in 0..10 {
            if tokio::time::timeout(settle, woken.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Points the events at where the paths lead now.
    async fn follow(&self, mut watch: Watch) -> Watch {
        let path = |source: &Source| match source {
            Source::Path(path) => Some(path.clone()),
            Source::Manual | Source::Url(_) => None,
        };
        let paths: Vec<PathBuf> = self.wanted.borrow().sources.iter().filter_map(path).collect();
        let follow = move || {
            watch.follow(&paths);
            watch
        };
        // The closure does not panic; were it to, the scan alone goes on.
        tokio::task::spawn_blocking(follow).await.unwrap_or_else(|_| Watch::new())
    }

    async fn refresh(&self, reread: Reread) -> Result<bool, SourceError> {
        let mut known = self.known.lock().await;
        let wanted = self.wanted();
        match self.read(&wanted, &mut known, reread).await {
            Ok(outcome) => Ok(self.settle(&mut known, outcome)),
            Err(error) => {
                self.fail(&error);
                Err(error)
            }
        }
    }

    async fn read(&self, wanted: &Wanted, known: &mut Known, reread: Reread) -> Result<Outcome, SourceError> {
        let Wanted { sources, options } = wanted.clone();
        load::load(&self.loader, sources, options, known, reread == Reread::All).await
    }

    /// Publishes what was loaded; tells whether the index is new.
    fn settle(&self, known: &mut Known, outcome: Outcome) -> bool {
        let fresh = match outcome {
            Outcome::Unchanged => false,
            Outcome::Loaded { index, warnings } => {
                for warning in known.news(warnings) {
                    warn!(warning, "source");
                }
                let fresh = index.is_some();
                if let Some(index) = index {
                    info!(pages = index.pages().len(), sections = index.section_count(), "index loaded");
                    for id in index.duplicates() {
                        warn!(id, "two pages have one id; the later is reached as id~2");
                    }
                    self.metrics.serves(index.pages().len(), index.section_count(), SystemClock.system());
                    self.index.send_replace(index);
                }
                fresh
            }
        };
        match known.waiting_for() {
            Some(error) => self.fail(&error),
            None => self.succeed(if fresh { Read::Changed } else { Read::Unchanged }),
        }
        if fresh {
            self.state.send_modify(|state| state.loads += 1);
        }
        fresh
    }

    fn succeed(&self, read: Read) {
        self.metrics.reads(read, SystemClock.system());
        self.state.send_if_modified(|state| {
            let news = !state.ready || state.failure.is_some();
            state.ready = true;
            state.failure = None;
            news
        });
    }

    /// Notes a failure, and logs it unless it is the one that was logged last.
    fn fail(&self, error: &SourceError) {
        self.metrics.reads(Read::Failed, SystemClock.system());
        let failure = format!("{}: {}; {}", error.what, error.cause, error.help);
        let new = self.state.send_if_modified(|state| {
            let new = state.failure.as_ref() != Some(&failure);
            state.failure = Some(failure);
            new
        });
        if new {
            warn!(cause = error.cause, help = error.help, "{}; the index stays as it was", error.what);
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        formatter
            .debug_struct("Library")
            .field("sources", &self.wanted().sources)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

/// What is to be read, and how.
#[derive(Clone)]
struct Wanted {
    sources: Arc<[Source]>,
    options: Arc<Options>,
}

impl Wanted {
    fn new(sources: Vec<Source>, options: Options) -> Self {
        Self { sources: sources.into(), options: Arc::new(options) }
    }
}

fn retry_after(most: Duration, failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << failures.min(16)).min(most)
}

/// Which sources a reload reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reread {
    /// Every one.
    All,
    /// Those that a scan or a poll finds changed.
    Changed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_events_the_scan_finds_changes() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("a.md", "one");
        let options = Options { settle: Duration::from_millis(10), ..Options::default() };
        let library = Library::open(vec![Source::Path(folder.path().to_owned())], options).await.unwrap();
        let first = library.index();
        assert!(!library.refresh(Reread::Changed).await.unwrap());
        assert!(Arc::ptr_eq(&first, &library.index()));
        write("b.md", "two");
        assert!(library.refresh(Reread::Changed).await.unwrap());
        assert_eq!((library.index().pages().len(), first.pages().len()), (2, 1));
        assert_eq!(library.state().loads, 2);
    }

    #[test]
    fn retries_back_off_up_to_the_reload_interval() {
        let most = Options::default().reload_every;
        let waits: Vec<u64> = (0..7).map(|failures| retry_after(most, failures).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }
}
