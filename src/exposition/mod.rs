//! `/metrics`: what is counted, in the text format of Prometheus, on a listener of its own.
//!
//! Owns the format and the names of the metrics. Counts nothing, and reveals no word of the documents: it is served
//! where a scraper reaches it and clients do not, plain HTTP, without a judgement of Host, for scrapers ask by
//! address.

mod families;
mod process;
mod text;

use std::fmt;
use std::future::Future;
use std::path::Path as FilePath;
use std::pin::Pin;
use std::sync::Arc;

use ::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use ::http::{Method, StatusCode};

use crate::http::{
    Access, Checks, Handler, HostPolicy, Path, Request, Response, Route, Router, method_not_allowed,
    text as plain,
};
use crate::metrics::{Calls, Certificates, Documents, Http, Tools};

/// Where the numbers are read.
pub struct Sources {
    /// Of the router that serves clients.
    pub http: Arc<Http>,
    /// Of the protocol.
    pub calls: Arc<Calls>,
    /// Of the tools.
    pub tools: Arc<Tools>,
    /// Of the documents.
    pub documents: Arc<Documents>,
    /// Of the certificate.
    pub certificates: Arc<Certificates>,
    /// How many sessions there are now.
    pub sessions: Box<dyn Fn() -> usize + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// The router of the metrics' own listener: `/metrics`, and for anything else the way there.
#[must_use]
pub fn router(sources: Sources) -> Router {
    let route = Route {
        path: Path::Exact(PATH),
        access: Access::Open,
        checks: Checks::Exempt,
        handler: Arc::new(Metrics(Arc::new(sources))),
    };
    Router::new(vec![route], HostPolicy::default()).with_fallback(Arc::new(Elsewhere))
}

struct Metrics(Arc<Sources>);

impl Handler for Metrics {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            if *request.method() != Method::GET {
                return method_not_allowed(&[Method::GET, Method::HEAD]);
            }
            let sources = Arc::clone(&self.0);
            // Of a process with many descriptors the kernel takes its time to list them.
            match tokio::task::spawn_blocking(move || page(&sources)).await {
                Ok(page) => answer(page),
                Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n"),
            }
        })
    }
}

fn page(sources: &Sources) -> String {
    let mut page = text::Page::default();
    families::write(&mut page, sources);
    process::write(&mut page, FilePath::new("/proc"));
    page.finish()
}

fn answer(page: String) -> Response {
    let mut response = plain(StatusCode::OK, page);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

struct Elsewhere;

impl Handler for Elsewhere {
    fn handle(self: Arc<Self>, _: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async {
            plain(StatusCode::NOT_FOUND, "the metrics are at /metrics; documents are not served here\n")
        })
    }
}

const PATH: &str = "/metrics";
