//! The tools over the documents: calls, and what searches find.

use std::time::Duration;

use super::number::{Counter, Histogram, Table, place};

/// What is counted of the tools.
#[derive(Debug)]
pub struct Tools {
    calls: Table<2>,
    /// How long searches took.
    pub searches: Histogram,
    /// Searches that found nothing.
    pub without_hits: Counter,
}

/// What a tool answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolOutcome {
    /// What was asked for.
    Ok,
    /// What to send instead.
    Refused,
}

impl Tools {
    /// A call of a tool ended.
    pub fn called(&self, tool: &str, outcome: ToolOutcome) {
        self.calls.increment([place(&TOOLS, tool), outcome as usize]);
    }

    /// A search took so long and found so much.
    pub fn searched(&self, took: Duration, hits: usize) {
        self.searches.observe(took);
        if hits == 0 {
            self.without_hits.increment();
        }
    }

    /// Calls by tool and status.
    pub fn calls(&self) -> impl Iterator<Item = ([&'static str; 2], u64)> + '_ {
        self.calls.counted()
    }
}

impl Default for Tools {
    fn default() -> Self {
        Self {
            calls: Table::new([&TOOLS, &["ok", "refused"]]),
            searches: Histogram::new(&BOUNDS),
            without_hits: Counter::default(),
        }
    }
}

const TOOLS: [&str; 4] = ["search", "fetch", "outline", "other"];

const BOUNDS: [Duration; 14] = [
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_secs(1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_without_hits_is_a_search_too() {
        let tools = Tools::default();
        tools.searched(Duration::from_micros(30), 0);
        tools.searched(Duration::from_micros(30), 7);
        assert_eq!((tools.searches.snapshot().count, tools.without_hits.get()), (2, 1));
        tools.called("search", ToolOutcome::Ok);
        tools.called("drop table", ToolOutcome::Refused);
        let counted: Vec<_> = tools.calls().collect();
        assert_eq!(counted, [(["search", "ok"], 1), (["other", "refused"], 1)]);
    }
}
