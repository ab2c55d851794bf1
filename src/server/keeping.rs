//! The task that keeps the certificate, by what the configuration says of it now.
//!
//! Another wish takes the place of the one before only if it can be followed: until then, and for ever if it cannot,
//! what was served is served.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::Error;
use super::certificates::{self, read_pair};
use crate::clock::{Clock, SystemClock};
use crate::http::Gate;
use crate::metrics;
use crate::provision::{self, Parts, Provisioner, date_and_distance};
use crate::shutdown::Shutdown;
use crate::tls::{PairFiles, Resolver};
use crate::x509::{Chain, Pair};

/// What keeps the certificate.
#[derive(Debug)]
pub(super) enum Keeper {
    /// Its owner does; their files are watched.
    Own(Own),
    /// The driver does.
    Acme(Acme),
}

#[derive(Debug)]
pub(super) struct Own {
    pub(super) files: PairFiles,
    pub(super) resolver: Arc<Resolver>,
    pub(super) served: Chain,
    pub(super) metrics: Arc<metrics::Certificates>,
}

#[derive(Debug)]
pub(super) struct Acme {
    pub(super) provisioner: Box<Provisioner>,
    pub(super) options: provision::Options,
    pub(super) parts: Parts,
}

/// Another certificate to keep, of the same kind as before.
#[derive(Debug)]
pub(super) enum Wanted {
    Own(PairFiles),
    Acme(Box<provision::Options>),
}

/// The way to the task.
#[derive(Clone, Debug)]
pub(super) struct Keeping(mpsc::Sender<Wish>);

#[derive(Debug)]
enum Wish {
    /// Look again at the files, the store, the schedule.
    Look,
    Keep(Wanted, oneshot::Sender<Result<(), Error>>),
}

impl Keeping {
    /// Starts the task.
    pub(super) fn start(keeper: Keeper, tasks: &mut JoinSet<()>, shutdown: &Shutdown) -> Self {
        let (sender, wishes) = mpsc::channel(WISHES);
        let shutdown = shutdown.clone();
        match keeper {
            Keeper::Own(own) => {
                tasks.spawn(warn_of_end(Arc::clone(&own.metrics), shutdown.clone()));
                tasks.spawn(own.run(wishes, shutdown));
            }
            Keeper::Acme(acme) => {
                tasks.spawn(acme.run(wishes, shutdown));
            }
        }
        Self(sender)
    }

    /// Has the certificate looked at again.
    pub(super) fn look_again(&self) {
        // A full queue leads to a look as well.
        let _ = self.0.try_send(Wish::Look);
    }

    /// Keeps another certificate from now on.
    ///
    /// # Errors
    /// When that cannot be: the one before is kept.
    pub(super) async fn keep(&self, wanted: Wanted) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        // Without the task, or an answer of it, the process is ending.
        let _ = self.0.send(Wish::Keep(wanted, answer)).await;
        answered.await.unwrap_or(Ok(()))
    }
}

impl Acme {
    async fn run(self, mut wishes: mpsc::Receiver<Wish>, shutdown: Shutdown) {
        let Self { mut provisioner, mut options, parts } = self;
        loop {
            let wake = provisioner.wake();
            let mut running = Box::pin(provisioner.run(shutdown.clone()));
            let (wanted, answer) = loop {
                tokio::select! {
                    () = &mut running => return,
                    Some(wish) = wishes.recv() => match wish {
                        Wish::Keep(Wanted::Acme(wanted), answer) => break (*wanted, answer),
                        Wish::Keep(Wanted::Own(_), _) | Wish::Look => wake.now(),
                    }
                }
            };
            // Dropped at any point it leaves the store whole, and its lease to the next.
            drop(running);
            let opened = match Provisioner::open(wanted.clone(), parts.clone()).await {
                Ok(opened) => {
                    options = wanted;
                    still_waiting(&parts, &options);
                    let _ = answer.send(Ok(()));
                    Some(opened)
                }
                Err(failure) => {
                    let _ = answer.send(Err(failure.into()));
                    reopen(&options, &parts, &shutdown).await
                }
            };
            let Some(opened) = opened else { return };
            *provisioner = opened;
        }
    }
}

/// A closed gate says whose certificate is waited for.
fn still_waiting(parts: &Parts, options: &provision::Options) {
    parts.gate.send_if_modified(|gate| {
        let closed = *gate != Gate::Open;
        if closed {
            *gate = certificates::closed(&options.names);
        }
        closed
    });
}

/// Opens what was open before; should the store fail just now, again after a while. None: the drain.
async fn reopen(options: &provision::Options, parts: &Parts, shutdown: &Shutdown) -> Option<Provisioner> {
    loop {
        match Provisioner::open(options.clone(), parts.clone()).await {
            Ok(opened) => return Some(opened),
            Err(failure) => warn!(cause = failure.cause, help = failure.help, "{}", failure.what),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = shutdown.draining() => return None,
        }
    }
}

impl Own {
    async fn run(mut self, mut wishes: mpsc::Receiver<Wish>, shutdown: Shutdown) {
        loop {
            let wake = Notify::new();
            let (files, served) = (self.files.clone(), self.served.clone());
            let install = |pair: Pair| self.install(&pair);
            let mut watching = Box::pin(files.watch(served, LOOK_EVERY, &wake, shutdown.clone(), install));
            let (files, answer) = loop {
                tokio::select! {
                    () = &mut watching => return,
                    Some(wish) = wishes.recv() => match wish {
                        Wish::Keep(Wanted::Own(files), answer) => break (files, answer),
                        Wish::Keep(Wanted::Acme(_), _) | Wish::Look => wake.notify_one(),
                    }
                }
            };
            drop(watching);
            let read = read_pair(&files).await;
            let _ = answer.send(read.map(|pair| {
                self.install(&pair);
                (self.files, self.served) = (files, pair.chain().clone());
            }));
        }
    }

    fn install(&self, pair: &Pair) {
        let not_after = pair.leaf().not_after();
        let until = date_and_distance(not_after, SystemClock.system());
        info!(valid_until = until, "the certificate of tls_cert changed; the new one is served");
        self.metrics.serves(not_after);
        self.resolver.install(pair);
    }
}

/// An own pair is its owner's to renew; that it ends is told while there is time.
async fn warn_of_end(metrics: Arc<metrics::Certificates>, shutdown: Shutdown) {
    loop {
        let now = SystemClock.system();
        if let Some(not_after) = metrics.not_after().filter(|not_after| *not_after < now + NOTICE) {
            warn!(
                valid_until = date_and_distance(not_after, now),
                "the certificate of tls_cert is about to end"
            );
        }
        tokio::select! {
            () = tokio::time::sleep(DAY) => {}
            () = shutdown.draining() => return,
        }
    }
}

/// Wishes that may wait: SIGHUPs come one by one.
const WISHES: usize = 4;
const LOOK_EVERY: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// From this long before its end, an own pair is warned of, once a day.
const NOTICE: Duration = Duration::from_secs(14 * 24 * 3_600);
