//! A certificate obtained once, for `docquay cert renew` and for the trial of `docquay check`.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::certificates::Secured;
use super::{Error, base, bind, certificates};
use crate::config::Config;
use crate::http::{self, HostPolicy, Router};
use crate::shutdown;

/// Obtains a certificate once, serving nothing but the CA's challenges meanwhile.
///
/// # Errors
/// As for [`start`](super::start); why the CA issued none.
pub async fn renew(config: Config) -> Result<(), Error> {
    let listener = bind::bind(config.address())?;
    let base = base(&config, config.address());
    let Some(secured) = certificates::prepare(&config, &base, &Arc::default()).await? else { return Ok(()) };
    obtain(&config, listener, secured).await
}

/// The same for a certificate that is thrown away, and an account of which nothing stays here.
///
/// # Errors
/// As for [`renew`].
pub(crate) async fn rehearse(config: Config) -> Result<(), Error> {
    let listener = bind::bind(config.address())?;
    let base = base(&config, config.address());
    let secured = certificates::prepare_rehearsal(&config, &base).await?;
    obtain(&config, listener, secured).await
}

async fn obtain(config: &Config, listener: TcpListener, secured: Secured) -> Result<(), Error> {
    let (trigger, shutdown) = shutdown::channel();
    let mut tasks = JoinSet::new();
    let router = Arc::new(Router::new(vec![secured.challenges.route()], HostPolicy::default()));
    tasks.spawn(http::serve(
        listener,
        secured.acceptor.clone(),
        router,
        config.http.clone(),
        shutdown.clone(),
    ));
    let renewed = secured.renew(&config.http, &mut tasks, &shutdown).await;
    trigger.drain();
    while tasks.join_next().await.is_some() {}
    renewed
}
