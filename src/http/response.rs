//! The few shapes of response that handlers give.

use ::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use ::http::{Method, StatusCode};
use bytes::Bytes;

use super::body::Body;
use super::sse::SseBody;

/// A response of this server.
pub type Response = ::http::Response<Body>;

/// `application/json`.
#[must_use]
pub fn json(status: StatusCode, body: Bytes) -> Response {
    with_type(status, "application/json", body.into())
}

/// `text/plain; charset=utf-8`, for people and logs.
#[must_use]
pub fn text(status: StatusCode, body: impl Into<String>) -> Response {
    with_type(status, "text/plain; charset=utf-8", Bytes::from(body.into()).into())
}

/// No body.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// `text/event-stream`, 200, with `Cache-Control: no-store, no-transform` and `X-Accel-Buffering: no`.
#[must_use]
pub fn stream(body: SseBody) -> Response {
    let mut response = with_type(StatusCode::OK, "text/event-stream", body.into());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// 405 with its `Allow`.
#[must_use]
pub fn method_not_allowed(allowed: &[Method]) -> Response {
    let names: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed here\n");
    if let Ok(value) = HeaderValue::from_str(&names.join(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

fn with_type(status: StatusCode, content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
