//! How the server is watched: the listener of `/metrics`, the lines of requests and of questions.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::info;

use crate::config::Log;
use crate::docs::{Library, Urls};
use crate::exposition::{self, Sources};
use crate::http::{self, Lines, Plain, Router};
use crate::mcp::tools::{self, Tools};
use crate::mcp::transport::Hub;
use crate::metrics;
use crate::shutdown::Shutdown;

/// The parts whose numbers are shown.
pub(super) struct Observed<'a> {
    pub(super) router: &'a Router,
    pub(super) hub: &'a Arc<Hub>,
    pub(super) tools: &'a Tools,
    pub(super) library: &'a Library,
    pub(super) certificates: &'a Arc<metrics::Certificates>,
}

impl Observed<'_> {
    /// Serves their numbers on `listener`, if there is one; gives its address.
    pub(super) fn serve(
        self,
        listener: Option<TcpListener>,
        limits: &http::Limits,
        tasks: &mut JoinSet<()>,
        shutdown: &Shutdown,
    ) -> Option<SocketAddr> {
        let listener = listener?;
        let address = listener.local_addr().ok()?;
        info!(%address, "serving metrics");
        let hub = Arc::clone(self.hub);
        let sources = Sources {
            http: Arc::clone(self.router.metrics()),
            calls: Arc::clone(hub.calls()),
            tools: Arc::clone(self.tools.metrics()),
            documents: Arc::clone(self.library.metrics()),
            certificates: Arc::clone(self.certificates),
            sessions: Box::new(move || hub.sessions()),
        };
        let router = Arc::new(exposition::router(sources));
        tasks.spawn(http::serve(listener, Plain, router, limits.clone(), shutdown.clone()));
        Some(address)
    }
}

/// How the tools present the documents, and whether they log what is searched for.
pub(super) fn tools(log: &Log, urls: Urls) -> tools::Options {
    tools::Options { log_queries: log.queries, ..tools::Options::new(urls) }
}

/// The router that logs each request as the operator wants.
pub(super) fn logged(router: Router, log: &Log) -> Router {
    let lines = if log.requests { Lines::Loud } else { Lines::Quiet };
    router.with_lines(lines)
}
