//! The state of a certificate as the store tells it, for `docquay cert status`. Changes nothing.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::Options;
use super::holding::{self, Holding};
use super::report::{self, Failure, date_and_distance};
use super::schedule::{self, Action, Reason, Standing};
use crate::store::{self, Published, Store};
use crate::x509::{self, Pair};

/// What is known of a certificate.
#[derive(Debug)]
#[non_exhaustive]
pub struct Status {
    /// Whether a certificate is there, valid, and to stay.
    pub good: bool,
    lines: Vec<(&'static str, String)>,
    json: Map<String, Value>,
}

impl Status {
    /// Reads the store at `now`.
    ///
    /// # Errors
    /// When the store cannot be read, or a newer docquay wrote it.
    pub async fn read(options: &Options, store: &dyn Store, now: SystemTime) -> Result<Self, Failure> {
        let Some(name) = options.certificate_name() else { return Err(report::no_names()) };
        let unread = |error| report::store("the state cannot be told", &error);
        let loaded = store::peek_certificate(store, &name).await.map_err(unread)?;
        let entry = loaded.entry.unwrap_or_default();
        let files = store.published(&name).await.map_err(unread)?;
        let published = store::judge(&files, &entry.record, entry.pair.as_ref());
        let (whose, operators) = match published {
            Published::Absent => ("not published".to_owned(), None),
            Published::Current => ("docquay's".to_owned(), None),
            Published::Stale { .. } => ("docquay's, of an earlier certificate".to_owned(), None),
            Published::Operators(pair) => ("your own".to_owned(), Some(pair)),
            Published::OperatorsBroken { why } => (format!("your own, and of no use: {why}"), None),
        };
        let holding = Holding { entry, operators, ..Holding::default() };
        let broken = loaded.broken.map(|aside| aside.why.to_string());
        let paths = store.published_paths(&name);
        let mut status = Self::of(options, &holding, now);
        status.set("name", json!(name.as_str()));
        status.set("published", json!(whose));
        status.lines.insert(0, ("certificate", name.to_string()));
        if let Some(why) = broken {
            status.good = false;
            status.set("store_error", json!(why));
            status.line("store", why);
        }
        match paths {
            Some((cert, key)) => {
                status.line("files", format!("{}, {}: {whose}", cert.display(), key.display()));
            }
            None => status.line("files", whose),
        }
        Ok(status)
    }

    fn of(options: &Options, holding: &Holding, now: SystemTime) -> Self {
        let record = &holding.entry.record;
        let held = holding.held(options, now);
        let pair = holding.served(&options.names, now);
        let (due, action) = holding.with_view(options, now, None, false, |view| {
            (schedule::due(now, view), schedule::next_action(now, view))
        });
        let valid = pair.is_some_and(|pair| pair.leaf().is_valid_at(now));
        let standing = held.map(|held| held.standing);
        let mut status = Self {
            good: valid && matches!(standing, Some(Standing::Right | Standing::Operators)),
            lines: Vec::new(),
            json: Map::new(),
        };
        status.set("names", json!(report::names(&options.names)));
        status.set("valid", json!(valid));
        status.line("names", report::list(&options.names));
        status.line("state", state(standing, valid, record.revoked).to_owned());
        status.set("state", json!(state(standing, valid, record.revoked)));
        if let Some(pair) = pair {
            status.certificate(pair, now);
        }
        if !record.directory.is_empty() && standing != Some(Standing::Operators) {
            status.line("from", record.directory.clone());
            status.set("directory", json!(record.directory));
        }
        if let Some(ari) = record.ari.as_ref().filter(|ari| ari.end > ari.start) {
            let (start, end) = (holding::time(ari.start), holding::time(ari.end));
            status.line("CA's window", format!("{} to {}", x509::date(start), x509::date(end)));
            status.set("window", json!({ "start": ari.start, "end": ari.end, "chosen": ari.chosen }));
        }
        if standing == Some(Standing::Right) {
            status.line("renewal", date_and_distance(due, now));
        }
        status.set("renewal_at", json!(holding::seconds(due)));
        if let Some(last) = &record.attempts.last {
            let at = date_and_distance(holding::time(last.at), now);
            status.line(
                "last failure",
                format!("{at}, {} in a row, at {}", record.attempts.failures, last.directory),
            );
            status.line("", format!("{}: {}", last.kind, last.text));
            status.set(
                "last_failure",
                json!({
                    "at": last.at, "kind": last.kind, "text": last.text, "directory": last.directory,
                    "failures": record.attempts.failures,
                }),
            );
        }
        if let (Action::Wait { until, reason: Reason::Backoff | Reason::ValidationLimit }, true) =
            (action, record.attempts.failures > 0)
        {
            status.line("next attempt", date_and_distance(until, now));
            status.set("next_attempt_at", json!(holding::seconds(until)));
        }
        if record.renew_requested {
            status.line("asked for", "a renewal, by docquay cert renew".to_owned());
        }
        status
    }

    fn certificate(&mut self, pair: &Pair, now: SystemTime) {
        let leaf = pair.leaf();
        let serial: String = leaf.serial().iter().map(|byte| format!("{byte:02x}")).collect();
        self.line("issuer", leaf.issuer_name().unwrap_or("unnamed").to_owned());
        self.line("serial", serial.clone());
        self.line("valid from", x509::date(leaf.not_before()));
        self.line("valid until", date_and_distance(leaf.not_after(), now));
        self.set("issuer", json!(leaf.issuer_name()));
        self.set("serial", json!(serial));
        self.set("not_before", json!(holding::seconds(leaf.not_before())));
        self.set("not_after", json!(holding::seconds(leaf.not_after())));
    }

    fn set(&mut self, key: &str, value: Value) {
        self.json.insert(key.to_owned(), value);
    }

    fn line(&mut self, label: &'static str, value: String) {
        self.lines.push((label, value));
    }

    /// For people: a label and a value a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (label, value) in &self.lines {
            let value = value.trim_end().replace('\n', &format!("\n{:14}", ""));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:<14}{value}");
        }
        text
    }

    /// For programs: one object; times are seconds since 1970.
    #[must_use]
    pub fn json(&self) -> Value {
        Value::Object(self.json.clone())
    }
}

fn state(standing: Option<Standing>, valid: bool, revoked: bool) -> &'static str {
    match (standing, valid) {
        (None, _) => "none yet",
        (Some(Standing::Operators), _) => "valid, your own",
        (Some(Standing::Right), _) => "valid",
        (Some(Standing::Interim), _) if revoked => "revoked, to be replaced",
        (Some(Standing::Interim), true) => {
            "valid, but of other names or another CA than configured: to be replaced"
        }
        (Some(Standing::Interim), false) => "expired",
    }
}
