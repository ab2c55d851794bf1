//! A connection to one CA: its directory, its nonces, and requests that are signed, sent and, where that is safe, sent again.
//!
//! RFC 8555 §6. Every wait has a deadline from [`Limits`]; the same request is repeated only for a rejected nonce,
//! for a busy server that says when, and, if it changes nothing, when no answer came.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::Value;

use super::directory::Directory;
use super::error::{Error, ErrorKind};
use super::jws::{self, Payload, Signer};
use super::limits::Limits;
use super::problem::ProblemKind;
use super::reply::Reply;
use super::transport::Transport;
use crate::clock::Clock;

/// A CA, known by its directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    directory: Arc<Directory>,
    wire: Arc<Wire>,
}

/// What a request needs, whatever it asks.
#[derive(Debug)]
struct Wire {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// The newest last.
    nonces: Mutex<Vec<String>>,
}

/// A signed request.
#[derive(Clone, Copy)]
pub(super) struct Post<'a> {
    signer: Signer<'a>,
    url: &'a str,
    payload: Payload<'a>,
    effect: Effect,
    pace: Pace,
    accept: Option<&'static str>,
}

/// Whether a request may be repeated when nobody knows if it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    None,
    Changes,
    /// Nothing, but who polls asks again anyhow.
    Polled,
}

/// How long an answer may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Usual,
    Slow,
}

impl<'a> Post<'a> {
    /// POST-as-GET.
    pub(super) fn fetch(signer: Signer<'a>, url: &'a str) -> Self {
        Self { signer, url, payload: Payload::Nothing, effect: Effect::None, pace: Pace::Usual, accept: None }
    }

    /// POST-as-GET that is not repeated here.
    pub(super) fn look(signer: Signer<'a>, url: &'a str) -> Self {
        Self { effect: Effect::Polled, ..Self::fetch(signer, url) }
    }

    /// A request that changes something.
    pub(super) fn change(signer: Signer<'a>, url: &'a str, payload: &'a Value) -> Self {
        Self { payload: Payload::Json(payload), effect: Effect::Changes, ..Self::fetch(signer, url) }
    }

    /// The CA may work inside the request.
    pub(super) fn slow(self) -> Self {
        Self { pace: Pace::Slow, ..self }
    }

    /// Asks for this type of content.
    pub(super) fn accept(self, content: &'static str) -> Self {
        Self { accept: Some(content), ..self }
    }
}

impl Client {
    /// Fetches the directory at an https URL.
    ///
    /// # Errors
    /// When the CA cannot be reached, or what it answers is no directory.
    pub async fn connect(
        directory_url: &str,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<Self, Error> {
        let wire = Wire { transport, clock, limits, nonces: Mutex::default() };
        let directory = async { wire.get(Method::GET, directory_url).await?.json("directory") };
        let directory = Arc::new(directory.await.map_err(|error| error.while_doing("directory"))?);
        Ok(Self { directory, wire: Arc::new(wire) })
    }

    /// What the CA offers.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.wire.limits
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.wire.clock.as_ref()
    }

    /// An unsigned GET.
    pub(super) async fn get(&self, url: &str) -> Result<Reply, Error> {
        self.wire.get(Method::GET, url).await
    }

    /// Sends a signed request until it is answered with success or for good.
    pub(super) async fn post(&self, post: Post<'_>) -> Result<Reply, Error> {
        let mut retries = Retries::default();
        loop {
            let nonce = self.nonce().await?;
            let error = match self.wire.post(&post, &nonce).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            let Some(pause) = retries.pause(&error, post.effect, &self.wire.limits) else {
                return Err(error);
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The newest nonce at hand, else a new one. Each is used once.
    async fn nonce(&self) -> Result<String, Error> {
        if let Some(nonce) = self.wire.nonces().pop() {
            return Ok(nonce);
        }
        let new = async {
            self.wire.get(Method::HEAD, &self.directory.new_nonce).await?;
            let nonce = self.wire.nonces().pop();
            nonce.ok_or_else(|| Error::from(ErrorKind::MissingHeader("Replay-Nonce")))
        };
        new.await.map_err(|error| error.while_doing("newNonce"))
    }
}

impl Wire {
    async fn get(&self, method: Method, url: &str) -> Result<Reply, Error> {
        let mut retries = Retries::default();
        loop {
            let sent = self.send(request(method.clone(), url, Bytes::new())?, self.limits.request).await;
            let Err(error) = sent else { return sent };
            let Some(pause) = retries.pause(&error, Effect::None, &self.limits) else { return Err(error) };
            tokio::time::sleep(pause).await;
        }
    }

    async fn post(&self, post: &Post<'_>, nonce: &str) -> Result<Reply, Error> {
        let jws = jws::sign(post.signer, Some(nonce), post.url, post.payload)?;
        let mut request = request(Method::POST, post.url, jws::body(&jws))?;
        // RFC 8555 §6.2: this type exactly, without parameters.
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/jose+json"));
        if let Some(content) = post.accept {
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(content));
        }
        let deadline = match post.pace {
            Pace::Usual => self.limits.request,
            Pace::Slow => self.limits.slow_request,
        };
        self.send(request, deadline).await
    }

    /// One request, one answer; its nonce is kept, whatever it is.
    async fn send(&self, request: Request<Bytes>, deadline: Duration) -> Result<Reply, Error> {
        let answer = tokio::time::timeout(deadline, self.transport.send(request)).await;
        let answer = answer.map_err(|late| Error::from(ErrorKind::TimedOut(deadline)).with_source(late))?;
        let response = answer.map_err(|error| Error::from(ErrorKind::Transport).with_source(error))?;
        let reply = Reply::new(response, self.clock.system());
        let nonce = reply.nonce().map(str::to_owned);
        let outcome = if reply.status.is_success() { Ok(reply) } else { Err(reply.into_error()) };
        let mut nonces = self.nonces();
        if matches!(&outcome, Err(error) if error.problem_kind() == Some(ProblemKind::BadNonce)) {
            // What is older than a rejected nonce is hardly better; the error brought a fresh one (RFC 8555 §6.5).
            nonces.clear();
        }
        if let Some(nonce) = nonce {
            if nonces.len() >= MOST_NONCES {
                nonces.remove(0);
            }
            nonces.push(nonce);
        }
        outcome
    }

    fn nonces(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often one request was repeated, and why.
#[derive(Debug, Default)]
struct Retries {
    nonce: u32,
    busy: u32,
    lost: u32,
}

impl Retries {
    /// The pause before the request is sent again; `None` if it is not.
    fn pause(&mut self, error: &Error, effect: Effect, limits: &Limits) -> Option<Duration> {
        let (count, limit, pause) = match error.kind() {
            _ if error.problem_kind() == Some(ProblemKind::BadNonce) => {
                (&mut self.nonce, limits.nonce_retries, Duration::ZERO)
            }
            // Turned away at the door: whatever it asks, it was not done (RFC 8555 §6.6).
            ErrorKind::Server(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
                if error.retry_after().is_some_and(|wait| wait <= limits.patience) =>
            {
                (&mut self.busy, limits.busy_retries, error.retry_after()?.max(SHORT))
            }
            ErrorKind::Server(status) if effect == Effect::None && status.is_server_error() => {
                (&mut self.lost, limits.transport_retries, SHORT)
            }
            ErrorKind::Transport if effect == Effect::None => {
                (&mut self.lost, limits.transport_retries, SHORT)
            }
            _ => return None,
        };
        *count += 1;
        (*count <= limit).then_some(pause)
    }
}

/// A request to an https URL, which goes out as it was written.
fn request(method: Method, url: &str, body: Bytes) -> Result<Request<Bytes>, Error> {
    check_url(url)?;
    let request = Request::builder().method(method).uri(url).header(ACCEPT_LANGUAGE, "en").body(body);
    request.map_err(|_cause| insecure(url))
}

/// Whether a URL may be asked: https, a host, no fragment.
pub(super) fn check_url(url: &str) -> Result<(), Error> {
    let has_host = Uri::try_from(url).is_ok_and(|parsed| parsed.host().is_some());
    let fit = url.starts_with("https://") && has_host && !url.contains('#');
    if fit { Ok(()) } else { Err(insecure(url)) }
}

fn insecure(url: &str) -> Error {
    Error::from(ErrorKind::InsecureUrl).with_source(format!("it is {url:?}"))
}

const MOST_NONCES: usize = 16;
const SHORT: Duration = Duration::from_secs(1);
