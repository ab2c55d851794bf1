//! The seam where access is decided: whom a request comes from, how often it may come, and with what.
//!
//! Owns the questions and when they are asked: the router asks them before a handler sees the request. Never
//! learns what a token or a trusted proxy is.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use ::http::HeaderMap;

use super::accept::Scheme;
use super::request::Request;
use super::response::Response;

/// Decides about requests. Asked for every request to a route that is judged, so it must be quick.
pub trait Guard: Send + Sync + 'static {
    /// Whether this peer connects for many clients: its connections are not counted against it.
    fn is_proxy(&self, peer: IpAddr) -> bool;

    /// What the peer says of a request that it passes on; none if it comes from the peer itself.
    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Forwarded>;

    /// Counts the request.
    ///
    /// # Errors
    /// The answer to one that comes too often.
    fn meter(&self, request: &Request) -> Result<(), Box<Response>>;

    /// Whether the request may see documents; who asks, where callers are told apart.
    ///
    /// # Errors
    /// The answer to one that may not.
    fn admit(&self, request: &Request) -> Result<Option<Caller>, Box<Response>>;

    /// Completes when a caller that was admitted would be so no more: its streams end then.
    fn barred(&self, caller: &Caller) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller {
    /// For logs, and for what belongs to somebody.
    pub name: Arc<str>,
    /// What the guard knows it by.
    pub key: [u8; 32],
}

impl fmt::Debug for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

/// What a trusted proxy says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address.
    pub client: IpAddr,
    /// What the client spoke; none if that is not said.
    pub scheme: Option<Scheme>,
    /// The hosts that it says the client asked for, as text. Each is judged, in place of `Host`, which the proxy
    /// may have rewritten.
    pub hosts: Vec<String>,
}
