//! Names to addresses: literals and `localhost` by ourselves, the rest by the system's resolver.
//!
//! An image from scratch has no `/etc/hosts`, and container runtimes may mount none. RFC 6761 §6.3: `localhost`
//! and the names below it are loopback, without asking anybody.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// The addresses of `host`, port 0. Cancel safe.
///
/// # Errors
/// When it has none, or the resolver does not answer; with [`NoResolver`] inside where its files are missing.
pub async fn lookup(host: &str) -> io::Result<Vec<SocketAddr>> {
    if let Some(known) = by_ourselves(host) {
        return Ok(known);
    }
    match tokio::net::lookup_host((host, 0)).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(explain(error, Path::new("/etc"))),
    }
}

fn by_ourselves(host: &str) -> Option<Vec<SocketAddr>> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = inner.parse::<IpAddr>() {
        return Some(vec![SocketAddr::new(address, 0)]);
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost").then(|| {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        loopback.map(|address| SocketAddr::new(address, 0)).to_vec()
    })
}

/// Says so if the resolver's files are missing: its own words do not. With resolv.conf the DNS was asked, and its
/// word stands.
fn explain(error: io::Error, etc: &Path) -> io::Error {
    if etc.join("resolv.conf").exists() {
        return error;
    }
    io::Error::new(error.kind(), NoResolver { hosts: etc.join("hosts").exists(), source: error })
}

/// Resolves any name, private addresses included: for a peer that the operator named.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anything;

impl Resolve for Anything {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move { Ok(Box::new(lookup(name.as_str()).await?.into_iter()) as Addrs) })
    }
}

/// A name cannot be resolved because the files are missing that say how.
#[derive(Debug)]
pub struct NoResolver {
    /// Whether there is at least /etc/hosts.
    hosts: bool,
    source: io::Error,
}

impl NoResolver {
    /// Whether it is the reason of this failure.
    #[must_use]
    pub fn is_behind(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }
}

impl fmt::Display for NoResolver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.hosts {
            "names cannot be resolved here: /etc/resolv.conf is missing, and the name is not in /etc/hosts"
        } else {
            "names cannot be resolved here: /etc/resolv.conf and /etc/hosts are missing"
        })
    }
}

impl StdError for NoResolver {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_and_localhost_need_no_file() {
        for (host, expected) in [
            ("127.0.0.1", &["127.0.0.1:0"][..]),
            ("[2001:db8::1]", &["[2001:db8::1]:0"]),
            ("::1", &["[::1]:0"]),
            ("localhost", &["127.0.0.1:0", "[::1]:0"]),
            ("CA.LocalHost.", &["127.0.0.1:0", "[::1]:0"]),
        ] {
            let found: Vec<String> = lookup(host).await.unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{host}");
        }
        assert_eq!(by_ourselves("localhost.example"), None);
    }

    #[test]
    fn a_failure_names_the_files_that_are_missing() {
        let etc = tempfile::tempdir().unwrap();
        let failure = || io::Error::other("failed to lookup address information");
        let shown = explain(failure(), etc.path()).to_string();
        assert!(shown.contains("/etc/resolv.conf and /etc/hosts are missing"), "{shown}");
        std::fs::write(etc.path().join("hosts"), "").unwrap();
        let shown = explain(failure(), etc.path()).to_string();
        assert!(
            shown.contains(": /etc/resolv.conf is missing, and the name is not in /etc/hosts"),
            "{shown}"
        );
        assert!(NoResolver::is_behind(&explain(failure(), etc.path())));
        std::fs::write(etc.path().join("resolv.conf"), "").unwrap();
        for keeps_hosts in [true, false] {
            if !keeps_hosts {
                std::fs::remove_file(etc.path().join("hosts")).unwrap();
            }
            let answered = explain(failure(), etc.path());
            assert_eq!(answered.to_string(), failure().to_string());
            assert!(!NoResolver::is_behind(&answered));
        }
    }
}
