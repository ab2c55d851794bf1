//! What stands while the configuration changes: documents, sessions, streams. The rest is made anew over it.
//!
//! Owns the table of routes, in one place, and the terms on which every listener serves.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use super::notify::Notify;
use super::{certificates, plural, reach};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::docs::{Library, Urls};
use crate::entropy::SystemEntropy;
use crate::http::{Access, Checks, Gate, Handler, Path, Route, Router, Terms};
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::tools::{self, Tools};
use crate::mcp::transport::{self, Hub, sse_legacy, streamable};
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
    pub(super) secured: Option<Guard>,
    /// Begins with the wish to end, and says so at `/readyz`; the drain may come later.
    pub(super) leaving: Shutdown,
    pub(super) shutdown: Shutdown,
}

/// What TLS adds to the table.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) challenges: Challenges,
    pub(super) gate: watch::Receiver<Gate>,
}

impl Standing {
    /// For a server at `address` that begins now.
    pub(super) fn new(
        config: &Config,
        address: SocketAddr,
        library: Arc<Library>,
        secured: Option<Guard>,
        leaving: Shutdown,
        shutdown: Shutdown,
    ) -> Self {
        let urls = Urls::new(&reach::base(config, address));
        let tools = Arc::new(Tools::new(Arc::clone(&library), tools::Options::new(urls)));
        let dispatcher = Dispatcher::new(Arc::clone(&tools) as _, config.mcp.clone(), shutdown.clone());
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
        let hub = Arc::new(Hub::new(Arc::new(dispatcher), streaming(config), clock, entropy));
        Self { address, library, tools, hub, secured, leaving, shutdown }
    }

    /// Everything that follows from the configuration, over what stands.
    pub(super) fn terms(&self, config: &Config) -> Arc<Terms> {
        let urls = Urls::new(&reach::base(config, self.address));
        let tools = self.tools.with_options(tools::Options::new(urls.clone()));
        let dispatcher = Dispatcher::new(Arc::new(tools), config.mcp.clone(), self.shutdown.clone());
        let hub = Arc::new(self.hub.successor(Arc::new(dispatcher), streaming(config)));
        let mut site = Site::new(Arc::clone(&self.library), urls);
        site.leaving = Some(self.leaving.clone());
        site.gate = self.secured.as_ref().map(|secured| secured.gate.clone());
        let challenge = self.secured.as_ref().map(|secured| secured.challenges.route());
        let table = challenge.into_iter().chain(routes(&Arc::new(site), &hub)).collect();
        let mut router = Router::new(table, reach::policy(config, self.address));
        if let Some(secured) = &self.secured {
            router = router.with_gate(secured.gate.clone());
        }
        Arc::new(Terms { router: Arc::new(router), limits: config.http.clone() })
    }

    /// The same for port 80, where it is served.
    pub(super) fn port_80(&self, config: &Config) -> Arc<Terms> {
        let challenges = self.secured.as_ref().map(|secured| secured.challenges.clone()).unwrap_or_default();
        certificates::port_80(&challenges, &reach::base(config, self.address), &config.http)
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
        if let Some(Guard { gate, .. }) = &self.secured
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

    #[tokio::test]
    async fn every_route_that_can_reveal_a_word_of_the_docs_is_closed_and_judged() {
        let config = Config::default();
        let library = Arc::new(crate::server::open(&config).await.unwrap());
        let (_trigger, shutdown) = shutdown::channel();
        let address = "127.0.0.1:8080".parse().unwrap();
        let standing = Standing::new(&config, address, library, None, shutdown.clone(), shutdown);
        let router = Arc::clone(&standing.terms(&config).router);
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
