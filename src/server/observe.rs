//! How the server is watched: the listener of `/metrics`, the lines of requests and of questions.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::info;

use super::standing::Standing;
use crate::config::Log;
use crate::docs::Urls;
use crate::exposition::{self, Sources};
use crate::http::{self, Lines, Plain, Router};
use crate::mcp::tools;
use crate::metrics;

/// Serves the numbers of what stands on `listener`, if there is one; gives its address.
pub(super) fn serve(
    listener: Option<TcpListener>,
    standing: &Standing,
    router: &Router,
    certificates: &Arc<metrics::Certificates>,
    limits: &http::Limits,
    tasks: &mut JoinSet<()>,
) -> Option<SocketAddr> {
    let listener = listener?;
    let address = listener.local_addr().ok()?;
    info!(%address, "serving metrics");
    let hub = Arc::clone(&standing.hub);
    let sources = Sources {
        http: Arc::clone(router.metrics()),
        calls: Arc::clone(hub.calls()),
        tools: Arc::clone(standing.tools.metrics()),
        documents: Arc::clone(standing.library.metrics()),
        certificates: Arc::clone(certificates),
        sessions: Box::new(move || hub.sessions()),
    };
    let router = Arc::new(exposition::router(sources));
    tasks.spawn(http::serve(listener, Plain, router, limits.clone(), standing.shutdown.clone()));
    Some(address)
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
