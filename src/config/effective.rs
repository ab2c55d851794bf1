//! The configuration with the place that each value came from, for `docquay config`.
//!
//! Prints what can be read again: a `docquay.toml` that says the same.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::keys::{self, Key};
use super::raw::Place;
use super::{Config, written};

/// A configuration, shown with where its values were written.
#[derive(Clone, Copy, Debug)]
pub struct Effective<'a>(&'a Config);

impl<'a> Effective<'a> {
    /// What `config` says. Fields set otherwise than by [`Config::load`] are told as defaults.
    #[must_use]
    pub fn of(config: &'a Config) -> Self {
        Self(config)
    }

    /// As a `docquay.toml`, each line with the place of its value. A line that begins with `#` is not set; what
    /// stands there is taken in its place.
    #[must_use]
    pub fn toml(&self) -> String {
        let mut text = String::new();
        let mut table = "";
        for key in keys::all() {
            let (within, name) = key.name.rsplit_once('.').unwrap_or(("", key.name));
            if within != table {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "\n[{within}]");
                table = within;
            }
            let line = match (self.value(key), self.instead(key)) {
                (Some(value), _) => format!("{name} = {value}"),
                (None, Some(taken)) => format!("# {name} = {taken}"),
                (None, None) => format!("# {name} ="),
            };
            let _ = writeln!(text, "{line:<46}  # {}", self.place(key));
        }
        text
    }

    /// As JSON: each key with its `value` (null: not set), `from`, the place, and `instead`, what is
    /// taken for it where that follows from others.
    #[must_use]
    pub fn json(&self) -> Value {
        let entry = |key: &Key| {
            let values = key.show(self.0);
            let value = if key.is_list() { json!(values) } else { json!(values.first().map(|it| bare(it))) };
            let mut entry = Map::new();
            entry.insert("value".to_owned(), value);
            entry.insert("from".to_owned(), json!(self.place(key)));
            if let (true, Some(taken)) = (values.is_empty(), instead(key, self.0)) {
                entry.insert("instead".to_owned(), bare(&taken));
            }
            (key.name.to_owned(), Value::Object(entry))
        };
        Value::Object(keys::all().map(entry).collect::<Map<_, _>>())
    }

    fn place(&self, key: &Key) -> String {
        match self.0.given.place(key.name) {
            Some(Place::File { path, line, .. }) => format!("{}:{line}", path.display()),
            Some(place) => place.to_string(),
            None if self.value(key).is_some() || instead(key, self.0).is_some() => "default".to_owned(),
            None => "not set".to_owned(),
        }
    }

    fn value(&self, key: &Key) -> Option<String> {
        let values = key.show(self.0);
        match (key.is_list(), values.first()) {
            (_, None) => None,
            (false, Some(value)) => Some(toml(&bare(value))),
            (true, Some(_)) => {
                let items: Vec<String> = values.iter().map(|value| toml(&json!(value))).collect();
                Some(format!("[{}]", items.join(", ")))
            }
        }
    }

    fn instead(&self, key: &Key) -> Option<String> {
        instead(key, self.0).map(|taken| toml(&bare(&taken)))
    }
}

/// What is taken for a key that is not set, where that follows from others.
fn instead(key: &Key, config: &Config) -> Option<String> {
    let address = config.address();
    match key.name {
        "port" => Some(address.port().to_string()),
        "bind" => Some(written::address(address.ip())),
        "acme_directory" => Some(config.certificates.directory().to_owned()),
        "log_level" => Some("info".to_owned()),
        _ => None,
    }
}

/// JSON's scalars are TOML's, but for the one control character that JSON leaves as it is.
fn toml(value: &Value) -> String {
    value.to_string().replace('\u{7f}', "\\u007f")
}

/// A whole number or a switch without quotes; any other text in them.
fn bare(text: &str) -> Value {
    match (text, text.parse::<i64>()) {
        ("true", _) => Value::Bool(true),
        ("false", _) => Value::Bool(false),
        // `007` is text: as a number it would lose its zeros.
        (_, Ok(number)) if number.to_string() == text => json!(number),
        _ => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::Path;

    use super::*;
    use crate::config::tests::{flag, sample};
    use crate::config::{Flags, Given, raw};

    fn load(flags: Flags, toml: &str) -> Config {
        let file = raw::file(Path::new("docquay.toml"), toml).unwrap();
        Config::of(Given::of([file, Vec::new(), flags.entries])).unwrap()
    }

    fn toml_of(config: &Config) -> String {
        Effective::of(config).toml()
    }

    fn shown(config: &Config) -> Vec<Vec<String>> {
        keys::all().map(|key| key.show(config)).collect()
    }

    #[test]
    fn what_is_printed_reads_again_as_the_same_for_every_key() {
        for key in keys::all() {
            let written = load(flag(key.name, sample(key.name)), "");
            let read = load(Flags::default(), &toml_of(&written));
            assert_eq!(shown(&written), shown(&read), "{}", toml_of(&written));
            assert!(!key.show(&written).is_empty(), "{} is not shown", key.name);
            assert_ne!(shown(&written), shown(&Config::default()), "{} is shown as by default", key.name);
        }
    }

    #[test]
    fn text_of_any_kind_reads_again_as_the_same() {
        for text in ["a \"b\" \\ c", "007", "true", "-1", "ünïcode", "tab\there", "\u{7f}", "'", "# no"] {
            let written = load(flag("eab_kid", text), "");
            let read = load(Flags::default(), &toml_of(&written));
            assert_eq!(read.certificates.eab_kid.as_deref(), Some(text), "{}", toml_of(&written));
        }
    }

    #[test]
    fn each_line_says_where_its_value_came_from() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("docquay.toml"), "\nport = 1\ndomain = \"a.example\"\n").unwrap();
        let variable = |name: &str| (name == "DOCQUAY_EMAIL").then(|| OsString::from("ops@example.com"));
        let config = Config::load(flag("limits.mcp.batch", "7"), &variable, None, folder.path()).unwrap();
        let effective = Effective::of(&config);
        let toml = effective.toml();
        let line =
            |start: &str| toml.lines().find(|line| line.starts_with(start)).unwrap_or("none").to_owned();
        assert!(line("port = 1 ").ends_with("docquay.toml:2"), "{toml}");
        assert!(line("email = \"ops@example.com\"").ends_with("  # DOCQUAY_EMAIL"), "{toml}");
        assert!(line("batch = 7").ends_with("  # --limits mcp.batch"), "{toml}");
        assert!(line("acme_port = 80").ends_with("  # default"), "{toml}");
        assert!(line("# bind = \"[::]\"").ends_with("  # default"), "{toml}");
        assert!(line("# tls_cert =").ends_with("  # not set"), "{toml}");
        let json = effective.json();
        assert_eq!(json["email"], json!({ "value": "ops@example.com", "from": "DOCQUAY_EMAIL" }));
        assert_eq!(json["domain"]["value"], json!(["a.example"]));
        assert_eq!(json["bind"], json!({ "value": null, "from": "default", "instead": "[::]" }));
    }
}
