//! The composition root: the only part that knows every other and hands each its own options.
//!
//! Owns the order of the start (listeners, certificate, routes, documents), the tasks, and the end. What a
//! part does stands in the part.

mod access;
mod banner;
pub(crate) mod bind;
pub(crate) mod certificates;
mod documents;
mod error;
mod exposure;
mod inherited;
mod keeping;
mod meter;
mod notify;
mod observe;
mod once;
mod reach;
mod reload;
mod signals;
mod standing;
mod stdio;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::config::Config;
use crate::docs::{Library, Source};
use crate::http::{self, Plain};
use crate::metrics;
use crate::shutdown::{self, Trigger};
use access::Door;
use banner::Banner;
pub(crate) use banner::plural;
use bind::Listeners;
pub use documents::open;
pub use error::Error;
pub(crate) use exposure::exposures;
pub use inherited::Inherited;
use notify::Notify;
pub(crate) use once::rehearse;
pub use once::renew;
use reload::Reloader;
pub use reload::Reread;
use signals::{Signals, Wish};
use standing::{OverTls, Standing};
pub use stdio::stdio;

/// A server that runs. Dropping it drains; [`join`](Self::join) waits for the end.
#[derive(Debug)]
pub struct Running {
    standing: Arc<Standing>,
    reloader: Arc<Reloader>,
    metrics_address: Option<SocketAddr>,
    base: String,
    certificate: Option<String>,
    certificates: Arc<metrics::Certificates>,
    drain_delay: Duration,
    leaving: Trigger,
    trigger: Arc<Trigger>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where it listens, with the port that port 0 became.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.standing.address
    }

    /// Where `/metrics` is served.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// How clients reach it, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// Its documents.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.standing.library
    }

    /// What is counted of its certificate.
    #[must_use]
    pub fn certificates(&self) -> &metrics::Certificates {
        &self.certificates
    }

    /// Starts the end: `/readyz` says no, and after `drain_delay` running requests finish, streams end, nothing new
    /// begins. Idempotent.
    pub fn drain(&mut self) {
        if self.leaving.is_draining() {
            return;
        }
        self.leaving.drain();
        if self.drain_delay.is_zero() {
            self.trigger.drain();
            return;
        }
        let (delay, trigger) = (self.drain_delay, Arc::clone(&self.trigger));
        self.tasks.spawn(async move {
            tokio::time::sleep(delay).await;
            trigger.drain();
        });
    }

    /// Reads the sources again, in a task: what it finds is logged and served, a failure logged. Looks at the
    /// certificate's files and the token file too.
    pub fn reload(&mut self) {
        let (reloader, shutdown) = (Arc::clone(&self.reloader), self.standing.shutdown.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = reloader.look_again() => {}
                () = shutdown.draining() => {}
            }
        });
    }

    /// Completes when everything has ended. Cancel safe.
    pub async fn join(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Binds, reads the documents, and serves in tasks of the current runtime.
///
/// # Errors
/// An address that cannot be bound, a source that cannot be read, a machine that refuses.
pub async fn start(config: Config) -> Result<Running, Error> {
    // What is wrong with the options is told before anything is opened.
    config.security()?;
    let serving = bind::bind(config.address())?;
    let running = begin(Listeners::of(serving), config).await?;
    running.standing.library.load().await?;
    Ok(running)
}

/// Like [`start`], on a listener that is bound already; `bind` and `port` of the config are unused.
///
/// # Errors
/// As for [`start`].
pub async fn start_on(listener: TcpListener, config: Config) -> Result<Running, Error> {
    let running = begin(Listeners::of(listener), config).await?;
    running.standing.library.load().await?;
    Ok(running)
}

/// Serves from now on. The documents are not read yet: until they are, `/readyz` says no and what needs them waits.
async fn begin(listeners: Listeners, config: Config) -> Result<Running, Error> {
    let Listeners { serving, acme, metrics } = listeners;
    let address = serving.local_addr().map_err(|error| Error::Run {
        what: "the listener has no address".to_owned(),
        cause: error.to_string(),
        help: "give a bound listener".to_owned(),
    })?;
    let base = reach::base(&config, address);
    let metrics = match metrics {
        None => config.metrics_bind.map(bind::bind_metrics).transpose()?,
        passed_on => passed_on,
    };
    let door = Door::prepare(&config).await?;
    let certificates = Arc::default();
    let library = Arc::new(documents::library(&config)?);
    let secured = certificates::prepare(&config, acme, &certificates).await?;
    let (trigger, shutdown) = shutdown::channel();
    let (leaving, left) = shutdown::channel();
    let tls = secured
        .as_ref()
        .map(|secured| OverTls { challenges: secured.challenges.clone(), gate: secured.gate.clone() });
    let standing = Standing::new(&config, address, library, tls, door, left, shutdown.clone());
    let standing = Arc::new(standing);
    let first = standing.terms(&config);
    let (port_80, on_port_80) = watch::channel(standing.port_80(&config));

    let mut tasks = JoinSet::new();
    let metrics_address =
        observe::serve(metrics, &standing, &first.router, &certificates, &config.http, &mut tasks);
    let (terms, current) = watch::channel(first);
    standing.door.keep(&mut tasks, &shutdown);
    let (certificate, keeping) = match secured {
        None => {
            tasks.spawn(http::serve_on_terms(serving, Plain, current, shutdown.clone()));
            (None, None)
        }
        Some(secured) => {
            let acceptor = secured.acceptor.clone();
            tasks.spawn(http::serve_on_terms(serving, acceptor, current, shutdown.clone()));
            (Some(secured.summary.clone()), Some(secured.keep(on_port_80, &mut tasks, &shutdown)))
        }
    };
    let hub = Arc::clone(&standing.hub);
    tasks.spawn(async move { hub.run().await });
    documents::keep_current(&mut tasks, &standing.library, &standing.tools, &shutdown);
    let (trigger, drain_delay) = (Arc::new(trigger), config.drain_delay);
    let reloader = Arc::new(Reloader::new(Arc::clone(&standing), [terms, port_80], keeping, config));
    Ok(Running {
        standing,
        reloader,
        metrics_address,
        base,
        certificate,
        certificates,
        drain_delay,
        leaving,
        trigger,
        tasks,
    })
}

/// Serves until a signal says to end, and tells `stderr` how to use it. `inherited`: sockets that are bound already;
/// `reread`: where a SIGHUP finds the configuration.
///
/// # Errors
/// As for [`start`].
pub async fn serve(
    config: Config,
    inherited: Inherited,
    reread: Arc<dyn Reread>,
    stderr: &io::Stderr,
) -> Result<(), Error> {
    let mut signals = listen_for_signals()?;
    let notify = Notify::from_environment();
    config.security()?;
    let listeners = inherited.listeners(&config)?;
    reach::warn_of_exposure(&config, listeners.serving.local_addr().ok());
    let written = config.clone();
    let mut running = begin(listeners, config).await?;
    let library = Arc::clone(&running.standing.library);
    let mut loading = std::pin::pin!(documents::load(&written, &library));
    let mut greeted = false;
    loop {
        tokio::select! {
            loaded = &mut loading, if !greeted => {
                loaded?;
                greeted = true;
                running.greet(&written.sources, written.docs.reload_every, stderr);
                info!(address = %running.address(), "serving");
                running.tasks.spawn(Arc::clone(&running.standing).report(notify.clone()));
            }
            wish = signals.next() => match wish {
                Wish::Reload => running.reread(&reread, &notify),
                Wish::End(signal) if running.leaving.is_draining() => {
                    warn!(signal, "ending at once");
                    return Ok(());
                }
                Wish::End(signal) => {
                    info!(signal, "ending: running requests may finish; the signal again ends at once");
                    notify.stopping();
                    running.drain();
                }
            },
            () = notify.pulse() => {}
            () = running.join() => return Ok(()),
        }
    }
}

impl Running {
    fn greet(&self, sources: &[Source], reload_every: Duration, stderr: &io::Stderr) {
        let library = self.library();
        let banner = Banner {
            base: &self.base,
            sources: if sources.is_empty() { &[Source::Manual] } else { sources },
            index: &library.index(),
            state: &library.state(),
            reload_every,
            certificate: self.certificate.as_deref(),
            private: self.standing.door.is_private(),
        };
        // Without a stderr there is nobody to greet.
        let _ = stderr.lock().write_all(banner.render(stderr.is_terminal()).as_bytes());
    }

    /// Reads the configuration again, in a task, and has it take effect.
    fn reread(&mut self, reread: &Arc<dyn Reread>, notify: &Notify) {
        let (reloader, reread) = (Arc::clone(&self.reloader), Arc::clone(reread));
        let (notify, shutdown) = (notify.clone(), self.standing.shutdown.clone());
        let library = Arc::clone(&self.standing.library);
        self.tasks.spawn(async move {
            let read = async {
                // Nobody was told of readiness before.
                library.loaded().await;
                notify.reloading();
                reloader.reread(&*reread).await;
                notify.reloaded();
            };
            tokio::select! {
                () = read => {}
                () = shutdown.draining() => {}
            }
        });
    }
}

fn listen_for_signals() -> Result<Signals, Error> {
    Signals::new().map_err(|error| Error::Run {
        what: "cannot listen for signals".to_owned(),
        cause: error.to_string(),
        help: "raise the limit of open files: ulimit -n 1024".to_owned(),
    })
}
