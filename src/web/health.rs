//! `/healthz` and `/readyz`, for probes and balancers.

use ::http::StatusCode;

use super::Site;
use super::answer::{PLAIN, whole};
use crate::http::Response;

/// The process answers.
pub(super) fn alive() -> Response {
    whole(StatusCode::OK, PLAIN, "ok\n")
}

/// Every source has been read once; else 503 with the reason.
pub(super) fn ready(site: &Site) -> Response {
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
