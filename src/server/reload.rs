//! SIGHUP: the configuration, the sources, the tokens and the certificate's files are read again.
//!
//! Owns which keys take effect at once and which need a restart, and the order: what can fail comes first and leaves
//! everything as it was. Open connections and streams go on.

use std::mem::discriminant;
use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use super::certificates;
use super::keeping::Keeping;
use super::standing::Standing;
use super::{Error, documents};
use crate::config::{self, Config, Log};
use crate::docs::Library;
use crate::http::Terms;

/// The way back to where the configuration came from.
pub trait Reread: Send + Sync + 'static {
    /// The configuration as it is written now.
    ///
    /// # Errors
    /// As for [`Config::load`].
    fn config(&self) -> Result<Config, config::Error>;

    /// Has another log level take effect.
    fn log(&self, log: &Log);
}

/// Brings a new configuration into force.
#[derive(Debug)]
pub(super) struct Reloader {
    standing: Arc<Standing>,
    terms: watch::Sender<Arc<Terms>>,
    port_80: watch::Sender<Arc<Terms>>,
    /// None: plain HTTP.
    keeping: Option<Keeping>,
    /// What is in force. Held for the length of a reload: one at a time.
    current: Mutex<Config>,
}

impl Reloader {
    pub(super) fn new(
        standing: Arc<Standing>,
        [terms, port_80]: [watch::Sender<Arc<Terms>>; 2],
        keeping: Option<Keeping>,
        config: Config,
    ) -> Self {
        Self { standing, terms, port_80, keeping, current: Mutex::new(config) }
    }

    /// Reads the sources and the certificate's files again, as they are configured.
    pub(super) async fn look_again(&self) {
        let _one_at_a_time = self.current.lock().await;
        self.standing.door.look_again();
        if let Some(keeping) = &self.keeping {
            keeping.look_again();
        }
        read_again(&self.standing.library).await;
    }

    /// Reads the configuration again; if that fails, the old one stays, whole.
    pub(super) async fn reread(&self, reread: &dyn Reread) {
        let mut current = self.current.lock().await;
        info!("reading the configuration again");
        let written = reread.config().and_then(|config| config.security().map(|_| config));
        let applied = match written {
            Ok(config) => self.apply(&mut current, &config).await,
            Err(error) => Err(error.into()),
        };
        match applied {
            Ok(()) => reread.log(&current.log),
            Err(error) => {
                let (what, cause, help) = error.parts();
                warn!(cause, help, "{what}; the old configuration stays");
            }
        }
    }

    async fn apply(&self, current: &mut Config, written: &Config) -> Result<(), Error> {
        let same_kind = discriminant(&current.security()?) == discriminant(&written.security()?);
        let adopts = |key: &str| applies_at_once(key) || same_kind && concerns_certificate(key);
        let (at_once, restart): (Vec<&str>, Vec<&str>) =
            current.changed(written).into_iter().partition(|key| adopts(key));
        let next = current.adopt(written, adopts)?;
        // What fits together as it is written may not fit what stays.
        next.security()?;
        self.standing.door.look_again();
        let other_certificate = at_once.iter().any(|key| concerns_certificate(key));
        if other_certificate {
            self.keep_certificate(&next).await?;
        } else if let Some(keeping) = &self.keeping {
            keeping.look_again();
        }
        if at_once.iter().any(|key| concerns_documents(key)) {
            if let Err(error) = self.replace_documents(&next).await {
                if other_certificate && let Err(error) = self.keep_certificate(current).await {
                    warn!(cause = %error, "the certificate's options are the new ones");
                }
                return Err(error);
            }
        } else {
            read_again(&self.standing.library).await;
        }
        if !at_once.is_empty() {
            // Nothing can fail from here on.
            self.terms.send_replace(self.standing.terms(&next));
            self.port_80.send_replace(self.standing.port_80(&next));
            *current = next;
            info!(keys = at_once.join(", "), "the configuration changed");
        }
        if !restart.is_empty() {
            warn!(keys = restart.join(", "), "needs a restart; until then the old values stay");
        }
        Ok(())
    }

    async fn keep_certificate(&self, config: &Config) -> Result<(), Error> {
        match (&self.keeping, certificates::wanted(config)?) {
            (Some(keeping), Some(wanted)) => keeping.keep(wanted).await,
            _ => Ok(()),
        }
    }

    async fn replace_documents(&self, config: &Config) -> Result<(), Error> {
        let library = &self.standing.library;
        let (sources, options) = documents::wanted(config)?;
        tell(library, library.replace(sources, options).await?);
        Ok(())
    }
}

/// Reads the sources again; a failure leaves the documents as they were.
pub(super) async fn read_again(library: &Library) {
    info!("reading the sources again");
    match library.reload().await {
        Ok(changed) => tell(library, changed),
        Err(error) => warn!(cause = %error, help = error.help, "the old documents stay"),
    }
}

fn tell(library: &Library, changed: bool) {
    if changed {
        let index = library.index();
        info!(pages = index.pages().len(), sections = index.section_count(), "the documents changed");
    } else {
        info!("the documents are the same");
    }
}

/// Whether a changed key takes effect without a restart. What is not listed does not: sockets and folders are
/// settled at the start.
fn applies_at_once(key: &str) -> bool {
    match key {
        "base_url" | "allow_host" | "allow_origin" | "trusted_proxies" | "sse_keep_alive" => true,
        "log_level" | "access_log" | "log_queries" => true,
        // The store of sessions is as old as the process.
        "limits.mcp.sessions" | "limits.mcp.session_idle" => false,
        _ => concerns_documents(key) || PARTS.iter().any(|part| key.starts_with(part)),
    }
}

/// Whether the sources are read anew for a changed key.
fn concerns_documents(key: &str) -> bool {
    matches!(key, "source" | "site_url" | "reload_every" | "source_wait") || key.starts_with("limits.docs.")
}

/// Whether another certificate is kept for a changed key: without a restart as long as it is of the same kind.
fn concerns_certificate(key: &str) -> bool {
    matches!(
        key,
        "domain"
            | "email"
            | "agree_tos"
            | "ephemeral_certs"
            | "acme_directory"
            | "staging"
            | "acme_ca_file"
            | "acme_profile"
            | "acme_preferred_chain"
            | "eab_kid"
            | "eab_hmac_key_file"
            | "fallback_acme_directory"
            | "tls_cert"
            | "tls_key"
    )
}

/// The parts whose limits count from the next request or connection on.
const PARTS: [&str; 3] = ["limits.access.", "limits.http.", "limits.mcp."];
