//! Front matter: what a page says of itself above its text, in YAML (`---`), TOML (`+++`) or JSON (`{`).
//!
//! Owns the keys as Hugo, Jekyll, Docusaurus and MkDocs spell them. Malformed front matter is a warning,
//! never the end of a page.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

/// Largest front matter taken for one, bytes.
const LONGEST: usize = 64 * 1024;

/// What was said; nothing is required.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FrontMatter {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) lang: Option<String>,
    /// `draft: true`, or Jekyll's `published: false`.
    pub(super) draft: bool,
    /// Hugo's `weight`, Docusaurus' `sidebar_position`: lighter pages come first.
    pub(super) weight: Option<i64>,
    /// Replaces the last part of the published path.
    pub(super) slug: Option<String>,
    /// Replaces the published path, or is an absolute URL.
    pub(super) url: Option<String>,
}

/// A file taken apart.
#[derive(Debug)]
pub(super) struct Split<'a> {
    pub(super) matter: FrontMatter,
    /// The text below the front matter.
    pub(super) body: &'a str,
    /// Why the front matter could not be read.
    pub(super) warning: Option<String>,
}

/// Takes the front matter off a text, if it begins with one.
pub(super) fn split(text: &str) -> Split<'_> {
    let (values, body) = if let Some((block, body)) = fenced(text, "---", &["---", "..."]) {
        (yaml(block), body)
    } else if let Some((block, body)) = fenced(text, "+++", &["+++"]) {
        (toml(block), body)
    } else if text.starts_with("{\n") || text.starts_with("{\"") || text.starts_with("{ \"") {
        json(text)
    } else {
        (Ok(Map::new()), text)
    };
    match values {
        Ok(values) => Split { matter: FrontMatter::from(&values), body, warning: None },
        Err(cause) => Split { matter: FrontMatter::default(), body, warning: Some(cause) },
    }
}

/// The block between a first line and the next line that closes it.
fn fenced<'a>(text: &'a str, open: &str, close: &[&str]) -> Option<(&'a str, &'a str)> {
    let first = text.split_inclusive('\n').next()?;
    if first.trim_end() != open || !first.ends_with('\n') {
        return None;
    }
    let block = text.get(first.len()..)?;
    let mut length = 0;
    for line in block.split_inclusive('\n') {
        if close.contains(&line.trim_end()) {
            return Some((block.get(..length)?, block.get(length + line.len()..)?));
        }
        length += line.len();
        if length > LONGEST {
            break;
        }
    }
    None
}

fn yaml(block: &str) -> Result<Map<String, Value>, String> {
    let documents = Yaml::load_from_str(block).map_err(|error| format!("YAML: {error}"))?;
    let Some(Yaml::Mapping(mapping)) = documents.first() else {
        return if block.trim().is_empty() { Ok(Map::new()) } else { Err("YAML: no keys".to_owned()) };
    };
    let entries = mapping.iter().filter_map(|(key, value)| {
        let Yaml::Value(Scalar::String(key)) = key else { return None };
        // `title: 1.10` is a version, which a number would turn into 1.1.
        let value = match value {
            Yaml::Value(Scalar::FloatingPoint(_) | Scalar::Integer(_)) => as_written(block, key),
            value => from_yaml(value),
        };
        Some((key.to_string(), value))
    });
    Ok(entries.collect())
}

fn as_written(block: &str, key: &str) -> Value {
    let written = block.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'));
    let written = written.map(|value| value.split(" #").next().unwrap_or_default().trim());
    written.map_or(Value::Null, |value| Value::String(value.to_owned()))
}

fn from_yaml(value: &Yaml<'_>) -> Value {
    match value {
        Yaml::Value(Scalar::Boolean(value)) => Value::Bool(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Value::from(value.as_ref()),
        Yaml::Sequence(values) => values.iter().map(from_yaml).collect(),
        _ => Value::Null,
    }
}

fn toml(block: &str) -> Result<Map<String, Value>, String> {
    let table: toml::Table = toml::from_str(block).map_err(|error| format!("TOML: {}", error.message()))?;
    Ok(table.into_iter().map(|(key, value)| (key, from_toml(value))).collect())
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(value) => Value::from(value),
        toml::Value::Integer(value) => Value::from(value),
        toml::Value::Float(value) => Value::from(value),
        toml::Value::Boolean(value) => Value::from(value),
        toml::Value::Array(values) => values.into_iter().map(from_toml).collect(),
        toml::Value::Datetime(_) | toml::Value::Table(_) => Value::Null,
    }
}

fn json(text: &str) -> (Result<Map<String, Value>, String>, &str) {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>();
    match values.next() {
        Some(Ok(map)) => (Ok(map), text.get(values.byte_offset()..).unwrap_or_default()),
        Some(Err(error)) => (Err(format!("JSON: {error}")), text),
        None => (Ok(Map::new()), text),
    }
}

impl FrontMatter {
    fn from(values: &Map<String, Value>) -> Self {
        // Generators differ in case (`linkTitle`, `Title`), never in meaning.
        let of = |keys: &[&str]| {
            let named = |key: &&str| values.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            keys.iter().filter_map(named).find_map(|(_, value)| words(value))
        };
        let flag =
            |key: &str, wanted: &str| of(&[key]).is_some_and(|value| value.eq_ignore_ascii_case(wanted));
        Self {
            title: of(&["title"]),
            description: of(&["description", "summary", "excerpt"]),
            tags: values.get("tags").or_else(|| values.get("keywords")).map(list).unwrap_or_default(),
            lang: of(&["lang", "language", "locale"]).as_deref().and_then(language),
            draft: flag("draft", "true") || flag("published", "false"),
            weight: of(&["weight", "sidebar_position", "nav_order"])
                .and_then(|value| value.split('.').next()?.parse().ok()),
            slug: of(&["slug"]),
            url: of(&["url", "permalink"]),
        }
    }
}

/// A scalar as text; nothing of what is empty.
fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

/// A list, or a text with commas.
pub(super) fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(words).collect(),
        Value::String(text) => {
            text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// `en-US`, `EN`, `pt_BR` → `en`, `en`, `pt`.
pub(super) fn language(tag: &str) -> Option<String> {
    let first = tag.trim().split(['-', '_']).next().unwrap_or_default();
    let plain = matches!(first.len(), 2 | 3) && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    plain.then(|| first.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_three_formats_say_the_same() {
        let texts = [
            "---\ntitle: 'TLS: how'\nsummary: Short.\ntags: [a, b]\nlanguage: en-US\nweight: 20\ndraft: true\nslug: tls\n---\nBody",
            "+++\ntitle = \"TLS: how\"\ndescription = \"Short.\"\ntags = [\"a\", \"b\"]\nlang = \"en\"\nweight = 20\ndraft = true\nslug = \"tls\"\ndate = 2024-01-01\n+++\nBody",
            "{\n\"title\": \"TLS: how\", \"summary\": \"Short.\", \"tags\": \"a, b\", \"lang\": \"EN\", \"weight\": 20, \"draft\": true, \"slug\": \"tls\"}Body",
        ];
        for text in texts {
            let split = split(text);
            assert_eq!(split.warning, None);
            assert_eq!(split.body, "Body");
            let expected = FrontMatter {
                title: Some("TLS: how".into()),
                description: Some("Short.".into()),
                tags: vec!["a".into(), "b".into()],
                lang: Some("en".into()),
                draft: true,
                weight: Some(20),
                slug: Some("tls".into()),
                url: None,
            };
            assert_eq!(split.matter, expected);
        }
    }

    #[test]
    fn scalars_keep_their_spelling() {
        for (written, title) in
            [("1.10", "1.10"), ("2024", "2024"), ("yes", "yes"), ("007", "007"), ("|\n  a\n  b", "a b")]
        {
            let text = format!("---\ntitle: {written}\n---\n");
            assert_eq!(split(&text).matter.title.as_deref(), Some(title));
        }
    }

    #[test]
    fn malformed_front_matter_is_a_warning_and_the_body_stays() {
        for text in ["---\ntitle: [a\n---\nBody", "---\na: b: c\n---\nBody", "+++\ntitle = \n+++\nBody"] {
            let split = split(text);
            assert!(split.warning.is_some(), "{text:?}");
            assert_eq!(split.body, "Body");
        }
        assert_eq!(split("{\n\"a\": \nBody").body, "{\n\"a\": \nBody");
    }

    #[test]
    fn what_only_looks_like_front_matter_is_text() {
        for text in ["---\n\nA rule, never closed", "--- x\n", "+++", "{{< note >}}", "{: .class}", "", "---"]
        {
            let split = split(text);
            assert_eq!((split.body, &split.warning), (text, &None), "{text:?}");
        }
        assert_eq!(split("---\n---\nBody").body, "Body");
    }

    proptest! {
        #[test]
        fn any_front_matter_is_survived(text in "(---|\\+\\+\\+|\\{\n)?\n?([ -~]|\n|[&*:\\[\\]{}-]){0,120}\n(---|\\+\\+\\+)?") {
            let _ = split(&text);
        }
    }
}
