//! How far a load is, for whoever shows it: written by the loader, read at any time, never waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// How far the current load is. A clone is the same progress.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    step: AtomicU8,
    done: AtomicUsize,
    of: AtomicUsize,
}

/// What a load is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Waiting for the answer of a URL.
    Fetching,
    /// Reading documents.
    Reading,
    /// Building the index.
    Indexing,
}

impl Progress {
    /// What the load is at, how many documents or pages of that are done, and of how many; 0 if that is not known.
    /// None: no load goes on.
    #[must_use]
    pub fn now(&self) -> Option<(Step, usize, usize)> {
        let step = match self.0.step.load(Ordering::Relaxed) {
            1 => Step::Fetching,
            2 => Step::Reading,
            3 => Step::Indexing,
            _ => return None,
        };
        // Each count by itself: what is shown may be a moment old.
        Some((step, self.0.done.load(Ordering::Relaxed), self.0.of.load(Ordering::Relaxed)))
    }

    /// Begins a step of `of` documents; 0 if that is not known.
    pub(super) fn begin(&self, step: Step, of: usize) {
        self.0.done.store(0, Ordering::Relaxed);
        self.0.of.store(of, Ordering::Relaxed);
        let number = match step {
            Step::Fetching => 1,
            Step::Reading => 2,
            Step::Indexing => 3,
        };
        self.0.step.store(number, Ordering::Relaxed);
    }

    /// One more is done.
    pub(super) fn advance(&self) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.0.step.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_from_its_beginning_and_ends() {
        let progress = Progress::default();
        assert_eq!(progress.now(), None);
        progress.begin(Step::Reading, 3);
        progress.clone().advance();
        assert_eq!(progress.now(), Some((Step::Reading, 1, 3)));
        progress.begin(Step::Indexing, 9);
        assert_eq!(progress.now(), Some((Step::Indexing, 0, 9)));
        progress.end();
        assert_eq!(progress.now(), None);
    }
}
