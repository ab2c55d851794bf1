//! What the operator reads when a certificate cannot be had: what failed, the CA's own words, what to do.
//!
//! Owns the words and what a failure means for the next attempt. Pure.

mod advice;

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

use tracing::{error, info, warn};

use super::holding::{Found, seconds};
use super::schedule::{self, Reason};
use crate::metrics::Failed;
use crate::names::Identifier;
use crate::outbound::NoResolver;
use crate::store::{self, Attempts, Durability, FailedValidation, SetAside, StoreError};
use crate::tls;
use crate::x509;
pub(super) use advice::{Step, authority};

/// An attempt that failed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// Its kind.
    pub kind: Failed,
    /// What failed.
    pub what: String,
    /// Why, in the CA's words where it had any.
    pub cause: String,
    /// What to do.
    pub help: String,
    /// The names whose validation failed.
    pub validations: Vec<Identifier>,
    /// How long the CA asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether the open order is of no more use: the CA's verdict on it, not a CA or a disk that was away for a while.
    pub(super) ends_order: bool,
}

impl Failure {
    pub(super) fn new(
        kind: Failed,
        what: impl Into<String>,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (what, cause, help) = (what.into(), cause.into(), help.into());
        Self { kind, what, cause, help, validations: Vec::new(), retry_after: None, ends_order: false }
    }

    /// Another failure of the same attempt, told with this one.
    pub(super) fn join(&mut self, other: Self) {
        if other.kind == Failed::Validation {
            // What the next challenge type goes by.
            self.kind = other.kind;
        }
        self.ends_order |= other.ends_order;
        self.what = format!("{}; {}", self.what, other.what);
        self.cause = format!("{}\n{}", self.cause, other.cause);
        // What is to be done about both is said once.
        for advice in other.help.split("; ").filter(|advice| !self.help.contains(advice)).collect::<Vec<_>>()
        {
            self.help.push_str("; ");
            self.help.push_str(advice);
        }
        self.validations.extend(other.validations);
        self.retry_after = self.retry_after.max(other.retry_after);
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.cause)
    }
}

impl StdError for Failure {}

/// An answer that could not be published.
pub(super) fn not_presented(name: &Identifier, error: &tls::Error) -> Failure {
    let cause = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    let help = "the system's random generator is of no use; see to it";
    Failure::new(Failed::Order, format!("the challenge for {name} could not be published"), cause, help)
}

/// Our own listener has not the answer to HTTP-01.
pub(super) fn silent_listener(error: &std::io::Error) -> Failure {
    Failure::new(
        Failed::Order,
        "the CA was not told to look: our own listener for HTTP-01 does not answer",
        error.to_string(),
        "see what else takes its connections (ss -ltnp), and the limit of open files (ulimit -n)",
    )
}

/// A store that cannot be used.
pub(super) fn store(what: &str, error: &StoreError) -> Failure {
    Failure::new(Failed::Store, format!("{what}: {}", error.what()), error.cause(), error.help())
}

/// What is told of a store that does not last; none if it does.
#[must_use]
pub fn ephemeral(durability: &Durability) -> Option<Failure> {
    let Durability::Ephemeral { filesystem, path } = durability else { return None };
    let path = path.display();
    Some(Failure::new(
        Failed::Store,
        "nothing is ordered",
        format!(
            "{path} lies on {filesystem}: each restart of the container would order again, until the CA's rate limit"
        ),
        format!(
            "mount a volume there: docker run -v docquay-certs:{path} …\nor, for a trial, add --ephemeral-certs"
        ),
    ))
}

pub(super) fn no_names() -> Failure {
    Failure::new(
        Failed::Order,
        "nothing can be ordered",
        "there is no name",
        "give one: --domain docs.example.com",
    )
}

pub(super) fn busy() -> Failure {
    let help = "wait for it: docquay cert status tells what came of it";
    Failure::new(Failed::Store, "nothing was ordered", "another process is obtaining this certificate", help)
}

/// A renewal that has to wait.
pub(super) fn not_yet(until: SystemTime, reason: Reason, now: SystemTime) -> Failure {
    let cause = match reason {
        Reason::Renewal => "it is not due",
        Reason::Backoff => "the last attempt failed, and the pause after it is not over",
        Reason::ValidationLimit => {
            "a name has failed four validations within the hour, and CAs lock out at five"
        }
    };
    let mut help = format!("try again {}", date_and_distance(until, now));
    if reason == Reason::Backoff {
        help.push_str(", or, with the cause out of the way, now: --force");
    }
    Failure::new(Failed::Order, "nothing was ordered", cause, help)
}

/// A name that leads nowhere.
pub(super) fn unresolved(name: &Identifier, error: &std::io::Error) -> Failure {
    let help = if NoResolver::is_behind(error) {
        "mount both, as container runtimes do, or copy them from the machine into docquay's root".to_owned()
    } else {
        format!(
            "create an A (and, if this machine has IPv6, AAAA) record for {name} that leads to this machine"
        )
    };
    Failure::new(Failed::Name, format!("waiting for {name} to resolve"), error.to_string(), help)
}

/// The operator's own pair lacks a name.
pub(super) fn operators_gap(name: &Identifier, place: &str) -> Failure {
    Failure::new(
        Failed::Store,
        format!("the certificate at {place} cannot be used"),
        format!("it is your own, and not for {name}"),
        format!(
            "put one there that is, leave out --domain {name}, or move both files away and docquay obtains one"
        ),
    )
}

/// Notes a failure, and when the next attempt may come.
pub(super) fn record(
    attempts: &mut Attempts,
    failure: &Failure,
    directory: &str,
    now: SystemTime,
    jitter: u8,
    has_other: bool,
    served_until: Option<SystemTime>,
) {
    attempts.failures = attempts.failures.saturating_add(1);
    // However long the CA asks for, a certificate that is served gets another attempt while it lives.
    let left = served_until.and_then(|until| until.duration_since(now).ok()).map(|left| left / 2);
    let longest = left.map_or(schedule::LONGEST_PAUSE, |left| left.clamp(DAY, schedule::LONGEST_PAUSE));
    let asked = failure.retry_after.map(|span| span.min(longest));
    let pause = schedule::pause(attempts.failures, jitter);
    // With another CA to turn to, one that asks to wait does not hold up the next attempt.
    let pause = if has_other { pause } else { pause.max(asked.unwrap_or_default()) };
    attempts.next_at = Some(seconds(now + pause));
    attempts.failed_validations.retain(|failed| seconds(now) < failed.at.saturating_add(3_600));
    let failed = failure.validations.iter();
    let failed = failed.map(|name| FailedValidation { name: name.to_string(), at: seconds(now) });
    attempts.failed_validations.extend(failed);
    attempts.last = Some(store::Failure {
        at: seconds(now),
        kind: failure.kind.as_str().to_owned(),
        text: failure.to_string(),
        directory: directory.to_owned(),
        retry_at: asked.map(|span| seconds(now + span)),
    });
}

/// As the CA and the store have them.
pub(super) fn names(names: &[Identifier]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// `a.example, b.example`.
pub(super) fn list(of: &[Identifier]) -> String {
    names(of).join(", ")
}

/// Says a failure as loud as it is: an error once the certificate is at risk.
pub(super) fn log(
    failure: &Failure,
    failures: u32,
    next: SystemTime,
    served_until: Option<SystemTime>,
    now: SystemTime,
) {
    let Failure { kind, what, cause, help, .. } = failure;
    let (cause, help) = (one_line(cause), one_line(help));
    let (kind, next_attempt) = (kind.as_str(), date_and_distance(next, now));
    let served = served_until.map(|until| date_and_distance(until, now));
    match (served_until, served) {
        (Some(until), Some(served_until)) if until > now + RISK => {
            warn!(kind, failures, cause, help, next_attempt, served_until, "{what}");
        }
        (_, Some(served_until)) => {
            error!(
                kind,
                failures, cause, help, next_attempt, served_until, "{what}; the certificate is at risk"
            );
        }
        _ => error!(kind, failures, cause, help, next_attempt, "{what}; there is no certificate to serve"),
    }
}

/// For a log, which has one line for each event and escapes what breaks it.
pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

/// Says what a look at the store brought to light.
pub(super) fn log_found(found: &Found) {
    match found {
        Found::Broken(SetAside { why, to: Some(to), .. }) => {
            warn!(cause = %why, moved_to = to, "the certificate's record is broken and was moved aside");
        }
        Found::Broken(SetAside { why, .. }) => warn!(cause = %why, "the certificate's record is broken"),
        Found::Recovered => warn!("the certificate's record was lost; its published files are used"),
        Found::Published => info!("the published certificate files were put right"),
        Found::OperatorsBroken(why) => warn!(
            cause = %why,
            "the published files are not docquay's and cannot be used; they are left alone, and docquay's own are served"
        ),
        // Another program may have been given it: its mode is left as it is.
        Found::KeyReadable => {
            warn!("other users of this machine can read the published key; see that this is meant")
        }
        Found::NotPublished(error) => warn!(
            cause = error.cause(),
            help = error.help(),
            "{}; the certificate is saved and served, but not published for other programs",
            error.what()
        ),
    }
}

/// `2026-11-24 20:31:15 UTC (in 59 days)`.
#[must_use]
pub fn date_and_distance(time: SystemTime, now: SystemTime) -> String {
    let (ahead, span) = match time.duration_since(now) {
        Ok(span) => (true, span),
        Err(past) => (false, past.duration()),
    };
    let seconds = span.as_secs();
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    let distance =
        if ahead { format!("in {count} {unit}{plural}") } else { format!("{count} {unit}{plural} ago") };
    format!("{} ({distance})", x509::date(time))
}

/// With less than this left, a failure is an error: somebody should look.
const RISK: Duration = Duration::from_secs(7 * 24 * 3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_time_is_shown_with_its_distance() {
        for (seconds, shown) in [
            (1_000_090, "in 90 seconds"),
            (1_000_600, "in 10 minutes"),
            (999_999, "1 second ago"),
            (1_000_000 + 59 * 86_400, "in 59 days"),
        ] {
            let text = date_and_distance(at(seconds), at(1_000_000));
            assert!(text.ends_with(&format!("({shown})")), "{text}");
        }
    }

    #[test]
    fn a_failure_is_remembered_with_its_pause() {
        let mut attempts = Attempts::default();
        let mut failure = Failure::new(Failed::Validation, "what", "cause", "help");
        failure.validations = vec![Identifier::parse("a.example").unwrap()];
        record(&mut attempts, &failure, "https://ca", at(1_000_000), 127, false, None);
        assert_eq!((attempts.failures, attempts.next_at), (1, Some(1_000_059)));
        assert_eq!(attempts.failed_validations[0].name, "a.example");
        assert_eq!(attempts.last.as_ref().unwrap().kind, "validation");
        // An hour later the validation is forgotten.
        record(
            &mut attempts,
            &Failure::new(Failed::Network, "", "", ""),
            "https://ca",
            at(1_003_600),
            127,
            false,
            None,
        );
        assert_eq!((attempts.failures, attempts.failed_validations.len()), (2, 0));
    }

    #[test]
    fn a_ca_that_asks_for_a_year_does_not_let_a_certificate_end() {
        let days = |days: u64| days * 86_400;
        for (left, waited) in [(None, 8), (Some(60), 8), (Some(6), 3), (Some(1), 1)] {
            let mut attempts = Attempts::default();
            let mut failure = Failure::new(Failed::RateLimited, "what", "cause", "help");
            failure.retry_after = Some(Duration::from_secs(days(365)));
            let until = left.map(|left| at(1_000_000 + days(left)));
            record(&mut attempts, &failure, "https://ca", at(1_000_000), 127, false, until);
            assert_eq!(attempts.next_at, Some(1_000_000 + days(waited)), "{left:?}");
        }
    }

    #[test]
    fn what_has_several_lines_is_one_line_in_a_log() {
        assert_eq!(
            one_line("the order failed\na.example: no\n  b.example: no\n"),
            "the order failed; a.example: no; b.example: no"
        );
    }

    #[test]
    fn a_ca_that_asks_to_wait_is_waited_for_unless_there_is_another() {
        for (has_other, next_at) in [(false, 1_007_200), (true, 1_000_059)] {
            let mut attempts = Attempts::default();
            let mut failure = Failure::new(Failed::RateLimited, "what", "cause", "help");
            failure.retry_after = Some(Duration::from_secs(7_200));
            record(&mut attempts, &failure, "https://ca", at(1_000_000), 127, has_other, None);
            assert_eq!(attempts.next_at, Some(next_at));
            assert_eq!(attempts.last.unwrap().retry_at, Some(1_007_200));
        }
    }
}
