//! HTTP-01: the key authorizations that a CA fetches. RFC 8555 §8.3.
//!
//! Owns one handler for the path that stands first in the table of every listener. It answers whoever asks,
//! whatever the Host: the token is unguessable, and what it unlocks is worth nothing without the account's key.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use ::http::{Method, StatusCode};
use bytes::Bytes;
use tracing::{debug, info};

use crate::http::{
    Access, Body, Checks, Handler, Path, Request, Response, Route, Throttle, method_not_allowed, text,
};

/// Where a CA asks.
pub const PREFIX: &str = "/.well-known/acme-challenge/";

/// The user agent of our own look before the CA's, which is neither told nor counted.
pub(super) const OURSELVES: &str = "docquay (asking itself)";

/// The challenges that wait for their validation. A clone is the same set.
#[derive(Clone, Debug, Default)]
pub struct Challenges {
    pending: Arc<Mutex<HashMap<String, Pending>>>,
    unknown: Arc<Throttle>,
}

#[derive(Debug)]
struct Pending {
    key_authorization: Bytes,
    asked: Arc<AtomicUsize>,
}

/// A challenge that is answered until this is dropped.
#[derive(Debug)]
#[must_use = "the challenge is answered only while this lives"]
pub struct Presented {
    pending: Arc<Mutex<HashMap<String, Pending>>>,
    token: String,
    asked: Arc<AtomicUsize>,
}

impl Challenges {
    /// No challenge waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers requests for `token` with `key_authorization` from now on; a token that is there already is
    /// replaced.
    pub fn present(&self, token: &str, key_authorization: &str) -> Presented {
        let asked = Arc::new(AtomicUsize::new(0));
        let key_authorization = Bytes::copy_from_slice(key_authorization.as_bytes());
        let entry = Pending { key_authorization, asked: Arc::clone(&asked) };
        lock(&self.pending).insert(token.to_owned(), entry);
        Presented { pending: Arc::clone(&self.pending), token: token.to_owned(), asked }
    }

    /// The line of the table; it comes before all others, on every listener.
    #[must_use]
    pub fn route(&self) -> Route {
        let handler = Arc::new(self.clone());
        Route { path: Path::Prefix(PREFIX), access: Access::Open, checks: Checks::Exempt, handler }
    }

    fn answer(&self, request: &Request) -> Response {
        if *request.method() != Method::GET {
            return method_not_allowed(&[Method::GET, Method::HEAD]);
        }
        let token = request.path().strip_prefix(PREFIX).unwrap_or_default();
        let (peer, host, agent) = (request.peer(), shown(request, "host"), shown(request, "user-agent"));
        let pending = lock(&self.pending);
        if let Some(pending) = pending.get(token) {
            if agent == OURSELVES {
                debug!(%peer, "HTTP-01 answered to ourselves");
            } else {
                pending.asked.fetch_add(1, Ordering::Relaxed);
                info!(%peer, host, agent, "HTTP-01 answered");
            }
            return whole(pending.key_authorization.clone());
        }
        drop(pending);
        if let Some(unreported) = self.unknown.admit() {
            info!(%peer, host, agent, unreported, "HTTP-01 asked for a token that is not ours");
        }
        text(StatusCode::NOT_FOUND, "no such token\n")
    }
}

impl Handler for Challenges {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let response = self.answer(&request);
        Box::pin(async { response })
    }
}

impl Presented {
    /// How many requests of others were answered: none says that the CA has not reached this server.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Presented {
    fn drop(&mut self) {
        let mut pending = lock(&self.pending);
        if pending.get(&self.token).is_some_and(|entry| Arc::ptr_eq(&entry.asked, &self.asked)) {
            pending.remove(&self.token);
        }
    }
}

fn lock(pending: &Mutex<HashMap<String, Pending>>) -> MutexGuard<'_, HashMap<String, Pending>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// RFC 8555 §8.3: the body is the key authorization and nothing else.
fn whole(key_authorization: Bytes) -> Response {
    let mut response = Response::new(Body::from(key_authorization));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The beginning of a header field, or of HTTP/2's authority where there is no Host.
fn shown(request: &Request, name: &str) -> String {
    let value = request.header(name).or_else(|| request.authority().filter(|_| name == "host"));
    value.unwrap_or_default().chars().take(LONGEST_SHOWN).collect()
}

const LONGEST_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::{HostPolicy, Router};

    const TOKEN: &str = "DGyRejmCefe7v4NfDGDKfA";
    const KEY_AUTHORIZATION: &str = "DGyRejmCefe7v4NfDGDKfA.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";

    async fn ask(challenges: &Challenges, method: Method, path: &str) -> (::http::response::Parts, String) {
        let router = Router::new(vec![challenges.route()], HostPolicy::default());
        let uri = format!("{PREFIX}{path}");
        let request = ::http::Request::builder().method(method).uri(uri).header("host", "whoever.example");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let request = Request::whole(head, Bytes::new(), ([192, 0, 2, 1], 1).into());
        let (head, body) = router.answer(request).await.into_parts();
        (head, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_token_is_answered_with_exactly_its_key_authorization_while_its_guard_lives() {
        let challenges = Challenges::new();
        let presented = challenges.present(TOKEN, KEY_AUTHORIZATION);
        let (head, body) = ask(&challenges, Method::GET, TOKEN).await;
        assert_eq!((head.status.as_u16(), body.as_str()), (200, KEY_AUTHORIZATION));
        assert_eq!(head.headers[CONTENT_TYPE], "application/octet-stream");
        let (head, body) = ask(&challenges, Method::HEAD, TOKEN).await;
        assert_eq!((head.status.as_u16(), body.as_str()), (200, ""));
        assert_eq!(head.headers["content-length"], KEY_AUTHORIZATION.len().to_string());
        assert_eq!(presented.answered(), 2);
        drop(presented);
        assert_eq!(ask(&challenges, Method::GET, TOKEN).await.0.status, 404);
    }

    #[tokio::test]
    async fn another_token_is_a_404_and_another_method_a_405() {
        let challenges = Challenges::new();
        let presented = challenges.present(TOKEN, KEY_AUTHORIZATION);
        for path in ["other", &format!("{TOKEN}/"), &TOKEN[1..], ""] {
            assert_eq!(ask(&challenges, Method::GET, path).await.0.status, 404, "{path:?}");
        }
        let (head, _) = ask(&challenges, Method::POST, TOKEN).await;
        assert_eq!(
            (head.status.as_u16(), &head.headers["allow"]),
            (405, &HeaderValue::from_static("GET, HEAD"))
        );
        assert_eq!(presented.answered(), 0);
    }

    #[tokio::test]
    async fn a_token_presented_again_outlives_the_first_guard() {
        let challenges = Challenges::new();
        let first = challenges.present(TOKEN, "old");
        let second = challenges.present(TOKEN, "new");
        drop(first);
        assert_eq!(ask(&challenges, Method::GET, TOKEN).await.1, "new");
        drop(second);
        assert_eq!(ask(&challenges, Method::GET, TOKEN).await.0.status, 404);
    }
}
