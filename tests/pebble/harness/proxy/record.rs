//! What the proxy remembers of a request.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::Value;
use tokio::time::Instant;

use crate::harness::Resource;

/// One request and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) resource: Resource,
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
    /// The protected header of its JWS; null without one.
    pub(crate) protected: Value,
    /// The payload of its JWS; the empty string for POST-as-GET, null without a JWS.
    pub(crate) payload: Value,
    /// What was answered; `None` while it is under way, and if the answer was dropped.
    pub(crate) status: Option<u16>,
    /// Whether the CA got it.
    pub(crate) forwarded: bool,
}

impl Recorded {
    pub(super) fn new(resource: Resource, head: &http::request::Parts, body: &[u8]) -> Self {
        let (protected, payload) = read_jws(body).unwrap_or((Value::Null, Value::Null));
        Self {
            resource,
            method: head.method.to_string(),
            path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
            at: Instant::now(),
            headers: head.headers.clone(),
            protected,
            payload,
            status: None,
            forwarded: false,
        }
    }

    /// The nonce it was signed with.
    pub(crate) fn nonce(&self) -> Option<&str> {
        self.protected["nonce"].as_str()
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        let kept = if self.forwarded { "" } else { ", the CA did not get it" };
        write!(out, "{} {} {} ({status}{kept})", self.method, self.path, self.payload)
    }
}

/// The protected header and the payload of a flattened JWS, unverified.
fn read_jws(body: &[u8]) -> Option<(Value, Value)> {
    let jws: Value = serde_json::from_slice(body).ok()?;
    let part = |name: &str| URL_SAFE_NO_PAD.decode(jws[name].as_str()?).ok();
    let protected = serde_json::from_slice(&part("protected")?).ok()?;
    let payload = part("payload")?;
    let payload = if payload.is_empty() { Value::from("") } else { serde_json::from_slice(&payload).ok()? };
    Some((protected, payload))
}
