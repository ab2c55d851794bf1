//! The driver: asks the schedule, waits, attempts, records what came of it.
//!
//! Owns the loop and what is written after each turn. Thin: when is [`schedule`](super::schedule)'s, how is
//! `attempt`'s, words are `report`'s.

mod custody;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tracing::{debug, info, warn};

use custody::Complaint;

use super::attempt::{self, Attempt, Obstacle};
use super::holding::{self, Found, Holding};
use super::report::{self, Failure};
use super::schedule::{self, Action, Reason, Standing};
use super::{Options, Parts, choice};
use crate::acme;
use crate::metrics::Failed;
use crate::shutdown::Shutdown;
use crate::store::{self, Ari, CertificateName, Key, Lease, StoreError};
use crate::x509;

/// Obtains and renews one certificate.
#[derive(Debug)]
pub struct Provisioner {
    options: Options,
    parts: Parts,
    name: CertificateName,
    holding: Holding,
    /// The CAs as they were last met, in the order of the options.
    clients: Vec<Option<acme::Client>>,
    /// Not before this, for reasons that are no failures.
    hold: Option<SystemTime>,
    wake: Arc<Notify>,
    /// Until when it said that it waits.
    announced: Option<SystemTime>,
    complaint: Complaint,
    notice: Complaint,
    /// Of the store as it was last read.
    fingerprint: Option<Vec<u8>>,
    /// Held for as long as this process serves the certificate; `docquay cert` asks for it.
    _serving: Option<Lease>,
}

/// Has the driver look again at once: the store, the published files, the schedule.
#[derive(Clone, Debug)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Looks again. Idempotent until it does.
    pub fn now(&self) {
        self.0.notify_one();
    }
}

impl Provisioner {
    /// Reads the store and serves what it has; asks nothing of a CA.
    ///
    /// # Errors
    /// When the store cannot be read; when there is no certificate and the store could not keep one, or does not
    /// last; when the operator's own pair lacks a name.
    pub async fn open(options: Options, parts: Parts) -> Result<Self, Failure> {
        let Some(name) = options.certificate_name() else { return Err(report::no_names()) };
        let clients = options.authorities.iter().map(|_| None).collect();
        let serving = parts.store.lease(&Key::serving(name.clone())).await.unwrap_or_default();
        let mut provisioner = Self {
            options,
            parts,
            name,
            holding: Holding::default(),
            clients,
            hold: None,
            wake: Arc::default(),
            announced: None,
            complaint: Complaint::every(REPEAT),
            notice: Complaint::every(DAY),
            fingerprint: None,
            _serving: serving,
        };
        provisioner
            .reload()
            .await
            .map_err(|error| report::store("the certificate cannot be read", &error))?;
        provisioner.refuse_gap()?;
        if let Err(failure) = provisioner.check_store().await {
            if !provisioner.has_certificate() {
                return Err(failure);
            }
            warn!(
                cause = failure.cause,
                help = failure.help,
                "the certificate is served, but its renewal could not be kept"
            );
        }
        provisioner.serve();
        Ok(provisioner)
    }

    /// A handle that has the running driver look again.
    #[must_use]
    pub fn wake(&self) -> Wake {
        Wake(Arc::clone(&self.wake))
    }

    /// Whether there is a certificate to serve.
    #[must_use]
    pub fn has_certificate(&self) -> bool {
        self.holding.served(&self.options.names, self.now()).is_some()
    }

    /// One line on the state for people: what is served until when, or what is waited for.
    #[must_use]
    pub fn summary(&self) -> String {
        let now = self.now();
        let Some(pair) = self.holding.served(&self.options.names, now) else {
            return "none yet; it is being obtained, see the log".to_owned();
        };
        let until = report::date_and_distance(pair.leaf().not_after(), now);
        match self.holding.held(&self.options, now).map(|held| held.standing) {
            Some(Standing::Operators) => format!("your own, valid until {until}; renewing it is yours"),
            Some(Standing::Interim) => format!("valid until {until}; being replaced"),
            _ => format!("valid until {until}, renewed by itself about {}", x509::date(self.due())),
        }
    }

    /// Keeps the certificate for as long as the server runs. Ends with the drain; dropped at any point it leaves
    /// the store whole.
    pub async fn run(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = self.turn() => {}
                () = shutdown.draining() => return,
            }
        }
    }

    /// Obtains a certificate now, at the operator's wish, unless failures before forbid it.
    ///
    /// # Errors
    /// As the attempt failed; when it has to wait.
    pub async fn renew_now(&mut self) -> Result<(), Failure> {
        self.holding.entry.record.renew_requested = true;
        let now = self.now();
        let (until, reason) = self.view(|view| schedule::next_order(now, view));
        if until > now {
            return Err(report::not_yet(until, reason, now));
        }
        match self.obtain().await {
            Ok(()) => Ok(()),
            Err(Obstacle::Busy) => Err(report::busy()),
            Err(Obstacle::Name(failure)) => Err(*failure),
            Err(Obstacle::Failed(mut failure) | Obstacle::AccountForgotten(mut failure)) => {
                let (next, _) = self.view(|view| schedule::next_order(self.now(), view));
                failure.help.push_str(&format!(
                    "\nthe next attempt: {}",
                    report::date_and_distance(next, self.now())
                ));
                Err(*failure)
            }
        }
    }

    async fn turn(&mut self) {
        let now = self.now();
        match self.view(|view| schedule::next_action(now, view)) {
            Action::Order => self.attempt().await,
            Action::AskRenewalInfo => self.ask_renewal_info().await,
            Action::Wait { until, reason } => {
                self.announce(until, reason, now);
                let span = until.duration_since(now).unwrap_or_default().min(LOOK_AGAIN);
                tokio::select! {
                    () = tokio::time::sleep(span) => {}
                    () = self.wake.notified() => {}
                }
                self.look_again().await;
            }
        }
    }

    fn now(&self) -> SystemTime {
        self.parts.clock.system()
    }

    fn view<T>(&self, look: impl FnOnce(&schedule::View<'_>) -> T) -> T {
        self.holding.with_view(&self.options, self.now(), self.hold, self.asks_window(), look)
    }

    fn due(&self) -> SystemTime {
        let now = self.now();
        self.view(|view| schedule::due(now, view))
    }

    /// Whether the CA of the certificate has ARI; unknown until it was met, and then worth finding out.
    fn asks_window(&self) -> bool {
        match self.place_of_issuer().and_then(|place| self.clients.get(place)) {
            Some(Some(client)) => client.directory().renewal_info.is_some(),
            Some(None) => true,
            None => false,
        }
    }

    fn place_of_issuer(&self) -> Option<usize> {
        let directory = &self.holding.entry.record.directory;
        self.options.authorities.iter().position(|authority| authority.directory == *directory)
    }

    async fn attempt(&mut self) {
        self.announced = None;
        let now = self.now();
        match self.obtain().await {
            Ok(()) => self.hold = None,
            Err(Obstacle::Busy) => {
                debug!(name = %self.name, "another process is obtaining this certificate; waiting for it");
                self.hold = Some(now + BUSY_PAUSE);
            }
            Err(Obstacle::Name(failure)) => {
                self.parts.metrics.failed(failure.kind);
                if self.complaint.is_news(&failure.to_string(), now) {
                    warn!(cause = failure.cause, help = failure.help, again_in = ?NAME_PAUSE, "{}", failure.what);
                }
                self.hold = Some(self.now() + NAME_PAUSE);
            }
            // Recorded and told already.
            Err(Obstacle::Failed(_) | Obstacle::AccountForgotten(_)) => {}
        }
    }

    /// One attempt under the lease, and the record of its failure. Looks again first: another process may have
    /// obtained it meanwhile.
    async fn obtain(&mut self) -> Result<(), Obstacle> {
        let lease = self.parts.store.lease(&Key::certificate(self.name.clone())).await;
        let known = match &lease {
            Ok(Some(_)) => self.catch_up().await,
            Ok(None) => return Err(Obstacle::Busy),
            Err(error) => {
                // The failure is known here alone, and must not be forgotten for what the store has.
                self.holding.unsaved = true;
                Err(report::store("nothing was ordered", error))
            }
        };
        if let Err(failure) = known {
            // What the store has is not known, so it must not be written over.
            self.failed(&failure);
            return Err(failure.into());
        }
        let outcome = self.order().await;
        if let Err(Obstacle::Failed(failure) | Obstacle::AccountForgotten(failure)) = &outcome {
            self.failed(failure);
            self.save_failure(failure).await;
        }
        outcome
    }

    /// For the holder of the lease.
    async fn order(&mut self) -> Result<(), Obstacle> {
        let now = self.now();
        self.hold = None;
        if self.view(|view| schedule::next_action(now, view)) != Action::Order {
            self.serve();
            return Ok(());
        }
        self.check_store().await?;
        let place = choice::authority(&self.options.authorities, &self.holding.entry.record.attempts, now);
        let (Some(authority), Some(client)) =
            (self.options.authorities.get(place), self.clients.get_mut(place))
        else {
            return Err(report::no_names().into());
        };
        let (options, parts, name, holding) = (&self.options, &self.parts, &self.name, &mut self.holding);
        Attempt { options, parts, name, authority, holding }.run(client).await?;
        self.succeeded().await;
        Ok(())
    }

    /// The new pair is the truth: publishes and serves it.
    async fn succeeded(&mut self) {
        let now = self.now();
        self.parts.metrics.succeeded(now);
        // Served first: what other programs read must not hold up our own clients.
        self.serve();
        if !self.holding.unsaved {
            let published =
                store::publish_certificate(self.parts.store.as_ref(), &self.name, &mut self.holding.entry)
                    .await;
            self.tell(published.err().map(Found::NotPublished).into_iter().collect());
        }
        if let Some(pair) = &self.holding.entry.pair {
            let leaf = pair.leaf();
            info!(
                names = report::list(&self.options.names),
                issuer = leaf.issuer_name().unwrap_or("unnamed"),
                valid_until = report::date_and_distance(leaf.not_after(), now),
                next_renewal = report::date_and_distance(self.due(), now),
                "certificate obtained"
            );
        }
    }

    /// Notes a failure and when the next attempt may come; says both.
    fn failed(&mut self, failure: &Failure) {
        let now = self.now();
        let jitter = attempt::random_byte(self.parts.entropy.as_ref());
        let served = self.holding.served(&self.options.names, now).map(|pair| pair.leaf().not_after());
        let authorities = &self.options.authorities;
        let attempts = &mut self.holding.entry.record.attempts;
        let place = choice::authority(authorities, attempts, now);
        let directory = authorities.get(place).map_or("", |authority| &authority.directory);
        report::record(attempts, failure, directory, now, jitter, authorities.len() > 1, served);
        let failures = attempts.failures;
        if failure.ends_order {
            self.holding.entry.record.order = None;
        }
        self.parts.metrics.failed(failure.kind);
        let (next, _) = self.view(|view| schedule::next_order(now, view));
        self.announced = Some(next);
        report::log(failure, failures, next, served, now);
    }

    async fn save_failure(&mut self, failure: &Failure) {
        let saved = self.holding.save(self.parts.store.as_ref(), &self.name).await;
        if let Err(error) = saved.as_ref().map_err(StoreError::cause)
            && failure.kind != Failed::Store
        {
            warn!(cause = error, "the failure cannot be recorded: a restart will not know of it");
        }
    }

    /// Asks for the window. A failure is only noted: the schedule then goes by the lifetime.
    async fn ask_renewal_info(&mut self) {
        let Some(place) = self.place_of_issuer() else { return };
        let (Some(authority), Some(client)) =
            (self.options.authorities.get(place), self.clients.get_mut(place))
        else {
            return;
        };
        let before = self.holding.entry.record.ari.clone().unwrap_or_default();
        let Some(ari) = attempt::renewal_info(&self.parts, authority, &self.holding, client).await else {
            // The certificate names no issuer's key: no CA can be asked about it.
            let tomorrow = holding::seconds(self.now() + DAY);
            self.holding.entry.record.ari = Some(Ari { retry_at: tomorrow, ..Ari::default() });
            return;
        };
        if (before.start, before.end) != (ari.start, ari.end) && ari.end > ari.start {
            info!(
                from = x509::date(holding::time(ari.start)),
                to = x509::date(holding::time(ari.end)),
                chosen = x509::date(holding::time(ari.chosen)),
                explanation = ari.explanation_url,
                "the CA suggests when to renew"
            );
        }
        if let Err(error) = self.note_window(ari).await {
            debug!(cause = %error, "the window is not saved");
        }
    }

    fn announce(&mut self, until: SystemTime, reason: Reason, now: SystemTime) {
        self.parts.metrics.plans(until);
        // What holds it back besides failures is told where it arises.
        if self.announced == Some(until) || self.hold.is_some() {
            return;
        }
        self.announced = Some(until);
        let when = report::date_and_distance(until, now);
        match reason {
            Reason::Renewal => debug!(until = when, "nothing to do"),
            Reason::ValidationLimit => {
                warn!(until = when, "a name failed four validations within the hour; the next attempt waits");
            }
            Reason::Backoff => {
                let attempts = &self.holding.entry.record.attempts;
                let last =
                    attempts.last.as_ref().map_or_else(String::new, |last| report::one_line(&last.text));
                info!(until = when, failures = attempts.failures, last, "waiting after a failure");
            }
        }
    }
}

/// How often others are looked for: the operator's files, another process, `docquay cert`.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
const BUSY_PAUSE: Duration = Duration::from_secs(5);
const NAME_PAUSE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// After this the same complaint is news again.
const REPEAT: Duration = Duration::from_secs(600);
