//! The certificate and what was done for it.

use std::time::SystemTime;

use super::number::{Counter, Moment};

/// The certificate and what was done for it.
#[derive(Debug, Default)]
pub struct Certificates {
    not_after: Moment,
    last_success: Moment,
    next_attempt: Moment,
    issued: Counter,
    failed: [Counter; Failed::ALL.len()],
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
        self.not_after.set(not_after);
    }

    /// One was issued.
    pub fn succeeded(&self, at: SystemTime) {
        self.last_success.set(at);
        self.issued.increment();
    }

    /// An attempt failed.
    pub fn failed(&self, kind: Failed) {
        if let Some(counter) = self.counter(kind) {
            counter.increment();
        }
    }

    /// The next attempt, or look, comes then.
    pub fn plans(&self, at: SystemTime) {
        self.next_attempt.set(at);
    }

    /// When the served certificate ends.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.not_after.get()
    }

    /// When one was last issued.
    #[must_use]
    pub fn last_success(&self) -> Option<SystemTime> {
        self.last_success.get()
    }

    /// When the next attempt comes.
    #[must_use]
    pub fn next_attempt(&self) -> Option<SystemTime> {
        self.next_attempt.get()
    }

    /// How many were issued since the start.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued.get()
    }

    /// How many attempts of this kind failed since the start.
    #[must_use]
    pub fn failures(&self, kind: Failed) -> u64 {
        self.counter(kind).map_or(0, Counter::get)
    }

    fn counter(&self, kind: Failed) -> Option<&Counter> {
        let place = Failed::ALL.iter().position(|other| *other == kind)?;
        self.failed.get(place)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
