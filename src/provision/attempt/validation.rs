//! Showing control of the names: answers published, the CA told to look, its verdicts awaited. RFC 8555 §7.5.1, §8.

use std::io;

use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::{Addresses, Attempt, Obstacle};
use crate::acme::{Authorization, AuthorizationStatus, ChallengeKind, Order, Pending, Ready};
use crate::provision::challenges::{self, PREFIX};
use crate::provision::report::{self, Step};
use crate::provision::{HttpListener, selfcheck};
use crate::tls;

impl Attempt<'_> {
    /// Shows control of every name that asks for it, all at once; what is presented stays until all are settled.
    pub(super) async fn validate(
        &self,
        order: Order<Pending>,
        addresses: &Addresses,
        chosen: ChallengeKind,
    ) -> Result<Order<Ready>, Obstacle> {
        let authorizations = order.authorizations().await.map_err(self.told(Step::Order))?;
        let mut presented = Vec::new();
        let mut validations = JoinSet::new();
        let mut used = chosen;
        for authorization in authorizations {
            if authorization.status() == AuthorizationStatus::Valid {
                debug!(name = %authorization.identifier(), "validated by an earlier order");
                continue;
            }
            let mut kind = self.offered(&authorization, chosen);
            let mut answer = self.present(&authorization, kind)?;
            if let Err(error) = self.ask_ourselves(&authorization, kind).await {
                // Not the network's fault, and no validation lost: the other type may do, at once.
                let other = self.instead_of_http_01(&authorization, &error)?;
                (kind, answer) = (other, self.present(&authorization, other)?);
            }
            log(&authorization, kind, addresses);
            used = kind;
            presented.push(answer);
            validations.spawn(async move { authorization.validate(kind).await });
        }
        let mut failed = Vec::new();
        while let Some(ended) = validations.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => failed.push(error),
                // Only a panic or the runtime's end: there is nothing to go on with.
                Err(error) => debug!(%error, "a validation ended early"),
            }
        }
        let reached = presented.iter().any(Presented::was_answered);
        drop(presented);
        let step = Step::Validation { kind: used, addresses, reached };
        if failed.is_empty() {
            return order.into_ready().await.map_err(self.told(step));
        }
        let told = failed.into_iter().map(self.told(step)).reduce(Obstacle::and).unwrap_or(Obstacle::Busy);
        if matches!(&told, Obstacle::Failed(failure) if failure.ends_order) {
            order.abandon().await;
        }
        Err(told)
    }

    /// The chosen type, or the other if the CA does not offer it for this name: nothing of the network's is at fault.
    fn offered(&self, authorization: &Authorization, chosen: ChallengeKind) -> ChallengeKind {
        let other = match chosen {
            ChallengeKind::Http01 => ChallengeKind::TlsAlpn01,
            ChallengeKind::TlsAlpn01 => ChallengeKind::Http01,
        };
        let free = self.options.challenge.is_none()
            && (other != ChallengeKind::Http01 || self.parts.http_01 != HttpListener::Closed);
        if authorization.challenge(chosen).is_none() && free && authorization.challenge(other).is_some() {
            other
        } else {
            chosen
        }
    }

    fn present(&self, authorization: &Authorization, kind: ChallengeKind) -> Result<Presented, Obstacle> {
        let name = authorization.identifier();
        let Some(challenge) = authorization.challenge(kind) else { return Ok(Presented::Nothing) };
        let key_authorization = challenge.key_authorization();
        match kind {
            ChallengeKind::Http01 => Ok(Presented::Http(
                self.parts.http_challenges.present(challenge.token(), key_authorization.as_str()),
            )),
            ChallengeKind::TlsAlpn01 => {
                match self.parts.tls_challenges.present(name, key_authorization.digest()) {
                    Ok(presented) => Ok(Presented::Tls(presented)),
                    Err(error) => Err(report::not_presented(name, &error).into()),
                }
            }
        }
    }

    /// Whether our own listener has the answer to HTTP-01.
    async fn ask_ourselves(&self, authorization: &Authorization, kind: ChallengeKind) -> io::Result<()> {
        let (HttpListener::Bound(address), ChallengeKind::Http01) = (self.parts.http_01, kind) else {
            return Ok(());
        };
        let Some(challenge) = authorization.challenge(kind) else { return Ok(()) };
        let (token, expected) = (challenge.token(), challenge.key_authorization().as_str());
        selfcheck::http_01(address, authorization.identifier(), token, expected).await
    }

    fn instead_of_http_01(
        &self,
        authorization: &Authorization,
        error: &io::Error,
    ) -> Result<ChallengeKind, Obstacle> {
        let other = ChallengeKind::TlsAlpn01;
        if self.options.challenge.is_some() || authorization.challenge(other).is_none() {
            return Err(report::silent_listener(error).into());
        }
        warn!(cause = %error, "our own listener for HTTP-01 does not answer; TLS-ALPN-01 is used instead");
        Ok(other)
    }
}

/// What the CA will ask, and where the name leads it.
fn log(authorization: &Authorization, kind: ChallengeKind, addresses: &Addresses) {
    let Some(challenge) = authorization.challenge(kind) else { return };
    let name = authorization.identifier();
    let asks = match kind {
        ChallengeKind::Http01 => format!("http://{}{PREFIX}{}", name.host(), challenge.token()),
        ChallengeKind::TlsAlpn01 => format!("port 443 for acme-tls/1 as {}", name.server_name()),
    };
    let at = addresses.iter().filter(|(other, _)| other == name);
    let at: Vec<String> = at.flat_map(|(_, addresses)| addresses.iter().map(ToString::to_string)).collect();
    info!(%name, challenge = kind.name(), addresses = at.join(", "), asks, "challenge ready; the CA is told to look");
}

/// An answer that is published until this is dropped.
enum Presented {
    Http(challenges::Presented),
    Tls(tls::Presented),
    /// The CA does not offer the type: its validation says so.
    Nothing,
}

impl Presented {
    fn was_answered(&self) -> bool {
        match self {
            Self::Http(presented) => presented.answered() > 0,
            Self::Tls(presented) => presented.answered() > 0,
            Self::Nothing => false,
        }
    }
}
