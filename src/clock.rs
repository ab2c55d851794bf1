//! Time, injected: pure code takes `now`, drivers hold an `Arc<dyn Clock>`.
//!
//! The only file that asks the machine for the time.

use std::fmt::Debug;
use std::time::{Instant, SystemTime};

/// Where a driver gets the time from.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Monotonic time, for deadlines and idle limits.
    fn now(&self) -> Instant;
    /// Calendar time, for certificates and dates.
    fn system(&self) -> SystemTime;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar clock")]
    fn system(&self) -> SystemTime {
        SystemTime::now()
    }
}
