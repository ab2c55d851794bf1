//! From a [`Call`] to its [`Reply`]: the methods over a [`Catalog`], the deadline.
//!
//! It never learns which transport asks, and keeps nothing between two calls but the rendered
//! lists. Spec: server/*, server/utilities/*.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::timeout;

pub use super::context::{Client, Context, Outbox};

use super::catalog::{Capabilities, Catalog, Listing, ToolResult};
use super::error::{Error, ErrorKind};
use super::jsonrpc::{Object, RequestId};
use super::limits::Limits;
use super::method::{self, Method};
use super::params;
use super::record::{self, Record};
use super::rendered::{Kind, Rendered};
use super::revision::{Revision, Rules};
use super::subscription::{Feed, Listen};
use super::wire::{self, Body, Fields};
use crate::metrics::{Calls, Outcome};
use crate::shutdown::Shutdown;
use crate::trace::Trace;

/// A request that was understood: era and revision are settled, `_meta` is read.
#[derive(Clone, Debug)]
pub struct Call {
    /// Echoed in the reply.
    pub id: RequestId,
    /// `tools/call`.
    pub method: String,
    /// The method's params, `_meta` included.
    pub params: Object,
    /// The caller's revision.
    pub rules: &'static Rules,
    /// What is known of the caller.
    pub client: Arc<Client>,
    /// Which request it came by. A span that `params._meta` names is nearer than the one that stands here.
    pub trace: Trace,
}

/// A finished reply: one encoded JSON-RPC response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The whole message, no newline.
    pub message: Bytes,
    /// What went wrong, if it is an error response: the HTTP transport picks its status by it.
    pub error: Option<ErrorKind>,
    /// Whether it is the result of a tool that says what went wrong (`isError`).
    pub is_tool_error: bool,
}

impl Reply {
    /// The answer to a batch: the replies as one array; none if there are none (2025-03-26).
    #[must_use]
    pub fn array(replies: &[Bytes]) -> Option<Bytes> {
        (!replies.is_empty()).then(|| wire::array(replies))
    }
}

/// Runs calls on a catalog. One per process, shared by every transport.
pub struct Dispatcher {
    catalog: Arc<dyn Catalog>,
    limits: Limits,
    shutdown: Shutdown,
    capabilities: Capabilities,
    /// `_meta…/serverInfo`, encoded once.
    server: Arc<RawValue>,
    rendered: Rendered,
    calls: Arc<Calls>,
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Dispatcher").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// A dispatcher over `catalog`, whose name and capabilities it reads now, once and for all.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, limits: Limits, shutdown: Shutdown) -> Self {
        let rendered = Rendered::new(catalog.changes());
        let info = catalog.server();
        let server = Arc::from(info.implementation.encoded(Revision::MODERN.rules()));
        let (capabilities, calls) = (info.capabilities, Arc::default());
        Self { catalog, limits, shutdown, capabilities, server, rendered, calls }
    }

    /// The limits it was given, for its transports.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What drains its streams.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// What the server declared.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Counts on where another dispatcher did: one that this one replaces.
    #[must_use]
    pub fn with_metrics(self, calls: Arc<Calls>) -> Self {
        Self { calls, ..self }
    }

    /// What is counted of its calls.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Runs any call but `subscriptions/listen` and `initialize`. Dropping the future cancels the work.
    pub async fn answer(&self, call: Call, outbox: Outbox) -> Reply {
        let Call { id, method, params, rules, client, mut trace } = call;
        trace.parent = record::parent(&params).or(trace.parent);
        let record = Record::begin(&self.calls, &method, rules, &client, trace.clone());
        let context = Context::new(rules, client, &params, outbox).with_trace(trace);
        let outcome = self.run(&id, &method, params, rules, &context).await;
        context.close();
        let reply = outcome.unwrap_or_else(|error| self.error(Some(&id), rules, &error));
        record.end(&reply);
        reply
    }

    /// Opens the stream that answers a `subscriptions/listen` (modern era).
    ///
    /// # Errors
    /// The encoded error when the filter is malformed or the caller's revision has no such stream.
    pub fn listen(&self, call: &Call) -> Result<Listen, Reply> {
        let opened = self.open(call);
        self.answered(&call.method, call.rules, opened.as_ref().err());
        opened
    }

    fn open(&self, call: &Call) -> Result<Listen, Reply> {
        if !call.rules.listen {
            let error = method::not_found(&call.method, call.rules, &self.capabilities);
            return Err(self.error(Some(&call.id), call.rules, &error));
        }
        let changes = self.catalog.changes();
        Listen::open(call, self, changes, Arc::clone(&self.server))
            .map_err(|error| self.error(Some(&call.id), call.rules, &error))
    }

    /// The changes a legacy session's own stream carries, encoded for its revision.
    #[must_use]
    pub fn feed(&self, _rules: &'static Rules) -> Feed {
        Feed::open(self.capabilities, self.catalog.changes(), self.shutdown.clone())
    }

    /// The result of `initialize` in a revision (legacy era).
    #[must_use]
    pub fn initialize(&self, id: &RequestId, rules: &'static Rules) -> Reply {
        let body = self.rendered.body(Kind::Initialize, rules, || {
            let server = self.catalog.server();
            wire::body(&self.body(&wire::Initialized(&server), rules, Caching::Never))
        });
        done(wire::success(id, &*body))
    }

    /// An encoded error response. Without an id the newer revisions omit it, the older ones write null.
    #[must_use]
    pub fn error(&self, id: Option<&RequestId>, rules: &'static Rules, error: &Error) -> Reply {
        Reply { message: wire::failure(id, rules, error), error: Some(error.kind()), is_tool_error: false }
    }

    /// An encoded error response to a request that no call could be made of: counted, unlike [`error`](Self::error).
    #[must_use]
    pub fn refuse(&self, id: &RequestId, method: &str, rules: &'static Rules, error: &Error) -> Reply {
        let reply = self.error(Some(id), rules, error);
        self.answered(method, rules, Some(&reply));
        reply
    }

    /// Counts a call that was answered at once, without a reply of its own if it was by a stream.
    pub(super) fn answered(&self, method: &str, rules: &Rules, reply: Option<&Reply>) {
        let outcome = reply.map_or(Outcome::Ok, record::outcome);
        self.calls.ended(method, rules.name, outcome, None);
    }

    /// A result without members: the answer to `ping` and `resources/subscribe`.
    pub(super) fn empty(&self, id: &RequestId, rules: &'static Rules) -> Reply {
        self.result(id, rules, &wire::Empty, Caching::Never)
    }

    async fn run(
        &self,
        id: &RequestId,
        method: &str,
        mut params: Object,
        rules: &'static Rules,
        context: &Context,
    ) -> Result<Reply, Error> {
        match Method::find(method, rules, &self.capabilities)? {
            Method::Ping => Ok(self.empty(id, rules)),
            Method::Discover => Ok(self.discover(id, rules)),
            Method::ListTools => self.list_tools(id, rules, &params),
            Method::CallTool => {
                let arguments = params::arguments(&mut params)?;
                let result = self.call_tool(params::string(&params, "name")?, arguments, rules, context);
                let result = result.await?;
                let reply = self.result(id, rules, &result, Caching::Never);
                Ok(Reply { is_tool_error: result.is_error, ..reply })
            }
            Method::ListResources => {
                let page = self.within(self.catalog.resources(params::cursor(&params)?)).await?;
                Ok(self.result(id, rules, &wire::Page("resources", &page), Caching::Hinted))
            }
            Method::ListTemplates => {
                let page = self.within(self.catalog.resource_templates(params::cursor(&params)?)).await?;
                Ok(self.result(id, rules, &wire::Page("resourceTemplates", &page), Caching::Hinted))
            }
            Method::ReadResource => {
                let uri = params::string(&params, "uri")?;
                let contents = self.within(self.catalog.read_resource(uri, context)).await?;
                Ok(self.result(id, rules, &wire::Read(&contents), Caching::Hinted))
            }
            Method::ListPrompts => {
                let page = self.within(self.catalog.prompts(params::cursor(&params)?)).await?;
                Ok(self.result(id, rules, &wire::Page("prompts", &page), Caching::Hinted))
            }
            Method::GetPrompt => {
                let arguments = params::prompt_arguments(&mut params)?;
                let name = params::string(&params, "name")?;
                let prompt = self.within(self.catalog.prompt(name, arguments, context)).await?;
                Ok(self.result(id, rules, &wire::Messages(&prompt), Caching::Never))
            }
            Method::Complete => {
                let (reference, argument, value) = params::completion(&params)?;
                let completion = self.within(self.catalog.complete(&reference, argument, value)).await?;
                Ok(self.result(id, rules, &completion, Caching::Never))
            }
        }
    }

    fn discover(&self, id: &RequestId, rules: &'static Rules) -> Reply {
        let body = self.rendered.body(Kind::Discover, rules, || {
            let server = self.catalog.server();
            wire::body(&self.body(&wire::Discovered(&server), rules, Caching::Hinted))
        });
        done(wire::success(id, &*body))
    }

    fn list_tools(&self, id: &RequestId, rules: &'static Rules, params: &Object) -> Result<Reply, Error> {
        // All tools fit on one page, so that no cursor was ever given out.
        if params::cursor(params)?.is_some() {
            return Err(params::invalid_cursor());
        }
        let body = self.rendered.body(Kind::Tools, rules, || {
            let page = Listing { items: self.catalog.tools(), next_cursor: None };
            wire::body(&self.body(&wire::Page("tools", &page), rules, Caching::Hinted))
        });
        Ok(done(wire::success(id, &*body)))
    }

    async fn call_tool(
        &self,
        name: &str,
        arguments: Object,
        rules: &Rules,
        context: &Context,
    ) -> Result<ToolResult, Error> {
        let work = self.catalog.call_tool(name, arguments, context);
        match timeout(self.limits.tool_time, work).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) if error.kind() == ErrorKind::InvalidParams => self.mendable(name, error, rules),
            Ok(Err(error)) => Err(error),
            // The model can mend it: server/tools reports failed executions as results.
            Err(_elapsed) => Ok(ToolResult::error(self.too_slow())),
        }
    }

    /// Bad arguments are for the model to see where the revision says so; an unknown tool never is.
    fn mendable(&self, name: &str, error: Error, rules: &Rules) -> Result<ToolResult, Error> {
        let tools = self.catalog.tools();
        if !tools.iter().any(|tool| tool.name == name) {
            let known: Vec<&str> = tools.iter().take(KNOWN_TOOLS).map(|tool| tool.name.as_str()).collect();
            let (name, known) = (method::shortened(name), known.join(", "));
            return Err(params::invalid(format!("no tool `{name}`; there are: {known}")));
        }
        if rules.argument_errors_as_results { Ok(ToolResult::error(error.message())) } else { Err(error) }
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match timeout(self.limits.tool_time, work).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => Err(Error::new(ErrorKind::Internal, self.too_slow())),
        }
    }

    fn too_slow(&self) -> String {
        let seconds = self.limits.tool_time.as_secs_f64();
        format!("no answer within {seconds} s, so the work was stopped; ask for less, or try again later")
    }

    fn result<F: Fields>(&self, id: &RequestId, rules: &Rules, fields: &F, caching: Caching) -> Reply {
        done(wire::success(id, &self.body(fields, rules, caching)))
    }

    fn body<'a, F>(&'a self, fields: &'a F, rules: &'a Rules, caching: Caching) -> Body<'a, F> {
        let freshness = match caching {
            Caching::Hinted => Some(self.catalog.freshness()),
            Caching::Never => None,
        };
        Body { fields, rules, server: &self.server, freshness }
    }
}

/// Whether a result carries cache hints: only those of the six cacheable methods do.
#[derive(Clone, Copy)]
enum Caching {
    Hinted,
    Never,
}

fn done(message: Bytes) -> Reply {
    Reply { message, error: None, is_tool_error: false }
}

/// Names that an error lists.
const KNOWN_TOOLS: usize = 20;

#[cfg(test)]
mod tests;
