//! What tools, resources and prompts give, each the newest superset.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::definition::Resource;
use crate::mcp::jsonrpc::Object;

/// A piece of a result: what it is, for whom, and `_meta`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Content {
    /// What it is.
    pub body: ContentBody,
    /// For whom it is, and how much it matters.
    pub annotations: Option<Annotations>,
    /// `_meta`, verbatim (since 2025-06-18).
    pub meta: Option<Object>,
}

/// The five kinds of content.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ContentBody {
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
    Link(Box<Resource>),
    /// A resource's contents.
    Embedded(ResourceContents),
}

impl From<ContentBody> for Content {
    fn from(body: ContentBody) -> Self {
        Self { body, annotations: None, meta: None }
    }
}

impl Content {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        ContentBody::Text(text.into()).into()
    }

    /// An image of these bytes; `mime_type` is `image/png`.
    #[must_use]
    pub fn image(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        ContentBody::Image { data: STANDARD.encode(bytes), mime_type: mime_type.into() }.into()
    }

    /// Sound of these bytes; `mime_type` is `audio/wav`.
    #[must_use]
    pub fn audio(bytes: impl AsRef<[u8]>, mime_type: impl Into<String>) -> Self {
        ContentBody::Audio { data: STANDARD.encode(bytes), mime_type: mime_type.into() }.into()
    }

    /// A link to a resource.
    #[must_use]
    pub fn link(resource: Resource) -> Self {
        ContentBody::Link(Box::new(resource)).into()
    }

    /// A resource's contents.
    #[must_use]
    pub fn embedded(contents: ResourceContents) -> Self {
        ContentBody::Embedded(contents).into()
    }

    /// For whom it is, and how much it matters.
    #[must_use]
    pub fn annotated(mut self, annotations: Annotations) -> Self {
        self.annotations = Some(annotations);
        self
    }
}

/// For whom something is, and how much it matters.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Annotations {
    /// For whom; nobody named is everybody.
    pub audience: Vec<Role>,
    /// From 0, which can be left out, to 1, which cannot.
    pub priority: Option<f64>,
    /// ISO 8601 (since 2025-06-18).
    pub last_modified: Option<String>,
}

impl Annotations {
    /// For that reader.
    #[must_use]
    pub fn audience(mut self, role: Role) -> Self {
        self.audience.push(role);
        self
    }

    /// From 0, which can be left out, to 1, which cannot.
    #[must_use]
    pub fn priority(mut self, priority: f64) -> Self {
        self.priority = Some(priority);
        self
    }
}

/// What a tool gave.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ToolResult {
    /// For the model.
    pub content: Vec<Content>,
    /// For programs; fits the tool's output schema.
    pub structured: Option<Value>,
    /// The tool failed and `content` says how to go on.
    pub is_error: bool,
    /// `_meta`, verbatim.
    pub meta: Option<Object>,
}

impl ToolResult {
    /// These pieces.
    #[must_use]
    pub fn new(content: Vec<Content>) -> Self {
        Self { content, ..Self::default() }
    }

    /// One text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(vec![Content::text(text)])
    }

    /// A structured value and its text twin: exactly one text item holding the same JSON.
    #[must_use]
    pub fn structured(value: Value) -> Self {
        Self { content: vec![Content::text(value.to_string())], structured: Some(value), ..Self::default() }
    }

    /// A failure that the model can mend: what to send instead.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }
}

impl From<String> for ToolResult {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for ToolResult {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<Vec<Content>> for ToolResult {
    fn from(content: Vec<Content>) -> Self {
        Self::new(content)
    }
}

/// The structured value and its text twin.
impl From<Value> for ToolResult {
    fn from(value: Value) -> Self {
        Self::structured(value)
    }
}

/// A resource's contents.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ResourceContents {
    /// Which resource.
    pub uri: String,
    /// `text/markdown`.
    pub mime_type: Option<String>,
    /// What it holds.
    pub body: ResourceBody,
    /// `_meta`, verbatim (since 2025-06-18).
    pub meta: Option<Object>,
}

impl ResourceContents {
    /// Text.
    #[must_use]
    pub fn text(uri: impl Into<String>, text: impl Into<String>) -> Self {
        Self { uri: uri.into(), mime_type: None, body: ResourceBody::Text(text.into()), meta: None }
    }

    /// These bytes.
    #[must_use]
    pub fn blob(uri: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let body = ResourceBody::Blob(STANDARD.encode(bytes));
        Self { uri: uri.into(), mime_type: None, body, meta: None }
    }

    /// `text/markdown`.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = Some(mime_type.into());
        self
    }
}

/// Text or bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceBody {
    /// UTF-8.
    Text(String),
    /// Base64.
    Blob(String),
}

impl From<String> for ResourceBody {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ResourceBody {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// These bytes.
impl From<Vec<u8>> for ResourceBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(STANDARD.encode(bytes))
    }
}

/// A prompt, filled in.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PromptResult {
    /// For people.
    pub description: Option<String>,
    /// The conversation so far.
    pub messages: Vec<PromptMessage>,
}

impl PromptResult {
    /// A conversation.
    #[must_use]
    pub fn new(messages: Vec<PromptMessage>) -> Self {
        Self { description: None, messages }
    }

    /// What it is about.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl From<Vec<PromptMessage>> for PromptResult {
    fn from(messages: Vec<PromptMessage>) -> Self {
        Self::new(messages)
    }
}

/// The person says this.
impl From<String> for PromptResult {
    fn from(text: String) -> Self {
        Self::new(vec![PromptMessage::user(Content::text(text))])
    }
}

/// The person says this.
impl From<&str> for PromptResult {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// A turn of a prompt's conversation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PromptMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

impl PromptMessage {
    /// The person says this.
    #[must_use]
    pub fn user(content: Content) -> Self {
        Self { role: Role::User, content }
    }

    /// The model says this.
    #[must_use]
    pub fn assistant(content: Content) -> Self {
        Self { role: Role::Assistant, content }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    pub(in crate::mcp) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}
