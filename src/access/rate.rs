//! A rate by address: the bucket as one moment in time, in a table that stays small.
//!
//! Pure: the caller brings `now`. The algorithm is the generic cell rate algorithm (ITU-T I.371 annex A), a token
//! bucket that needs no refilling: of each address only the moment is kept at which its bucket is full again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::names::Network;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// From one to the next, in the long run.
    every: Duration,
    /// By how much a burst may be ahead of that.
    ahead: Duration,
}

impl Rate {
    /// `per_minute` in the long run, `burst` at once; none if there is no bound.
    pub(super) fn new(per_minute: u32, burst: u32) -> Option<Self> {
        let every = Duration::from_secs(60).checked_div(per_minute)?;
        Some(Self { every, ahead: every.saturating_mul(burst.saturating_sub(1)) })
    }
}

/// The buckets of all clients, each full when first heard of.
///
/// Bounded by two generations: a client that is heard moves to the young one, and once that is half of what may
/// be remembered, the old one is forgotten. Whoever is forgotten begins anew with a full bucket.
#[derive(Debug)]
pub(super) struct Buckets {
    rate: Rate,
    half: usize,
    young: HashMap<Network, Instant>,
    old: HashMap<Network, Instant>,
}

impl Buckets {
    /// Buckets for at most `clients`.
    pub(super) fn new(rate: Rate, clients: usize) -> Self {
        Self { rate, half: clients.div_ceil(2).max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// Takes one from the bucket of `client`; or says how long it stays empty, and takes nothing.
    pub(super) fn take(&mut self, client: Network, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at(client, now);
        let verdict = self.wait_of(full_at, now);
        // Who is refused is heard too: one that goes on asking is not forgotten.
        let full_at = if verdict.is_ok() { full_at + self.rate.every } else { full_at };
        self.remember(client, full_at);
        verdict
    }

    /// Whether [`take`](Self::take) would succeed; takes nothing.
    pub(super) fn look(&self, client: Network, now: Instant) -> Result<(), Duration> {
        self.wait_of(self.full_at(client, now), now)
    }

    fn full_at(&self, client: Network, now: Instant) -> Instant {
        let known = self.young.get(&client).or_else(|| self.old.get(&client));
        known.map_or(now, |full_at| (*full_at).max(now))
    }

    fn wait_of(&self, full_at: Instant, now: Instant) -> Result<(), Duration> {
        let ahead = full_at.saturating_duration_since(now);
        match ahead.checked_sub(self.rate.ahead) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => Ok(()),
        }
    }

    fn remember(&mut self, client: Network, full_at: Instant) {
        if self.young.len() >= self.half && !self.young.contains_key(&client) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(client, full_at);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> Network {
        Network::of_client(std::net::Ipv4Addr::from_bits(number).into())
    }

    fn buckets(per_minute: u32, burst: u32, clients: usize) -> Buckets {
        Buckets::new(Rate::new(per_minute, burst).unwrap(), clients)
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_at_once_and_then_one_by_one_at_the_rate() {
        let (mut buckets, now) = (buckets(60, 3, 10), Instant::now());
        for _ in 0..3 {
            assert_eq!(buckets.take(client(1), now), Ok(()));
        }
        assert_eq!(buckets.take(client(1), now), Err(SECOND));
        assert_eq!(buckets.take(client(1), now + SECOND / 2), Err(SECOND / 2));
        assert_eq!(buckets.take(client(1), now + SECOND), Ok(()));
        assert_eq!(buckets.take(client(1), now + SECOND), Err(SECOND));
        for _ in 0..3 {
            assert_eq!(buckets.take(client(1), now + 60 * SECOND), Ok(()));
        }
        assert!(buckets.take(client(1), now + 60 * SECOND).is_err());
    }

    #[test]
    fn each_address_has_its_own_bucket() {
        let (mut buckets, now) = (buckets(60, 1, 10), Instant::now());
        assert_eq!(buckets.take(client(1), now), Ok(()));
        assert!(buckets.take(client(1), now).is_err());
        assert_eq!(buckets.take(client(2), now), Ok(()));
    }

    #[test]
    fn a_refusal_and_a_look_take_nothing() {
        let (mut buckets, now) = (buckets(60, 1, 10), Instant::now());
        assert_eq!(buckets.look(client(1), now), Ok(()));
        assert_eq!(buckets.take(client(1), now), Ok(()));
        for _ in 0..100 {
            assert_eq!(buckets.take(client(1), now), Err(SECOND));
            assert_eq!(buckets.look(client(1), now), Err(SECOND));
        }
        assert_eq!(buckets.take(client(1), now + SECOND), Ok(()));
    }

    #[test]
    fn the_table_stays_within_its_bound_and_keeps_whoever_is_heard() {
        let (mut buckets, now) = (buckets(1, 1, 8), Instant::now());
        assert_eq!(buckets.take(client(0), now), Ok(()));
        for number in 1..4 {
            assert_eq!(buckets.take(client(number), now), Ok(()));
            assert!(buckets.take(client(0), now).is_err());
        }
        for number in 4..1_000 {
            let _ = buckets.take(client(number), now);
            assert!(buckets.len() <= 8);
        }
        assert!(buckets.take(client(999), now).is_err());
        assert_eq!(buckets.take(client(0), now), Ok(()), "forgotten, and full again");
    }

    #[test]
    fn no_rate_is_no_bound_and_the_largest_is_none_that_fails() {
        assert_eq!(Rate::new(0, 5), None);
        let (mut buckets, now) = (buckets(u32::MAX, u32::MAX, 1), Instant::now());
        for _ in 0..10 {
            assert_eq!(buckets.take(client(1), now), Ok(()));
        }
        let _ = self::buckets(1, u32::MAX, 1).take(client(1), now);
    }
}
