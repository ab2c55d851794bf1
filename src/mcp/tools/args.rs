//! A tool's arguments as models send them: under several names, numbers as text, text as lists.

use serde_json::Value;

use super::Refusal;
use crate::mcp::jsonrpc::Object;

/// The arguments of one call.
pub(super) struct Arguments(Object);

impl Arguments {
    pub(super) fn new(arguments: Object) -> Self {
        Self(arguments)
    }

    /// The first of `names` that holds text; blank text counts as absent.
    ///
    /// # Errors
    /// When the value is no text, number or list of these.
    pub(super) fn text(&self, names: &[&str]) -> Result<Option<String>, Refusal> {
        for name in names {
            let text = match self.0.get(*name) {
                None | Some(Value::Null) => continue,
                Some(value) => plain(value).ok_or_else(|| not_text(name, value))?,
            };
            if !text.trim().is_empty() {
                return Ok(Some(text.trim().to_owned()));
            }
        }
        Ok(None)
    }

    /// The first of `names` that holds a whole number, written as a number or as text.
    ///
    /// # Errors
    /// When the value is no whole number of at least 0.
    pub(super) fn count(&self, names: &[&str]) -> Result<Option<usize>, Refusal> {
        for name in names {
            let number = match self.0.get(*name) {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) if text.trim().is_empty() => continue,
                Some(Value::String(text)) => text.trim().parse().ok(),
                Some(Value::Number(number)) => whole(number),
                Some(_) => None,
            };
            return number.map(Some).ok_or_else(|| not_a_count(name));
        }
        Ok(None)
    }

    /// The refusal for a required argument that is missing, with what came instead.
    pub(super) fn missing(&self, name: &str, example: &str) -> Refusal {
        let sent: Vec<String> = self.0.keys().take(8).map(|name| name.chars().take(40).collect()).collect();
        let sent = if sent.is_empty() { "nothing".to_owned() } else { sent.join(", ") };
        Refusal::Arguments(format!(
            "\"{name}\" is missing or empty (sent: {sent}). Call again with, for example, {example}."
        ))
    }
}

fn not_text(name: &str, value: &Value) -> Refusal {
    Refusal::Arguments(format!("\"{name}\" must be text; {} was sent.", kind(value)))
}

fn not_a_count(name: &str) -> Refusal {
    Refusal::Arguments(format!("\"{name}\" must be a whole number of at least 0, such as 10."))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(items) => items.iter().map(plain).collect::<Option<Vec<_>>>().map(|all| all.join(" ")),
        _ => None,
    }
}

/// `5`, and `5.0` as some languages write it.
fn whole(number: &serde_json::Number) -> Option<usize> {
    if let Some(whole) = number.as_u64() {
        return usize::try_from(whole).ok();
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && (0.0..1e15).contains(float))?;
    format!("{float:.0}").parse().ok()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(value: Value) -> Arguments {
        Arguments::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn the_first_name_that_holds_something_counts() {
        let names = ["query", "question", "q"];
        for (sent, text) in [
            (json!({ "query": " tls " }), Some("tls")),
            (json!({ "query": "", "q": "tls" }), Some("tls")),
            (json!({ "query": null, "question": "tls" }), Some("tls")),
            (json!({ "query": ["tls", "renewal"] }), Some("tls renewal")),
            (json!({ "query": 404 }), Some("404")),
            (json!({ "query": "  " }), None),
            (json!({ "other": "tls" }), None),
        ] {
            assert_eq!(arguments(sent.clone()).text(&names).unwrap().as_deref(), text, "{sent}");
        }
        assert!(arguments(json!({ "query": { "a": 1 } })).text(&names).is_err());
    }

    #[test]
    fn numbers_may_come_as_text() {
        for (sent, number) in [
            (json!({ "limit": 5 }), Ok(Some(5))),
            (json!({ "limit": "5" }), Ok(Some(5))),
            (json!({ "limit": 5.0 }), Ok(Some(5))),
            (json!({ "limit": null }), Ok(None)),
            (json!({ "limit": "" }), Ok(None)),
            (json!({}), Ok(None)),
            (json!({ "limit": -1 }), Err(())),
            (json!({ "limit": 1.5 }), Err(())),
            (json!({ "limit": "many" }), Err(())),
            (json!({ "limit": [5] }), Err(())),
            (json!({ "limit": 1e300 }), Err(())),
        ] {
            assert_eq!(arguments(sent.clone()).count(&["limit"]).map_err(drop), number, "{sent}");
        }
    }

    #[test]
    fn a_missing_argument_is_named_with_what_was_sent_and_an_example() {
        let refusal = arguments(json!({ "term": "x" })).missing("query", "{\"query\":\"renew\"}");
        for part in ["\"query\"", "term", "{\"query\":\"renew\"}"] {
            assert!(matches!(&refusal, Refusal::Arguments(advice) if advice.contains(part)), "{refusal:?}");
        }
    }
}
