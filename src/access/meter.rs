//! What each client has used up of its rates.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::limits::Limits;
use super::rate::{Buckets, Rate};
use crate::clock::Clock;
use crate::names::Network;

/// The rates of all clients: one of requests, a smaller one of wrong tokens.
#[derive(Debug)]
pub struct Meter {
    clock: Arc<dyn Clock>,
    requests: Option<Mutex<Buckets>>,
    failures: Option<Mutex<Buckets>>,
}

impl Meter {
    /// Rates by these limits.
    #[must_use]
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>) -> Self {
        let buckets = |rate: Option<Rate>| rate.map(|rate| Mutex::new(Buckets::new(rate, limits.addresses)));
        Self {
            clock,
            requests: buckets(Rate::new(limits.requests_per_minute, limits.burst)),
            failures: buckets(Rate::new(limits.failures_per_minute, limits.failures_per_minute)),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// How long the client has to wait, if it asks too often.
    pub fn request(&self, client: IpAddr) -> Result<(), Duration> {
        self.take(self.requests.as_ref(), client)
    }

    /// Counts a wrong token.
    pub fn failure(&self, client: IpAddr) {
        // Whether there was one left is asked before the next is looked at.
        let _ = self.take(self.failures.as_ref(), client);
    }

    /// Whether a token of the client may be looked at.
    ///
    /// # Errors
    /// How long the client has to wait, if too many were wrong.
    pub fn may_try(&self, client: IpAddr) -> Result<(), Duration> {
        let Some(failures) = &self.failures else { return Ok(()) };
        let failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.look(Network::of_client(client), self.clock.now())
    }

    fn take(&self, buckets: Option<&Mutex<Buckets>>, client: IpAddr) -> Result<(), Duration> {
        let Some(buckets) = buckets else { return Ok(()) };
        let mut buckets = buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(Network::of_client(client), self.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_rate_of_zero_is_no_bound() {
        let limits = Limits { requests_per_minute: 0, failures_per_minute: 0, ..Limits::default() };
        let meter = Meter::new(&limits, Arc::new(SystemClock));
        let client = "192.0.2.1".parse().unwrap();
        for _ in 0..10_000 {
            assert_eq!(meter.request(client), Ok(()));
            meter.failure(client);
        }
        assert_eq!(meter.may_try(client), Ok(()));
    }

    #[test]
    fn wrong_tokens_use_up_their_own_rate_and_not_that_of_requests() {
        let limits = Limits { failures_per_minute: 2, ..Limits::default() };
        let meter = Meter::new(&limits, Arc::new(SystemClock));
        let (client, other) = ("2001:db8::1".parse().unwrap(), "2001:db8:1::1".parse().unwrap());
        for _ in 0..2 {
            assert_eq!(meter.may_try(client), Ok(()));
            meter.failure(client);
        }
        assert!(meter.may_try(client).is_err() && meter.may_try("2001:db8::2".parse().unwrap()).is_err());
        assert_eq!((meter.may_try(other), meter.request(client)), (Ok(()), Ok(())));
    }
}
