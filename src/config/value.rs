//! Values as an operator writes them: `30s`, `256KiB`, `[::]`, `https://docs.example.com`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::LogLevel;
use super::error::Wrong;
use crate::acme::ChallengeKind;
use crate::names::{Authority, HostName, Identifier, Network, NetworkError, Origin};
use crate::outbound::{self, Proxy};

/// An absolute `http(s)` address without query or fragment, and without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    host: HostName,
}

impl BaseUrl {
    /// The address, without a slash at its end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }
}

/// `https://docs.example.com`, with an optional port and path.
pub(super) fn base_url(text: &str) -> Result<BaseUrl, Wrong> {
    let wrong = |cause: String| Wrong::new(cause, "write it as https://docs.example.com");
    let (scheme, rest) =
        text.split_once("://").ok_or_else(|| wrong(format!("`{text}` does not begin with https://")))?;
    if !matches!(scheme, "http" | "https") {
        return Err(wrong(format!("the scheme `{scheme}` is neither http nor https")));
    }
    if rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
        return Err(wrong(format!("`{text}` has a query, a fragment or a space")));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let host = Authority::parse(authority)
        .map_err(|error| wrong(format!("`{authority}` is {error}")))?
        .host()
        .clone();
    Ok(BaseUrl { text: text.trim_end_matches('/').to_owned(), host })
}

/// A TCP port; 0 lets the system choose.
pub(super) fn port(text: &str) -> Result<u16, Wrong> {
    text.parse().ok().ok_or_else(|| {
        Wrong::new(format!("`{text}` is no port"), "use a number from 1 to 65535, or 0 for any free port")
    })
}

/// An address to listen on.
pub(super) fn address(text: &str) -> Result<IpAddr, Wrong> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if bare == "localhost" {
        return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    bare.parse().ok().ok_or_else(|| {
        Wrong::new(
            format!("`{text}` is no IP address"),
            "use 127.0.0.1 for this machine alone, [::] for every address (IPv4 too); the port is its own option",
        )
    })
}

/// An address with a port to listen on.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Wrong> {
    let wrong = || {
        Wrong::new(
            format!("`{text}` is no address with a port"),
            "write both: 127.0.0.1:9464 for this machine alone, [::]:9464 for every address",
        )
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    // `::1:9464` could be an address without a port.
    if host.contains(':') && !host.starts_with('[') {
        return Err(wrong());
    }
    let (host, port) = (address(host), port.parse());
    host.ok().zip(port.ok()).map(|(host, port)| SocketAddr::new(host, port)).ok_or_else(wrong)
}

/// `true` or `false`.
pub(super) fn switch(text: &str) -> Result<bool, Wrong> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Wrong::new(format!("`{text}` is neither true nor false"), "use true or false")),
    }
}

/// An origin that browsers may call from.
pub(super) fn origin(text: &str) -> Result<Origin, Wrong> {
    Origin::parse(text.strip_suffix('/').unwrap_or(text)).ok().ok_or_else(|| {
        Wrong::new(
            format!("`{text}` is no origin"),
            "write scheme, host and port as the browser sends them: https://app.example.com",
        )
    })
}

/// A host name or address, without a port.
pub(super) fn host(text: &str) -> Result<HostName, Wrong> {
    HostName::parse(text).ok().ok_or_else(|| {
        Wrong::new(
            format!("`{text}` is no host name"),
            "write the name alone, without scheme and port: docs.example.com; or * for any",
        )
    })
}

/// A trusted proxy, or a network of them.
pub(super) fn network(text: &str) -> Result<Network, Wrong> {
    Network::parse(text).map_err(|error| {
        let help = match error {
            NetworkError::Inside(network) => format!("write {network}, or the address alone"),
            _ => "write an address or a network: 127.0.0.1, 10.0.0.0/8, 2001:db8::/32".to_owned(),
        };
        Wrong::new(format!("`{text}` is {error}"), help)
    })
}

/// The proxy to go out through. What it says is not repeated: it may hold a password.
pub(super) fn outbound_proxy(text: &str) -> Result<Proxy, Wrong> {
    let help = "write it as http://proxy.example.com:3128, with a name and a password as http://NAME:PASSWORD@HOST:PORT";
    Proxy::parse(text).map_err(|error| Wrong::new(format!("it is {error}"), help))
}

/// What a certificate is for: a domain name, in Unicode too, or an address.
pub(super) fn domain(text: &str) -> Result<Identifier, Wrong> {
    if text.starts_with("*.") {
        return Err(Wrong::new(
            format!("`{text}` is a wildcard, which needs a change of the DNS for each renewal"),
            "give each name by itself: --domain docs.example.com --domain api.example.com",
        ));
    }
    let ascii = if text.is_ascii() { None } else { outbound::ascii_host(text) };
    Identifier::parse(ascii.as_deref().unwrap_or(text)).ok().ok_or_else(|| {
        Wrong::new(
            format!("`{text}` is no domain name"),
            "write the name alone, without scheme, port and path: docs.example.com; or a public IP address",
        )
    })
}

/// An address that the CA may write to.
pub(super) fn email(text: &str) -> Result<String, Wrong> {
    let address = text.strip_prefix("mailto:").unwrap_or(text);
    let good = address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    // RFC 8555 §7.3: one address, no header fields.
    if good && !address.contains([',', '?', ' ', '<', '>']) && address.is_ascii() {
        return Ok(address.to_owned());
    }
    Err(Wrong::new(format!("`{text}` is no mail address"), "write one address: ops@example.com"))
}

/// A CA's directory. RFC 8555 §6.1: https only.
pub(super) fn directory(text: &str) -> Result<String, Wrong> {
    let wrong = |cause: String| Wrong::new(cause, "write it as https://ca.example.com/acme/directory");
    let rest = text
        .strip_prefix("https://")
        .ok_or_else(|| wrong(format!("`{text}` does not begin with https://")))?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if Authority::parse(authority).is_err() || rest.contains('#') || rest.contains(char::is_whitespace) {
        return Err(wrong(format!("`{text}` is no URL of a directory")));
    }
    Ok(text.to_owned())
}

/// A challenge type, or `auto` for either.
pub(super) fn challenge(text: &str) -> Result<Option<ChallengeKind>, Wrong> {
    match text {
        "auto" => Ok(None),
        "http-01" => Ok(Some(ChallengeKind::Http01)),
        "tls-alpn-01" => Ok(Some(ChallengeKind::TlsAlpn01)),
        "dns-01" => Err(Wrong::new("docquay does not change the DNS", "use auto, http-01 or tls-alpn-01")),
        _ => Err(Wrong::new(
            format!("there is no challenge type `{text}`"),
            "use auto, http-01 or tls-alpn-01",
        )),
    }
}

/// Any text but none.
pub(super) fn filled(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        Err(Wrong::new("it is empty", "give a value, or leave the option out"))
    } else {
        Ok(text.to_owned())
    }
}

/// `30s`, `500ms`, `10m`, `2h`, or seconds; never zero.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    match duration_or_off(text)? {
        Some(duration) => Ok(duration),
        None => Err(Wrong::new("it cannot be zero", DURATION_HELP)),
    }
}

/// A duration; zero means never.
pub(super) fn duration_or_off(text: &str) -> Result<Option<Duration>, Wrong> {
    let wrong = || Wrong::new(format!("`{text}` is no duration"), DURATION_HELP);
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let millis = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let millis = number.checked_mul(millis).filter(|millis| *millis <= LONGEST_MILLIS).ok_or_else(wrong)?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

/// `256KiB`, `64MiB`, `1GiB`, `10kB`, or bytes; never zero.
pub(super) fn bytes(text: &str) -> Result<usize, Wrong> {
    let wrong = || Wrong::new(format!("`{text}` is no size"), "use bytes, or 256KiB, 64MiB, 1GiB");
    let (number, unit) = number_and_unit(text).ok_or_else(wrong)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(factor).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

/// Bytes as an operator writes them: `256KiB`.
pub(super) fn size(bytes: usize) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(factor, _)| bytes >= *factor && bytes.is_multiple_of(*factor));
    unit.map_or_else(|| bytes.to_string(), |(factor, unit)| format!("{}{unit}", bytes / factor))
}

/// How many of something; never zero.
pub(super) fn count<N: TryFrom<u64>>(text: &str) -> Result<N, Wrong> {
    let number = text.replace('_', "").parse::<u64>().ok().filter(|number| *number > 0);
    number
        .and_then(|number| N::try_from(number).ok())
        .ok_or_else(|| Wrong::new(format!("`{text}` is no count"), "use a whole number from 1"))
}

/// How many of something; zero is any number.
pub(super) fn count_or_off(text: &str) -> Result<u32, Wrong> {
    match text.trim_start_matches('0') {
        "" if !text.is_empty() => Ok(0),
        _ => count(text).map_err(|wrong| Wrong::new(wrong.cause, "use a whole number, or 0 for any number")),
    }
}

/// A level, or directives with one each: `info,docquay::http=debug`.
pub(super) fn log_level(text: &str) -> Result<LogLevel, Wrong> {
    let directives: Result<Vec<_>, _> = text.split(',').map(|written| directive(written.trim())).collect();
    Ok(LogLevel(directives?.join(",")))
}

fn directive(written: &str) -> Result<String, Wrong> {
    let (module, level) = match written.rsplit_once('=') {
        Some((module, level)) => (Some(module.trim()), level.trim()),
        None => (None, written),
    };
    let level = level.to_ascii_lowercase();
    if !["off", "error", "warn", "info", "debug", "trace"].contains(&level.as_str()) {
        return Err(Wrong::new(
            format!("there is no log level `{level}`"),
            "use error, warn, info, debug, trace, off, or info,docquay::http=debug",
        ));
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    match module {
        None => Ok(level),
        Some(module) if !module.is_empty() && module.bytes().all(is_part) => Ok(format!("{module}={level}")),
        Some(module) => Err(Wrong::new(
            format!("`{module}` is no module"),
            "name a module and its level, as in docquay::http=debug",
        )),
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

const DURATION_HELP: &str = "use 500ms, 30s, 10m or 2h; a bare number is seconds";
/// A hundred years: far beyond any use, and no timer overflows.
const LONGEST_MILLIS: u64 = 100 * 366 * 24 * 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_levels_are_levels_or_modules_with_one() {
        for (text, plain) in [
            ("debug", "debug"),
            ("WARN", "warn"),
            ("info, docquay::http = Debug,hyper=off", "info,docquay::http=debug,hyper=off"),
        ] {
            assert_eq!(log_level(text), Ok(LogLevel(plain.to_owned())), "{text}");
        }
        for text in ["", "loud", "info,", "docquay", "=debug", "docquay[span]=debug", "a=b=info"] {
            assert!(log_level(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_carry_a_unit_or_are_seconds() {
        for (text, millis) in
            [("500ms", 500), ("30s", 30_000), ("30", 30_000), ("10m", 600_000), ("2h", 7_200_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "s", "1.5s", "-1", "3 weeks", "99999999999999999999", "18446744073709551615h", "0", "0s"]
        {
            assert!(duration(text).is_err(), "{text:?}");
        }
        assert_eq!(duration_or_off("0"), Ok(None));
    }

    #[test]
    fn sizes_carry_a_unit_or_are_bytes() {
        for (text, size) in
            [("256KiB", 262_144), ("64MiB", 67_108_864), ("1kB", 1_000), ("17", 17), ("2 MiB", 2_097_152)]
        {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "KiB", "1.5MiB", "-1", "0", "12 parsecs", "18446744073709551615GiB"] {
            assert!(bytes(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_size_is_printed_as_it_may_be_written() {
        for text in ["256KiB", "64MiB", "1GiB", "17", "1025"] {
            assert_eq!(size(bytes(text).unwrap()), text);
        }
    }

    #[test]
    fn a_base_url_is_absolute_and_names_its_host() {
        let url = base_url("https://docs.example.com:8443/manual/").unwrap();
        assert_eq!(url.as_str(), "https://docs.example.com:8443/manual");
        assert_eq!(url.host(), &HostName::parse("docs.example.com").unwrap());
        for text in
            ["docs.example.com", "ftp://x", "https://", "https://a b", "https://a/?q", "https://a/#f", "//a"]
        {
            assert!(base_url(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_may_wear_brackets() {
        for (text, parsed) in
            [("127.0.0.1", "127.0.0.1"), ("[::]", "::"), ("::1", "::1"), ("localhost", "127.0.0.1")]
        {
            assert_eq!(address(text), Ok(parsed.parse().unwrap()));
        }
        for text in ["", "docs.example.com", "127.0.0.1:80", "[::]:80"] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn counts_are_whole_and_positive() {
        assert_eq!(count::<usize>("10_000"), Ok(10_000));
        for text in ["0", "-1", "many", "4294967296"] {
            assert!(count::<u32>(text).is_err(), "{text}");
        }
        assert_eq!((count_or_off("0"), count_or_off("600")), (Ok(0), Ok(600)));
        for text in ["", "-1", "off", "4294967296"] {
            assert!(count_or_off(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_an_address_or_a_network() {
        assert!(network("10.0.0.0/8").is_ok() && network("::1").is_ok());
        assert_eq!(network("10.0.0.1/8").unwrap_err().help, "write 10.0.0.0/8, or the address alone");
        assert!(network("proxy.internal").unwrap_err().help.contains("127.0.0.1"));
    }

    #[test]
    fn a_wrong_outbound_proxy_is_not_repeated() {
        let wrong = outbound_proxy("socks5://ana:secret@proxy:1080").unwrap_err();
        assert!(wrong.cause.contains("SOCKS") && !format!("{wrong:?}").contains("secret"), "{wrong:?}");
    }
}
