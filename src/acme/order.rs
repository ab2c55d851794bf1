//! An order from its placing to its certificate: the type is the state. RFC 8555 §7.1.3, §7.1.6, §7.4.
//!
//! `Order<Pending>` → [`into_ready`](Order::into_ready) → `Order<Ready>` → [`finalize`](Order::finalize) →
//! `Order<Processing>` → [`into_valid`](Order::into_valid) → `Order<Valid>` → [`certificate`](Order::certificate).
//! `invalid` is an [`Error`], always: such an order is never asked again.

mod body;
mod download;
mod place;

use std::marker::PhantomData;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

pub(super) use body::RawIdentifier;
use body::{Body, Status};
pub use place::{NewOrder, Placed, Replaces};

use super::account::Account;
use super::authorization::{Authorization, AuthorizationStatus};
use super::client::Post;
use super::csr;
use super::error::{Error, ErrorKind};
use super::key::CertificateKey;
use super::retry::Poll;
use crate::names::Identifier;

/// An order in the state `S`.
#[derive(Debug)]
pub struct Order<S> {
    account: Account,
    url: String,
    body: Body,
    /// What the CA said of the next look when it showed this body.
    retry_after: Option<Duration>,
    state: PhantomData<fn() -> S>,
}

/// The authorizations are to be validated.
#[derive(Clone, Copy, Debug)]
pub enum Pending {}
/// To be finalized.
#[derive(Clone, Copy, Debug)]
pub enum Ready {}
/// Finalized; the CA issues.
#[derive(Clone, Copy, Debug)]
pub enum Processing {}
/// The certificate waits.
#[derive(Clone, Copy, Debug)]
pub enum Valid {}

/// An order in whichever state it was found: a new one may be past its beginning.
#[derive(Debug)]
pub enum AnyOrder {
    /// The authorizations are to be validated.
    Pending(Order<Pending>),
    /// All of them are valid from earlier orders.
    Ready(Order<Ready>),
    /// It was finalized already, with a key that its owner has.
    Processing(Order<Processing>),
    /// It was finalized already, with a key that its owner has; the certificate waits.
    Valid(Order<Valid>),
}

impl Account {
    /// Opens an order from before by its URL, for instance after a restart.
    ///
    /// # Errors
    /// [`ErrorKind::OrderInvalid`] when it failed meanwhile; when the CA does not know it any more or cannot be reached.
    pub async fn order(&self, url: &str) -> Result<AnyOrder, Error> {
        let work = async {
            let reply = self.fetch(url).await?;
            let body = Body::read(&reply)?;
            Order::<Pending>::new(self.clone(), url.to_owned(), body, reply.retry_after()).sorted().await
        };
        work.await.map_err(|error: Error| error.while_doing("order"))
    }
}

impl<S> Order<S> {
    fn new(account: Account, url: String, body: Body, retry_after: Option<Duration>) -> Self {
        Self { account, url, body, retry_after, state: PhantomData }
    }

    /// Its URL: with it and the certificate's key an order is taken up after a restart.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The names that it is for, in the CA's order.
    #[must_use]
    pub fn identifiers(&self) -> &[Identifier] {
        self.body.identifiers()
    }

    fn into<T>(self) -> Order<T> {
        Order::new(self.account, self.url, self.body, self.retry_after)
    }

    /// The same order in the state that its body shows.
    async fn sorted(self) -> Result<AnyOrder, Error> {
        match self.body.status() {
            Status::Pending => Ok(AnyOrder::Pending(self.into())),
            Status::Ready => Ok(AnyOrder::Ready(self.into())),
            Status::Processing => Ok(AnyOrder::Processing(self.into())),
            Status::Valid => Ok(AnyOrder::Valid(self.into())),
            Status::Invalid => Err(self.failure().await),
        }
    }

    /// Looks until the status is none of `passing`. A few failures in a row are passed over.
    async fn settle(&mut self, poll: &mut Poll, passing: &[Status]) -> Result<(), Error> {
        loop {
            match self.look().await {
                Ok(()) => poll.saw(),
                Err(error) => {
                    self.retry_after = poll.pass_over(error)?;
                    poll.pause(self.retry_after).await?;
                    continue;
                }
            }
            if !passing.contains(&self.body.status()) {
                return Ok(());
            }
            poll.pause(self.retry_after).await?;
        }
    }

    async fn look(&mut self) -> Result<(), Error> {
        let reply = self.account.look(&self.url).await?;
        (self.body, self.retry_after) = (Body::read(&reply)?, reply.retry_after());
        Ok(())
    }

    /// What an invalid order failed of: its own problem, and those of its authorizations as far as the CA tells.
    async fn failure(&self) -> Error {
        let mut failed = Vec::new();
        let collect = async {
            for url in self.body.authorizations() {
                let Ok((authorization, _)) = Authorization::fetch(&self.account, url).await else { continue };
                let (identifier, problem) = (authorization.identifier(), authorization.problem());
                failed.extend(problem.map(|problem| (identifier.clone(), problem.clone())));
            }
        };
        // The order has failed anyhow: its reasons are worth one request's time, not more.
        let _ = tokio::time::timeout(self.account.client().limits().request, collect).await;
        let problem = self.body.problem().or_else(|| failed.first().map(|(_, problem)| problem));
        Error::from(ErrorKind::OrderInvalid).with_problem(problem.cloned()).with_authorizations(failed)
    }

    async fn unexpected(&self) -> Error {
        match self.body.status() {
            Status::Invalid => self.failure().await,
            status => ErrorKind::OrderUnexpected(status.name()).into(),
        }
    }
}

impl Order<Pending> {
    /// Fetches its authorizations. Those that are [`Valid`](AuthorizationStatus::Valid) need nothing.
    ///
    /// # Errors
    /// When one cannot be fetched.
    pub async fn authorizations(&self) -> Result<Vec<Authorization>, Error> {
        let mut all = Vec::new();
        for url in self.body.authorizations() {
            all.push(Authorization::fetch(&self.account, url).await?.0);
        }
        Ok(all)
    }

    /// Gives back those of its authorizations that are still pending: for an order that is given up.
    ///
    /// Failures are passed over: the CA forgets them in time.
    pub async fn abandon(self) {
        for url in self.body.authorizations() {
            if let Ok((authorization, _)) = Authorization::fetch(&self.account, url).await
                && authorization.status() == AuthorizationStatus::Pending
            {
                let _ = authorization.deactivate().await;
            }
        }
    }

    /// Waits until the CA has seen that every authorization is valid.
    ///
    /// # Errors
    /// [`ErrorKind::OrderInvalid`] when one is not; [`ErrorKind::TimedOut`] after
    /// [`Limits::order`](super::Limits::order); when the CA cannot be reached.
    pub async fn into_ready(mut self) -> Result<Order<Ready>, Error> {
        let work = async {
            let mut poll = Poll::new(self.account.client().limits().order);
            self.settle(&mut poll, &[Status::Pending]).await?;
            if self.body.status() == Status::Ready { Ok(self.into()) } else { Err(self.unexpected().await) }
        };
        work.await.map_err(|error: Error| error.while_doing("order"))
    }
}

impl Order<Ready> {
    /// Asks for the certificate with this key, a fresh one for each certificate, stored before if the order is to
    /// survive a restart.
    ///
    /// # Errors
    /// When the CA refuses the request; [`ErrorKind::OrderInvalid`]; when it cannot be reached.
    pub async fn finalize(mut self, key: &CertificateKey) -> Result<Order<Processing>, Error> {
        let work = async {
            let csr = csr::request(self.identifiers(), key)?;
            let payload = json!({ "csr": URL_SAFE_NO_PAD.encode(csr) });
            let total = self.account.client().limits().order;
            // An order that can be looked at makes no good of a finalize that fails each time.
            let (mut asking, mut looking) = (Poll::new(total), Poll::new(total));
            loop {
                match self.ask(&payload).await {
                    Ok(()) => return Ok(self.into()),
                    Err(error) => self.retry_after = asking.pass_over(error)?,
                }
                // Whether it was heard, the order knows.
                asking.pause(self.retry_after).await?;
                self.settle(&mut looking, &[Status::Pending]).await?;
                match self.body.status() {
                    Status::Ready => {}
                    Status::Processing | Status::Valid => return Ok(self.into()),
                    _ => return Err(self.unexpected().await),
                }
            }
        };
        work.await.map_err(|error: Error| error.while_doing("finalize"))
    }

    async fn ask(&mut self, payload: &serde_json::Value) -> Result<(), Error> {
        let post = Post::change(self.account.signer(), self.body.finalize(), payload).slow();
        let reply = self.account.client().post(post).await?;
        (self.body, self.retry_after) = (Body::read(&reply)?, reply.retry_after());
        Ok(())
    }
}

impl Order<Processing> {
    /// Waits until the certificate is there.
    ///
    /// # Errors
    /// [`ErrorKind::OrderInvalid`] when the CA does not issue after all; [`ErrorKind::TimedOut`] after
    /// [`Limits::order`](super::Limits::order); when it cannot be reached.
    pub async fn into_valid(mut self) -> Result<Order<Valid>, Error> {
        // Some CAs show `ready` for a moment after finalize.
        let passing = [Status::Pending, Status::Ready, Status::Processing];
        let work = async {
            if passing.contains(&self.body.status()) {
                let mut poll = Poll::new(self.account.client().limits().order);
                poll.pause(self.retry_after).await?;
                self.settle(&mut poll, &passing).await?;
            }
            if self.body.status() == Status::Valid { Ok(self.into()) } else { Err(self.unexpected().await) }
        };
        work.await.map_err(|error: Error| error.while_doing("order"))
    }
}
