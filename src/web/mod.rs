//! What people and crawlers see: the human page, `/docs/{id}`, llms.txt, health.
//!
//! Owns HTML and plain text for browsers; pages are self-contained, run no script, and load nothing
//! from elsewhere but the documents' own images. Never speaks MCP.

mod answer;
mod broken;
mod document;
mod health;
mod home;
mod links;
mod llms;
mod render;
mod shell;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::Method;
use tokio::sync::watch;
use tokio::time::timeout;

pub use broken::{BrokenLink, broken_links};

use crate::docs::{Library, Urls};
use crate::http::{Access, Checks, Gate, Handler, Path, Request, Response, Route, method_not_allowed};
use crate::shutdown::Shutdown;

/// What the pages show and how.
#[derive(Debug)]
#[non_exhaustive]
pub struct Site {
    /// The documents.
    pub library: Arc<Library>,
    /// Where they are read.
    pub urls: Urls,
    /// What the site is called: `Documentation`.
    pub name: String,
    /// Whether callers need a token: health then says nothing of the sources.
    pub private: bool,
    /// Whether the first certificate is there; none: plain HTTP, or a pair of the operator's.
    pub gate: Option<watch::Receiver<Gate>>,
    /// Begins when the server is about to end: it is not ready any more.
    pub leaving: Option<Shutdown>,
    built: llms::Built,
}

impl Site {
    /// An open site named "Documentation".
    #[must_use]
    pub fn new(library: Arc<Library>, urls: Urls) -> Self {
        let built = llms::Built::default();
        Self {
            library,
            urls,
            name: "Documentation".to_owned(),
            private: false,
            gate: None,
            leaving: None,
            built,
        }
    }

    /// Whether the documents were read for the first time, as far as they can be; waits a while for it.
    async fn is_loaded(&self) -> bool {
        timeout(FIRST_READING, self.library.loaded()).await.is_ok()
    }
}

/// The routes of this part, for the composition root's table.
#[must_use]
pub fn routes(site: &Arc<Site>) -> Vec<Route> {
    let route = |path, access, checks, what| {
        let handler: Arc<dyn Handler> = Arc::new(View { site: Arc::clone(site), what });
        Route { path, access, checks, handler }
    };
    let documents = |path, what| route(path, Access::Documents, Checks::HostAndOrigin, what);
    vec![
        route(Path::Exact("/healthz"), Access::Open, Checks::Exempt, What::Alive),
        route(Path::Exact("/readyz"), Access::Open, Checks::Exempt, What::Ready),
        documents(Path::Exact("/"), What::Home),
        documents(Path::Prefix("/docs/"), What::Document),
        documents(Path::Exact("/llms.txt"), What::Llms),
        documents(Path::Exact("/llms-full.txt"), What::LlmsFull),
    ]
}

/// The page for people who open the MCP endpoint in a browser; the same as `/`.
#[must_use]
pub fn human_page(site: &Arc<Site>) -> Arc<dyn Handler> {
    Arc::new(View { site: Arc::clone(site), what: What::Home })
}

/// One of the pages, as a handler.
struct View {
    site: Arc<Site>,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Home,
    Document,
    Llms,
    LlmsFull,
    Alive,
    Ready,
}

impl Handler for View {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            if request.method() != Method::GET && request.method() != Method::HEAD {
                return method_not_allowed(&[Method::GET, Method::HEAD]);
            }
            let site = &self.site;
            if !matches!(self.what, What::Alive | What::Ready) && !site.is_loaded().await {
                return health::loading();
            }
            let response = match self.what {
                What::Home => home::page(site, &request),
                What::Document => document::page(site, &request),
                What::Llms => llms::answer(site, llms::Kind::Links, &request).await,
                What::LlmsFull => llms::answer(site, llms::Kind::Full, &request).await,
                What::Alive => health::alive(),
                What::Ready => health::ready(site),
            };
            if request.method() == Method::HEAD { answer::without_body(response) } else { response }
        })
    }
}

/// How long a page waits for the documents right after the start.
const FIRST_READING: Duration = Duration::from_secs(10);
