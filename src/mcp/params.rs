//! Reading a method's params: each refusal says what to send.

use serde_json::Value;

use super::catalog::Reference;
use super::error::{Error, ErrorKind};
use super::jsonrpc::Object;

/// A member that must be a string.
pub(super) fn string<'a>(params: &'a Object, name: &str) -> Result<&'a str, Error> {
    match params.get(name) {
        Some(Value::String(text)) => Ok(text),
        None => Err(invalid(format!("`{name}` is missing; send a string"))),
        Some(other) => Err(invalid(format!("`{name}` must be a string, not {}", kind(other)))),
    }
}

/// The `cursor` of a list, if one was sent.
pub(super) fn cursor(params: &Object) -> Result<Option<&str>, Error> {
    match params.get("cursor") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(cursor)) => Ok(Some(cursor)),
        Some(_) => Err(invalid_cursor()),
    }
}

/// What any cursor is that was never given out.
pub(super) fn invalid_cursor() -> Error {
    invalid("`cursor` must be a `nextCursor` of an earlier page; leave it out for the first page")
}

/// Takes the `arguments` of a call; absent ones are none.
pub(super) fn arguments(params: &mut Object) -> Result<Object, Error> {
    match params.remove("arguments") {
        None | Some(Value::Null) => Ok(Object::new()),
        Some(Value::Object(arguments)) => Ok(arguments),
        Some(other) => {
            Err(invalid(format!("`arguments` must be an object of named values, not {}", kind(&other))))
        }
    }
}

/// The `arguments` of a prompt: strings alone.
pub(super) fn prompt_arguments(params: &mut Object) -> Result<Object, Error> {
    let arguments = arguments(params)?;
    match arguments.iter().find(|(_, value)| !value.is_string()) {
        None => Ok(arguments),
        Some((_, value)) => {
            Err(invalid(format!("each of a prompt's `arguments` must be a string, not {}", kind(value))))
        }
    }
}

/// The `ref` and `argument` of a completion.
pub(super) fn completion(params: &Object) -> Result<(Reference, &str, &str), Error> {
    let reference = object(params, "ref")?;
    let reference = match string(reference, "type")? {
        "ref/prompt" => Reference::Prompt(string(reference, "name")?.to_owned()),
        "ref/resource" => Reference::Resource(string(reference, "uri")?.to_owned()),
        _ => return Err(invalid("`ref.type` must be \"ref/prompt\" or \"ref/resource\"")),
    };
    let argument = object(params, "argument")?;
    Ok((reference, string(argument, "name")?, string(argument, "value")?))
}

/// A member that must be an object.
pub(super) fn object<'a>(params: &'a Object, name: &str) -> Result<&'a Object, Error> {
    match params.get(name) {
        Some(Value::Object(members)) => Ok(members),
        None => Err(invalid(format!("`{name}` is missing; send an object"))),
        Some(other) => Err(invalid(format!("`{name}` must be an object, not {}", kind(other)))),
    }
}

/// The JSON type of a value, with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

pub(super) fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidParams, message)
}
