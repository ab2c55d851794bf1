//! What is held: the entry of the store, the published files, and what they mean now.

use std::time::{Duration, SystemTime};

use ring::digest;

use super::Options;
use super::schedule::{self, Held, Standing, View, Window};
use crate::names::Identifier;
use crate::secret::Secret;
use crate::store::{
    self, Ari, CertificateEntry, CertificateName, Key, Loaded, Published, PublishedFiles, SetAside, Store,
    StoreError,
};
use crate::x509::{self, Pair};

/// The truth of the store, and the operator's own pair if one stands in its place.
#[derive(Debug, Default)]
pub(super) struct Holding {
    pub(super) entry: CertificateEntry,
    pub(super) operators: Option<Pair>,
    /// The pairs of other entries, while this one has none: the name that gave a certificate its own may be gone
    /// from the configuration, or stand behind another.
    pub(super) others: Vec<Pair>,
    /// The store could not take the entry: this process has the only copy, and what the store has is older.
    pub(super) unsaved: bool,
}

/// What a look at the store brought to light, for the log.
#[derive(Debug)]
pub(super) enum Found {
    /// An entry that cannot be read; and where it was moved, if it was.
    Broken(SetAside),
    /// The truth was gone, and the published files had the pair.
    Recovered,
    /// The published files were put right.
    Published,
    /// The published files are the operator's, and of no use.
    OperatorsBroken(x509::Error),
    /// The published files could not be put right.
    NotPublished(StoreError),
    /// Other users may read the published key.
    KeyReadable,
}

impl Holding {
    /// Reads the truth and the published files, and changes neither.
    ///
    /// # Errors
    /// When the truth cannot be read, or a newer docquay wrote it.
    pub(super) async fn look(
        store: &dyn Store,
        name: &CertificateName,
    ) -> Result<(Self, Published, Vec<Found>), StoreError> {
        let loaded = store::peek_certificate(store, name).await?;
        Self::judge(store, name, loaded).await
    }

    /// The same for the holder of the lease: a broken entry is set aside, a lost one recovered, and what is ours
    /// and not in step is published.
    ///
    /// # Errors
    /// As for [`look`](Self::look).
    pub(super) async fn mend(
        store: &dyn Store,
        name: &CertificateName,
    ) -> Result<(Self, Vec<Found>), StoreError> {
        let loaded = store::load_certificate(store, name).await?;
        let (mut holding, published, mut found) = Self::judge(store, name, loaded).await?;
        if holding.entry.pair.is_some() && matches!(published, Published::Absent | Published::Stale { .. }) {
            found.push(match store::publish_certificate(store, name, &mut holding.entry).await {
                Ok(_) => Found::Published,
                Err(error) => Found::NotPublished(error),
            });
        }
        Ok((holding, found))
    }

    async fn judge(
        store: &dyn Store,
        name: &CertificateName,
        loaded: Loaded<CertificateEntry>,
    ) -> Result<(Self, Published, Vec<Found>), StoreError> {
        let mut found: Vec<Found> = loaded.broken.map(Found::Broken).into_iter().collect();
        let mut entry = loaded.entry.unwrap_or_default();
        let files = store.published(name).await?;
        found.extend(files.key_readable_by_others.then_some(Found::KeyReadable));
        let mut published = store::judge(&files, &entry.record, entry.pair.as_ref());
        let mut operators = None;
        match &mut published {
            Published::Operators(_) => {
                if let Published::Operators(pair) = std::mem::replace(&mut published, Published::Current) {
                    operators = Some(pair);
                }
            }
            Published::OperatorsBroken { why } => found.push(Found::OperatorsBroken(why.clone())),
            Published::Stale { pair } if entry.pair.is_none() && pair.is_some() => {
                entry.pair = pair.take();
                found.push(Found::Recovered);
            }
            _ => {}
        }
        let others = if entry.pair.is_none() { others(store, name).await } else { Vec::new() };
        Ok((Self { entry, operators, others, unsaved: false }, published, found))
    }

    /// A digest of all that is read by [`look`](Self::look): while it stays the same there is nothing to learn.
    ///
    /// # Errors
    /// When something cannot be read.
    pub(super) async fn fingerprint(
        store: &dyn Store,
        name: &CertificateName,
    ) -> Result<Vec<u8>, StoreError> {
        let entry = store.load(&Key::certificate(name.clone())).await?;
        let PublishedFiles { cert, key, .. } = store.published(name).await?;
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [entry.as_ref().map(Secret::bytes), cert.as_deref(), key.as_ref().map(Secret::bytes)] {
            // The length keeps apart what stands side by side; nothing is not the same as empty.
            context.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            context.update(part.unwrap_or_default());
        }
        Ok(context.finish().as_ref().to_vec())
    }

    /// Saves the entry, or remembers that it is not saved.
    pub(super) async fn save(&mut self, store: &dyn Store, name: &CertificateName) -> Result<(), StoreError> {
        let saved = store::save_certificate(store, name, &self.entry).await;
        self.unsaved = saved.is_err();
        saved
    }

    /// The pair to serve at `now`: the operator's while it is valid and for every name, else ours as it is, else
    /// what another entry has for some of the names.
    pub(super) fn served(&self, names: &[Identifier], now: SystemTime) -> Option<&Pair> {
        let ours = self.entry.pair.as_ref().or_else(|| self.other_in_use(names, now));
        let theirs = self.operators_in_use(names, now).filter(|theirs| {
            let ready = ours.filter(|ours| ours.leaf().is_valid_at(now) && lacking(ours, names).is_none());
            ready.is_none() || theirs.leaf().is_valid_at(now + HANDOVER)
        });
        theirs.or(ours)
    }

    /// The valid one for the most names.
    fn other_in_use(&self, names: &[Identifier], now: SystemTime) -> Option<&Pair> {
        let covered = |pair: &Pair| names.iter().filter(|name| pair.leaf().covers(name)).count();
        let valid = self.others.iter().filter(|pair| pair.leaf().is_valid_at(now) && covered(pair) > 0);
        valid.max_by_key(|pair| (covered(pair), pair.leaf().not_after()))
    }

    pub(super) fn operators_in_use(&self, names: &[Identifier], now: SystemTime) -> Option<&Pair> {
        let good = |pair: &&Pair| pair.leaf().is_valid_at(now) && lacking(pair, names).is_none();
        self.operators.as_ref().filter(good)
    }

    /// How what is served stands to the configuration.
    pub(super) fn held(&self, options: &Options, now: SystemTime) -> Option<Held> {
        let issued = self.entry.record.issued_at.map(time);
        let of = |pair: &Pair, standing| Held {
            not_before: pair.leaf().not_before(),
            not_after: pair.leaf().not_after(),
            issued: issued.unwrap_or_else(|| pair.leaf().not_before()),
            early_renewals: self.entry.record.early_renewals,
            standing,
        };
        if let Some(pair) = self.operators_in_use(&options.names, now) {
            let theirs = of(pair, Standing::Operators);
            // About to end, and ours is there already: that is the one to look after.
            let ends = now + schedule::operators_margin(theirs) >= theirs.not_after;
            let ours = self.entry.pair.as_ref().filter(|pair| ends && self.is_right(pair, options, now));
            return Some(ours.map_or(theirs, |pair| of(pair, Standing::Right)));
        }
        let Some(pair) = &self.entry.pair else {
            return self.other_in_use(&options.names, now).map(|pair| of(pair, Standing::Interim));
        };
        let right = self.is_right(pair, options, now);
        Some(of(pair, if right { Standing::Right } else { Standing::Interim }))
    }

    fn is_right(&self, pair: &Pair, options: &Options, now: SystemTime) -> bool {
        let record = &self.entry.record;
        let mut names: Vec<String> = pair.leaf().identifiers().iter().map(ToString::to_string).collect();
        names.sort_unstable();
        pair.leaf().is_valid_at(now)
            && names == options.sorted_names()
            && options.authorities.iter().any(|authority| authority.directory == record.directory)
            && !record.revoked
    }

    /// The schedule's view; `not_before` holds attempts back that are not failures.
    pub(super) fn with_view<T>(
        &self,
        options: &Options,
        now: SystemTime,
        hold: Option<SystemTime>,
        asks_window: bool,
        look: impl FnOnce(&View<'_>) -> T,
    ) -> T {
        let record = &self.entry.record;
        let attempts = &record.attempts;
        let failed: Vec<(String, SystemTime)> =
            attempts.failed_validations.iter().map(|failed| (failed.name.clone(), time(failed.at))).collect();
        let ari = record.ari.as_ref();
        let never = SystemTime::UNIX_EPOCH;
        look(&View {
            held: self.held(options, now),
            window: ari.and_then(window),
            ask_at: asks_window.then(|| ari.map_or(never, |ari| time(ari.retry_at))),
            requested: record.renew_requested,
            next_at: attempts.next_at.map(time).max(hold),
            failed_validations: &failed,
        })
    }
}

/// What cannot be read is of no use here, and told where it belongs.
async fn others(store: &dyn Store, name: &CertificateName) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for other in store.certificates().await.unwrap_or_default().iter().filter(|other| *other != name) {
        let loaded = store::peek_certificate(store, other).await;
        let entry = loaded.ok().and_then(|loaded| loaded.entry).filter(|entry| !entry.record.revoked);
        pairs.extend(entry.and_then(|entry| entry.pair));
    }
    pairs
}

/// The first name that a pair is not for.
pub(super) fn lacking<'a>(pair: &Pair, names: &'a [Identifier]) -> Option<&'a Identifier> {
    names.iter().find(|name| !pair.leaf().covers(name))
}

fn window(ari: &Ari) -> Option<Window> {
    // Without a window the CA was asked and had none to give.
    (ari.end > ari.start).then(|| Window {
        start: time(ari.start),
        end: time(ari.end),
        chosen: time(ari.chosen),
    })
}

/// Seconds since 1970, as the store has them.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A time of the store; none is later than the year 9999, which is never.
pub(super) fn time(seconds: u64) -> SystemTime {
    let time = Duration::from_secs(seconds.min(LATEST));
    SystemTime::UNIX_EPOCH.checked_add(time).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// How long before the operator's certificate ends ours is served, if it is there: looks come every minute.
const HANDOVER: Duration = Duration::from_secs(120);
/// 9999-12-31T23:59:59Z.
const LATEST: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_all_bounds_is_never_and_not_long_ago() {
        assert!(time(u64::MAX) > time(4_000_000_000));
        assert_eq!(seconds(time(u64::MAX)), LATEST);
    }
}
