//! Cross-origin answers, for origins that the policy has already let in.
//!
//! The Fetch standard, "CORS protocol". Never opens anything to `*`, and never judges an origin.

use ::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap,
    HeaderName, HeaderValue, VARY,
};
use ::http::{Method, StatusCode};

use super::response::{Response, empty};

/// Lets a page of `origin` read the response.
pub(super) fn allow(response: &mut Response, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(VARY, HeaderValue::from_static("Origin"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

/// The answer to a preflight, if the request is one. It comes from an allowed origin.
pub(super) fn preflight(method: &Method, headers: &HeaderMap) -> Option<Response> {
    if *method != Method::OPTIONS {
        return None;
    }
    let mut response = empty(StatusCode::NO_CONTENT);
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(headers));
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    Some(response)
}

/// The fixed set and those of `Mcp-Param-*` that are asked for.
fn allowed_headers(headers: &HeaderMap) -> HeaderValue {
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok());
    let mut allowed = ALLOWED.to_owned();
    for name in asked.unwrap_or_default().split(',') {
        let Ok(name) = HeaderName::from_bytes(name.trim().as_bytes()) else { continue };
        if name.as_str().starts_with("mcp-param-") {
            allowed.push_str(", ");
            allowed.push_str(name.as_str());
        }
    }
    HeaderValue::from_str(&allowed).unwrap_or_else(|_| HeaderValue::from_static(ALLOWED))
}

const EXPOSED: &str = "Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate, Retry-After, X-Request-Id";
const ALLOWED: &str = "Content-Type, Accept, Authorization, Mcp-Session-Id, MCP-Protocol-Version, \
    Mcp-Method, Mcp-Name, Last-Event-ID, X-Request-Id, traceparent, tracestate";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preflight_admits_mcp_parameters_that_are_asked_for_and_nothing_else() {
        let mut headers = HeaderMap::new();
        let asked = HeaderValue::from_static("content-type, Mcp-Param-Region,x-evil, mcp-param-a b");
        headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, asked);
        let response = preflight(&Method::OPTIONS, &headers).unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let allowed = response.headers()[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
        assert_eq!(allowed, format!("{ALLOWED}, mcp-param-region"));
        assert!(preflight(&Method::POST, &headers).is_none());
    }
}
