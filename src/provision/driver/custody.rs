//! What is held, between the store and the handshakes: read, put right, saved, served.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use super::Provisioner;
use crate::http::Gate;
use crate::provision::holding::{self, Found, Holding};
use crate::provision::{Ephemeral, Failure, report};
use crate::store::{Ari, Durability, Key, Published, StoreError};

impl Provisioner {
    /// Notes the window of the certificate that is held, on what the store has by now: while the CA was asked,
    /// others may have written.
    pub(super) async fn note_window(&mut self, ari: Ari) -> Result<(), StoreError> {
        self.holding.entry.record.ari = Some(ari.clone());
        let store = Arc::clone(&self.parts.store);
        let Some(_lease) = store.lease(&Key::certificate(self.name.clone())).await? else { return Ok(()) };
        if !self.holding.unsaved {
            let before = self.own_der();
            let (holding, found) = Holding::mend(store.as_ref(), &self.name).await?;
            self.holding = holding;
            self.tell(found);
            if before != self.own_der() {
                return Ok(());
            }
            self.holding.entry.record.ari = Some(ari);
        }
        self.holding.save(store.as_ref(), &self.name).await
    }

    /// Saves what is no outcome of an attempt; if another process is writing, its word stands.
    pub(super) async fn save_under_lease(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.parts.store);
        let Some(_lease) = store.lease(&Key::certificate(self.name.clone())).await? else { return Ok(()) };
        self.holding.save(store.as_ref(), &self.name).await
    }

    /// What others may have changed: the store by another process or by `docquay cert`, the files by the operator.
    pub(super) async fn look_again(&mut self) {
        if self.holding.unsaved {
            // What the store has is older than what is here.
            if self.save_under_lease().await.is_ok() && !self.holding.unsaved {
                info!("the certificate's record is saved now");
            }
            return;
        }
        let before = self.served_der();
        if let Err(error) = self.reload().await {
            let now = self.now();
            if self.complaint.is_news(&error.to_string(), now) {
                warn!(cause = error.cause(), help = error.help(), "{}; what is served stays", error.what());
            }
            return;
        }
        if self.served_der() != before {
            info!(certificate = self.summary(), "another certificate is served");
            self.announced = None;
        }
        self.serve();
        self.warn_of_end();
    }

    /// The operator's own certificate is theirs to renew; that it ends is told while there is time.
    fn warn_of_end(&mut self) {
        let now = self.now();
        let Some(pair) = self.holding.operators_in_use(&self.options.names, now) else { return };
        let not_after = pair.leaf().not_after();
        if not_after < now + NOTICE && self.notice.is_news("end", now) {
            warn!(
                valid_until = report::date_and_distance(not_after, now),
                "your own certificate is about to end; docquay serves one of its own from then on"
            );
        }
    }

    pub(super) fn own_der(&self) -> Option<Vec<u8>> {
        self.holding.entry.pair.as_ref().map(|pair| pair.leaf().der().to_vec())
    }

    pub(super) fn served_der(&self) -> Option<Vec<u8>> {
        self.holding.served(&self.options.names, self.now()).map(|pair| pair.leaf().der().to_vec())
    }

    /// Reads the store; puts right what is not, if nobody else is at it.
    pub(super) async fn reload(&mut self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.parts.store);
        let fingerprint = Holding::fingerprint(store.as_ref(), &self.name).await?;
        if self.fingerprint.as_ref() == Some(&fingerprint) {
            return Ok(());
        }
        let (mut holding, published, mut found) = Holding::look(store.as_ref(), &self.name).await?;
        let astray =
            matches!(published, Published::Absent | Published::Stale { .. }) && holding.entry.pair.is_some();
        let broken = found.iter().any(|found| matches!(found, Found::Broken(_)));
        if (astray || broken)
            && let Ok(Some(_lease)) = store.lease(&Key::certificate(self.name.clone())).await
        {
            (holding, found) = Holding::mend(store.as_ref(), &self.name).await?;
        }
        (self.holding, self.fingerprint) = (holding, Some(fingerprint));
        self.tell(found);
        Ok(())
    }

    /// The operator's own pair must be for every name, or the start would leave clients without.
    pub(super) fn refuse_gap(&self) -> Result<(), Failure> {
        let now = self.now();
        let Some(pair) = self.holding.operators.as_ref().filter(|pair| pair.leaf().is_valid_at(now)) else {
            return Ok(());
        };
        match holding::lacking(pair, &self.options.names) {
            Some(name) => {
                let paths = self.parts.store.published_paths(&self.name);
                let place =
                    paths.map_or_else(|| self.name.to_string(), |(cert, _)| cert.display().to_string());
                Err(report::operators_gap(name, &place))
            }
            None => Ok(()),
        }
    }

    /// Nothing is ordered for a store that cannot keep it.
    pub(super) async fn check_store(&self) -> Result<(), Failure> {
        let durability =
            self.parts.store.probe().await.map_err(|error| report::store("nothing is ordered", &error))?;
        match (durability, self.options.ephemeral) {
            (Durability::Lasting, _) | (_, Ephemeral::Allowed) => Ok(()),
            (durability, Ephemeral::Refused) => report::ephemeral(&durability).map_or(Ok(()), Err),
        }
    }

    /// Hands what is held to the handshakes, and opens the gate with the first.
    pub(super) fn serve(&self) {
        let Some(pair) = self.holding.served(&self.options.names, self.now()) else { return };
        let not_after = pair.leaf().not_after();
        if self.parts.resolver.leaf().der() != pair.leaf().der() {
            self.parts.resolver.install(pair);
        }
        self.parts.metrics.serves(not_after);
        self.parts.gate.send_if_modified(|gate| {
            let closed = *gate != Gate::Open;
            *gate = Gate::Open;
            closed
        });
    }

    /// Says what a look brought to light; the same thing not again for a while.
    pub(super) fn tell(&mut self, found: Vec<Found>) {
        let now = self.now();
        for found in found {
            if self.complaint.is_news(&format!("{found:?}"), now) {
                report::log_found(&found);
            }
        }
    }

    pub(super) async fn catch_up(&mut self) -> Result<(), Failure> {
        if self.holding.unsaved {
            return Ok(());
        }
        let unkept = |error| report::store("nothing was ordered", &error);
        let (before, wished) = (self.own_der(), self.holding.entry.record.renew_requested);
        let (holding, found) = Holding::mend(self.parts.store.as_ref(), &self.name).await.map_err(unkept)?;
        self.holding = holding;
        self.tell(found);
        // A wish that is not saved is a wish all the same, until there is another certificate.
        self.holding.entry.record.renew_requested |= wished && before == self.own_der();
        Ok(())
    }
}

/// The last complaint, which is repeated only after a while.
#[derive(Debug)]
pub(super) struct Complaint {
    repeat: Duration,
    last: Option<(String, SystemTime)>,
}

impl Complaint {
    pub(super) fn every(repeat: Duration) -> Self {
        Self { repeat, last: None }
    }

    pub(super) fn is_news(&mut self, text: &str, now: SystemTime) -> bool {
        let known = self.last.as_ref().is_some_and(|(last, at)| last == text && now < *at + self.repeat);
        if !known {
            self.last = Some((text.to_owned(), now));
        }
        !known
    }
}

/// From this long before its end, the operator's own certificate is warned of, once a day.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 3_600);
