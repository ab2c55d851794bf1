//! What a server offers: the [`Catalog`] trait and its types, each the newest superset.
//!
//! A catalog never learns which revision its caller speaks: `wire` drops what an older one lacks.
//! Sources: `schema/2026-07-28/schema.ts`.

mod content;
mod definition;
mod header;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::broadcast;

pub use content::{
    Annotations, Content, ContentBody, PromptMessage, PromptResult, ResourceBody, ResourceContents, Role,
    ToolResult,
};
pub use definition::{
    Icon, Implementation, Prompt, PromptArgument, Resource, ResourceTemplate, TaskSupport, Theme, Tool,
    ToolAnnotations,
};
pub use header::{HeaderFault, ParameterHeader};

use super::dispatch::Context;
use super::error::{Error, ErrorKind};
use super::jsonrpc::Object;

/// A pending answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A server's tools, resources and prompts. Lists come in a fixed order, the same for every caller.
pub trait Catalog: Send + Sync + 'static {
    /// Who this is, what it can do, and how a model should use it.
    fn server(&self) -> ServerInfo;

    /// Every tool.
    fn tools(&self) -> Vec<Tool>;

    /// Calls a tool. An unknown name is [`ErrorKind::InvalidParams`]; a failure the model can mend
    /// (bad arguments, nothing found) is a [`ToolResult::error`].
    fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: Object,
        context: &'a Context,
    ) -> Answer<'a, ToolResult>;

    /// Whether handlers ask their clients (2026-07-28): only then calls are prepared for further rounds.
    fn asks(&self) -> bool {
        false
    }

    /// Whether calls of a tool may go on as tasks. Asked only if the `tasks` capability is declared.
    fn task_support(&self, _name: &str) -> TaskSupport {
        TaskSupport::Never
    }

    /// The arguments of a tool that its callers repeat in headers (2026-07-28, over HTTP).
    fn parameter_headers(&self, _name: &str) -> Option<Arc<[ParameterHeader]>> {
        None
    }

    /// A page of resources; `cursor` is a `next_cursor` of an earlier page.
    fn resources<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<Resource>> {
        Box::pin(async { Ok(Listing::default()) })
    }

    /// A page of resource templates.
    fn resource_templates<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<ResourceTemplate>> {
        Box::pin(async { Ok(Listing::default()) })
    }

    /// A resource's contents; unknown is [`ErrorKind::ResourceNotFound`] with `data.uri`.
    fn read_resource<'a>(&'a self, uri: &'a str, _context: &'a Context) -> Answer<'a, Vec<ResourceContents>> {
        Box::pin(async move {
            Err(Error::new(ErrorKind::ResourceNotFound, "no such resource; resources/list names them")
                .with_data(serde_json::json!({ "uri": uri })))
        })
    }

    /// A page of prompts.
    fn prompts<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<Prompt>> {
        Box::pin(async { Ok(Listing::default()) })
    }

    /// A prompt, filled in.
    fn prompt<'a>(
        &'a self,
        _name: &'a str,
        _arguments: Object,
        _context: &'a Context,
    ) -> Answer<'a, PromptResult> {
        Box::pin(async {
            Err(Error::new(ErrorKind::InvalidParams, "no such prompt; prompts/list names them"))
        })
    }

    /// Values for an argument of a prompt or a template.
    fn complete<'a>(
        &'a self,
        _reference: &'a Reference,
        _argument: &'a str,
        _value: &'a str,
    ) -> Answer<'a, Completion> {
        Box::pin(async { Ok(Completion::default()) })
    }

    /// What changes from now on. Each receiver sees every change; one that lags is told so by the
    /// channel and must take everything as changed.
    fn changes(&self) -> broadcast::Receiver<Arc<Changes>>;

    /// How long lists and reads stay fresh, milliseconds, and whether anyone may share them.
    fn freshness(&self) -> Freshness {
        Freshness { ttl_ms: 0, scope: CacheScope::Private }
    }
}

/// A cache hint (2026-07-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// `ttlMs`.
    pub ttl_ms: u64,
    /// `cacheScope`.
    pub scope: CacheScope,
}

/// Who may share a cached answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Anyone.
    Public,
    /// The same authorisation only.
    Private,
}

/// One reload's effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The list of tools.
    pub tools: bool,
    /// The list of prompts.
    pub prompts: bool,
    /// The list of resources.
    pub resources: bool,
    /// URIs of resources whose contents changed.
    pub updated: Vec<String>,
}

/// Who a server is and what it can do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerInfo {
    /// Name and version.
    pub implementation: Implementation,
    /// How a model should use it; under 2,048 characters.
    pub instructions: Option<String>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// What a server can do; each `true` declares the capability, with its notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one independent flag per capability of the specification")]
pub struct Capabilities {
    /// Has tools.
    pub tools: bool,
    /// Announces changes of the list of tools.
    pub tools_list_changed: bool,
    /// Has resources.
    pub resources: bool,
    /// Announces changes of the list of resources.
    pub resources_list_changed: bool,
    /// Announces changes of single resources.
    pub resources_subscribe: bool,
    /// Has prompts.
    pub prompts: bool,
    /// Announces changes of the list of prompts.
    pub prompts_list_changed: bool,
    /// Completes arguments.
    pub completions: bool,
    /// Sends log messages to clients that ask for them.
    pub logging: bool,
    /// Answers calls with tasks (the extension `io.modelcontextprotocol/tasks`, 2026-07-28).
    pub tasks: bool,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    /// In a fixed order.
    pub items: Vec<T>,
    /// Asks for the next page.
    pub next_cursor: Option<String>,
}

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), next_cursor: None }
    }
}

/// What is being completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A prompt's argument.
    Prompt(String),
    /// A template's variable.
    Resource(String),
}

/// Values for an argument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// At most 100.
    pub values: Vec<String>,
    /// How many there are in all.
    pub total: Option<usize>,
    /// Whether more exist than were given.
    pub has_more: bool,
}

/// All there are.
impl From<Vec<String>> for Completion {
    fn from(values: Vec<String>) -> Self {
        Self { total: Some(values.len()), values, has_more: false }
    }
}
