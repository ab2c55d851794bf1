//! How long a call has waited for its client.

use std::time::Duration;

use tokio::time::Instant;

/// The waits of one call; those at the same time count once.
#[derive(Debug, Default)]
pub(super) struct Waits {
    now: usize,
    since: Option<Instant>,
    before: Duration,
}

impl Waits {
    pub(super) fn begin(&mut self) {
        self.now += 1;
        if self.now == 1 {
            self.since = Some(Instant::now());
        }
    }

    pub(super) fn end(&mut self) {
        self.now = self.now.saturating_sub(1);
        if self.now == 0 {
            self.before = self.so_far();
            self.since = None;
        }
    }

    /// Whether the call waits now.
    pub(super) fn any(&self) -> bool {
        self.now > 0
    }

    pub(super) fn so_far(&self) -> Duration {
        self.before + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}
