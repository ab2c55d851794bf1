//! What the functions of a server are given, and the functions as values.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use crate::mcp::catalog::{Completion, PromptResult, Reference, ResourceBody, ToolResult};
use crate::mcp::dispatch::Context;
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::Object;

/// A call of a tool.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ToolCall {
    /// As they were sent.
    pub arguments: Object,
    /// Who calls, and what may be asked of them.
    pub context: Context,
}

impl ToolCall {
    /// An argument, if it is there and not null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name).filter(|value| !value.is_null())
    }

    /// An argument that must be text.
    ///
    /// # Errors
    /// When it is missing or something else: the model is told what to send.
    pub fn text(&self, name: &str) -> Result<&str, Error> {
        self.wanted(name, "a string", Value::as_str)
    }

    /// An argument that must be an integer.
    ///
    /// # Errors
    /// When it is missing or something else: the model is told what to send.
    pub fn integer(&self, name: &str) -> Result<i64, Error> {
        self.wanted(name, "an integer", Value::as_i64)
    }

    /// An argument that must be a number.
    ///
    /// # Errors
    /// When it is missing or something else: the model is told what to send.
    pub fn number(&self, name: &str) -> Result<f64, Error> {
        self.wanted(name, "a number", Value::as_f64)
    }

    /// An argument that must be true or false.
    ///
    /// # Errors
    /// When it is missing or something else: the model is told what to send.
    pub fn boolean(&self, name: &str) -> Result<bool, Error> {
        self.wanted(name, "true or false", Value::as_bool)
    }

    fn wanted<'a, T>(
        &'a self,
        name: &str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<T, Error> {
        self.get(name).and_then(read).ok_or_else(|| invalid(format!("`{name}` must be {kind}")))
    }
}

/// A reading of a resource.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResourceCall {
    /// Which one.
    pub uri: String,
    /// Who calls, and what may be asked of them.
    pub context: Context,
    pub(super) variables: Vec<(String, String)>,
}

impl ResourceCall {
    /// What the URI has in place of a template's variable; empty if the template has none of that name.
    #[must_use]
    pub fn variable(&self, name: &str) -> &str {
        self.variables.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// A filling in of a prompt.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PromptCall {
    /// Texts by name; those that must be given are there.
    pub arguments: Object,
    /// Who calls, and what may be asked of them.
    pub context: Context,
}

impl PromptCall {
    /// An argument; empty if it was left out.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.arguments.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A value that is being typed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completing {
    /// Of which prompt or template.
    pub reference: Reference,
    /// Which of its arguments or variables.
    pub argument: String,
    /// What was typed so far.
    pub value: String,
}

/// A function as a value.
pub(super) type Function<C, R> = Arc<dyn Fn(C) -> Pending<R> + Send + Sync>;
pub(super) type Pending<R> = Pin<Box<dyn Future<Output = Result<R, Error>> + Send>>;

macro_rules! function {
    ($name:ident: $call:ty => $result:ty) => {
        pub(super) fn $name<F, A, R>(function: F) -> Function<$call, $result>
        where
            F: Fn($call) -> A + Send + Sync + 'static,
            A: Future<Output = Result<R, Error>> + Send + 'static,
            R: Into<$result>,
        {
            Arc::new(move |call| {
                let answer = function(call);
                Box::pin(async move { answer.await.map(Into::into) })
            })
        }
    };
}

function!(tool: ToolCall => ToolResult);
function!(resource: ResourceCall => ResourceBody);
function!(prompt: PromptCall => PromptResult);
function!(completion: Completing => Completion);

pub(super) fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidParams, message)
}
