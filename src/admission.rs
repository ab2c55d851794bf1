//! Joins access to HTTP: a [`Guard`] over tokens, rates and trusted proxies, and the refusals that clients read.
//!
//! Owns the statuses and the words of 400, 401 and 429. Neither side knows the other. RFC 6750 §3, RFC 6585 §4,
//! RFC 9110 §10.2.3 and §11.6.1.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use ::http::{HeaderMap, StatusCode};

use crate::access::{Credentials, Limits, Meter, Proxies, TokenFile};
use crate::clock::Clock;
use crate::http::{Caller, Forwarded, Guard, Request, Response, Scheme, Throttle, text};

/// Lets in who may see documents, as often as they may.
#[derive(Debug)]
pub struct Admission {
    proxies: Proxies,
    tokens: Option<Arc<TokenFile>>,
    meter: Meter,
    told: Throttle,
}

impl Admission {
    /// Without `tokens` everybody is let in; without trusted `proxies` each peer is its own client.
    #[must_use]
    pub fn new(
        proxies: Proxies,
        tokens: Option<Arc<TokenFile>>,
        limits: &Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { proxies, tokens, meter: Meter::new(limits, clock), told: Throttle::default() }
    }

    /// Whom a request is counted for; nobody if it comes from this machine itself. Behind a trusted proxy there is
    /// always somebody: what cannot be told apart is counted as the proxy's own.
    fn counted(request: &Request) -> Option<IpAddr> {
        let client = request.client();
        (request.is_forwarded() || !client.to_canonical().is_loopback()).then_some(client)
    }

    /// A warning of what a client does, once a minute.
    fn tell(&self, request: &Request, what: &str) {
        if let Some(unreported) = self.told.admit() {
            let (client, request_id) = (request.client(), request.trace().request_id());
            tracing::warn!(request_id, %client, unreported, "{what}");
        }
    }

    fn wrong(&self, request: &Request) -> Box<Response> {
        if let Some(client) = Self::counted(request) {
            self.meter.failure(client);
        }
        self.tell(request, "a wrong token was sent");
        challenge(StatusCode::UNAUTHORIZED, Some("invalid_token"), "this token is not let in, or no longer")
    }
}

impl Guard for Admission {
    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.trust(peer)
    }

    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Forwarded> {
        let told = self.proxies.told(peer, headers)?;
        let scheme = told.https.map(|https| if https { Scheme::Https } else { Scheme::Http });
        Some(Forwarded { client: told.client, scheme, hosts: told.hosts })
    }

    fn meter(&self, request: &Request) -> Result<(), Box<Response>> {
        let Some(client) = Self::counted(request) else { return Ok(()) };
        self.meter.request(client).map_err(|wait| {
            self.tell(request, "a client asks too often");
            too_many("too many requests from this address", wait)
        })
    }

    fn admit(&self, request: &Request) -> Result<Option<Caller>, Box<Response>> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let token = match Credentials::of(request.headers(), request.raw_query()) {
            Credentials::Bearer(token) => token,
            Credentials::None => return Err(challenge(StatusCode::UNAUTHORIZED, None, NEEDED)),
            Credentials::Malformed(why) => {
                return Err(challenge(StatusCode::BAD_REQUEST, Some("invalid_request"), why));
            }
        };
        if let Some(client) = Self::counted(request) {
            self.meter
                .may_try(client)
                .map_err(|wait| too_many("too many wrong tokens from this address", wait))?;
        }
        let holder = tokens.tokens().holder(token).ok_or_else(|| self.wrong(request))?;
        tracing::debug!(caller = &*holder.name, client = %request.client(), "let in");
        Ok(Some(Caller { name: holder.name, key: holder.hash }))
    }

    fn barred(&self, caller: &Caller) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        match &self.tokens {
            Some(tokens) => Box::pin(tokens.removal(caller.key)),
            None => Box::pin(std::future::pending()),
        }
    }
}

/// RFC 6750 §3: the challenge names an error only to those who brought something.
fn challenge(status: StatusCode, error: Option<&'static str>, words: &str) -> Box<Response> {
    let mut response = text(status, format!("{words}\n"));
    let value = match error {
        None => HeaderValue::from_static(REALM),
        Some(error) => {
            let described = format!("{REALM}, error=\"{error}\", error_description=\"{words}\"");
            HeaderValue::try_from(described).unwrap_or_else(|_| HeaderValue::from_static(REALM))
        }
    };
    let headers = response.headers_mut();
    headers.insert(WWW_AUTHENTICATE, value);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Box::new(response)
}

fn too_many(words: &str, wait: Duration) -> Box<Response> {
    // Rounded up: who comes back then is not early.
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let mut response =
        text(StatusCode::TOO_MANY_REQUESTS, format!("{words}; ask again in {seconds} seconds\n"));
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    Box::new(response)
}

const REALM: &str = "Bearer realm=\"docquay\"";
const NEEDED: &str =
    "a token is needed here: send Authorization: Bearer TOKEN; whoever runs this server gives it out";
