//! The documents, composed: from the configuration to a library, and the tasks that keep it current.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Error, meter};
use crate::config::{Config, ShowProgress};
use crate::docs::{self, Library, Source, SourceError};
use crate::docs_fetch::SourceFetch;
use crate::mcp::tools::Tools;
use crate::outbound::Client;
use crate::shutdown::Shutdown;

/// Reads the documents as `config` says, with the HTTP client for those at a URL.
///
/// # Errors
/// A source that cannot be read, a machine without what the HTTP client needs.
pub async fn open(config: &Config) -> Result<Library, Error> {
    let library = library(config)?;
    load(config, &library).await?;
    Ok(library)
}

/// The first reading, shown as `config` says.
pub(super) async fn load(config: &Config, library: &Library) -> Result<(), SourceError> {
    match config.progress {
        ShowProgress::OnStderr => meter::shown(&config.docs.progress, library.load()).await,
        ShowProgress::No => library.load().await,
    }
}

/// The library of `config`, with nothing read.
pub(super) fn library(config: &Config) -> Result<Library, Error> {
    let (sources, options) = wanted(config)?;
    Ok(Library::new(sources, options)?)
}

/// What `config` says to read, and how.
pub(super) fn wanted(config: &Config) -> Result<(Vec<Source>, docs::Options), Error> {
    let mut options = config.docs.clone();
    let named = if config.sources.is_empty() { vec![Source::Manual] } else { config.sources.clone() };
    if options.fetch.is_none() && named.iter().any(|source| matches!(source, Source::Url(_))) {
        let client = Client::with_proxy(config.outbound_proxy.as_ref()).map_err(|error| Error::Run {
            what: "cannot make the HTTP client for the sources".to_owned(),
            cause: error.to_string(),
            help: "raise the limit of open files: ulimit -n 1024".to_owned(),
        })?;
        options.fetch = Some(Arc::new(SourceFetch::new(client)));
    }
    Ok((named, options))
}

/// The tasks that keep the documents and what is said of them current.
pub(super) fn keep_current(
    tasks: &mut JoinSet<()>,
    library: &Arc<Library>,
    catalog: &Arc<Tools>,
    shutdown: &Shutdown,
) {
    let (library, catalog) = (Arc::clone(library), Arc::clone(catalog));
    let (reading, watching) = (shutdown.clone(), shutdown.clone());
    tasks.spawn(async move { library.run(reading).await });
    tasks.spawn(async move { catalog.watch(watching).await });
}
