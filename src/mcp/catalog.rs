//! What a server offers: the [`Catalog`] trait and its types, each the newest superset.
//!
//! A catalog never learns which revision its caller speaks: `wire` drops what an older one lacks.
//! Sources: `schema/2026-07-28/schema.ts`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::broadcast;

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

/// Name and version of a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Implementation {
    /// For programs.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// Semantic version.
    pub version: String,
    /// One sentence.
    pub description: Option<String>,
    /// Home page.
    pub website_url: Option<String>,
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
}

/// A tool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tool {
    /// Unique; at most 63 characters.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// JSON Schema of the arguments, passed through verbatim.
    pub input_schema: Value,
    /// JSON Schema of `structuredContent`, passed through verbatim.
    pub output_schema: Option<Value>,
    /// Hints for the host.
    pub annotations: Option<ToolAnnotations>,
}

/// Hints for the host about a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolAnnotations {
    /// For people.
    pub title: Option<String>,
    /// Changes nothing.
    pub read_only: bool,
    /// May destroy.
    pub destructive: bool,
    /// Twice is as once.
    pub idempotent: bool,
    /// Reaches beyond this server.
    pub open_world: bool,
}

/// A piece of a result.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// Text.
    Text(String),
    /// An image: base64 and its MIME type.
    Image {
        /// Base64.
        data: String,
        /// `image/png`.
        mime_type: String,
    },
    /// Sound: base64 and its MIME type (a text note before 2025-03-26).
    Audio {
        /// Base64.
        data: String,
        /// `audio/wav`.
        mime_type: String,
    },
    /// A link to a resource (a text note before 2025-06-18).
    Link(Resource),
    /// A resource's contents.
    Embedded(ResourceContents),
}

/// What a tool gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolResult {
    /// For the model.
    pub content: Vec<Content>,
    /// For programs; fits the tool's output schema.
    pub structured: Option<Value>,
    /// The tool failed and `content` says how to go on.
    pub is_error: bool,
}

impl ToolResult {
    /// One text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::Text(text.into())], structured: None, is_error: false }
    }

    /// A structured value and its text twin: exactly one text item holding the same JSON.
    #[must_use]
    pub fn structured(value: Value) -> Self {
        Self { content: vec![Content::Text(value.to_string())], structured: Some(value), is_error: false }
    }

    /// A failure that the model can mend: what to send instead.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }
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

/// A resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// `docs:///guide/tls`.
    pub uri: String,
    /// For programs.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// `text/markdown`.
    pub mime_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
}

/// A family of resources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceTemplate {
    /// RFC 6570: `docs:///{+id}`.
    pub uri_template: String,
    /// For programs.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// `text/markdown`.
    pub mime_type: Option<String>,
}

/// A resource's contents.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceContents {
    /// Which resource.
    pub uri: String,
    /// `text/markdown`.
    pub mime_type: Option<String>,
    /// What it holds.
    pub body: ResourceBody,
}

/// Text or bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceBody {
    /// UTF-8.
    Text(String),
    /// Base64.
    Blob(String),
}

/// A prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prompt {
    /// Unique.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// In order.
    pub arguments: Vec<PromptArgument>,
}

/// An argument of a prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptArgument {
    /// For programs.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

/// A prompt, filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptResult {
    /// For people.
    pub description: Option<String>,
    /// The conversation so far.
    pub messages: Vec<PromptMessage>,
}

/// A turn of a prompt's conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
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
