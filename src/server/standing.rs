//! What stands while the configuration changes: documents, sessions, streams. The rest is made anew over it.
//!
//! Owns the table of routes, in one place, and the terms on which every listener serves.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use super::access::{self, Door};
use super::notify::Notify;
use super::{certificates, observe, plural, reach};
use crate::clock::SystemClock;
use crate::config::{Config, Log};
use crate::docs::{Library, Urls};
use crate::entropy::SystemEntropy;
use crate::http::{Access, Checks, Gate, Handler, Path, Route, Router, Terms};
use crate::mcp::catalog::CacheScope;
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::tools::{self, Tools};
use crate::mcp::transport::{self, Hub, sse_legacy, streamable};
use crate::metrics;
use crate::provision::Challenges;
use crate::shutdown::Shutdown;
use crate::web::{self, Site};

/// What a reload keeps.
pub(super) struct Standing {
    pub(super) address: SocketAddr,
    pub(super) library: Arc<Library>,
    pub(super) tools: Arc<Tools>,
    pub(super) hub: Arc<Hub>,
    /// None: plain HTTP.
    pub(super) secured: Option<OverTls>,
    pub(super) door: Door,
    /// Of the first router; those that replace it have the same routes and count on.
    requests: OnceLock<Arc<metrics::Http>>,
    /// Begins with the wish to end, and says so at `/readyz`; the drain may come later.
    pub(super) leaving: Shutdown,
    pub(super) shutdown: Shutdown,
}

/// What TLS adds to the table.
#[derive(Clone, Debug)]
pub(super) struct OverTls {
    pub(super) challenges: Challenges,
    pub(super) gate: watch::Receiver<Gate>,
}

impl Standing {
    /// For a server at `address` that begins now.
    pub(super) fn new(
        config: &Config,
        address: SocketAddr,
        library: Arc<Library>,
        secured: Option<OverTls>,
        door: Door,
        leaving: Shutdown,
        shutdown: Shutdown,
    ) -> Self {
        let urls = Urls::new(&reach::base(config, address));
        let tools = Arc::new(Tools::new(Arc::clone(&library), options(&config.log, urls, &door)));
        let dispatcher = Dispatcher::new(Arc::clone(&tools) as _, config.mcp.clone(), shutdown.clone());
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
        let hub = Arc::new(Hub::new(Arc::new(dispatcher), streaming(config), clock, entropy));
        let requests = OnceLock::new();
        Self { address, library, tools, hub, secured, door, requests, leaving, shutdown }
    }

    /// Everything that follows from the configuration, over what stands.
    pub(super) fn terms(&self, config: &Config) -> Arc<Terms> {
        let urls = Urls::new(&reach::base(config, self.address));
        let tools = self.tools.with_options(options(&config.log, urls.clone(), &self.door));
        let dispatcher = Dispatcher::new(Arc::new(tools), config.mcp.clone(), self.shutdown.clone())
            .with_metrics(Arc::clone(self.hub.calls()));
        let hub = Arc::new(self.hub.successor(Arc::new(dispatcher), streaming(config)));
        let mut site = Site::new(Arc::clone(&self.library), urls);
        site.private = self.door.is_private();
        site.leaving = Some(self.leaving.clone());
        site.gate = self.secured.as_ref().map(|secured| secured.gate.clone());
        let challenge = self.secured.as_ref().map(|secured| secured.challenges.route());
        let table = challenge.into_iter().chain(routes(&Arc::new(site), &hub)).collect();
        let router = Router::new(table, reach::policy(config, self.address));
        let requests = self.requests.get_or_init(|| Arc::clone(router.metrics()));
        let mut router = observe::logged(router.with_metrics(Arc::clone(requests)), &config.log)
            .with_guard(self.door.admission(config));
        if let Some(secured) = &self.secured {
            router = router.with_gate(secured.gate.clone());
        }
        Arc::new(Terms { router: Arc::new(router), limits: config.http.clone() })
    }

    /// The same for port 80, where it is served.
    pub(super) fn port_80(&self, config: &Config) -> Arc<Terms> {
        let challenges = self.secured.as_ref().map(|secured| secured.challenges.clone()).unwrap_or_default();
        let base = reach::base(config, self.address);
        certificates::port_80(&challenges, &base, access::without_tokens(config), &config.http)
    }

    /// Keeps the service manager's line of status current until the drain; ready from the first on.
    pub(super) async fn report(self: Arc<Self>, notify: Notify) {
        let mut state = self.library.subscribe_state();
        let mut gate = self.secured.as_ref().map(|secured| secured.gate.clone());
        notify.ready(&self.status());
        loop {
            let gate_moved = async {
                let Some(gate) = &mut gate else { return std::future::pending().await };
                if gate.changed().await.is_err() {
                    // A gate whose sender is gone stays as it is.
                    std::future::pending().await
                }
            };
            tokio::select! {
                () = self.leaving.draining() => return,
                Ok(()) = state.changed() => {}
                () = gate_moved => {}
            }
            notify.status(&self.status());
        }
    }

    /// What is served, and what is waited for, in one line.
    fn status(&self) -> String {
        let (index, state) = (self.library.index(), self.library.state());
        let mut status = format!("{} at {}", plural(index.pages().len(), "page"), self.address);
        if let Some(failure) = state.failure {
            status.push_str(&format!("; {}", failure.replace('\n', " ")));
        }
        if let Some(OverTls { gate, .. }) = &self.secured
            && let Gate::Closed { reason, .. } = &*gate.borrow()
        {
            status.push_str(&format!("; {reason}"));
        }
        status
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, library, .. } = self;
        let mut shown = formatter.debug_struct("Standing");
        shown.field("address", address).field("library", library).finish_non_exhaustive()
    }
}

/// What is behind a token is for its bearer's cache alone.
fn options(log: &Log, urls: Urls, door: &Door) -> tools::Options {
    let mut options = observe::tools(log, urls);
    if door.is_private() {
        options.scope = CacheScope::Private;
    }
    options
}

fn streaming(config: &Config) -> transport::Options {
    transport::Options { keep_alive: config.sse_keep_alive, ..transport::Options::default() }
}

/// The table of routes, in one place: path, what it reveals, which headers are judged, who answers.
fn routes(site: &Arc<Site>, hub: &Arc<Hub>) -> Vec<Route> {
    let protocol = |path, handler| Route {
        path: Path::Exact(path),
        access: Access::Documents,
        checks: Checks::HostAndOrigin,
        handler,
    };
    let endpoint = streamable::Endpoint::new(Arc::clone(hub)).with_page(web::human_page(site));
    let mut routes = vec![
        protocol("/mcp", Arc::new(endpoint) as Arc<dyn Handler>),
        protocol("/sse", Arc::new(sse_legacy::Opening::new(Arc::clone(hub)))),
        protocol("/message", Arc::new(sse_legacy::Messages::new(Arc::clone(hub)))),
    ];
    routes.extend(web::routes(site));
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown;

    /// The real table of `config`.
    async fn router(config: &Config) -> Arc<Router> {
        let library = Arc::new(crate::server::open(config).await.unwrap());
        let (_trigger, shutdown) = shutdown::channel();
        let address = "127.0.0.1:8080".parse().unwrap();
        let door = Door::prepare(config).await.unwrap();
        let standing = Standing::new(config, address, library, None, door, shutdown.clone(), shutdown);
        Arc::clone(&standing.terms(config).router)
    }

    async fn status(router: &Router, method: &str, path: &str, token: Option<&str>) -> u16 {
        let mut head = ::http::Request::builder().method(method).uri(path).header("host", "localhost");
        if let Some(token) = token {
            head = head.header("authorization", format!("Bearer {token}"));
        }
        let (head, ()) = head.body(()).unwrap().into_parts();
        let request = crate::http::Request::whole(head, bytes::Bytes::new(), ([127, 0, 0, 1], 1).into());
        router.answer(request).await.status().as_u16()
    }

    #[tokio::test]
    async fn every_route_of_documents_wants_a_token_whatever_the_method_and_no_other_route_does() {
        let folder = tempfile::tempdir().unwrap();
        let (token, line) = crate::access::new_token("ana", &SystemEntropy::new()).unwrap();
        let (stranger, _) = crate::access::new_token("ana", &SystemEntropy::new()).unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, line).unwrap();
        let mut config = Config::default();
        config.token_file = Some(path);
        let router = router(&config).await;
        for route in router.routes() {
            let path = match route.path {
                Path::Exact(path) => path.to_owned(),
                Path::Prefix(prefix) => format!("{prefix}index"),
            };
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
                let without = status(&router, method, &path, None).await;
                let wrong = status(&router, method, &path, Some(&stranger)).await;
                let right = status(&router, method, &path, Some(&token)).await;
                match route.access {
                    Access::Documents => assert_eq!((without, wrong), (401, 401), "{method} {path}"),
                    Access::Open => assert_eq!((without, wrong), (right, right), "{method} {path}"),
                }
                assert!(!matches!(right, 401 | 403 | 429), "{method} {path}: {right}");
            }
        }
        assert_eq!(status(&router, "GET", "/docs/index", Some(&token)).await, 200);
        assert_eq!(status(&router, "GET", "/healthz", None).await, 200);
    }

    #[tokio::test]
    async fn every_route_that_can_reveal_a_word_of_the_docs_is_closed_and_judged() {
        let router = router(&Config::default()).await;
        let closed = (Access::Documents, Checks::HostAndOrigin);
        let open = (Access::Open, Checks::Exempt);
        let table = [
            (Path::Exact("/mcp"), closed),
            (Path::Exact("/sse"), closed),
            (Path::Exact("/message"), closed),
            (Path::Exact("/healthz"), open),
            (Path::Exact("/readyz"), open),
            (Path::Exact("/"), closed),
            (Path::Prefix("/docs/"), closed),
            (Path::Exact("/llms.txt"), closed),
            (Path::Exact("/llms-full.txt"), closed),
        ];
        let found: Vec<_> =
            router.routes().iter().map(|route| (route.path, (route.access, route.checks))).collect();
        assert_eq!(found, table);
    }
}
