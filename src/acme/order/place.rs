//! Placing an order. RFC 8555 §7.4, RFC 9773 §5, draft-aaron-acme-profiles §4.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::body::{Body, RawIdentifier};
use super::{AnyOrder, Order, Pending};
use crate::acme::account::Account;
use crate::acme::ari::CertificateId;
use crate::acme::client::check_url;
use crate::acme::error::{Error, ErrorKind};
use crate::acme::jws;
use crate::names::Identifier;

/// What is ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewOrder {
    /// The names of the certificate; one that is repeated counts once.
    pub identifiers: Vec<Identifier>,
    /// One of the directory's `meta.profiles`. Default the CA's own choice.
    pub profile: Option<String>,
    /// The certificate that this one takes the place of, ordered from the same CA by the same account.
    pub replaces: Option<CertificateId>,
}

/// An order that was placed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Placed {
    /// The order, in the state that it arrived in.
    pub order: AnyOrder,
    /// What became of [`NewOrder::replaces`].
    pub replaces: Replaces,
}

/// What became of [`NewOrder::replaces`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Replaces {
    /// It was not asked for, or the CA has no renewal information and so does not know the word.
    Unsaid,
    /// The CA took it: a renewal that no rate limit counts.
    Accepted,
    /// The order with it failed, so it was placed without.
    Refused(Error),
}

impl NewOrder {
    /// An order for these names.
    #[must_use]
    pub fn of(identifiers: impl IntoIterator<Item = Identifier>) -> Self {
        Self { identifiers: identifiers.into_iter().collect(), ..Self::default() }
    }
}

impl Account {
    /// Places an order.
    ///
    /// If it fails with `replaces`, for whatever reason, it is placed once more without: a renewal must not end with
    /// a CA's opinion on its predecessor.
    ///
    /// # Errors
    /// [`ErrorKind::ProfileNotOffered`]; [`ErrorKind::OrderDiffers`] when the CA's order is for other names; when the
    /// CA turns it down or cannot be reached.
    pub async fn new_order(&self, new: &NewOrder) -> Result<Placed, Error> {
        let work = async {
            if let Some(profile) = &new.profile {
                self.client().directory().admit_profile(profile)?;
            }
            // A CA without renewal information does not know the word.
            let known = self.client().directory().renewal_info.is_some();
            let Some(id) = new.replaces.as_ref().filter(|_| known) else {
                return Ok(Placed { order: self.place(new, None).await?, replaces: Replaces::Unsaid });
            };
            let (order, replaces) = match self.place(new, Some(id)).await {
                Ok(order) => (order, Replaces::Accepted),
                Err(refusal) => (self.place(new, None).await?, Replaces::Refused(refusal)),
            };
            Ok(Placed { order, replaces })
        };
        work.await.map_err(|error: Error| error.while_doing("newOrder"))
    }

    async fn place(&self, new: &NewOrder, replaces: Option<&CertificateId>) -> Result<AnyOrder, Error> {
        let asked: BTreeSet<Identifier> = new.identifiers.iter().cloned().collect();
        let identifiers: Vec<RawIdentifier> = asked.iter().map(RawIdentifier::new).collect();
        let payload = jws::object([
            ("identifiers", Some(json!(identifiers))),
            ("profile", new.profile.as_deref().map(Value::from)),
            ("replaces", replaces.map(|id| id.as_str().into())),
        ]);
        let reply = self.post(&self.client().directory().new_order, &payload).await?;
        // What is no order at all lacks Location too, and its beginning tells more.
        let body = Body::read(&reply)?;
        let url = reply.location()?.to_owned();
        check_url(&url)?;
        if asked != body.identifiers().iter().cloned().collect() {
            return Err(ErrorKind::OrderDiffers.into());
        }
        Order::<Pending>::new(self.clone(), url, body, reply.retry_after()).sorted().await
    }
}
