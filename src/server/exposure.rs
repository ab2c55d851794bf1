//! What of a configuration opens more, or less, than its operator may think: told at the start and by `docquay check`.

use crate::config::Config;

/// A configuration that works, and may not be meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposure {
    pub(crate) what: &'static str,
    pub(crate) cause: &'static str,
    pub(crate) help: &'static str,
}

/// What of a configuration opens more, or less, than its operator may think.
pub(crate) fn exposures(config: &Config) -> Vec<Exposure> {
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
    if !config.address().ip().is_loopback() && !named {
        exposures.push(Exposure {
            what: "only loopback names are answered",
            cause: "the server listens for other machines, and no name of it is configured",
            help: "to be reached by name, add --base-url https://docs.example.com or --allow-host docs.example.com",
        });
    }
    exposures
}
