//! The responses of this part: types, validators, and the policy that keeps pages inert.
//!
//! RFC 9110 §13.1.2 (If-None-Match), Content Security Policy Level 3.

use ::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use hyper::body::Body as _;

use crate::http::{Body, Request, Response, empty};

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const MARKDOWN: &str = "text/markdown; charset=utf-8";
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";

/// No script, no frame, no form, nothing from elsewhere but images.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// 200 with a validator made of the content, or 304 if the caller has it already.
pub(super) fn fresh(request: &Request, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let body = body.into();
    let tag = etag(&body);
    validated(request, content_type, body, &tag)
}

/// [`fresh`] for a validator that is known already.
pub(super) fn validated(request: &Request, content_type: &'static str, body: Bytes, tag: &str) -> Response {
    let mut response = if has(request.headers(), tag) {
        empty(StatusCode::NOT_MODIFIED)
    } else {
        whole(StatusCode::OK, content_type, body)
    };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(tag) {
        headers.insert(ETAG, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A response with this part's headers.
pub(super) fn whole(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    let fixed: [(HeaderName, &'static str); 4] = [
        (CONTENT_TYPE, content_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// 302 to another path of this server.
pub(super) fn moved(path: &str) -> Response {
    let mut response = whole(StatusCode::FOUND, PLAIN, format!("moved to {path}\n"));
    if let Ok(value) = HeaderValue::from_str(path) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// What HEAD gets: the head that GET would get.
pub(super) fn without_body(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    if head.status != StatusCode::NOT_MODIFIED
        && let Some(length) = body.size_hint().exact()
    {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}

/// A strong validator: half of the content's SHA-256.
pub(super) fn etag(body: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, body);
    let half = digest.as_ref().iter().take(16);
    let hex: String = half.map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Whether the caller already has what `tag` stands for.
pub(super) fn has(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_tag_is_found_in_any_form() {
        let tag = etag(b"x");
        for (sent, known) in [
            (tag.clone(), true),
            (format!("W/{tag}"), true),
            (format!("\"other\", {tag}"), true),
            ("*".to_owned(), true),
            ("\"other\"".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&sent).unwrap());
            assert_eq!(has(&headers, &tag), known, "{sent}");
        }
        assert!(!has(&HeaderMap::new(), &tag));
    }
}
