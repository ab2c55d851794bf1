//! What the process counts: atomics that the parts write and `/metrics` reads.
//!
//! Owns numbers only; no part waits for them, none is kept over a restart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// The certificate and what was done for it. Times are seconds since 1970, 0 for never.
#[derive(Debug, Default)]
pub struct Certificates {
    not_after: AtomicU64,
    last_success: AtomicU64,
    next_attempt: AtomicU64,
    issued: AtomicU64,
    failed: [AtomicU64; Failed::ALL.len()],
}

/// Why an attempt to obtain a certificate failed; the label of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failed {
    /// The store: nothing was ordered, or what was issued could not be saved.
    Store,
    /// A name does not resolve: the CA was not asked.
    Name,
    /// The CA could not be reached, or broke off.
    Network,
    /// The CA asks to wait: 429, 503.
    RateLimited,
    /// The CA refused the account.
    Account,
    /// The CA could not validate a name.
    Validation,
    /// The CA refused the order or the request for the certificate.
    Order,
    /// What the CA answered or issued cannot be used.
    Answer,
}

impl Failed {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Store,
        Self::Name,
        Self::Network,
        Self::RateLimited,
        Self::Account,
        Self::Validation,
        Self::Order,
        Self::Answer,
    ];

    /// `rate_limited`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Name => "name",
            Self::Network => "network",
            Self::RateLimited => "rate_limited",
            Self::Account => "account",
            Self::Validation => "validation",
            Self::Order => "order",
            Self::Answer => "answer",
        }
    }
}

impl Certificates {
    /// A certificate is served, until `not_after`.
    pub fn serves(&self, not_after: SystemTime) {
        self.not_after.store(seconds(not_after), Ordering::Relaxed);
    }

    /// One was issued.
    pub fn succeeded(&self, at: SystemTime) {
        self.last_success.store(seconds(at), Ordering::Relaxed);
        self.issued.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt failed.
    pub fn failed(&self, kind: Failed) {
        if let Some(counter) = self.counter(kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next attempt, or look, comes then.
    pub fn plans(&self, at: SystemTime) {
        self.next_attempt.store(seconds(at), Ordering::Relaxed);
    }

    /// When the served certificate ends.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        time(&self.not_after)
    }

    /// When one was last issued.
    #[must_use]
    pub fn last_success(&self) -> Option<SystemTime> {
        time(&self.last_success)
    }

    /// When the next attempt comes.
    #[must_use]
    pub fn next_attempt(&self) -> Option<SystemTime> {
        time(&self.next_attempt)
    }

    /// How many were issued since the start.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// How many attempts of this kind failed since the start.
    #[must_use]
    pub fn failures(&self, kind: Failed) -> u64 {
        self.counter(kind).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn counter(&self, kind: Failed) -> Option<&AtomicU64> {
        let place = Failed::ALL.iter().position(|other| *other == kind)?;
        self.failed.get(place)
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn time(of: &AtomicU64) -> Option<SystemTime> {
    match of.load(Ordering::Relaxed) {
        0 => None,
        seconds => Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_own_counter_and_label() {
        let certificates = Certificates::default();
        for (times, kind) in Failed::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| certificates.failed(kind));
        }
        for (times, kind) in Failed::ALL.into_iter().enumerate() {
            assert_eq!(certificates.failures(kind), times as u64, "{}", kind.as_str());
        }
    }

    #[test]
    fn what_never_happened_has_no_time() {
        let certificates = Certificates::default();
        assert_eq!((certificates.not_after(), certificates.next_attempt()), (None, None));
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
        certificates.succeeded(then);
        assert_eq!((certificates.last_success(), certificates.issued()), (Some(then), 1));
    }
}
