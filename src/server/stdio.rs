//! Serving one client over stdin and stdout.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::signals::Wish;
use super::{Error, documents, listen_for_signals, observe, reach, reload};
use crate::config::Config;
use crate::docs::Urls;
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::tools::Tools;
use crate::mcp::transport::stdio;
use crate::shutdown;

/// Serves one client over stdin and stdout until its end or a signal. It is answered at once; what needs the
/// documents waits until they are read.
///
/// # Errors
/// As for [`open`](super::open); a standard stream that fails.
pub async fn stdio(config: Config) -> Result<(), Error> {
    let mut signals = listen_for_signals()?;
    let library = Arc::new(documents::library(&config)?);
    let (trigger, shutdown) = shutdown::channel();
    // Nothing is served from here: links lead to where the same configuration serves over HTTP.
    let urls = Urls::new(&reach::base(&config, config.address()));
    let catalog = Arc::new(Tools::new(Arc::clone(&library), observe::tools(&config.log, urls)));
    let dispatcher = Dispatcher::new(Arc::clone(&catalog) as _, config.mcp.clone(), shutdown.clone());
    let mut tasks = JoinSet::new();
    documents::keep_current(&mut tasks, &library, &catalog, &shutdown);
    let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
    let mut serving = std::pin::pin!(stdio::serve(Arc::new(dispatcher), input, output, shutdown.clone()));
    let mut loading = std::pin::pin!(library.load());
    let mut loaded = false;
    let ended = loop {
        tokio::select! {
            read = &mut loading, if !loaded => {
                read?;
                loaded = true;
            }
            ended = &mut serving => break ended,
            wish = signals.next() => match wish {
                Wish::Reload => {
                    let (library, shutdown) = (Arc::clone(&library), shutdown.clone());
                    tasks.spawn(async move {
                        tokio::select! {
                            () = reload::read_again(&library) => {}
                            () = shutdown.draining() => {}
                        }
                    });
                }
                Wish::End(_) if trigger.is_draining() => return Ok(()),
                Wish::End(_) => trigger.drain(),
            },
        }
    };
    trigger.drain();
    while tasks.join_next().await.is_some() {}
    ended.map_err(|error| Error::Run {
        what: "the client's pipe failed".to_owned(),
        cause: error.to_string(),
        help: "start docquay stdio from an MCP client, or use docquay search".to_owned(),
    })
}
