//! A certificate obtained once, for `docquay cert renew` and for the trial of `docquay check`.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::certificates::Secured;
use super::{Error, access, bind, certificates, reach};
use crate::config::Config;
use crate::http::{self, HostPolicy, Router};
use crate::shutdown;

/// Obtains a certificate once, serving nothing but the CA's challenges meanwhile.
///
/// # Errors
/// As for [`start`](super::start); why the CA issued none.
pub async fn renew(config: Config) -> Result<(), Error> {
    let listener = bind::bind(config.address())?;
    let Some(secured) = certificates::prepare(&config, None, &Arc::default()).await? else {
        return Ok(());
    };
    obtain(&config, listener, secured).await
}

/// The same for a certificate that is thrown away, and an account of which nothing stays here.
///
/// # Errors
/// As for [`renew`].
pub(crate) async fn rehearse(config: Config) -> Result<(), Error> {
    let listener = bind::bind(config.address())?;
    let secured = certificates::prepare_rehearsal(&config).await?;
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
    let base = reach::base(config, config.address());
    let guard = access::without_tokens(config);
    let port_80 = certificates::port_80(&secured.challenges, &base, guard, &config.http);
    let renewed = secured.renew(port_80, &mut tasks, &shutdown).await;
    trigger.drain();
    while tasks.join_next().await.is_some() {}
    renewed
}
