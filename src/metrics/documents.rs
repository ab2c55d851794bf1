//! The documents: how many, how old, how the readings went.

use std::time::SystemTime;

use super::number::{Counter, Gauge, Moment};

/// What is counted of one library.
#[derive(Debug, Default)]
pub struct Documents {
    /// Pages that are served.
    pub pages: Gauge,
    /// Sections that are served.
    pub sections: Gauge,
    /// When the index that is served was built.
    pub built: Moment,
    /// When every source was last read, or found as it was.
    pub read: Moment,
    readings: [Counter; Read::ALL.len()],
}

/// What a reading of the sources came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Another index is served.
    Changed,
    /// All is as it was.
    Unchanged,
    /// A source could not be read: the old index stays.
    Failed,
}

impl Read {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Changed, Self::Unchanged, Self::Failed];

    /// `changed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

impl Documents {
    /// An index of so many pages and sections is served from now on.
    pub fn serves(&self, pages: usize, sections: usize, now: SystemTime) {
        self.pages.set(pages);
        self.sections.set(sections);
        self.built.set(now);
    }

    /// The sources were read.
    pub fn reads(&self, outcome: Read, now: SystemTime) {
        if outcome != Read::Failed {
            self.read.set(now);
        }
        let [changed, unchanged, failed] = &self.readings;
        match outcome {
            Read::Changed => changed.increment(),
            Read::Unchanged => unchanged.increment(),
            Read::Failed => failed.increment(),
        }
    }

    /// Readings by outcome.
    pub fn readings(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Read::ALL.into_iter().zip(&self.readings).map(|(outcome, count)| (outcome.as_str(), count.get()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_failed_reading_leaves_the_age_as_it_was() {
        let documents = Documents::default();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        documents.reads(Read::Unchanged, at(10));
        documents.reads(Read::Failed, at(20));
        assert_eq!(documents.read.get(), Some(at(10)));
        let counted: Vec<_> = documents.readings().collect();
        assert_eq!(counted, [("changed", 0), ("unchanged", 1), ("failed", 1)]);
    }
}
