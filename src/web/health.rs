//! `/healthz` and `/readyz`, for probes and balancers.

use ::http::StatusCode;
use ::http::header::{HeaderValue, RETRY_AFTER};

use super::Site;
use super::answer::{PLAIN, whole};
use crate::http::{Gate, Response};
use crate::shutdown::Shutdown;

/// The process answers.
pub(super) fn alive() -> Response {
    whole(StatusCode::OK, PLAIN, "ok\n")
}

/// What a page is while the documents are read for the first time.
pub(super) fn loading() -> Response {
    let mut response = whole(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "the documents are being read\n");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// There is a certificate, and every source has been read once; else 503 with the reason.
pub(super) fn ready(site: &Site) -> Response {
    if site.leaving.as_ref().is_some_and(Shutdown::is_draining) {
        return whole(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "not ready: the server is ending\n");
    }
    if let Some(gate) = &site.gate
        && let Gate::Closed { reason, .. } = &*gate.borrow()
    {
        return whole(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("not ready: {reason}\n"));
    }
    let state = site.library.state();
    if state.ready {
        return whole(StatusCode::OK, PLAIN, "ok\n");
    }
    let reason = match state.failure.filter(|_| !site.private) {
        Some(failure) => format!("not ready: {failure}\n"),
        None => "not ready: the documents are being read\n".to_owned(),
    };
    whole(StatusCode::SERVICE_UNAVAILABLE, PLAIN, reason)
}
