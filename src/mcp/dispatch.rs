//! From a [`Call`] to its [`Reply`]: the methods over a [`Catalog`], the deadline.
//!
//! It never learns which transport asks, and keeps nothing between two calls but the rendered
//! lists and the tasks. Spec: server/*, server/utilities/*.

mod call;
mod counted;

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

pub use super::context::{Client, Context, Outbox};

use super::catalog::{Capabilities, Catalog, Listing, ParameterHeader, TaskSupport};
use super::context::{Desk, Manner};
use super::error::{Error, ErrorKind};
use super::jsonrpc::{Object, RequestId};
use super::limits::Limits;
use super::method::{self, Method};
use super::params;
use super::record::{self, Record};
use super::rendered::{Kind, Rendered};
use super::revision::{Revision, Rules};
use super::rounds::Sealer;
use super::subscription::{Feed, Listen};
use super::task::{self, Tasks};
use super::wire::{self, Body, Fields};
use crate::clock::{Clock, SystemClock};
use crate::entropy::{Entropy, SystemEntropy};
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
    desk: Arc<Desk>,
    /// Whether handlers ask their clients.
    asks: bool,
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
        let desk = Arc::new(desk(&limits, Arc::new(SystemClock), Arc::new(SystemEntropy::new()), None));
        let (capabilities, asks, calls) = (info.capabilities, catalog.asks(), Arc::default());
        Self { catalog, limits, shutdown, capabilities, server, rendered, calls, desk, asks }
    }

    /// With another clock and randomness, and a secret for `requestState` that other instances share: any of them
    /// takes the next round of a call then. Without one the process draws its own.
    #[must_use]
    pub fn with(
        mut self,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        state_secret: Option<&[u8]>,
    ) -> Self {
        self.desk = Arc::new(desk(&self.limits, clock, entropy, state_secret));
        self
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

    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// What the server declared.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Runs any call but `subscriptions/listen` and `initialize`. Dropping the future cancels the work, but for what
    /// goes on as a task.
    pub async fn answer(&self, call: Call, outbox: Outbox) -> Reply {
        let Call { id, method, mut params, rules, client, mut trace } = call;
        trace.parent = record::parent(&params).or(trace.parent);
        let record = Record::begin(&self.calls, &method, rules, &client, trace.clone());
        let prepared = Method::find(&method, rules, &self.capabilities)
            .and_then(|found| Ok((found, self.manner(found, &method, &mut params, rules, &client)?)));
        let mut asks = false;
        let outcome = match prepared {
            Ok((method, manner)) => {
                let manner = Manner { trace, ..manner };
                let context = Context::new(rules, client, &params, outbox, manner);
                let outcome = self.run(&id, method, params, rules, &context).await;
                context.close();
                outcome.or_else(|error| match error.kind() {
                    ErrorKind::InputRequired => {
                        self.input_required(&id, rules, &context).inspect(|_| asks = true)
                    }
                    _ => Err(error),
                })
            }
            Err(error) => Err(error),
        };
        let reply = outcome.unwrap_or_else(|error| self.error(Some(&id), rules, &error));
        record.end(if asks { Outcome::InputRequired } else { record::outcome(&reply) });
        reply
    }

    /// The arguments of a tool that its callers repeat in headers.
    #[must_use]
    pub fn parameter_headers(&self, tool: &str) -> Option<Arc<[ParameterHeader]>> {
        self.catalog.parameter_headers(tool)
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

    /// A result without members: the answer to `ping` and `resources/subscribe`.
    pub(super) fn empty(&self, id: &RequestId, rules: &'static Rules) -> Reply {
        self.result(id, rules, &wire::Empty, Caching::Never)
    }

    async fn run(
        &self,
        id: &RequestId,
        method: Method,
        mut params: Object,
        rules: &'static Rules,
        context: &Context,
    ) -> Result<Reply, Error> {
        match method {
            Method::Ping => Ok(self.empty(id, rules)),
            Method::Discover => Ok(self.discover(id, rules)),
            Method::ListTools => self.list_tools(id, rules, &params),
            Method::CallTool => {
                let arguments = params::arguments(&mut params)?;
                self.call_tool(id, params::string(&params, "name")?, arguments, rules, context).await
            }
            Method::ListResources => {
                let page = self.within(context, self.catalog.resources(params::cursor(&params)?)).await?;
                Ok(self.result(id, rules, &wire::Page("resources", &page), Caching::Hinted))
            }
            Method::ListTemplates => {
                let page =
                    self.within(context, self.catalog.resource_templates(params::cursor(&params)?)).await?;
                Ok(self.result(id, rules, &wire::Page("resourceTemplates", &page), Caching::Hinted))
            }
            Method::ReadResource => {
                let uri = params::string(&params, "uri")?;
                let contents = self.within(context, self.catalog.read_resource(uri, context)).await?;
                Ok(self.result(id, rules, &wire::Read(&contents), Caching::Hinted))
            }
            Method::ListPrompts => {
                let page = self.within(context, self.catalog.prompts(params::cursor(&params)?)).await?;
                Ok(self.result(id, rules, &wire::Page("prompts", &page), Caching::Hinted))
            }
            Method::GetPrompt => {
                let arguments = params::prompt_arguments(&mut params)?;
                let name = params::string(&params, "name")?;
                let prompt = self.within(context, self.catalog.prompt(name, arguments, context)).await?;
                Ok(self.result(id, rules, &wire::Messages(&prompt), Caching::Never))
            }
            Method::Complete => {
                let (reference, argument, value) = params::completion(&params)?;
                let completion =
                    self.within(context, self.catalog.complete(&reference, argument, value)).await?;
                Ok(self.result(id, rules, &completion, Caching::Never))
            }
            Method::GetTask => {
                let detail = self.desk.tasks.get(&params, self.desk.sealer.clock())?;
                Ok(self.result(id, rules, &wire::TaskDetail(&detail), Caching::Never))
            }
            Method::UpdateTask => {
                self.desk.tasks.update(&mut params, self.desk.sealer.clock())?;
                Ok(self.empty(id, rules))
            }
            Method::CancelTask => {
                self.desk.tasks.cancel(&params, self.desk.sealer.clock())?;
                Ok(self.empty(id, rules))
            }
        }
    }

    /// How a call is to be run: what of it belongs to rounds and tasks.
    fn manner(
        &self,
        method: Method,
        name: &str,
        params: &mut Object,
        rules: &Rules,
        client: &Client,
    ) -> Result<Manner, Error> {
        let level = client.level().filter(|_| self.capabilities.logging);
        let mut manner = Manner { level, ..Manner::default() };
        match method {
            Method::CallTool if self.capabilities.tasks => {
                manner.task_support = self.catalog.task_support(params::string(params, "name")?);
                if manner.task_support == TaskSupport::Required && rules.tasks {
                    task::check(client)?;
                }
            }
            Method::GetTask | Method::UpdateTask | Method::CancelTask => task::check(client)?,
            _ => {}
        }
        if self.asks && matches!(method, Method::CallTool | Method::GetPrompt | Method::ReadResource) {
            manner.desk = Some(Arc::clone(&self.desk));
            if !rules.asks_during_calls {
                manner.round = Some(self.desk.sealer.open(name, params, client.caller.as_deref())?);
            }
        }
        Ok(manner)
    }

    fn input_required(&self, id: &RequestId, rules: &Rules, context: &Context) -> Result<Reply, Error> {
        let (requests, state) = context.next_round()?;
        Ok(self.result(
            id,
            rules,
            &wire::InputRequired { requests: &requests, state: &state },
            Caching::Never,
        ))
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

    async fn within<T>(
        &self,
        context: &Context,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let outcome = context.own_time(self.limits.tool_time, work).await;
        outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, self.too_slow())))
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

fn desk(
    limits: &Limits,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    state_secret: Option<&[u8]>,
) -> Desk {
    let sealer = Sealer::new(clock, entropy, limits.answer_time);
    let sealer = match state_secret {
        Some(secret) => sealer.with_key(secret),
        None => sealer,
    };
    Desk { sealer, tasks: Arc::new(Tasks::new(limits)), answer_time: limits.answer_time }
}

#[cfg(test)]
mod tests;
