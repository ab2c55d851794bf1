//! A server for others to embed: tools, resources, prompts as functions, in twenty lines.
//!
//! Owns what was registered and how it is served; every revision's wire is the core's. A function is written once:
//! who calls it, over which transport and in which revision, it never learns. What is written here is a
//! [`Catalog`](super::catalog::Catalog), the seam for those who need more.
//!
//! ```no_run
//! use docquay::mcp::server::{Server, Tool, ToolCall, json};
//!
//! let greet = Tool::new("greet").description("Greets somebody.").input_schema(json!({
//!     "type": "object",
//!     "properties": { "name": { "type": "string" } },
//!     "required": ["name"],
//! }));
//! let server = Server::new("greeter", "1.0.0")
//!     .tool(greet, async |call: ToolCall| Ok(format!("Hello, {}!", call.text("name")?)));
//! server.run(([127, 0, 0, 1], 8080))?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A function that keeps what its closure owns gives each call its own handle:
//!
//! ```
//! # use docquay::mcp::server::{Server, Tool, ToolCall};
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//!
//! let count = Arc::new(AtomicU64::new(0));
//! let server = Server::new("counter", "1.0.0").tool(Tool::new("count"), move |_: ToolCall| {
//!     let count = Arc::clone(&count);
//!     async move { Ok((count.fetch_add(1, Ordering::Relaxed) + 1).to_string()) }
//! });
//! ```

mod call;
mod handle;
mod offer;
mod serve;
mod template;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

pub use serde_json::{Value, json};

pub use super::ask::{Ask, Elicited, Root, Sampled};
pub use super::catalog::{
    Annotations, CacheScope, Completion, Content, ContentBody, Freshness, Icon, Implementation, Prompt,
    PromptArgument, PromptMessage, PromptResult, Reference, Resource, ResourceBody, ResourceContents,
    ResourceTemplate, Role, TaskSupport, Theme, Tool, ToolAnnotations, ToolResult,
};
pub use super::dispatch::{Client, Context};
pub use super::jsonrpc::Object;
pub use super::limits::Limits;
pub use super::{Error, ErrorKind, Level};
pub use call::{Completing, PromptCall, ResourceCall, ToolCall};
pub use handle::Handle;
pub use serve::Embedded;

use self::offer::Offer;
use crate::http::HostPolicy;
use crate::names::HostName;

/// A server that is being put together.
///
/// What is wrong with it (a name that stands twice, a template or a header that cannot be) is told when it is built.
pub struct Server {
    offer: Arc<Offer>,
    /// The first thing that is wrong.
    fault: Option<Fault>,
    limits: Limits,
    policy: HostPolicy,
    state_secret: Option<Vec<u8>>,
}

/// What is wrong with a server that was put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl Server {
    /// A server of that name and version, with nothing in it.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self::of(Implementation::new(name, version))
    }

    /// A server that tells more of itself.
    #[must_use]
    pub fn of(implementation: Implementation) -> Self {
        let offer = Arc::new(Offer::new(implementation));
        let (limits, policy) = (Limits::default(), HostPolicy::default());
        Self { offer, fault: None, limits, policy, state_secret: None }
    }

    /// How a model should use it; under 2,048 characters.
    #[must_use]
    pub fn instructions(self, instructions: impl Into<String>) -> Self {
        self.offer.about().instructions = Some(instructions.into());
        self
    }

    /// A tool and the function that is called. Arguments arrive as they were sent: the schema is for the client, and
    /// [`ToolCall::text`] and its like refuse what does not fit.
    #[must_use]
    pub fn tool<F, A, R>(self, tool: Tool, function: F) -> Self
    where
        F: Fn(ToolCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<ToolResult>,
    {
        let added = self.offer.add_tool(tool, call::tool(function));
        self.checked(added)
    }

    /// A resource and the function that reads it.
    #[must_use]
    pub fn resource<F, A, R>(self, resource: Resource, function: F) -> Self
    where
        F: Fn(ResourceCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<ResourceBody>,
    {
        let added = self.offer.add_resource(resource, call::resource(function));
        self.checked(added)
    }

    /// A family of resources and the function that reads one. A template has literal text, `{name}` for what holds
    /// no slash and `{+name}` for what may (RFC 6570); the values are in [`ResourceCall::variable`].
    #[must_use]
    pub fn template<F, A, R>(self, template: ResourceTemplate, function: F) -> Self
    where
        F: Fn(ResourceCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<ResourceBody>,
    {
        let added = self.offer.add_template(template, call::resource(function));
        self.checked(added)
    }

    /// A prompt and the function that fills it in. Arguments that must be given are there.
    #[must_use]
    pub fn prompt<F, A, R>(self, prompt: Prompt, function: F) -> Self
    where
        F: Fn(PromptCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<PromptResult>,
    {
        let added = self.offer.add_prompt(prompt, call::prompt(function));
        self.checked(added)
    }

    /// The function that completes arguments of prompts and variables of templates.
    #[must_use]
    pub fn completion<F, A, R>(self, function: F) -> Self
    where
        F: Fn(Completing) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<Completion>,
    {
        self.offer.about().completion = Some(call::completion(function));
        self
    }

    /// Lets [`Context::log`] reach clients.
    #[must_use]
    pub fn logging(self) -> Self {
        self.offer.about().logging = true;
        self
    }

    /// How long clients may keep lists and resources (2026-07-28). Default: not at all.
    #[must_use]
    pub fn freshness(self, freshness: Freshness) -> Self {
        self.offer.about().freshness = freshness;
        self
    }

    /// What a client may cost.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another name that this server is reached by. Loopback names and the bound address are known; requests for any
    /// other host are refused, lest a web page reaches the server through its reader's browser.
    #[must_use]
    pub fn allow_host(mut self, name: &str) -> Self {
        match HostName::parse(name) {
            Ok(host) => self.policy.hosts.push(host),
            Err(error) => {
                self.fault.get_or_insert_with(|| Fault(format!("allow_host(\"{name}\"): {error}")));
            }
        }
        self
    }

    /// A secret that all instances of this server share, so that any of them can go on with a call which another
    /// one answered with a question (2026-07-28). 32 random bytes; without it each process draws its own.
    #[must_use]
    pub fn state_secret(mut self, secret: &[u8]) -> Self {
        self.state_secret = Some(secret.to_vec());
        self
    }

    /// What changes the server while it runs, for functions to keep.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.offer)
    }

    fn checked(mut self, added: Result<(), Fault>) -> Self {
        if let Err(fault) = added {
            self.fault.get_or_insert(fault);
        }
        self
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("limits", &self.limits).finish_non_exhaustive()
    }
}
