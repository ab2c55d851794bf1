//! How clients reach the server, and by which names: from the configuration and the bound address.

use std::net::SocketAddr;

use tracing::warn;

use super::exposure::{Exposure, exposures};
use crate::config::Config;
use crate::http::HostPolicy;
use crate::names::{HostName, Identifier};

/// How clients reach the server: as configured, else by its first domain, else by the bound address.
pub(super) fn base(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.certificates.are_wanted() { "https" } else { "http" };
    match (&config.base_url, config.certificates.domains.first()) {
        (Some(base), _) => base.as_str().to_owned(),
        (None, Some(name)) if address.port() == 443 => format!("{scheme}://{}", name.host()),
        (None, Some(name)) => format!("{scheme}://{}:{}", name.host(), address.port()),
        (None, None) if address.ip().is_unspecified() => format!("{scheme}://localhost:{}", address.port()),
        (None, None) => format!("{scheme}://{address}"),
    }
}

/// Loopback names are always ours; these are the others.
pub(super) fn policy(config: &Config, address: SocketAddr) -> HostPolicy {
    let mut policy = config.policy.clone();
    if !address.ip().is_unspecified() {
        policy.hosts.push(HostName::Address(address.ip()));
    }
    policy.hosts.extend(config.certificates.domains.iter().map(Identifier::host));
    policy.hosts.extend(config.base_url.as_ref().map(|base| base.host().clone()));
    policy
}

/// Says what is odd about who can reach the server.
pub(super) fn warn_of_exposure(config: &Config, address: Option<SocketAddr>) {
    let bind = address.unwrap_or_else(|| config.address()).ip();
    for Exposure { what, cause, help } in exposures(config, bind) {
        warn!(%bind, cause, help, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_address_and_the_base_urls_host_are_ours_and_the_unspecified_is_not() {
        let config = Config::default();
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert!(policy(&config, address("[::]:80")).hosts.is_empty());
        let host = |text: &str| HostName::parse(text).unwrap();
        assert_eq!(policy(&config, address("192.0.2.1:80")).hosts, [host("192.0.2.1")]);
        assert_eq!(base(&config, address("[::]:8080")), "http://localhost:8080");
        assert_eq!(base(&config, address("[::1]:8080")), "http://[::1]:8080");

        let mut flags = crate::config::Flags::default();
        flags.push("base_url", "--base-url", ["https://docs.example.com/".to_owned()]);
        let config = Config::load(flags, &|_| None, None, std::path::Path::new("/nowhere")).unwrap();
        assert_eq!(policy(&config, address("[::]:80")).hosts, [host("docs.example.com")]);
        assert_eq!(base(&config, address("[::]:80")), "https://docs.example.com");
    }
}
