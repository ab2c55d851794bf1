//! One attempt: from the account to a pair that is saved.
//!
//! Owns the order of the steps and of what is saved between them, so that an end of the process at any point
//! leaves something to go on with: the account's key before the CA hears of it, its URL before an order, the
//! order with its key before the first challenge, the pair before it is served. RFC 8555 §7.

mod account;
mod validation;
mod window;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

pub(super) use window::renewal_info;

use super::holding::{Holding, seconds};
use super::report::{self, Failure, Step};
use super::{Authority, HttpListener, Options, Parts, choice, lookup, schedule};
use crate::acme::{
    self, Account, AnyOrder, CertificateId, CertificateKey, ChallengeKind, Client, Limits, NewOrder, Order,
    Placed, ProblemKind, Processing, Replaces, Valid,
};
use crate::entropy::Entropy;
use crate::names::Identifier;
use crate::secret::Secret;
use crate::store::{self, Attempts, CertificateName, OpenOrder};
use crate::x509::Pair;

/// Why there is no certificate after an attempt.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// It failed, and counts.
    Failed(Box<Failure>),
    /// A name does not resolve: nothing was asked of the CA, and nothing counts.
    Name(Box<Failure>),
    /// Another process is at it.
    Busy,
    /// The account's URL means nothing to the CA: its key is to be registered again.
    AccountForgotten(Box<Failure>),
}

impl From<Failure> for Obstacle {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

/// An attempt at one CA.
pub(super) struct Attempt<'a> {
    pub(super) options: &'a Options,
    pub(super) parts: &'a Parts,
    pub(super) name: &'a CertificateName,
    pub(super) authority: &'a Authority,
    pub(super) holding: &'a mut Holding,
}

/// The names with their addresses, as they were looked up.
type Addresses = Vec<(Identifier, Vec<IpAddr>)>;

impl Attempt<'_> {
    /// Obtains a pair and saves it with the store's record. The client that was used is left in `client`.
    pub(super) async fn run(&mut self, client: &mut Option<Client>) -> Result<(), Obstacle> {
        let addresses = self.resolve().await?;
        let http_01 = self.parts.http_01 != HttpListener::Closed;
        let chosen = choice::challenge(self.options.challenge, http_01, &self.holding.entry.record.attempts);
        let outcome = self.obtain(client, &addresses, chosen).await;
        if !matches!(outcome, Err(Obstacle::Busy)) {
            // Noted with the outcome and not before: after an end of the process the same choice is made again.
            self.holding.entry.record.attempts.last_challenge = Some(chosen.name().to_owned());
        }
        let (pair, account) = outcome?;
        self.keep(pair, &account).await;
        Ok(())
    }

    async fn obtain(
        &mut self,
        client: &mut Option<Client>,
        addresses: &Addresses,
        chosen: ChallengeKind,
    ) -> Result<(Pair, Account), Obstacle> {
        let directory = self.authority.directory.as_str();
        info!(
            names = report::list(&self.options.names),
            directory,
            failures = self.holding.entry.record.attempts.failures,
            "ordering a certificate"
        );
        let client = client.insert(connect(self.parts, self.authority).await?);
        let account = self.account(client).await?;
        match self.issue(&account, addresses, chosen).await {
            Err(Obstacle::AccountForgotten(_)) => {
                warn!(
                    directory,
                    account = account.url(),
                    "the CA has forgotten the account; registering its key again"
                );
                let lease = self.lease_account().await?;
                let account = self.register(client, account.key().clone()).await?;
                drop(lease);
                Ok((self.issue(&account, addresses, chosen).await?, account))
            }
            outcome => Ok((outcome?, account)),
        }
    }

    /// RFC 8555 asks for nothing of the kind: a name that leads nowhere would cost a failed validation.
    async fn resolve(&self) -> Result<Addresses, Obstacle> {
        let mut all = Vec::new();
        for name in &self.options.names {
            match lookup::addresses(self.parts.lookup.as_ref(), name).await {
                Ok(addresses) => all.push((name.clone(), addresses)),
                Err(error) => return Err(Obstacle::Name(Box::new(report::unresolved(name, &error)))),
            }
        }
        for (name, addresses) in &all {
            let strange: Vec<String> = addresses
                .iter()
                .filter(|address| !lookup::is_ours(**address))
                .map(ToString::to_string)
                .collect();
            if !strange.is_empty() {
                info!(
                    %name, addresses = strange.join(", "),
                    "these addresses are not this machine's own; behind NAT or a CDN that is as it should be"
                );
            }
        }
        Ok(all)
    }

    fn told(&self, step: Step<'_>) -> impl Fn(acme::Error) -> Obstacle {
        move |error| {
            let failure = Box::new(report::authority(&self.authority.directory, step, &error));
            match error.problem_kind() {
                Some(ProblemKind::AccountDoesNotExist) => Obstacle::AccountForgotten(failure),
                _ => Obstacle::Failed(failure),
            }
        }
    }

    async fn issue(
        &mut self,
        account: &Account,
        addresses: &Addresses,
        chosen: ChallengeKind,
    ) -> Result<Pair, Obstacle> {
        let (order, key) = match self.resume(account).await? {
            Some(resumed) => resumed,
            None => self.place(account).await?,
        };
        let ready = match order {
            AnyOrder::Pending(order) => self.validate(order, addresses, chosen).await?,
            AnyOrder::Ready(order) => order,
            AnyOrder::Processing(order) => return self.download(order, &key).await,
            AnyOrder::Valid(order) => return self.fetch(order, &key).await,
        };
        let processing = ready.finalize(&key).await.map_err(self.told(Step::Issuance))?;
        self.download(processing, &key).await
    }

    /// An order that an earlier attempt placed and did not finish.
    ///
    /// That it cannot be looked at now is a failure, and so is that it has failed: nobody may have been there to
    /// record it, and it counts all the same.
    async fn resume(&self, account: &Account) -> Result<Option<(AnyOrder, CertificateKey)>, Obstacle> {
        let Some((open, key)) = self.resumable(account) else { return Ok(None) };
        match account.order(&open.url).await {
            Ok(order) => {
                info!(order = open.url, "going on with the order of an earlier run");
                Ok(Some((order, key)))
            }
            Err(error) if is_verdict_or_delay(&error) => {
                info!(order = open.url, cause = %error, "the order of an earlier run cannot be gone on with");
                Err(self.told(Step::Order)(error))
            }
            Err(error) => {
                info!(order = open.url, cause = %error, "the order of an earlier run is of no use; placing another");
                Ok(None)
            }
        }
    }

    fn resumable(&self, account: &Account) -> Option<(OpenOrder, CertificateKey)> {
        let open = self.holding.entry.record.order.clone()?;
        let age = seconds(self.parts.clock.system()).saturating_sub(open.placed_at);
        let fits = open.directory == self.authority.directory
            && open.account == account.url()
            && open.names == self.options.sorted_names()
            && age < OLDEST_ORDER.as_secs();
        let key = CertificateKey::from_pem(open.key_pem.bytes()).ok();
        Some((open, key.filter(|_| fits)?))
    }

    async fn place(&mut self, account: &Account) -> Result<(AnyOrder, CertificateKey), Obstacle> {
        let mut new = NewOrder::of(self.options.names.iter().cloned());
        new.profile = self.profile(account.client());
        new.replaces = self.replaced(account);
        let Placed { order, replaces, .. } = account.new_order(&new).await.map_err(self.told(Step::Order))?;
        if let Replaces::Refused(error) = &replaces {
            info!(cause = %error, "the CA did not take the order as a renewal; it was placed without `replaces`");
        }
        let key = CertificateKey::generate().map_err(self.told(Step::Order))?;
        let url = url(&order).to_owned();
        info!(order = url, "order placed");
        self.holding.entry.record.order = Some(OpenOrder {
            url,
            directory: self.authority.directory.clone(),
            account: account.url().to_owned(),
            key_pem: Secret::new(key.to_pem()),
            names: self.options.sorted_names(),
            placed_at: seconds(self.parts.clock.system()),
        });
        store::save_certificate(self.parts.store.as_ref(), self.name, &self.holding.entry)
            .await
            .map_err(|error| report::store("the order is given up before any validation", &error))?;
        Ok((order, key))
    }

    /// The profile, at the CA that it was configured for; a fallback may not have it.
    fn profile(&self, client: &Client) -> Option<String> {
        let first = self.options.authorities.first().map(|authority| &authority.directory);
        let is_first = first == Some(&self.authority.directory);
        self.options
            .profile
            .clone()
            .filter(|profile| is_first || client.directory().meta.profiles.contains_key(profile))
    }

    /// RFC 9773 §5: only towards the CA and the account that the certificate came from.
    fn replaced(&self, account: &Account) -> Option<CertificateId> {
        let record = &self.holding.entry.record;
        let same = record.directory == self.authority.directory && record.account == account.url();
        let pair = self.holding.entry.pair.as_ref().filter(|_| same)?;
        CertificateId::of(pair.leaf())
    }

    async fn download(&self, order: Order<Processing>, key: &CertificateKey) -> Result<Pair, Obstacle> {
        let valid = order.into_valid().await.map_err(self.told(Step::Issuance))?;
        self.fetch(valid, key).await
    }

    async fn fetch(&self, order: Order<Valid>, key: &CertificateKey) -> Result<Pair, Obstacle> {
        let preferred = self.options.preferred_chain.as_deref();
        order.certificate(key, preferred).await.map_err(self.told(Step::Issuance))
    }

    /// The truth changes here, whole. If it cannot be saved it is served from memory all the same: the CA has
    /// issued it, and ordering again would not make the disk any better.
    async fn keep(&mut self, pair: Pair, account: &Account) {
        let now = self.parts.clock.system();
        let replaced = self.holding.held(self.options, now);
        let record = &mut self.holding.entry.record;
        record.early_renewals = match replaced.filter(|_| !record.renew_requested) {
            Some(replaced) if schedule::is_early(now, &replaced) => record.early_renewals.saturating_add(1),
            _ => 0,
        };
        record.directory = self.authority.directory.clone();
        record.account = account.url().to_owned();
        record.names = self.options.sorted_names();
        record.profile = self.options.profile.clone();
        record.issued_at = Some(seconds(now));
        record.ari = None;
        record.order = None;
        record.renew_requested = false;
        record.revoked = false;
        // CAs count failed validations by the hour, whatever comes after them.
        let Attempts { last_challenge, failed_validations, .. } = std::mem::take(&mut record.attempts);
        record.attempts = Attempts { last_challenge, failed_validations, ..Attempts::default() };
        self.holding.entry.pair = Some(pair);
        if let Err(error) = self.holding.save(self.parts.store.as_ref(), self.name).await {
            error!(
                cause = %error, help = error.help(),
                "the new certificate is served, but cannot be saved: a restart before that would order again"
            );
        }
    }
}

impl Obstacle {
    /// Two of one attempt, told as one: several names failed.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed(mut one), Self::Failed(other)) => {
                one.join(*other);
                Self::Failed(one)
            }
            (one @ Self::AccountForgotten(_), _) | (_, one) => one,
        }
    }
}

/// Meets a CA anew: what a directory says may have changed since the last certificate.
async fn connect(parts: &Parts, authority: &Authority) -> Result<Client, Obstacle> {
    let (transport, clock) = (Arc::clone(&authority.transport), Arc::clone(&parts.clock));
    let met = Client::connect(&authority.directory, transport, clock, Limits::default()).await;
    Ok(met.map_err(|error| report::authority(&authority.directory, Step::Directory, &error))?)
}

/// Whether an order is to be asked again later, or has failed for good.
fn is_verdict_or_delay(error: &acme::Error) -> bool {
    error.is_retryable()
        || *error.kind() == acme::ErrorKind::OrderInvalid
        || error.problem_kind() == Some(ProblemKind::AccountDoesNotExist)
}

fn url(order: &AnyOrder) -> &str {
    match order {
        AnyOrder::Pending(order) => order.url(),
        AnyOrder::Ready(order) => order.url(),
        AnyOrder::Processing(order) => order.url(),
        AnyOrder::Valid(order) => order.url(),
    }
}

/// Jitter; in the middle if the system has no randomness.
pub(super) fn random_byte(entropy: &dyn Entropy) -> u8 {
    let mut byte = [127];
    let _ = entropy.fill(&mut byte);
    let [byte] = byte;
    byte
}

/// An order that is older is left alone: one that a CA never finishes must not keep a certificate from its renewal.
const OLDEST_ORDER: Duration = Duration::from_secs(24 * 3_600);
