//! `/mcp`: Streamable HTTP, both eras on one path.
//!
//! Decides which era a request is of, and answers what has none. Origin and Host were judged by the
//! router. Spec: basic/transports of 2025-03-26 to 2026-07-28.

mod legacy;
mod modern;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};

use super::asked::Asked;
use super::hub::Hub;
use super::{accept, headers};
use crate::http::{Handler, Request, Response, method_not_allowed};
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::{self, Incoming, Message};
use crate::mcp::modern as meta;

/// The handler of `/mcp`.
pub struct Endpoint {
    hub: Arc<Hub>,
    page: Option<Arc<dyn Handler>>,
}

impl Endpoint {
    /// An endpoint that answers programs alone.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        Self { hub, page: None }
    }

    /// With a page for people: it answers a GET that prefers `text/html`.
    #[must_use]
    pub fn with_page(mut self, page: Arc<dyn Handler>) -> Self {
        self.page = Some(page);
        self
    }

    async fn answer(&self, request: Request) -> Response {
        match *request.method() {
            Method::POST => self.post(request).await,
            Method::GET => match &self.page {
                Some(page) if accept::prefers_page(request.headers()) => {
                    Arc::clone(page).handle(request).await
                }
                _ if headers::are_modern(request.headers()) => no_stream(),
                _ => legacy::get(&self.hub, &request),
            },
            Method::DELETE if !headers::are_modern(request.headers()) => legacy::delete(&self.hub, &request),
            Method::DELETE => no_stream(),
            _ => method_not_allowed(&[Method::GET, Method::POST, Method::DELETE]),
        }
    }

    async fn post(&self, mut request: Request) -> Response {
        if !accept::sends_json(request.headers()) {
            let error = Error::new(ErrorKind::InvalidRequest, "send Content-Type: application/json");
            return self.hub.refuse_unread(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, &error);
        }
        let mut asked = Asked::of(&request);
        let body = match request.body().await {
            Ok(body) => body,
            Err(error) => return error.response(),
        };
        let incoming = match jsonrpc::parse(&body) {
            Ok(incoming) => incoming,
            Err(invalid) => {
                return self.hub.refuse_unread(StatusCode::BAD_REQUEST, invalid.id.as_ref(), &invalid.error);
            }
        };
        asked.read(&incoming);
        let response = if is_modern(request.headers(), &incoming) {
            modern::post(&self.hub, &mut asked, request.headers(), incoming).await
        } else {
            legacy::post(&self.hub, &mut asked, &request, incoming).await
        };
        asked.answered(response)
    }
}

impl Handler for Endpoint {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move { self.answer(request).await })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Endpoint").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// `Mcp-Method` and `Mcp-Session-Id` tell nothing: clients send them in both eras.
fn is_modern(headers: &HeaderMap, incoming: &Incoming) -> bool {
    headers::are_modern(headers)
        || match incoming {
            Incoming::Single(message) => carries_version(message),
            Incoming::Batch(batch) => batch.iter().flatten().any(carries_version),
        }
}

fn carries_version(message: &Message) -> bool {
    match message {
        Message::Request(request) => meta::is_modern(&request.params),
        Message::Notification(notification) => meta::is_modern(&notification.params),
        Message::Response(_) => false,
    }
}

/// 405 for a GET or DELETE outside a session: only POST is left.
fn no_stream() -> Response {
    method_not_allowed(&[Method::POST])
}
