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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    #[test]
    fn tokens_are_in_clear_on_the_network_without_tls_or_a_proxy() {
        let token_file = ("token_file", "tokens");
        for (options, in_clear) in [
            (&[token_file, ("bind", "0.0.0.0")][..], true),
            (&[token_file], false),
            (&[("bind", "0.0.0.0")], false),
            (&[token_file, ("bind", "0.0.0.0"), ("trusted_proxies", "10.0.0.5")], false),
            (&[token_file, ("tls_cert", "a.pem"), ("tls_key", "a.key")], false),
            (&[token_file, ("domain", "docs.example.com")], false),
        ] {
            let mut flags = Flags::default();
            for (key, value) in options {
                flags.push(key, key, [(*value).to_owned()]);
            }
            let config = Config::load(flags, &|_| None, None, Path::new("/nowhere")).unwrap();
            let found = exposures(&config, config.address().ip());
            let told = found.iter().any(|exposure| exposure.what == "tokens come over plain HTTP");
            assert_eq!(told, in_clear, "{options:?}");
        }
    }
}
