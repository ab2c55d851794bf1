//! Access, composed: from the configuration to the guard of the router, and the task that keeps the tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Error;
use crate::access::{Proxies, TokenFile};
use crate::admission::Admission;
use crate::clock::SystemClock;
use crate::config::{self, Config};
use crate::entropy::SystemEntropy;
use crate::shutdown::Shutdown;

/// Who is let in, while the configuration changes.
#[derive(Debug)]
pub(super) struct Door {
    tokens: Option<Arc<TokenFile>>,
    wake: Arc<Notify>,
}

impl Door {
    /// With the tokens that `config` names.
    pub(super) async fn prepare(config: &Config) -> Result<Self, Error> {
        let tokens = match config.token_file.clone() {
            None => None,
            Some(path) => Some(Arc::new(open(path.as_path()).await?)),
        };
        Ok(Self { tokens, wake: Arc::default() })
    }

    /// Who is let in as `config` says, with nobody's requests counted yet.
    pub(super) fn admission(&self, config: &Config) -> Arc<Admission> {
        admission(config, self.tokens.clone())
    }

    /// Whether callers need a token.
    pub(super) fn is_private(&self) -> bool {
        self.tokens.is_some()
    }

    /// Starts what keeps the tokens current.
    pub(super) fn keep(&self, tasks: &mut JoinSet<()>, shutdown: &Shutdown) {
        if let Some(tokens) = &self.tokens {
            tasks.spawn(Arc::clone(tokens).watch(LOOK_EVERY, Arc::clone(&self.wake), shutdown.clone()));
        }
    }

    /// Has the token file read again.
    pub(super) fn look_again(&self) {
        self.wake.notify_one();
    }
}

/// Where nothing of the documents is served: who the client of a trusted proxy is, and no tokens.
pub(super) fn without_tokens(config: &Config) -> Arc<Admission> {
    admission(config, None)
}

fn admission(config: &Config, tokens: Option<Arc<TokenFile>>) -> Arc<Admission> {
    let proxies = Proxies::new(config.trusted_proxies.clone());
    Arc::new(Admission::new(proxies, tokens, &config.access, Arc::new(SystemClock)))
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

const LOOK_EVERY: Duration = Duration::from_secs(30);
