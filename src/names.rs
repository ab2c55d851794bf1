//! Names that arrive from outside, parsed once: a `Host` ([`Authority`]), an [`Origin`], what a
//! certificate is for ([`Identifier`]), and a range of addresses ([`Network`]).
//!
//! RFC 9110 §4.2 and §7.2 (authority), RFC 6454 §6.2 (origin serialisation), RFC 8555 §7.1.4 and RFC 8738
//! (identifiers).

mod network;

use std::fmt;
use std::net::IpAddr;

pub use network::{Network, NetworkError};

/// A host with an optional port, as in `Host`, `:authority` and the middle of a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Authority {
    host: HostName,
    port: Option<u16>,
}

/// A host: an address or a lower-case name without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostName {
    /// `127.0.0.1`, `::1` (brackets removed, mapped IPv4 kept as written).
    Address(IpAddr),
    /// `docs.example.com`.
    Name(String),
}

/// What a browser says it acts for: scheme, host, port; `null` never parses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    authority: Authority,
}

/// A name in the public DNS, as a certificate carries it: lower case, A-labels, no trailing dot, no wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainName(String);

/// What a certificate is for (RFC 8555 §7.1.4, RFC 8738). Displayed as CAs write it: `docs.example.com`,
/// `192.0.2.1`, `2001:db8::1` (RFC 5952).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identifier {
    /// `{"type":"dns"}`.
    Dns(DomainName),
    /// `{"type":"ip"}`.
    Ip(IpAddr),
}

/// The text is not a host, an authority, an origin or an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameError;

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a host name or address, optionally with a port")
    }
}

impl std::error::Error for NameError {}

impl HostName {
    /// Parses `docs.example.com`, `127.0.0.1` or `[::1]` (brackets optional for addresses).
    ///
    /// # Errors
    /// When the text is neither an address nor a dotted name of letters, digits, `-` and `_`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = inner.unwrap_or(text).parse::<IpAddr>() {
            return Ok(Self::Address(address));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            return Err(NameError);
        }
        Ok(Self::Name(name.to_ascii_lowercase()))
    }

    /// Whether this names the machine itself: `localhost`, `*.localhost`, 127.0.0.0/8, `::1`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Address(address) => address.to_canonical().is_loopback(),
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(formatter, "[{address}]"),
            Self::Address(IpAddr::V4(address)) => write!(formatter, "{address}"),
            Self::Name(name) => formatter.write_str(name),
        }
    }
}

impl Authority {
    /// Parses `host`, `host:port` or `[v6]:port`.
    ///
    /// # Errors
    /// When the host or the port is malformed.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                if !port.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(NameError);
                }
                (host, Some(port.parse().ok().ok_or(NameError)?))
            }
            _ => (text, None),
        };
        Ok(Self { host: HostName::parse(host)?, port })
    }

    /// The host, without the port.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The port, if one was written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(formatter, "{}:{port}", self.host),
            None => write!(formatter, "{}", self.host),
        }
    }
}

impl Origin {
    /// Parses `https://docs.example.com`, with an optional port and nothing behind it.
    ///
    /// # Errors
    /// When the text is `null`, has a path, or no scheme.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let (scheme, rest) = text.split_once("://").ok_or(NameError)?;
        let scheme_ok = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        if scheme.is_empty() || !scheme_ok {
            return Err(NameError);
        }
        Ok(Self { scheme: scheme.to_ascii_lowercase(), authority: Authority::parse(rest)? })
    }

    /// `http`, `https`, or an extension's own scheme; lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host and port.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority)
    }
}

impl DomainName {
    /// Parses `docs.example.com`; letters become lower case, a trailing dot is dropped.
    ///
    /// # Errors
    /// When a label is empty, longer than 63, begins or ends with `-`, or has anything but letters, digits and
    /// `-`; when the name is longer than 253, a wildcard, or an address.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(label) || name.parse::<IpAddr>().is_ok() {
            return Err(NameError);
        }
        Ok(Self(name))
    }

    /// As it stands in a certificate.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Identifier {
    /// Parses a domain name or an address (brackets optional for IPv6).
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match inner.unwrap_or(text).parse::<IpAddr>() {
            Ok(address) => Ok(Self::Ip(address.to_canonical())),
            Err(_) => DomainName::parse(text).map(Self::Dns),
        }
    }

    /// The name that a CA sends as SNI for this identifier in a TLS-ALPN-01 validation: the domain itself, or
    /// the address's reverse name (RFC 8738 §6), `1.0.0.127.in-addr.arpa`.
    #[must_use]
    pub fn server_name(&self) -> String {
        match self {
            Self::Dns(name) => name.0.clone(),
            Self::Ip(IpAddr::V4(address)) => {
                let [a, b, c, d] = address.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            Self::Ip(IpAddr::V6(address)) => {
                let nibbles = address.octets().into_iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
                nibbles.map(|nibble| format!("{nibble:x}.")).chain(["ip6.arpa".to_owned()]).collect()
            }
        }
    }

    /// The same as a host, for `Host` checks and URLs.
    #[must_use]
    pub fn host(&self) -> HostName {
        match self {
            Self::Dns(name) => HostName::Name(name.0.clone()),
            Self::Ip(address) => HostName::Address(*address),
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => name.fmt(formatter),
            Self::Ip(address) => address.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_with_an_optional_port() {
        for (text, host, port) in [
            ("localhost", "localhost", None),
            ("Docs.Example.com.:443", "docs.example.com", Some(443)),
            ("127.0.0.1:8080", "127.0.0.1", Some(8080)),
            ("[::1]:8080", "[::1]", Some(8080)),
            ("[::1]", "[::1]", None),
        ] {
            let authority = Authority::parse(text).unwrap();
            assert_eq!((authority.host().to_string().as_str(), authority.port()), (host, port));
        }
    }

    #[test]
    fn malformed_hosts_and_origins_are_refused() {
        for text in ["", ":80", "a b", "host:port", "host:99999", "a..b", "a/b", "user@host", "h:+1"] {
            assert_eq!(Authority::parse(text), Err(NameError), "{text:?}");
        }
        for text in ["null", "", "https://", "https://a/b", "//a", "http://a?b", "://a"] {
            assert_eq!(Origin::parse(text), Err(NameError), "{text:?}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for text in ["localhost", "app.localhost", "127.8.0.1", "::1", "[::ffff:127.0.0.1]"] {
            assert!(HostName::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in ["localhost.example.com", "10.0.0.1", "example.com"] {
            assert!(!HostName::parse(text).unwrap().is_loopback(), "{text}");
        }
    }

    #[test]
    fn an_identifier_is_a_domain_or_an_address_as_a_certificate_has_it() {
        for (text, shown, server_name) in [
            ("Docs.Example.COM.", "docs.example.com", "docs.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1", "1.0.0.127.in-addr.arpa"),
            (
                "[2001:DB8:0:0::1]",
                "2001:db8::1",
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            ),
        ] {
            let identifier = Identifier::parse(text).unwrap();
            assert_eq!(
                (identifier.to_string().as_str(), identifier.server_name().as_str()),
                (shown, server_name)
            );
        }
        for text in
            ["", "*.example.com", "a_b.example", "-a.example", "a..b", "b\u{fc}cher.example", "a/b", "a:1"]
        {
            assert_eq!(Identifier::parse(text), Err(NameError), "{text:?}");
        }
    }
}
