//! The closed table: path → access, checks, handler. Origin and Host are judged here, once.
//!
//! Owns what every answer has in common: the checks, HEAD, cross-origin headers, `nosniff`. Never
//! reads a body and knows no route by itself.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{CONTENT_LENGTH, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use ::http::{Method, StatusCode};
use tokio::sync::watch;

use super::body::Body;
use super::cors;
use super::exchange::{Asker, Journal, Lines};
use super::guard::Guard;
use super::policy::{HostPolicy, Refusal};
use super::request::Request;
use super::response::{Response, text};
use super::throttle::Throttle;
use crate::metrics;

/// Answers the requests of a route. Never fails: an error is a response.
///
/// A HEAD arrives as a GET; the router drops the body afterwards.
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

/// Whether a route can reveal a word of the documents: then the [`Guard`] is asked whether the caller may see them.
///
/// The table says it of every route, so that none can be added without an answer, and a test can walk them all.
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
        let Self { path, access, checks, .. } = self;
        let mut shown = formatter.debug_struct("Route");
        shown.field("path", path).field("access", access).field("checks", checks).finish_non_exhaustive()
    }
}

impl Path {
    /// As it is written: `/mcp`, `/docs/`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact(path) | Self::Prefix(path) => path,
        }
    }

    fn matches(self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact,
            Self::Prefix(prefix) => path.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()),
        }
    }
}

/// Whether the routes that are judged may be used yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// They may.
    Open,
    /// Every route but the exempt ones is a 503.
    Closed {
        /// What is waited for, in words for whoever asks: one line, without a newline.
        reason: String,
        /// When it is worth asking again; whole seconds, at least one.
        retry_after: Duration,
    },
}

impl Gate {
    fn refusal(&self) -> Option<Response> {
        let Self::Closed { reason, retry_after } = self else { return None };
        let mut response = text(StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n"));
        response.headers_mut().insert(RETRY_AFTER, retry_after.as_secs().max(1).into());
        Some(response)
    }
}

/// The table with its policy.
pub struct Router {
    routes: Vec<Route>,
    policy: HostPolicy,
    gate: Option<watch::Receiver<Gate>>,
    guard: Option<Arc<dyn Guard>>,
    fallback: Option<Arc<dyn Handler>>,
    refusals: Throttle,
    journal: Journal,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { routes, policy, gate, .. } = self;
        let mut shown = formatter.debug_struct("Router");
        shown.field("routes", routes).field("policy", policy).field("gate", gate).finish_non_exhaustive()
    }
}

impl Router {
    /// A router over `routes`; the first match answers, none is a 404.
    #[must_use]
    pub fn new(routes: Vec<Route>, policy: HostPolicy) -> Self {
        let metrics = metrics::Http::new(routes.iter().map(|route| route.path.as_str()));
        let journal = Journal::new(Arc::new(metrics));
        let refusals = Throttle::default();
        Self { routes, policy, gate: None, guard: None, fallback: None, refusals, journal }
    }

    /// While `gate` is closed, only the exempt routes answer. A gate whose sender is gone stays as it is.
    #[must_use]
    pub fn with_gate(self, gate: watch::Receiver<Gate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// Has `guard` asked of every request to a route that is judged.
    #[must_use]
    pub fn with_guard(self, guard: Arc<dyn Guard>) -> Self {
        Self { guard: Some(guard), ..self }
    }

    /// Lets `handler` answer where no route matches, in place of the 404. Neither Host nor Origin is judged for
    /// it, and the gate does not hold it back: it must reveal nothing.
    #[must_use]
    pub fn with_fallback(self, handler: Arc<dyn Handler>) -> Self {
        Self { fallback: Some(handler), ..self }
    }

    /// Counts on where another router of the same routes did: one that this one replaces.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<metrics::Http>) -> Self {
        self.journal.metrics = metrics;
        self
    }

    /// Logs each finished request so loudly.
    #[must_use]
    pub fn with_lines(mut self, lines: Lines) -> Self {
        self.journal.lines = lines;
        self
    }

    /// What is counted of its requests, and of the listeners that serve it.
    #[must_use]
    pub fn metrics(&self) -> &Arc<metrics::Http> {
        &self.journal.metrics
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The table, for the test that walks it.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Judges Host and Origin, finds the route, lets it answer.
    pub async fn answer(&self, request: Request) -> Response {
        let route = self.find(request.path());
        self.answer_at(route, request, &mut Asker::default()).await
    }

    /// Where the route of a path stands in the table.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        self.routes.iter().position(|route| route.path.matches(path))
    }

    /// The path of the route at that place.
    pub(super) fn name(&self, route: Option<usize>) -> Option<&'static str> {
        route.and_then(|route| self.routes.get(route)).map(|route| route.path.as_str())
    }

    /// [`answer`](Self::answer), when the route is known; tells `asker` whom the guard knows.
    pub(super) async fn answer_at(
        &self,
        route: Option<usize>,
        mut request: Request,
        asker: &mut Asker,
    ) -> Response {
        let head_only = *request.method() == Method::HEAD;
        if head_only {
            request.set_method(Method::GET);
        }
        let mut response = match route.and_then(|route| self.routes.get(route)) {
            Some(route) => self.through(route, request, asker).await,
            None => self.unmatched(request).await,
        };
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if head_only { without_body(response) } else { response }
    }

    /// Whether the guard knows this peer as a proxy.
    pub(super) fn is_proxy(&self, peer: IpAddr) -> bool {
        self.guard.as_ref().is_some_and(|guard| guard.is_proxy(peer))
    }

    async fn through(&self, route: &Route, mut request: Request, asker: &mut Asker) -> Response {
        if route.checks == Checks::Exempt {
            return self.admitted(route, request, asker).await;
        }
        if let Some(refusal) = self.held_back() {
            return refusal;
        }
        if let Some(guard) = &self.guard {
            request.set_forwarded(guard.forwarded(request.peer().ip(), request.headers()));
            asker.client = request.is_forwarded().then(|| request.client());
        }
        let origin = match self.policy.judge(request.head(), request.forwarded_hosts()) {
            Ok(origin) => origin.cloned(),
            Err(refusal) => return self.refuse(refusal, &request),
        };
        let Some(origin) = origin else { return self.guarded(route, request, asker).await };
        let mut response = match cors::preflight(request.method(), request.headers()) {
            // A browser asks it without credentials, and it reveals nothing (the Fetch standard, "CORS protocol").
            Some(preflight) => self.metered(&request).unwrap_or(preflight),
            None => self.guarded(route, request, asker).await,
        };
        // Refusals too: a page that may call must see why it was refused.
        cors::allow(&mut response, origin);
        response
    }

    /// The guard's refusal, or the handler's answer.
    async fn guarded(&self, route: &Route, request: Request, asker: &mut Asker) -> Response {
        match self.metered(&request) {
            Some(refusal) => refusal,
            None => self.admitted(route, request, asker).await,
        }
    }

    /// The handler's answer, if the caller may have it.
    async fn admitted(&self, route: &Route, mut request: Request, asker: &mut Asker) -> Response {
        if let Some(guard) = self.guard.as_ref().filter(|_| route.access == Access::Documents) {
            let caller = match guard.admit(&request) {
                Ok(caller) => caller,
                Err(refusal) => return *refusal,
            };
            asker.caller = caller.as_ref().map(|caller| Arc::clone(&caller.name));
            request.set_caller(asker.caller.clone());
            let response = Arc::clone(&route.handler).handle(request).await;
            return match caller.filter(|_| response.body().is_stream()) {
                Some(caller) => response.map(|body| body.until(guard.barred(&caller))),
                None => response,
            };
        }
        Arc::clone(&route.handler).handle(request).await
    }

    /// The answer to a request that comes too often.
    fn metered(&self, request: &Request) -> Option<Response> {
        self.guard.as_ref()?.meter(request).err().map(|refusal| *refusal)
    }

    async fn unmatched(&self, request: Request) -> Response {
        match &self.fallback {
            Some(fallback) => Arc::clone(fallback).handle(request).await,
            None => self.held_back().unwrap_or_else(|| text(StatusCode::NOT_FOUND, "no such path\n")),
        }
    }

    /// The answer of a closed gate.
    fn held_back(&self) -> Option<Response> {
        self.gate.as_ref().and_then(|gate| gate.borrow().refusal())
    }

    fn refuse(&self, refusal: Refusal, request: &Request) -> Response {
        if let Some(unreported) = self.refusals.admit() {
            let (peer, client) = (request.peer(), request.client());
            let request_id = request.trace().request_id();
            tracing::warn!(request_id, %peer, %client, unreported, reason = refusal.reason(), "request refused");
        }
        refusal.response()
    }
}

/// The head of an answer to GET, with the length that its body would have.
fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if let Some(length) = hyper::body::Body::size_hint(&body).exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Body::empty())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::http::{Caller, Forwarded, empty, json};
    use crate::names::HostName;

    /// Answers with its name, and with the method that it saw.
    struct Named(&'static str);

    impl Handler for Named {
        fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
            Box::pin(async move {
                match *request.method() {
                    Method::OPTIONS => empty(StatusCode::METHOD_NOT_ALLOWED),
                    _ => json(StatusCode::OK, Bytes::from(format!("{} {}", request.method(), self.0))),
                }
            })
        }
    }

    fn routes() -> Vec<Route> {
        let route = |path, checks, name| Route {
            path,
            access: Access::Documents,
            checks,
            handler: Arc::new(Named(name)),
        };
        vec![
            route(Path::Exact("/mcp"), Checks::HostAndOrigin, "mcp"),
            route(Path::Prefix("/docs/"), Checks::HostAndOrigin, "docs"),
            route(Path::Exact("/healthz"), Checks::Exempt, "health"),
        ]
    }

    fn router() -> Router {
        let mut policy = HostPolicy::default();
        policy.hosts.push(HostName::parse("docs.example.com").unwrap());
        Router::new(routes(), policy)
    }

    async fn ask(method: Method, path: &str, fields: &[(&str, &str)]) -> (::http::response::Parts, String) {
        ask_of(&router(), method, path, fields).await
    }

    async fn ask_of(
        router: &Router,
        method: Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> (::http::response::Parts, String) {
        let mut request = ::http::Request::builder().method(method).uri(path);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let request = Request::whole(head, Bytes::new(), ([127, 0, 0, 1], 1).into());
        let (head, body) = router.answer(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    const HOST: (&str, &str) = ("host", "localhost:8080");

    #[tokio::test]
    async fn the_first_route_that_matches_answers_and_none_is_a_404() {
        for (path, status, body) in [
            ("/mcp", 200, "GET mcp"),
            ("/docs/a", 200, "GET docs"),
            ("/docs/", 404, "no such path\n"),
            ("/mcp/", 404, "no such path\n"),
            ("/", 404, "no such path\n"),
        ] {
            let (head, text) = ask(Method::GET, path, &[HOST]).await;
            assert_eq!((head.status.as_u16(), text.as_str()), (status, body), "{path}");
            assert_eq!(head.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn a_probe_is_answered_whatever_its_host_and_origin() {
        let fields = [("host", "10.1.2.3"), ("origin", "https://evil.example")];
        let (head, body) = ask(Method::GET, "/healthz", &fields).await;
        assert_eq!((head.status.as_u16(), body.as_str()), (200, "GET health"));
        assert!(!head.headers.contains_key("access-control-allow-origin"));
        assert_eq!(ask(Method::GET, "/mcp", &fields).await.0.status, 403);
    }

    #[tokio::test]
    async fn head_has_the_length_of_get_and_no_body() {
        let (head, body) = ask(Method::HEAD, "/mcp", &[HOST]).await;
        assert_eq!((head.status.as_u16(), body.as_str()), (200, ""));
        assert_eq!(head.headers[CONTENT_LENGTH], "GET mcp".len().to_string());
    }

    #[tokio::test]
    async fn an_allowed_origin_may_read_and_nobody_else() {
        let origin = "https://docs.example.com";
        let (head, _) = ask(Method::POST, "/mcp", &[HOST, ("origin", origin)]).await;
        assert_eq!(head.headers["access-control-allow-origin"], origin);
        assert_eq!(head.headers["vary"], "Origin");
        assert_eq!(
            head.headers["access-control-expose-headers"],
            "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After, X-Request-Id"
        );
        for fields in [&[HOST][..], &[HOST, ("origin", "https://evil.example")]] {
            let (head, _) = ask(Method::POST, "/mcp", fields).await;
            assert!(!head.headers.keys().any(|name| name.as_str().starts_with("access-control")));
        }
    }

    #[tokio::test]
    async fn a_preflight_is_answered_for_allowed_origins_alone() {
        let ours = ("origin", "http://localhost:5173");
        let (head, _) = ask(Method::OPTIONS, "/mcp", &[HOST, ours]).await;
        assert_eq!(head.status, 204);
        assert_eq!(head.headers["access-control-allow-methods"], "GET, POST, DELETE");
        assert_eq!(head.headers["access-control-allow-origin"], ours.1);
        assert_eq!(ask(Method::OPTIONS, "/mcp", &[HOST]).await.0.status, 405);
        let evil = [HOST, ("origin", "https://evil.example")];
        assert_eq!(ask(Method::OPTIONS, "/mcp", &evil).await.0.status, 403);
    }

    #[tokio::test]
    async fn a_closed_gate_says_what_is_waited_for_and_lets_only_the_exempt_through() {
        let reason = "the certificate for docs.example.com is being obtained";
        let retry_after = Duration::from_millis(200);
        let (gate, watched) = watch::channel(Gate::Closed { reason: reason.to_owned(), retry_after });
        let router = router().with_gate(watched);
        for path in ["/mcp", "/docs/a", "/nowhere"] {
            let (head, body) = ask_of(&router, Method::GET, path, &[HOST]).await;
            assert_eq!((head.status.as_u16(), body), (503, format!("{reason}\n")), "{path}");
            assert_eq!(head.headers[RETRY_AFTER], "1");
        }
        assert_eq!(ask_of(&router, Method::GET, "/healthz", &[]).await.1, "GET health");
        gate.send_replace(Gate::Open);
        drop(gate);
        assert_eq!(ask_of(&router, Method::GET, "/mcp", &[HOST]).await.1, "GET mcp");
        assert_eq!(ask_of(&router, Method::GET, "/nowhere", &[HOST]).await.0.status, 404);
    }

    /// Lets nobody in, and knows no proxy.
    struct Shut;

    impl Guard for Shut {
        fn is_proxy(&self, _: IpAddr) -> bool {
            false
        }

        fn forwarded(&self, _: IpAddr, _: &::http::HeaderMap) -> Option<Forwarded> {
            None
        }

        fn meter(&self, _: &Request) -> Result<(), Box<Response>> {
            Ok(())
        }

        fn admit(&self, _: &Request) -> Result<Option<Caller>, Box<Response>> {
            Err(Box::new(empty(StatusCode::UNAUTHORIZED)))
        }

        fn barred(&self, _: &Caller) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test]
    async fn a_route_of_documents_asks_the_guard_though_it_is_exempt_from_the_checks() {
        let router = router().with_guard(Arc::new(Shut));
        for path in ["/mcp", "/docs/a", "/healthz"] {
            assert_eq!(ask_of(&router, Method::GET, path, &[HOST]).await.0.status, 401, "{path}");
        }
        assert_eq!(ask_of(&router, Method::GET, "/nowhere", &[HOST]).await.0.status, 404);
    }

    #[tokio::test]
    async fn a_fallback_answers_where_no_route_does_whatever_the_host() {
        let router = router().with_fallback(Arc::new(Named("fallback")));
        for fields in [&[HOST][..], &[("host", "evil.example")]] {
            let (head, body) = ask_of(&router, Method::POST, "/nowhere", fields).await;
            assert_eq!((head.status.as_u16(), body.as_str()), (200, "POST fallback"));
        }
        assert_eq!(ask_of(&router, Method::GET, "/mcp", &[HOST]).await.1, "GET mcp");
    }
}
