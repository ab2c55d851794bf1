//! The kinds of number: counter, gauge, moment, histogram, and a table of counters by labels.
//!
//! Every operation is one or two relaxed atomics: a scrape may see one half of what happens at that moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A count that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A number that goes up and down, never below 0.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// A time of the calendar, in whole seconds; none until it is first set.
#[derive(Debug, Default)]
pub struct Moment(AtomicU64);

impl Counter {
    /// One more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many since the start.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// One more.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One less.
    pub fn decrement(&self) {
        let less = |now: u64| Some(now.saturating_sub(1));
        // The closure always gives a value, so the update cannot fail.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Exactly so many.
    pub fn set(&self, now: usize) {
        self.0.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How many now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Moment {
    /// It was, or will be, then.
    pub fn set(&self, at: SystemTime) {
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.0.store(seconds, Ordering::Relaxed);
    }

    /// When; none for never.
    #[must_use]
    pub fn get(&self) -> Option<SystemTime> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            seconds => Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
        }
    }
}

/// Durations, counted by fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Duration],
    /// One for each bound, and one for what is longer than all.
    buckets: Box<[Counter]>,
    nanoseconds: Counter,
}

/// A histogram as it is written: cumulative.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Each bound with how many took no longer.
    pub buckets: Vec<(Duration, u64)>,
    /// How many in all.
    pub count: u64,
    /// What they took together.
    pub sum: Duration,
}

impl Histogram {
    /// An empty histogram over `bounds`, which grow.
    #[must_use]
    pub fn new(bounds: &'static [Duration]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| Counter::default()).collect();
        Self { bounds, buckets, nanoseconds: Counter::default() }
    }

    /// Something took so long.
    pub fn observe(&self, took: Duration) {
        let place = self.bounds.iter().position(|bound| took <= *bound).unwrap_or(self.bounds.len());
        if let Some(bucket) = self.buckets.get(place) {
            bucket.increment();
        }
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Whether nothing was observed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.iter().all(|bucket| bucket.get() == 0)
    }

    /// The numbers now. `count` is the sum of the buckets that were read, so that they never disagree.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut count = 0;
        let mut counts = self.buckets.iter().map(|bucket| {
            count += bucket.get();
            count
        });
        let buckets = self.bounds.iter().copied().zip(counts.by_ref()).collect();
        let _longest = counts.next();
        drop(counts);
        Snapshot { buckets, count, sum: Duration::from_nanos(self.nanoseconds.get()) }
    }
}

/// Counters by `N` labels, each label from a list that is fixed when the table is made.
#[derive(Debug)]
pub struct Table<const N: usize> {
    labels: [Box<[&'static str]>; N],
    cells: Box<[Counter]>,
}

impl<const N: usize> Table<N> {
    /// A table of zeros.
    #[must_use]
    pub fn new(labels: [&[&'static str]; N]) -> Self {
        let cells = labels.iter().map(|list| list.len()).product();
        Self {
            labels: labels.map(Box::from),
            cells: std::iter::repeat_with(Counter::default).take(cells).collect(),
        }
    }

    /// One more at these places of the lists; none of a place that there is not.
    pub fn increment(&self, at: [usize; N]) {
        let mut cell = 0;
        for (place, list) in at.into_iter().zip(&self.labels) {
            if place >= list.len() {
                return;
            }
            cell = cell * list.len() + place;
        }
        if let Some(counter) = self.cells.get(cell) {
            counter.increment();
        }
    }

    /// Every cell that is not zero, with its labels.
    pub fn counted(&self) -> impl Iterator<Item = ([&'static str; N], u64)> + '_ {
        self.cells.iter().enumerate().filter_map(|(cell, counter)| {
            let count = Some(counter.get()).filter(|count| *count != 0)?;
            Some((self.labels_of(cell), count))
        })
    }

    fn labels_of(&self, mut cell: usize) -> [&'static str; N] {
        let mut labels = [""; N];
        for (label, list) in labels.iter_mut().zip(&self.labels).rev() {
            *label = list.get(cell % list.len()).copied().unwrap_or_default();
            cell /= list.len();
        }
        labels
    }
}

/// Where a name stands in a list whose last entry stands for every other name.
pub(super) fn place(list: &[&str], name: &str) -> usize {
    list.iter().position(|known| *known == name).unwrap_or_else(|| list.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [Duration; 3] =
        [Duration::from_millis(1), Duration::from_millis(10), Duration::from_millis(100)];

    #[test]
    fn a_histogram_is_cumulative_and_a_bound_belongs_to_its_bucket() {
        let histogram = Histogram::new(&BOUNDS);
        for millis in [0, 1, 2, 10, 11, 101, 5_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let snapshot = histogram.snapshot();
        let counts: Vec<u64> = snapshot.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [2, 4, 5]);
        assert_eq!((snapshot.count, snapshot.sum), (7, Duration::from_millis(5_125)));
    }

    #[test]
    fn a_table_counts_by_its_lists_and_by_nothing_else() {
        let table = Table::new([&["a", "b"], &["x", "y", "z"]]);
        table.increment([0, 2]);
        table.increment([1, 0]);
        table.increment([1, 0]);
        table.increment([2, 0]);
        table.increment([0, 3]);
        let counted: Vec<_> = table.counted().collect();
        assert_eq!(counted, [(["a", "z"], 1), (["b", "x"], 2)]);
    }

    #[test]
    fn a_gauge_does_not_fall_below_zero() {
        let gauge = Gauge::default();
        gauge.decrement();
        gauge.increment();
        assert_eq!(gauge.get(), 1);
    }

    #[test]
    fn a_moment_that_never_came_has_no_time() {
        let moment = Moment::default();
        assert_eq!(moment.get(), None);
        moment.set(SystemTime::UNIX_EPOCH + Duration::from_millis(5_900));
        assert_eq!(moment.get(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(5)));
    }

    #[test]
    fn the_last_of_a_list_stands_for_every_other_name() {
        assert_eq!(place(&["a", "b", "other"], "b"), 1);
        assert_eq!(place(&["a", "b", "other"], "c"), 2);
    }
}
