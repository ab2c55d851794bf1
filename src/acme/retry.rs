//! How long to wait: what `Retry-After` says, and the pauses between two looks at a resource. Pure, but for [`Poll`].
//!
//! RFC 9110 §10.2.3, RFC 8555 §7.5.1.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::error::{Error, ErrorKind};
use super::problem::ProblemKind;

/// Reads `Retry-After`, seconds or an HTTP-date; a date in the past is zero, anything else `None`.
///
/// At most 30 days: more is a mistake of somebody's clock.
pub(super) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time too.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST))
}

/// The pause before look number `look`, from 0: what the server said, within reason, else 100 ms, 400 ms, 1 s and
/// so on, doubling to 5 s. Soon first: a CA without a queue is done in milliseconds.
pub(super) fn poll_interval(look: u32, retry_after: Option<Duration>) -> Duration {
    match retry_after {
        Some(wait) => wait.clamp(SOONEST_POLL, LONGEST_POLL),
        None => match look.checked_sub(2) {
            Some(later) => (Duration::from_secs(1) * (1 << later.min(10))).min(SLOWEST_POLL),
            None => Duration::from_millis(if look == 0 { 100 } else { 400 }),
        },
    }
}

/// The looks at one resource until it changes, within a total time.
#[derive(Debug)]
pub(super) struct Poll {
    total: Duration,
    until: Instant,
    looks: u32,
    /// In a row.
    failures: u32,
    /// The newest, if nothing went well since.
    failed: Option<Error>,
}

impl Poll {
    /// Begins now.
    pub(super) fn new(total: Duration) -> Self {
        // An absurd total is cut: an instant must remain representable.
        let total = total.min(LONGEST);
        Self { total, until: Instant::now() + total, looks: 0, failures: 0, failed: None }
    }

    /// A look went well: failures before it are forgotten.
    pub(super) fn saw(&mut self) {
        (self.failures, self.failed) = (0, None);
    }

    /// Passes over a look that failed, and says how long the CA asks to wait before the next.
    ///
    /// # Errors
    /// The failure itself, when another look is of no use: it stays, it has come too often in a row, or the CA asks
    /// for more time than is waited for here.
    pub(super) fn pass_over(&mut self, error: Error) -> Result<Option<Duration>, Error> {
        self.failures = self.failures.saturating_add(1);
        let wait = error.retry_after();
        let kind = error.problem_kind();
        let may_pass = error.is_retryable() || kind == Some(ProblemKind::OrderNotReady);
        // A rejected nonce was signed anew many times already.
        let stays = !may_pass || kind == Some(ProblemKind::BadNonce) || wait > Some(LONGEST_POLL);
        if stays || self.failures >= MOST_FAILURES {
            return Err(error);
        }
        self.failed = Some(error);
        Ok(wait)
    }

    /// Waits for the time of the next look.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`], at once, when that would be after the total time; its source is the failure of the
    /// last look, if it failed.
    pub(super) async fn pause(&mut self, retry_after: Option<Duration>) -> Result<(), Error> {
        let wait = poll_interval(self.looks, retry_after);
        if Instant::now() + wait > self.until {
            let late = Error::from(ErrorKind::TimedOut(self.total)).with_retry_after(retry_after);
            return Err(match self.failed.take() {
                Some(failed) => late.with_source(failed),
                None => late,
            });
        }
        self.looks = self.looks.saturating_add(1);
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// However soon the server says.
const SOONEST_POLL: Duration = Duration::from_millis(250);
const SLOWEST_POLL: Duration = Duration::from_secs(5);
const LONGEST_POLL: Duration = Duration::from_secs(60);
/// Looks that fail one after the other, over a quarter of a minute and more.
const MOST_FAILURES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        httpdate::parse_http_date("Tue, 24 Nov 2026 20:00:00 GMT").unwrap()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("99999999999999999999999", Some(30 * 86_400)),
            ("Tue, 24 Nov 2026 20:01:30 GMT", Some(90)),
            ("Tuesday, 24-Nov-26 20:01:30 GMT", Some(90)),
            ("Tue, 24 Nov 2026 19:00:00 GMT", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(30 * 86_400)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(parse_retry_after(value, now()), seconds.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn looks_grow_rarer_unless_the_server_says_when() {
        let waits: Vec<u128> = (0..7).map(|look| poll_interval(look, None).as_millis()).collect();
        assert_eq!(waits, [100, 400, 1_000, 2_000, 4_000, 5_000, 5_000]);
        assert_eq!(poll_interval(u32::MAX, None), SLOWEST_POLL);
        for (said, waited) in [(0, 250), (3_000, 3_000), (86_400_000, 60_000)] {
            let wait = poll_interval(9, Some(Duration::from_millis(said)));
            assert_eq!(wait, Duration::from_millis(waited));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn polling_ends_with_its_total_time() {
        let begin = Instant::now();
        let mut poll = Poll::new(Duration::from_secs(60));
        let error = loop {
            if let Err(error) = poll.pause(Some(Duration::from_secs(25))).await {
                break error;
            }
        };
        assert_eq!(error.kind(), &ErrorKind::TimedOut(Duration::from_secs(60)));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(25)));
        assert_eq!(begin.elapsed(), Duration::from_secs(50));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_are_passed_over_a_few_times_and_the_last_is_told() {
        let fail = || Error::from(ErrorKind::Malformed("order"));
        let mut poll = Poll::new(Duration::from_secs(60));
        for _ in 1..MOST_FAILURES {
            assert_eq!(poll.pass_over(fail()).unwrap(), None);
        }
        assert_eq!(poll.pass_over(fail()).unwrap_err().kind(), &ErrorKind::Malformed("order"));
        poll.saw();
        poll.pass_over(fail()).unwrap();
        let late = loop {
            if let Err(error) = poll.pause(Some(Duration::from_secs(25))).await {
                break error;
            }
        };
        let source = std::error::Error::source(&late).unwrap();
        assert_eq!(source.to_string(), "the CA's answer is malformed: order");
    }

    #[test]
    fn a_failure_that_stays_or_asks_for_an_hour_is_not_passed_over() {
        let mut poll = Poll::new(Duration::from_secs(60));
        let busy = |seconds| {
            let kind = ErrorKind::Server(http::StatusCode::TOO_MANY_REQUESTS);
            Error::from(kind).with_retry_after(Some(Duration::from_secs(seconds)))
        };
        assert_eq!(poll.pass_over(busy(60)).unwrap(), Some(Duration::from_secs(60)));
        assert!(poll.pass_over(busy(3_600)).is_err());
        assert!(poll.pass_over(ErrorKind::OrderInvalid.into()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_value_panics_and_none_is_longer_than_thirty_days(value: String) {
            let wait = parse_retry_after(&value, now());
            proptest::prop_assert!(wait.is_none_or(|wait| wait <= LONGEST));
        }

        #[test]
        fn digits_are_seconds(seconds in 0_u64..2_592_000) {
            let wait = parse_retry_after(&seconds.to_string(), now());
            proptest::prop_assert_eq!(wait, Some(Duration::from_secs(seconds)));
        }
    }
}
