//! Access, composed: from the configuration to the guard of the router, and the task that keeps the tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::warn;

use super::Error;
use crate::access::{Proxies, TokenFile};
use crate::admission::Admission;
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::entropy::SystemEntropy;
use crate::http::Guard;
use crate::shutdown::Shutdown;

/// Who is let in, ready to be asked.
#[derive(Debug)]
pub(super) struct Door {
    admission: Arc<Admission>,
    tokens: Option<Arc<TokenFile>>,
    /// Has the token file read again, on SIGHUP.
    wake: Arc<Notify>,
}

impl Door {
    /// As the configuration says.
    pub(super) async fn prepare(config: &Config) -> Result<Self, Error> {
        let tokens = match config.token_file.clone() {
            None => None,
            Some(path) => Some(Arc::new(open(path.as_path()).await?)),
        };
        let proxies = Proxies::new(config.trusted_proxies.clone());
        let admission = Admission::new(proxies, tokens.clone(), &config.access, Arc::new(SystemClock));
        Ok(Self { admission: Arc::new(admission), tokens, wake: Arc::default() })
    }

    /// What the routers ask.
    pub(super) fn guard(&self) -> Arc<dyn Guard> {
        Arc::clone(&self.admission) as _
    }

    /// Whether callers need a token.
    pub(super) fn is_private(&self) -> bool {
        self.tokens.is_some()
    }

    /// Starts what keeps the tokens; gives what SIGHUP wakes.
    pub(super) fn keep(self, tasks: &mut JoinSet<()>, shutdown: &Shutdown) -> Arc<Notify> {
        if let Some(tokens) = self.tokens {
            tasks.spawn(tokens.watch(LOOK_EVERY, Arc::clone(&self.wake), shutdown.clone()));
        }
        self.wake
    }
}

async fn open(path: &Path) -> Result<TokenFile, Error> {
    let wrong = |cause: String, help: &str| {
        let what = format!("token_file {} cannot be used", path.display());
        Error::Config(config::Error { what, cause, help: help.to_owned() })
    };
    let reading = path.to_owned();
    let entropy = Arc::new(SystemEntropy::new());
    let read = tokio::task::spawn_blocking(move || TokenFile::open(&reading, entropy)).await;
    let read = read.map_err(|error| wrong(error.to_string(), "start docquay again"))?;
    read.map_err(|error| wrong(error.to_string(), error.help()))
}

/// Tokens that anybody on the way can read are told of.
pub(super) fn warn_of_tokens_in_clear(config: &Config) {
    if tokens_are_in_clear(config) {
        warn!(
            bind = %config.address().ip(),
            "tokens come over plain HTTP, readable by anybody on the way; serve https (--domain, --tls-cert), or \
             name the proxy that does: --trusted-proxies 10.0.0.5"
        );
    }
}

/// Whether tokens come over plain HTTP and not from this machine, with no proxy known that ends TLS.
fn tokens_are_in_clear(config: &Config) -> bool {
    let is_plain = !config.certificates.are_wanted() && config.trusted_proxies.is_empty();
    config.token_file.is_some() && is_plain && !config.address().ip().is_loopback()
}

const LOOK_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
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
            assert_eq!(tokens_are_in_clear(&config), in_clear, "{options:?}");
        }
    }
}
