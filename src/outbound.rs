//! The HTTP client for what docquay asks of others: reqwest over rustls with ring, roots of our own.
//!
//! Owns deadlines, caps, redirects, the way through a proxy, and which addresses may be reached. Reads nothing from
//! the environment: no proxy, no key log, no extra roots. RFC 9110 §13 (validators), §15.4 (redirects).

mod direct;
mod proxy;
mod resolve;

use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{ClientBuilder, Response, Url};
use rustls::RootCertStore;
use rustls::pki_types::TrustAnchor;

pub use direct::{Direct, DirectOptions};
pub use proxy::{Proxy, ProxyError};
pub use resolve::{NoResolver, lookup};

/// Most redirects of one request.
const REDIRECTS: usize = 5;

/// Fetches documents over http and https.
///
/// Private and loopback addresses are reached only if the URL asked for names their host itself: a
/// redirect does not lead into the operator's own network.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    named: Named,
    proxy: Option<Proxy>,
}

/// What an earlier answer said of its version; sent back so that an unchanged document is not sent again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// `ETag`, verbatim.
    pub etag: Option<String>,
    /// `Last-Modified`, verbatim.
    pub last_modified: Option<String>,
}

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// 304: as the [`Version`] asked with.
    Unchanged,
    /// 200.
    Document {
        /// Whole, at most as long as was allowed.
        body: Bytes,
        /// To ask with the next time.
        version: Version,
    },
}

impl Client {
    /// A client with connections of its own.
    ///
    /// # Errors
    /// When the TLS configuration cannot be made.
    pub fn new() -> Result<Self, Error> {
        Self::with_proxy(None)
    }

    /// The same through a proxy, if there is one. It resolves the names, and so decides which addresses are reached.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_proxy(proxy: Option<&Proxy>) -> Result<Self, Error> {
        let named = Named::default();
        if let Some(proxy) = proxy {
            named.admit(proxy.host());
        }
        let inner = builder(Vec::new(), proxy)?
            .redirect(Policy::custom(redirect))
            .dns_resolver(named.clone())
            .build()
            .map_err(|error| Error::new(ErrorKind::Build, error))?;
        Ok(Self { inner, named, proxy: proxy.cloned() })
    }

    /// Fetches `url` whole, unless it still has the `version`. Cancel safe.
    ///
    /// # Errors
    /// When the URL is malformed, the server cannot be reached or answers with anything but 200 or 304,
    /// the body is longer than `max_bytes` or ends early, or `deadline` passes.
    pub async fn get(
        &self,
        url: &str,
        version: &Version,
        max_bytes: usize,
        deadline: Duration,
    ) -> Result<Answer, Error> {
        let work = self.get_now(url, version, max_bytes);
        let done = tokio::time::timeout(deadline, work).await;
        let done = done.unwrap_or_else(|late| Err(Error::new(ErrorKind::TimedOut(deadline), late)));
        done.map_err(|error| error.through(self.proxy.as_ref()))
    }

    async fn get_now(&self, url: &str, version: &Version, max_bytes: usize) -> Result<Answer, Error> {
        let url = Url::parse(url).map_err(|error| Error::new(ErrorKind::Url, error))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ErrorKind::Url.into());
        }
        self.named.admit(url.host_str().unwrap_or_default());
        let mut request = self.inner.get(url);
        if let Some(etag) = &version.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = &version.last_modified {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let response = request.send().await.map_err(Error::from_send)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED => return Ok(Answer::Unchanged),
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if self.proxy.is_some() => {
                return Err(Error::new(ErrorKind::Connect, "proxy authorization required"));
            }
            status => return Err(ErrorKind::Status(status).into()),
        }
        let version = Version {
            etag: text_of(response.headers(), &ETAG),
            last_modified: text_of(response.headers(), &LAST_MODIFIED),
        };
        Ok(Answer::Document { body: body(response, max_bytes).await?, version })
    }
}

/// A host name as the DNS has it: lower case, A-labels (UTS 46).
#[must_use]
pub fn ascii_host(name: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{name}/")).ok()?;
    // Anything but a host in `name` would have ended elsewhere in the URL.
    let alone =
        url.path() == "/" && url.port().is_none() && url.username().is_empty() && url.query().is_none();
    url.host_str().filter(|_| alone).map(str::to_owned)
}

/// What every client of ours has: ring, Mozilla's roots and `further` ones, the named proxy or none, our name.
fn builder(further: Vec<TrustAnchor<'static>>, proxy: Option<&Proxy>) -> Result<ClientBuilder, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.roots.extend(further);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Build, error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // First, since it forgets proxies that were named before it.
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .referer(false)
        .user_agent(concat!("docquay/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = proxy {
        let proxy = reqwest::Proxy::all(proxy.url().clone());
        builder = builder.proxy(proxy.map_err(|error| Error::new(ErrorKind::Build, error))?);
    }
    Ok(builder)
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Collects the body; stops at the first byte too many.
async fn body(mut response: Response, max_bytes: usize) -> Result<Bytes, Error> {
    let too_large = || Error::from(ErrorKind::TooLarge(max_bytes));
    let announced = response.content_length().map_or(Ok(0), usize::try_from);
    let announced = announced.ok().filter(|length| *length <= max_bytes).ok_or_else(too_large)?;
    // An announced length is a claim: memory is taken as bytes come, beyond the first MiB.
    let mut whole = BytesMut::with_capacity(announced.min(1 << 20));
    while let Some(chunk) = response.chunk().await.map_err(Error::from_body)? {
        if whole.len() + chunk.len() > max_bytes {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// At most five hops; never from https to http, never to an address of the operator's own network.
fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let refusal = {
        let (to, previous) = (attempt.url(), attempt.previous());
        let from_https = previous.last().is_some_and(|from| from.scheme() == "https");
        let named_private = previous.first().and_then(address_of).is_some_and(is_private);
        if previous.len() > REDIRECTS {
            Some("more than five redirects")
        } else if !matches!(to.scheme(), "http" | "https") || (from_https && to.scheme() != "https") {
            Some("a redirect to another scheme")
        } else if address_of(to).is_some_and(is_private) && !named_private {
            Some("a redirect to a private address")
        } else {
            None
        }
    };
    match refusal {
        Some(refusal) => attempt.error(Refusal(refusal)),
        None => attempt.follow(),
    }
}

fn address_of(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is of this machine or a private network, or of no network at all.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || first == 0
                // RFC 6598: shared with the provider's network.
                || (first == 100 && second & 0xC0 == 64)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// Resolves names; private addresses only for hosts that were asked for by name.
#[derive(Clone, Debug, Default)]
struct Named(Arc<Mutex<HashSet<String>>>);

impl Named {
    fn admit(&self, host: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_ascii_lowercase());
    }

    fn admits(&self, host: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&host.to_ascii_lowercase())
    }
}

impl Resolve for Named {
    fn resolve(&self, name: Name) -> Resolving {
        let admitted = self.admits(name.as_str());
        Box::pin(async move {
            let mut usable = lookup(name.as_str()).await?;
            usable.retain(|address| admitted || !is_private(address.ip()));
            if usable.is_empty() {
                return Err(Refusal("a redirect to a name with private addresses only").into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

/// A step that this client does not take.
#[derive(Debug)]
struct Refusal(&'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is not followed", self.0)
    }
}

impl StdError for Refusal {}

/// Why a document could not be fetched.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
    proxy: Option<Proxy>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The client could not be made.
    Build,
    /// The further roots are not certificates.
    Roots,
    /// Not an http(s) URL; not https, where only that is spoken.
    Url,
    /// No connection: the name, the address, TLS.
    Connect,
    /// A redirect that is not followed.
    Redirect,
    /// An answer other than 200 or 304.
    Status(StatusCode),
    /// The body is longer than this many bytes.
    TooLarge(usize),
    /// The answer ended early or broke HTTP.
    Broken,
    /// Not done in this time.
    TimedOut(Duration),
}

impl Error {
    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The proxy that the request went through; the fault may be its own.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    fn new(kind: ErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()), proxy: None }
    }

    fn through(self, proxy: Option<&Proxy>) -> Self {
        Self { proxy: proxy.cloned(), ..self }
    }

    fn from_send(error: reqwest::Error) -> Self {
        let kind = if error.is_redirect() {
            ErrorKind::Redirect
        } else if error.is_connect() {
            ErrorKind::Connect
        } else {
            ErrorKind::Broken
        };
        Self::new(kind, error.without_url())
    }

    fn from_body(error: reqwest::Error) -> Self {
        Self::new(ErrorKind::Broken, error.without_url())
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None, proxy: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::Build => formatter.write_str("the HTTP client could not be made"),
            ErrorKind::Roots => formatter.write_str("the further roots are not certificates in PEM"),
            ErrorKind::Url => formatter.write_str("not a URL that this client asks"),
            ErrorKind::Connect => match &self.proxy {
                Some(proxy) => write!(formatter, "no connection through the proxy {proxy}"),
                None => formatter.write_str("no connection"),
            },
            ErrorKind::Redirect => formatter.write_str("the redirect is refused"),
            ErrorKind::Status(status) => write!(formatter, "the server answered {status}"),
            ErrorKind::TooLarge(limit) => write!(formatter, "the answer is larger than {limit} bytes"),
            ErrorKind::Broken => formatter.write_str("the answer ended early or is no HTTP"),
            ErrorKind::TimedOut(deadline) => match &self.proxy {
                Some(proxy) => {
                    write!(formatter, "no whole answer within {deadline:?} through the proxy {proxy}")
                }
                None => write!(formatter, "no whole answer within {deadline:?}"),
            },
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known() {
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in ["1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111"] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_with_private_addresses_is_resolved_only_if_it_was_asked_for() {
        let named = Named::default();
        assert!(named.resolve("localhost".parse().unwrap()).await.is_err());
        named.admit("LOCALHOST");
        assert!(named.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
