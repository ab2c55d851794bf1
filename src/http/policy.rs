//! Which hosts and origins are ours, and the refusal of those that are not.
//!
//! Owns the judgement of `Host`, `:authority` and `Origin`, each on its own: a good one never makes
//! up for the other. This is what keeps a web page from reaching a server on its reader's machine
//! (DNS rebinding). RFC 9110 §7.2, RFC 9112 §3.2, RFC 6454; MCP's transports page, "Security Warning".

use ::http::header::{HOST, HeaderValue, ORIGIN};
use ::http::request::Parts;
use ::http::{HeaderMap, StatusCode};

use super::response::{Response, text};
use crate::names::{Authority, HostName, Origin};

/// Which hosts and origins are ours.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HostPolicy {
    /// Hosts besides the loopback names: bound addresses, `base_url`'s host, `allow_host`.
    pub hosts: Vec<HostName>,
    /// `allow_host = "*"`: every host. Origins are judged as ever.
    pub any_host: bool,
    /// Origins besides those whose host is ours: `allow_origin`.
    pub origins: Vec<Origin>,
}

impl HostPolicy {
    /// Whether a `Host` or `:authority` is ours, whatever its port.
    #[must_use]
    pub fn allows_host(&self, host: &Authority) -> bool {
        self.any_host || self.knows(host.host())
    }

    /// Whether an `Origin` may call: a page of a host that is ours, on any port, or a listed one.
    #[must_use]
    pub fn allows_origin(&self, origin: &Origin) -> bool {
        let page = matches!(origin.scheme(), "http" | "https");
        self.origins.contains(origin) || page && self.knows(origin.authority().host())
    }

    fn knows(&self, host: &HostName) -> bool {
        host.is_loopback() || self.hosts.contains(host)
    }

    /// Judges a request's head; gives the allowed origin, if it names one. `forwarded` are the hosts that a
    /// trusted proxy says were asked for: where there are some, `Host` is the proxy's and has only to be there.
    pub(super) fn judge<'a>(
        &self,
        head: &'a Parts,
        forwarded: &[String],
    ) -> Result<Option<&'a HeaderValue>, Refusal> {
        let named = authority(head)?;
        if forwarded.is_empty() {
            self.judge_host(&named)?;
        }
        for host in forwarded {
            let malformed = || Refusal::bad(format!("the forwarded host {host:?} is malformed\n"));
            self.judge_host(&Authority::parse(host).ok().ok_or_else(malformed)?)?;
        }
        self.judge_origin(&head.headers)
    }

    fn judge_host(&self, named: &Authority) -> Result<(), Refusal> {
        if self.allows_host(named) {
            return Ok(());
        }
        let host = named.host();
        Err(Refusal::forbidden(format!(
            "the request is for host \"{named}\", which is not a name of this server; \
             if it is one, add it: allow_host = [\"{host}\"], or set base_url to the public URL\n"
        )))
    }

    fn judge_origin<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a HeaderValue>, Refusal> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(value) = origins.next() else { return Ok(None) };
        if origins.next().is_some() {
            return Err(Refusal::forbidden(
                "the request has more than one Origin; send one or none\n".into(),
            ));
        }
        let parsed = value.to_str().ok().and_then(|text| Origin::parse(text).ok());
        match parsed {
            Some(origin) if self.allows_origin(&origin) => Ok(Some(value)),
            Some(origin) => Err(Refusal::forbidden(format!(
                "the Origin \"{origin}\" may not call this server; \
                 if it should, add it: allow_origin = [\"{origin}\"]\n"
            ))),
            None => Err(Refusal::forbidden(format!(
                "the Origin {} is none that could be allowed; \
                 allow_origin takes origins such as \"https://app.example.com\"\n",
                shown(value)
            ))),
        }
    }
}

/// Whom the request is for. Host and the target's authority (HTTP/2's `:authority`, HTTP/1's
/// absolute form) must agree where both are there.
fn authority(head: &Parts) -> Result<Authority, Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Refusal::bad("the request has more than one Host\n".into()));
    }
    let host = host.map(|value| {
        let parsed = value.to_str().ok().and_then(|text| Authority::parse(text).ok());
        parsed.ok_or_else(|| Refusal::bad(format!("the Host {} is malformed\n", shown(value))))
    });
    let target = head.uri.authority().map(|target| {
        let parsed = Authority::parse(target.as_str()).ok();
        parsed.ok_or_else(|| Refusal::bad("the authority of the request target is malformed\n".into()))
    });
    match (host.transpose()?, target.transpose()?) {
        (Some(host), Some(target)) if host != target => {
            Err(Refusal::bad(format!("Host \"{host}\" and the request target's \"{target}\" differ\n")))
        }
        // RFC 9112 §3.2: HTTP/1.1 without Host is refused even if the target names one.
        (None, Some(_)) if head.version < ::http::Version::HTTP_2 => Err(no_host()),
        (Some(named), _) | (None, Some(named)) => Ok(named),
        (None, None) => Err(no_host()),
    }
}

fn no_host() -> Refusal {
    Refusal::bad("the request has no Host\n".into())
}

/// A header value that could not be parsed, made safe to print.
fn shown(value: &HeaderValue) -> String {
    let text: String = String::from_utf8_lossy(value.as_bytes()).chars().take(200).collect();
    format!("{text:?}")
}

/// Why a request was not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    fn bad(reason: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason }
    }

    fn forbidden(reason: String) -> Self {
        Self { status: StatusCode::FORBIDDEN, reason }
    }

    /// One line for the log.
    pub(super) fn reason(&self) -> &str {
        self.reason.trim_end()
    }

    pub(super) fn response(self) -> Response {
        text(self.status, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "docs.example.com";

    fn policy() -> HostPolicy {
        HostPolicy {
            hosts: vec![HostName::parse(HERE).unwrap()],
            any_host: false,
            origins: vec![Origin::parse("https://app.example.org").unwrap()],
        }
    }

    /// The status of a refusal, 200 for a request that is let in.
    fn judged(uri: &str, fields: &[(&str, &str)]) -> (u16, String) {
        judged_behind(&[], uri, fields)
    }

    fn judged_behind(forwarded: &[&str], uri: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let mut request = ::http::Request::get(uri);
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let forwarded: Vec<String> = forwarded.iter().map(|host| (*host).to_owned()).collect();
        match policy().judge(&head, &forwarded) {
            Ok(_) => (200, String::new()),
            Err(refusal) => (refusal.status.as_u16(), refusal.reason),
        }
    }

    #[test]
    fn a_host_is_judged_without_regard_to_its_port() {
        for (host, status) in [
            ("localhost", 200),
            ("127.0.0.1:8080", 200),
            ("[::1]:8080", 200),
            ("app.localhost", 200),
            ("docs.example.com", 200),
            ("DOCS.example.com.:8443", 200),
            ("evil.example", 403),
            ("localhost.evil.example", 403),
            ("docs.example.com.evil.example", 403),
            ("192.168.0.1", 403),
            ("", 400),
            ("evil.example/", 400),
            ("user@localhost", 400),
            ("localhost, evil.example", 400),
        ] {
            assert_eq!(judged("/", &[("host", host)]).0, status, "{host:?}");
        }
        assert_eq!(judged("/", &[]).0, 400);
        assert_eq!(judged("/", &[("host", "localhost"), ("host", "localhost")]).0, 400);
    }

    #[test]
    fn a_target_with_an_authority_must_agree_with_host() {
        let target = "http://localhost/mcp";
        assert_eq!(judged(target, &[("host", "localhost")]).0, 200);
        assert_eq!(judged(target, &[("host", "evil.example")]).0, 400);
        assert_eq!(judged("http://evil.example/", &[("host", "localhost")]).0, 400);
        assert_eq!(judged("http://evil.example/", &[("host", "evil.example")]).0, 403);
        assert_eq!(judged(target, &[]).0, 400);
    }

    #[test]
    fn an_origin_is_judged_on_its_own() {
        for (origin, status) in [
            ("http://localhost:5173", 200),
            ("https://127.0.0.1", 200),
            ("https://docs.example.com", 200),
            ("http://docs.example.com:3000", 200),
            ("https://app.example.org", 200),
            ("http://app.example.org", 403),
            ("https://app.example.org:444", 403),
            ("https://evil.example", 403),
            ("chrome-extension://localhost", 403),
            ("null", 403),
            ("", 403),
            ("https://docs.example.com/path", 403),
            ("https://docs.example.com, https://evil.example", 403),
            ("\u{fc}", 403),
        ] {
            assert_eq!(judged("/", &[("host", HERE), ("origin", origin)]).0, status, "{origin:?}");
        }
        let twice = [("host", HERE), ("origin", "http://localhost"), ("origin", "http://localhost")];
        assert_eq!(judged("/", &twice).0, 403);
    }

    #[test]
    fn a_good_host_does_not_excuse_an_evil_origin_nor_the_reverse() {
        let evil_origin = [("host", "localhost"), ("origin", "https://evil.example")];
        let evil_host = [("host", "evil.example"), ("origin", "http://localhost")];
        assert_eq!((judged("/", &evil_origin).0, judged("/", &evil_host).0), (403, 403));
    }

    #[test]
    fn a_refusal_names_what_came_and_the_option_that_admits_it() {
        let (_, reason) = judged("/", &[("host", "evil.example:81")]);
        assert!(reason.contains("evil.example:81") && reason.contains("allow_host = [\"evil.example\"]"));
        assert!(reason.contains("base_url"));
        let (_, reason) = judged("/", &[("host", HERE), ("origin", "https://evil.example")]);
        assert!(reason.contains("allow_origin = [\"https://evil.example\"]"));
        let (_, reason) = judged("/", &[("host", HERE), ("origin", "null")]);
        assert!(reason.contains("\"null\"") && reason.contains("allow_origin"));
    }

    #[test]
    fn a_forwarded_host_is_judged_in_place_of_the_proxys_own() {
        let rewritten = [("host", "backend:8080")];
        assert_eq!(judged("/", &rewritten).0, 403);
        assert_eq!(judged_behind(&["docs.example.com"], "/", &rewritten).0, 200);
        assert_eq!(judged_behind(&["docs.example.com", "localhost:80"], "/", &rewritten).0, 200);
        for forwarded in [&["evil.example"][..], &["docs.example.com", "evil.example"]] {
            let (status, reason) = judged_behind(forwarded, "/", &[("host", HERE)]);
            assert!(status == 403 && reason.contains("evil.example"), "{reason}");
        }
        assert_eq!(judged_behind(&["a b"], "/", &rewritten).0, 400);
        assert_eq!(judged_behind(&["docs.example.com"], "/", &[]).0, 400);
    }

    #[test]
    fn any_host_says_nothing_about_origins() {
        let policy = HostPolicy { any_host: true, ..HostPolicy::default() };
        assert!(policy.allows_host(&Authority::parse("evil.example").unwrap()));
        assert!(!policy.allows_origin(&Origin::parse("http://evil.example").unwrap()));
    }
}
