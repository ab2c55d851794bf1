//! The redirect from http to https.
//!
//! Owns one answer, made from the configuration and the request's path alone: no header of the request reaches
//! it, so that nobody can be sent elsewhere by a forged Host. RFC 9110 §15.4.2 and §15.4.9. Sets no
//! Strict-Transport-Security: whether a name stays https for good is its owner's decision.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use ::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use ::http::{Method, StatusCode, Uri};

use super::request::Request;
use super::response::{Response, text};
use super::router::Handler;

/// Sends every request to the same path and query below `base`.
///
/// GET gets a 301, which every client knows; other methods a 308, which keeps method and body. Both may be
/// cached for an hour only, so that a base that changes does not stay in browsers.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToHttps {
    /// `https://docs.example.com`, with a port and a path if it has them, without a slash at its end.
    pub base: String,
}

impl ToHttps {
    /// A redirect to below `base`; a slash at its end is dropped.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned() }
    }

    fn answer(&self, method: &Method, target: &Uri) -> Response {
        let status = if *method == Method::GET {
            StatusCode::MOVED_PERMANENTLY
        } else {
            StatusCode::PERMANENT_REDIRECT
        };
        let location = self.location(target);
        let mut response = text(status, format!("this is served at {location}\n"));
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        if let Ok(value) = HeaderValue::try_from(location) {
            headers.insert(LOCATION, value);
        }
        response
    }

    fn location(&self, target: &Uri) -> String {
        // `*` of OPTIONS and the empty path of CONNECT are no paths: put behind the base they would change its
        // host.
        let path = target.path_and_query().map_or("/", |path| path.as_str());
        format!("{}{}", self.base, if path.starts_with('/') { path } else { "/" })
    }
}

impl Handler for ToHttps {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        let head = request.head();
        let response = self.answer(&head.method, &head.uri);
        Box::pin(async { response })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirected(method: Method, target: &str) -> (u16, String) {
        let response = ToHttps::new("https://docs.example.com/").answer(&method, &target.parse().unwrap());
        (response.status().as_u16(), response.headers()[LOCATION].to_str().unwrap().to_owned())
    }

    #[test]
    fn path_and_query_are_kept_and_the_host_is_the_configured_one() {
        for (target, location) in [
            ("/", "https://docs.example.com/"),
            ("/docs/a%20b?q=1&r=/x", "https://docs.example.com/docs/a%20b?q=1&r=/x"),
            ("/?q", "https://docs.example.com/?q"),
            ("http://evil.example/a", "https://docs.example.com/a"),
            ("//evil.example/a", "https://docs.example.com//evil.example/a"),
            ("*", "https://docs.example.com/"),
            ("evil.example:80", "https://docs.example.com/"),
        ] {
            assert_eq!(redirected(Method::GET, target), (301, location.to_owned()), "{target}");
        }
    }

    #[test]
    fn a_method_with_a_body_is_kept() {
        for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
            assert_eq!(redirected(method, "/mcp").0, 308);
        }
    }
}
