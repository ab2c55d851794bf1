//! What a handler may ask of its client: a form, a visit to a URL, a model's words, its roots.
//!
//! An [`Ask`] is the request, the capability it needs and how its answer is read; how it travels is
//! [`Context::ask`](super::dispatch::Context::ask)'s. Spec: client/elicitation, client/sampling, client/roots.

use std::fmt;

use serde_json::{Value, json};

use super::error::{Error, ErrorKind};
use super::jsonrpc::Object;
use super::revision::Rules;

/// A question whose answer is a `T`.
pub struct Ask<T> {
    kind: Kind,
    params: Object,
    read: fn(Value, &Object) -> Option<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Form,
    Url,
    Sample,
    Roots,
}

impl<T> fmt::Debug for Ask<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Ask").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What the person did with an elicitation.
#[derive(Clone, Debug, PartialEq)]
pub enum Elicited {
    /// Filled in the form (its values), or went to the URL (nothing).
    Accepted(Object),
    /// Said no.
    Declined,
    /// Said nothing.
    Cancelled,
}

impl Elicited {
    /// A value of the form, if it was accepted and holds that one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Accepted(values) => values.get(name),
            Self::Declined | Self::Cancelled => None,
        }
    }

    /// A text of the form, if it was accepted and holds that one.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

/// What the client's model said: a `CreateMessageResult`.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled(Object);

impl Sampled {
    /// The text; none if it is an image or a use of a tool.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        let content = self.0.get("content")?;
        let first = content.as_array().map_or(Some(content), |items| items.first())?;
        first.get("text").and_then(Value::as_str)
    }

    /// The whole result, as the client sent it.
    #[must_use]
    pub fn raw(&self) -> &Object {
        &self.0
    }
}

/// A folder that the client works in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Root {
    /// `file:///…`.
    pub uri: String,
    /// For people.
    pub name: Option<String>,
}

impl Ask<Elicited> {
    /// Values from the person, by a form: `schema` is an object of flat properties.
    #[must_use]
    pub fn form(message: impl Into<String>, schema: Value) -> Self {
        let mut params = Object::new();
        params.insert("message".to_owned(), message.into().into());
        params.insert("requestedSchema".to_owned(), schema);
        Self { kind: Kind::Form, params, read: read_elicited }
    }

    /// A visit of the person to a URL, where they do what must not pass through the client (a password, a
    /// payment). `Accepted` says that they agreed to go, not that they are done.
    #[must_use]
    pub fn url(message: impl Into<String>, url: impl Into<String>) -> Self {
        let mut params = Object::new();
        params.insert("mode".to_owned(), "url".into());
        params.insert("message".to_owned(), message.into().into());
        params.insert("url".to_owned(), url.into().into());
        Self { kind: Kind::Url, params, read: read_elicited }
    }
}

impl Ask<Sampled> {
    /// Words of the client's model, in answer to `prompt`.
    #[must_use]
    pub fn sample(prompt: impl Into<String>, max_tokens: u32) -> Self {
        let mut params = Object::new();
        let content = json!({ "type": "text", "text": prompt.into() });
        params.insert("messages".to_owned(), json!([{ "role": "user", "content": content }]));
        params.insert("maxTokens".to_owned(), max_tokens.into());
        Self { kind: Kind::Sample, params, read: read_sampled }
    }
}

impl Ask<Vec<Root>> {
    /// The folders that the client works in.
    #[must_use]
    pub fn roots() -> Self {
        Self { kind: Kind::Roots, params: Object::new(), read: read_roots }
    }
}

impl<T> Ask<T> {
    /// With another member of the request's params, verbatim: `systemPrompt`, `modelPreferences`, a whole
    /// conversation as `messages`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: Value) -> Self {
        self.params.insert(name.into(), value);
        self
    }

    pub(super) fn method(&self) -> &'static str {
        match self.kind {
            Kind::Form | Kind::Url => "elicitation/create",
            Kind::Sample => "sampling/createMessage",
            Kind::Roots => "roots/list",
        }
    }

    /// The params for a revision; `id` names an elicitation by URL where that is needed.
    pub(super) fn params(
        &self,
        rules: &Rules,
        id: impl FnOnce() -> Result<String, Error>,
    ) -> Result<Object, Error> {
        let mut params = self.params.clone();
        if self.kind == Kind::Url && rules.elicitation_id {
            params.insert("elicitationId".to_owned(), id()?.into());
        }
        Ok(params)
    }

    /// The answer, if it is one.
    pub(super) fn read(&self, answer: Value) -> Option<T> {
        (self.read)(answer, &self.params)
    }

    /// Whether the revision has such a request and the client declared that it takes it.
    ///
    /// # Errors
    /// [`ErrorKind::MissingClientCapability`] with what it would have to declare.
    pub(super) fn check(&self, rules: &Rules, declared: &Object) -> Result<(), Error> {
        let (able, missing) = match self.kind {
            Kind::Form => {
                (rules.elicitation && elicits(declared, "form"), json!({ "elicitation": { "form": {} } }))
            }
            Kind::Url => {
                let able = rules.elicitation_by_url && elicits(declared, "url");
                (able, json!({ "elicitation": { "url": {} } }))
            }
            Kind::Sample if self.params.contains_key("tools") => {
                let able = declared.get("sampling").and_then(|sampling| sampling.get("tools"));
                (able.is_some_and(Value::is_object), json!({ "sampling": { "tools": {} } }))
            }
            Kind::Sample => (has(declared, "sampling"), json!({ "sampling": {} })),
            Kind::Roots => (has(declared, "roots"), json!({ "roots": {} })),
        };
        if able { Ok(()) } else { Err(missing_capability(self.method(), missing)) }
    }
}

/// -32021 with the capabilities that the client would have to declare.
pub(super) fn missing_capability(what: &str, capabilities: Value) -> Error {
    let message = format!("this needs {what}, which the client did not declare: {capabilities}");
    Error::new(ErrorKind::MissingClientCapability, message)
        .with_data(json!({ "requiredCapabilities": capabilities }))
}

pub(super) fn has(declared: &Object, capability: &str) -> bool {
    declared.get(capability).is_some_and(Value::is_object)
}

/// An empty object declares forms alone (2025-11-25 client/elicitation §Capabilities).
fn elicits(declared: &Object, mode: &str) -> bool {
    let modes = declared.get("elicitation").and_then(Value::as_object);
    modes.is_some_and(|modes| has(modes, mode) || (mode == "form" && !has(modes, "url")))
}

/// An accepted form holds at least what its schema requires.
fn read_elicited(answer: Value, asked: &Object) -> Option<Elicited> {
    let Value::Object(mut answer) = answer else { return None };
    match answer.get("action").and_then(Value::as_str)? {
        "decline" => Some(Elicited::Declined),
        "cancel" => Some(Elicited::Cancelled),
        "accept" => {
            let values = match answer.remove("content") {
                None | Some(Value::Null) => Object::new(),
                Some(Value::Object(values)) => values,
                Some(_) => return None,
            };
            let required = asked.get("requestedSchema").and_then(|schema| schema.get("required"));
            let mut names = required.and_then(Value::as_array).into_iter().flatten();
            let complete = names.all(|name| name.as_str().is_some_and(|name| values.contains_key(name)));
            complete.then_some(Elicited::Accepted(values))
        }
        _ => None,
    }
}

fn read_sampled(answer: Value, _asked: &Object) -> Option<Sampled> {
    let Value::Object(answer) = answer else { return None };
    answer
        .get("content")
        .is_some_and(|content| content.is_object() || content.is_array())
        .then_some(Sampled(answer))
}

fn read_roots(answer: Value, _asked: &Object) -> Option<Vec<Root>> {
    let roots = answer.get("roots")?.as_array()?;
    let text = |root: &Value, name: &str| root.get(name).and_then(Value::as_str).map(str::to_owned);
    roots.iter().map(|root| Some(Root { uri: text(root, "uri")?, name: text(root, "name") })).collect()
}
