//! The docs server's catalog: `search`, `fetch`, `outline`, and every page as a resource.
//!
//! Owns what a model sees of the documents: arguments, budgets, wording. Never ranks or parses
//! documents itself (`docs` does) and never learns which revision its caller speaks.

mod args;
mod changes;
mod cut;
mod definitions;
mod fetch;
mod journal;
mod outline;
mod resources;
mod search;
#[cfg(test)]
mod testing;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};

use super::catalog::{
    Answer, CacheScope, Catalog, Changes, Completion, Freshness, Listing, Reference, Resource,
    ResourceContents, ResourceTemplate, ServerInfo, Tool, ToolResult,
};
use super::dispatch::Context;
use super::error::{Error, ErrorKind};
use super::jsonrpc::Object;
use crate::docs::{Index, Library, State, Urls};
use crate::metrics::{self, ToolOutcome};
use crate::shutdown::Shutdown;
use crate::trace::Trace;
use args::Arguments;

/// How the tools present the documents.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where people read the pages.
    pub urls: Urls,
    /// Who may share cached lists and reads: `Private` if callers need a token.
    pub scope: CacheScope,
    /// What is documented, as it stands in a sentence: `this server's documentation`.
    pub subject: String,
    /// Logs the text of each search. Default: nobody's questions are.
    pub log_queries: bool,
}

impl Options {
    /// Open to anyone, about "this server's documentation".
    #[must_use]
    pub fn new(urls: Urls) -> Self {
        let subject = "this server's documentation".to_owned();
        Self { urls, scope: CacheScope::Public, subject, log_queries: false }
    }
}

/// The documents of a [`Library`] as a [`Catalog`].
#[derive(Debug)]
pub struct Tools {
    library: Arc<Library>,
    options: Options,
    changes: broadcast::Sender<Arc<Changes>>,
    metrics: Arc<metrics::Tools>,
}

/// What the tools read for one call: one snapshot, so that an answer never mixes two indexes.
struct View<'a> {
    index: &'a Index,
    urls: &'a Urls,
    state: State,
}

/// Why a call failed, for the model: what to send instead.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The arguments are no good: older revisions have an error code for it, newer ones a result.
    Arguments(String),
    /// The arguments are fine and nothing is there.
    Nothing(String),
}

/// Reloads that may wait for a slow receiver; one that lags takes everything as changed.
const CHANGES_WAITING: usize = 16;

/// How long a call waits for the documents right after the start; less than a call may take.
const FIRST_READING: Duration = Duration::from_secs(10);

/// `ttlMs` of lists and reads.
const FRESH_MS: u64 = 60_000;

impl Tools {
    /// The tools over `library`.
    #[must_use]
    pub fn new(library: Arc<Library>, options: Options) -> Self {
        let (changes, _) = broadcast::channel(CHANGES_WAITING);
        Self { library, options, changes, metrics: Arc::default() }
    }

    /// What is counted of its calls.
    #[must_use]
    pub fn metrics(&self) -> &Arc<metrics::Tools> {
        &self.metrics
    }

    /// The tools over the same library, presented otherwise. Who listens to the one hears what [`watch`](Self::watch)
    /// of either announces, and their calls are counted together.
    #[must_use]
    pub fn with_options(&self, options: Options) -> Self {
        let (library, metrics) = (Arc::clone(&self.library), Arc::clone(&self.metrics));
        Self { library, options, changes: self.changes.clone(), metrics }
    }

    /// Announces what each reload changed until `shutdown` drains. The caller owns the task.
    pub async fn watch(&self, shutdown: Shutdown) {
        // The first index is no change: what asked before waited for it.
        tokio::select! {
            () = self.library.loaded() => {}
            () = shutdown.draining() => return,
        }
        changes::watch(self.library.subscribe(), &self.changes, &shutdown).await;
    }

    /// The index as it is now. Right after the start it waits a while for the first one.
    async fn index(&self) -> Arc<Index> {
        // An elapsed wait leaves an empty index, of which the tools say that it is being loaded.
        let _ = timeout(FIRST_READING, self.library.loaded()).await;
        self.library.index()
    }

    /// Runs a tool on the index as it is now.
    async fn call(&self, name: &str, arguments: Object, trace: &Trace) -> Result<ToolResult, Error> {
        let run: fn(&View<'_>, &Arguments) -> Result<Value, Refusal> = match name {
            "search" => search::run,
            "fetch" => fetch::run,
            "outline" => outline::run,
            _ => {
                self.metrics.called(name, ToolOutcome::Refused);
                let message = format!("no tool {name:?}; the tools are search, fetch and outline");
                return Err(Error::new(ErrorKind::InvalidParams, message));
            }
        };
        let index = self.index().await;
        let view = View { index: &index, urls: &self.options.urls, state: self.library.state() };
        let arguments = Arguments::new(arguments);
        let begun = Instant::now();
        let outcome = run(&view, &arguments);
        self.note(name, &arguments, &outcome, begun.elapsed(), trace);
        match outcome {
            Ok(value) => Ok(ToolResult::structured(value)),
            Err(Refusal::Nothing(advice)) => Ok(ToolResult::error(advice)),
            Err(Refusal::Arguments(advice)) => Err(Error::new(ErrorKind::InvalidParams, advice)),
        }
    }
}

impl Catalog for Tools {
    fn server(&self) -> ServerInfo {
        definitions::server(&self.options.subject)
    }

    fn tools(&self) -> Vec<Tool> {
        definitions::tools(&self.options.subject)
    }

    fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: Object,
        context: &'a Context,
    ) -> Answer<'a, ToolResult> {
        Box::pin(async move { self.call(name, arguments, context.trace()).await })
    }

    fn resources<'a>(&'a self, cursor: Option<&'a str>) -> Answer<'a, Listing<Resource>> {
        Box::pin(async move { resources::list(&*self.index().await, cursor) })
    }

    fn resource_templates<'a>(&'a self, cursor: Option<&'a str>) -> Answer<'a, Listing<ResourceTemplate>> {
        Box::pin(async move { resources::templates(cursor) })
    }

    fn read_resource<'a>(&'a self, uri: &'a str, _context: &'a Context) -> Answer<'a, Vec<ResourceContents>> {
        Box::pin(async move { resources::read(&*self.index().await, uri) })
    }

    fn complete<'a>(
        &'a self,
        reference: &'a Reference,
        argument: &'a str,
        value: &'a str,
    ) -> Answer<'a, Completion> {
        Box::pin(async move { resources::complete(&*self.index().await, reference, argument, value) })
    }

    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
    }

    fn freshness(&self) -> Freshness {
        Freshness { ttl_ms: FRESH_MS, scope: self.options.scope }
    }
}

impl View<'_> {
    /// Why there is nothing to find, if there is nothing at all.
    fn emptiness(&self) -> Option<&'static str> {
        if !self.index.pages().is_empty() {
            return None;
        }
        Some(if self.state.ready {
            "The server has no documents: its sources are empty. Nothing can be found until its operator adds some."
        } else {
            "The documents are still being loaded. Try again in a few seconds."
        })
    }

    /// The refusal for a reference that names nothing.
    fn unknown(&self, what: &str, reference: &str) -> Refusal {
        if let Some(reason) = self.emptiness() {
            return Refusal::Nothing(reason.to_owned());
        }
        let shown: String = reference.chars().take(200).collect();
        let nearest = self.index.nearest_ids(reference, 5);
        let meant = if nearest.is_empty() {
            String::new()
        } else {
            format!(" Did you mean one of these ids? {}.", nearest.join(", "))
        };
        Refusal::Nothing(format!(
            "There is no {what} {shown:?}.{meant} Call search to find pages and sections, or outline to list them."
        ))
    }
}
