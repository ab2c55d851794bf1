//! What a server says of its tools, resources and prompts, each the newest superset.

use serde_json::Value;

use super::content::Annotations;
use crate::mcp::jsonrpc::Object;

/// Name and version of a program.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
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
    /// Pictures for people.
    pub icons: Vec<Icon>,
}

impl Implementation {
    /// A program of that name and version.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }
}

/// A picture that a client may show (since 2025-11-25).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Icon {
    /// `https://…` or `data:…`.
    pub src: String,
    /// `image/png`.
    pub mime_type: Option<String>,
    /// `48x48`, or `any` for what scales.
    pub sizes: Vec<String>,
    /// The background it is drawn for.
    pub theme: Option<Theme>,
}

/// The background an icon is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// A light one.
    Light,
    /// A dark one.
    Dark,
}

impl Icon {
    /// The picture at `src`.
    #[must_use]
    pub fn new(src: impl Into<String>) -> Self {
        Self { src: src.into(), ..Self::default() }
    }
}

/// A tool.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tool {
    /// Unique; at most 63 characters.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// Pictures for people.
    pub icons: Vec<Icon>,
    /// JSON Schema of the arguments, passed through verbatim.
    pub input_schema: Value,
    /// JSON Schema of `structuredContent`, passed through verbatim.
    pub output_schema: Option<Value>,
    /// Hints for the host.
    pub annotations: Option<ToolAnnotations>,
    /// Whether a call may go on as a task.
    pub tasks: TaskSupport,
    /// `_meta`, verbatim.
    pub meta: Option<Object>,
}

impl Tool {
    /// A tool of that name, without arguments.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What it does, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The JSON Schema of its arguments: an object, passed through verbatim.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input_schema = schema;
        self
    }

    /// The JSON Schema of its structured results, passed through verbatim.
    #[must_use]
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }

    /// Hints for the host.
    #[must_use]
    pub fn annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// Lets its calls go on as tasks: see [`Context::begin_task`](crate::mcp::dispatch::Context::begin_task).
    #[must_use]
    pub fn tasks(mut self, support: TaskSupport) -> Self {
        self.tasks = support;
        self
    }

    /// A picture for people.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.push(icon);
        self
    }
}

/// Whether a call of a tool may go on as a task (the tasks extension, 2026-07-28).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskSupport {
    /// It is always answered at once.
    #[default]
    Never,
    /// As a task for those clients that know tasks.
    Optional,
    /// Clients that know no tasks are refused.
    Required,
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

/// A resource.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Resource {
    /// `docs:///guide/tls`.
    pub uri: String,
    /// For programs.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// Pictures for people.
    pub icons: Vec<Icon>,
    /// `text/markdown`.
    pub mime_type: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// `_meta`, verbatim.
    pub meta: Option<Object>,
}

impl Resource {
    /// The resource at `uri`.
    #[must_use]
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self { uri: uri.into(), name: name.into(), ..Self::default() }
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What it holds, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// `text/markdown`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

/// A family of resources.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ResourceTemplate {
    /// RFC 6570: `docs:///{+id}`.
    pub uri_template: String,
    /// For programs.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// Pictures for people.
    pub icons: Vec<Icon>,
    /// `text/markdown`.
    pub mime_type: Option<String>,
    /// For whom they are, and how much they matter.
    pub annotations: Option<Annotations>,
    /// `_meta`, verbatim.
    pub meta: Option<Object>,
}

impl ResourceTemplate {
    /// The family of resources whose URIs have that form.
    #[must_use]
    pub fn new(uri_template: impl Into<String>, name: impl Into<String>) -> Self {
        Self { uri_template: uri_template.into(), name: name.into(), ..Self::default() }
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What they hold, for the model.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// `text/markdown`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

/// A prompt.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Prompt {
    /// Unique.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: Option<String>,
    /// Pictures for people.
    pub icons: Vec<Icon>,
    /// In order.
    pub arguments: Vec<PromptArgument>,
    /// `_meta`, verbatim.
    pub meta: Option<Object>,
}

impl Prompt {
    /// A prompt of that name, without arguments.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// A name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// One more argument.
    #[must_use]
    pub fn argument(mut self, argument: PromptArgument) -> Self {
        self.arguments.push(argument);
        self
    }
}

/// An argument of a prompt.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PromptArgument {
    /// For programs.
    pub name: String,
    /// For people (since 2025-06-18).
    pub title: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

impl PromptArgument {
    /// An argument that must be given.
    #[must_use]
    pub fn required(name: impl Into<String>) -> Self {
        Self { name: name.into(), required: true, ..Self::default() }
    }

    /// An argument that may be left out.
    #[must_use]
    pub fn optional(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// What it means.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}
