//! Leave to have a certificate for one name: fetched, validated, given back. RFC 8555 §7.1.4, §7.5.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Account;
use super::challenge::{Challenge, ChallengeKind};
use super::client::Post;
use super::error::{Error, ErrorKind};
use super::order::RawIdentifier;
use super::problem::{Problem, ProblemKind, excerpt};
use super::reply::Reply;
use super::retry::Poll;
use crate::names::Identifier;

/// An authorization as it was when it was fetched.
#[derive(Clone, Debug)]
pub struct Authorization {
    account: Account,
    url: String,
    identifier: Identifier,
    status: AuthorizationStatus,
    challenges: Vec<Challenge>,
    /// The types of all challenges, those too that cannot be answered here.
    offered: Vec<String>,
}

/// The states of RFC 8555 §7.1.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AuthorizationStatus {
    /// One of its challenges is to be answered.
    Pending,
    /// Control was shown, now or for an earlier order: nothing to do.
    Valid,
    /// The validation failed, for good.
    Invalid,
    /// Given back.
    Deactivated,
    /// Too old.
    Expired,
    /// Taken back by the CA.
    Revoked,
}

#[derive(Deserialize)]
struct Raw {
    identifier: RawIdentifier,
    status: AuthorizationStatus,
    #[serde(default)]
    challenges: Vec<Value>,
}

impl Authorization {
    /// Fetches one, and how long the CA asks to wait before it is fetched again.
    pub(super) async fn fetch(account: &Account, url: &str) -> Result<(Self, Option<Duration>), Error> {
        Self::of(account, url, account.fetch(url).await)
    }

    /// The same for a poll.
    async fn look(&self) -> Result<(Self, Option<Duration>), Error> {
        Self::of(&self.account, &self.url, self.account.look(&self.url).await)
    }

    fn of(
        account: &Account,
        url: &str,
        reply: Result<Reply, Error>,
    ) -> Result<(Self, Option<Duration>), Error> {
        let read = reply.and_then(|reply| Ok((Self::read(account, url, &reply)?, reply.retry_after())));
        read.map_err(|error| error.while_doing("authorization"))
    }

    fn read(account: &Account, url: &str, reply: &Reply) -> Result<Self, Error> {
        let raw: Raw = reply.json("authorization")?;
        let identifier = raw.identifier.parse()?;
        let thumbprint = account.key().thumbprint();
        let (mut challenges, mut offered) = (Vec::new(), Vec::new());
        for value in &raw.challenges {
            challenges.extend(Challenge::from_value(value, &thumbprint)?);
            offered.extend(value.get("type").and_then(Value::as_str).and_then(excerpt));
        }
        let (account, url) = (account.clone(), url.to_owned());
        Ok(Self { account, url, identifier, status: raw.status, challenges, offered })
    }

    /// The name that it is for.
    #[must_use]
    pub fn identifier(&self) -> &Identifier {
        &self.identifier
    }

    /// Its state when it was fetched.
    #[must_use]
    pub fn status(&self) -> AuthorizationStatus {
        self.status
    }

    /// Its URL, verbatim.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The challenges that can be answered here.
    #[must_use]
    pub fn challenges(&self) -> &[Challenge] {
        &self.challenges
    }

    /// The challenge of one kind, if the CA offers it for this name.
    #[must_use]
    pub fn challenge(&self, kind: ChallengeKind) -> Option<&Challenge> {
        self.challenges.iter().find(|challenge| challenge.kind() == kind)
    }

    /// Tells the CA that the answer to a challenge is published, and waits until it has looked.
    ///
    /// Some CAs look while they are being told, others three times from three places: the answer stays published until
    /// this returns, with success or without. Nothing is asked if the authorization is valid already. If the future is
    /// dropped, the CA goes on.
    ///
    /// # Errors
    /// [`ErrorKind::ValidationFailed`] with the CA's words when it saw something else or nothing;
    /// [`ErrorKind::NoChallenge`] when it does not offer the kind; [`ErrorKind::TimedOut`] after
    /// [`Limits::validation`](super::Limits::validation); when it cannot be reached.
    pub async fn validate(&self, kind: ChallengeKind) -> Result<(), Error> {
        let work = async {
            match self.status {
                AuthorizationStatus::Valid => Ok(()),
                AuthorizationStatus::Pending => {
                    let challenge = self.challenge(kind).ok_or_else(|| self.not_offered(kind))?;
                    self.answer_and_wait(challenge).await
                }
                _ => Err(self.failure()),
            }
        };
        work.await.map_err(|error| error.while_doing("validation"))
    }

    async fn answer_and_wait(&self, challenge: &Challenge) -> Result<(), Error> {
        let mut poll = Poll::new(self.account.client().limits().validation);
        // Some CAs give the reason in the answer alone.
        let mut said = None;
        let mut heard = self.answer(challenge, &mut poll, &mut said).await?;
        loop {
            poll.pause(heard.wait()).await?;
            let (current, retry_after) = match self.look().await {
                Ok(fetched) => fetched,
                Err(error) => {
                    let asked = poll.pass_over(error)?;
                    heard = heard.and_wait(asked);
                    continue;
                }
            };
            match current.status {
                AuthorizationStatus::Valid => return Ok(()),
                AuthorizationStatus::Pending => {}
                _ => return Err(current.failure_or(said)),
            }
            let unanswered = current.challenge(challenge.kind()).is_some_and(Challenge::is_unanswered);
            if heard == Heard::Unknown && unanswered {
                heard = self.answer(challenge, &mut poll, &mut said).await?;
            } else {
                poll.saw();
                heard = heard.and_wait(retry_after);
            }
        }
    }

    /// One answer. One that may be lost counts as a failed look, so that it is not repeated without end.
    async fn answer(
        &self,
        challenge: &Challenge,
        poll: &mut Poll,
        said: &mut Option<Problem>,
    ) -> Result<Heard, Error> {
        let payload = json!({});
        let post = Post::change(self.account.signer(), &challenge.url, &payload).slow();
        let error = match self.account.client().post(post).await {
            Ok(reply) => {
                *said = reply.json("challenge").ok().and_then(|challenge| Problem::of_challenge(&challenge));
                return Ok(Heard::Yes(reply.retry_after()));
            }
            Err(error) => error,
        };
        if !error.is_answer() {
            return poll.pass_over(error).map(|_| Heard::Unknown);
        }
        // Some servers look inside this request and answer it with what they saw. Others refuse a second answer to a
        // challenge that is decided. The authorization knows.
        if let Ok((current, _)) = Self::fetch(&self.account, &self.url).await {
            match current.status {
                AuthorizationStatus::Valid => return Ok(Heard::Yes(None)),
                AuthorizationStatus::Invalid if current.problem().is_some() => return Err(current.failure()),
                _ => {}
            }
        }
        let of_the_name = !matches!(error.problem_kind(), Some(kind) if OF_THE_ACCOUNT.contains(&kind));
        let failure = ErrorKind::ValidationFailed(self.identifier.clone());
        Err(if of_the_name && error.is_refusal() { error.told_as(failure) } else { error })
    }

    /// Gives it back: for one that will not be used. The CA counts those that are left lying.
    ///
    /// # Errors
    /// When the CA refuses, because it is not pending or valid any more, or cannot be reached.
    pub async fn deactivate(&self) -> Result<(), Error> {
        let done = self.account.post(&self.url, &json!({ "status": "deactivated" })).await;
        done.map(drop).map_err(|error| error.while_doing("deactivating an authorization"))
    }

    /// What the CA says of the challenge that failed.
    pub(super) fn problem(&self) -> Option<&Problem> {
        self.challenges.iter().find_map(|challenge| challenge.problem.as_ref())
    }

    fn not_offered(&self, kind: ChallengeKind) -> Error {
        let error = Error::from(ErrorKind::NoChallenge(kind, self.identifier.clone()));
        match &self.offered[..] {
            [] => error,
            offered => error.with_source(format!("it offers {}", offered.join(", "))),
        }
    }

    fn failure(&self) -> Error {
        self.failure_or(None)
    }

    /// The failure in the words of the authorization, or else in these.
    fn failure_or(&self, said: Option<Problem>) -> Error {
        let problem = self.problem().cloned().or(said);
        Error::from(ErrorKind::ValidationFailed(self.identifier.clone())).with_problem(problem)
    }
}

/// An answer refused for these says nothing about the name.
const OF_THE_ACCOUNT: &[ProblemKind] = &[
    ProblemKind::AccountDoesNotExist,
    ProblemKind::BadNonce,
    ProblemKind::BadSignatureAlgorithm,
    ProblemKind::RateLimited,
    ProblemKind::ServerInternal,
    ProblemKind::UserActionRequired,
];

/// Whether the CA has heard that the answer to a challenge is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// It has, and asks to wait so long.
    Yes(Option<Duration>),
    /// Nobody knows.
    Unknown,
}

impl Heard {
    fn wait(self) -> Option<Duration> {
        match self {
            Self::Yes(wait) => wait,
            Self::Unknown => None,
        }
    }

    fn and_wait(self, wait: Option<Duration>) -> Self {
        match self {
            Self::Yes(_) => Self::Yes(wait),
            Self::Unknown => self,
        }
    }
}
