//! The proxy that requests go out through, if the operator names one.
//!
//! Plain HTTP to the proxy; https through it by CONNECT (RFC 9110 §9.3.6), so that it sees names and no content.
//! The proxy resolves the names of those that are asked.

use std::fmt;

use reqwest::Url;

/// `http://proxy.internal:3128`, with a name and a password in it if the proxy wants them.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

/// Why a text names no [`Proxy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is no URL with a host.
    Malformed,
    /// Another scheme than http.
    Scheme,
    /// A path, a query or a fragment, which a proxy has not.
    Path,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "not a URL",
            Self::Scheme => "not an http proxy: SOCKS and https to the proxy are not spoken",
            Self::Path => "a proxy has no path",
        })
    }
}

impl std::error::Error for ProxyError {}

impl Proxy {
    /// Parses the URL of a proxy.
    ///
    /// # Errors
    /// When it is malformed, has another scheme than http, or anything behind the port.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let url = Url::parse(text).ok().ok_or(ProxyError::Malformed)?;
        if url.scheme() != "http" {
            // `proxy:3128` reads as a URL of the scheme `proxy`.
            return Err(if url.has_host() { ProxyError::Scheme } else { ProxyError::Malformed });
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::Path);
        }
        if url.host_str().is_some_and(|host| !host.is_empty()) {
            Ok(Self(url))
        } else {
            Err(ProxyError::Malformed)
        }
    }

    /// Its host, as a resolver is asked for it.
    pub(super) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

/// Without name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}:{}", self.host(), self.0.port_or_known_default().unwrap_or(80))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_http_url_and_its_password_is_never_shown() {
        for (text, shown) in [
            ("http://proxy.internal:3128", "http://proxy.internal:3128"),
            ("http://127.0.0.1", "http://127.0.0.1:80"),
            ("http://[::1]:8888/", "http://[::1]:8888"),
            ("http://ana:s%40cret@proxy:3128", "http://proxy:3128"),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(
                (proxy.to_string(), format!("{proxy:?}")),
                (shown.to_owned(), format!("Proxy({shown})"))
            );
        }
    }

    #[test]
    fn what_is_no_http_proxy_is_told_so() {
        for (text, error) in [
            ("", ProxyError::Malformed),
            ("proxy:3128", ProxyError::Malformed),
            ("http://", ProxyError::Malformed),
            ("http://proxy:port", ProxyError::Malformed),
            ("socks5://proxy:1080", ProxyError::Scheme),
            ("https://proxy:3128", ProxyError::Scheme),
            ("http://proxy:3128/path", ProxyError::Path),
            ("http://proxy:3128/?a", ProxyError::Path),
        ] {
            assert_eq!(Proxy::parse(text), Err(error), "{text:?}");
        }
    }
}
