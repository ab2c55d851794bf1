//! The closed table: path → access, checks, handler. Origin and Host are judged here, once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::names::{Authority, HostName, Origin};

use super::request::Request;
use super::response::Response;

/// Answers the requests of a route. Never fails: an error is a response.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; dropped if the client goes away first.
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>>;
}

/// What a route's path matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// This path alone.
    Exact(&'static str),
    /// Every path that begins so, with something behind it.
    Prefix(&'static str),
}

/// Whether a route can reveal a word of the documents (and so closes when tokens are set).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Open to anyone: health, the ACME challenge.
    Open,
    /// Reveals documents.
    Documents,
}

/// Whether Host and Origin are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Both headers must be ours.
    HostAndOrigin,
    /// Probes and the CA ask by address or by a name of theirs.
    Exempt,
}

/// One line of the table.
pub struct Route {
    /// What it matches.
    pub path: Path,
    /// What it reveals.
    pub access: Access,
    /// Which headers are judged.
    pub checks: Checks,
    /// Who answers.
    pub handler: Arc<dyn Handler>,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Route").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Which hosts and origins are ours.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HostPolicy {
    /// Hosts besides the loopback names: bound addresses, `base_url`'s host, `allow_host`.
    pub hosts: Vec<HostName>,
    /// `allow_host = "*"`: every host.
    pub any_host: bool,
    /// Origins besides those whose host is ours: `allow_origin`.
    pub origins: Vec<Origin>,
}

impl HostPolicy {
    /// Whether a `Host` or `:authority` is ours, whatever its port.
    #[must_use]
    pub fn allows_host(&self, host: &Authority) -> bool {
        self.any_host || host.host().is_loopback() || self.hosts.contains(host.host())
    }

    /// Whether an `Origin` may call.
    #[must_use]
    pub fn allows_origin(&self, origin: &Origin) -> bool {
        self.origins.contains(origin)
            || origin.authority().host().is_loopback()
            || self.hosts.contains(origin.authority().host())
    }
}

/// The table with its policy.
#[derive(Debug)]
pub struct Router {
    routes: Vec<Route>,
    policy: HostPolicy,
}

impl Router {
    /// A router over `routes`; the first match answers, none is a 404.
    #[must_use]
    pub fn new(routes: Vec<Route>, policy: HostPolicy) -> Self {
        Self { routes, policy }
    }

    /// The table, for the test that walks it.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Judges Host and Origin, finds the route, lets it answer.
    pub async fn answer(&self, request: Request) -> Response {
        // The checks of Host and Origin come with the finished router.
        let found = self.routes.iter().find(|route| match route.path {
            Path::Exact(path) => request.path() == path,
            Path::Prefix(prefix) => request.path().len() > prefix.len() && request.path().starts_with(prefix),
        });
        match found {
            Some(route) => Arc::clone(&route.handler).handle(request).await,
            None => super::response::text(::http::StatusCode::NOT_FOUND, "no such path\n"),
        }
    }
}
