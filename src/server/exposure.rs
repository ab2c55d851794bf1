//! What of a configuration opens more, or less, than its operator may think: told at the start and by `docquay check`.

use std::net::IpAddr;

use crate::config::Config;

/// A configuration that works, and may not be meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposure {
    pub(crate) what: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) help: &'static str,
}

/// What of a configuration opens more, or less, than its operator may think.
pub(crate) fn exposures(config: &Config, bind: IpAddr) -> Vec<Exposure> {
    let mut exposures = Vec::new();
    if config.policy.any_host {
        exposures.push(Exposure {
            what: "any host name is answered",
            cause: "allow_host = \"*\": any web page that a user of this network opens can read the documents",
            help: "name the hosts: --allow-host docs.example.com",
        });
    }
    let named = config.base_url.is_some()
        || config.policy.any_host
        || !config.policy.hosts.is_empty()
        || !config.certificates.domains.is_empty();
    if !bind.is_loopback() && !named {
        exposures.push(Exposure {
            what: "only loopback names are answered",
            cause: "the server listens for other machines, and no name of it is configured",
            help: "to be reached by name, add --base-url https://docs.example.com or --allow-host docs.example.com",
        });
    }
    let is_clear = !config.certificates.are_wanted() && config.trusted_proxies.is_empty();
    if config.token_file.is_some() && is_clear && !bind.is_loopback() {
        exposures.push(Exposure {
            what: "tokens come over plain HTTP",
            cause: "anybody on the way can read them",
            help: "serve https (--domain, --tls-cert), or name the proxy that does: --trusted-proxies 10.0.0.5",
        });
    }
    exposures
}
