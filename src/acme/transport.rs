//! Requests to the CA and its answers: a trait, and reqwest behind it.
//!
//! RFC 8555 §6.1: https, the server verified, a User-Agent.

use std::error::Error as StdError;
use std::fmt::{self, Debug};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::outbound::{Direct, DirectOptions, Error, Proxy};

/// The answer that is being waited for.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

/// Sends requests to a CA.
///
/// Follows no redirects, adds nothing but what HTTP needs, and never sends twice. Cancel safe: a dropped future may
/// leave the request sent.
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends one request; every status is an answer.
    ///
    /// # Errors
    /// When no whole answer came.
    fn send<'a>(&'a self, request: Request<Bytes>) -> Answer<'a>;
}

/// No whole answer came.
#[derive(Debug)]
pub struct TransportError(Box<dyn StdError + Send + Sync>);

impl TransportError {
    /// With its cause.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// What an [`HttpTransport`] trusts, and for how long it waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Roots beside Mozilla's: PEM. Default none.
    pub ca_pem: Option<Vec<u8>>,
    /// The proxy to go through, which then resolves the CA's name. Default none.
    pub proxy: Option<Proxy>,
    /// From the name to a TLS connection. Default 10 s.
    pub connect: Duration,
    /// From the request to the last byte of the answer, a backstop behind [`Limits`](super::Limits). Default 150 s.
    pub deadline: Duration,
    /// Longest answer, bytes. Default 1 MiB.
    pub max_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        let DirectOptions { connect, deadline, max_bytes, .. } = DirectOptions::default();
        Self { ca_pem: None, proxy: None, connect, deadline, max_bytes }
    }
}

/// The real transport: https by reqwest and rustls, nothing read from the environment.
#[derive(Clone, Debug)]
pub struct HttpTransport(Direct);

impl HttpTransport {
    /// A transport with connections of its own.
    ///
    /// # Errors
    /// When `ca_pem` holds no certificate or a malformed one, or TLS cannot be set up.
    pub fn new(options: &Options) -> Result<Self, TransportError> {
        let mut direct = DirectOptions::default();
        direct.roots_pem.clone_from(&options.ca_pem);
        direct.proxy.clone_from(&options.proxy);
        direct.connect = options.connect;
        direct.deadline = options.deadline;
        direct.max_bytes = options.max_bytes;
        Direct::new(&direct).map(Self).map_err(|error: Error| TransportError::new(error))
    }
}

impl Transport for HttpTransport {
    fn send<'a>(&'a self, request: Request<Bytes>) -> Answer<'a> {
        Box::pin(async move { self.0.send(request).await.map_err(|error: Error| TransportError::new(error)) })
    }
}
