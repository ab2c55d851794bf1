//! What docquay says in the tests, kept for `tests/peers/schema.mjs`, which holds it against the specification's schema.
//!
//! Only with `DOCQUAY_RECORD=FOLDER`; without it, nothing is kept. Each process appends JSON lines to a file of its own.

use std::io::Write as _;

use serde_json::{Value, json};

use super::raw::Answer;

/// A request as it was sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned()));
        Self { method: method.into(), path: path.into(), headers: headers.collect(), body: body.into() }
    }
}

/// An exchange over HTTP. `scope` tells apart servers whose session ids may be equal.
pub(crate) fn http(scope: &str, request: &Request, answer: &Answer) {
    let Request { method, path, headers, body } = request;
    write(&json!({
        "transport": "http",
        "scope": scope,
        "request": { "method": method, "path": path, "headers": object(headers), "body": body },
        "response": { "status": answer.status, "headers": object(&answer.headers), "body": answer.text() },
    }));
}

/// An exchange over HTTP as bytes; one whose answer has no head is none.
pub(crate) fn raw(scope: &str, sent: &str, received: &str) {
    let (Some((first, fields, body)), Some((status, headers, text))) = (parts(sent), parts(received)) else {
        return;
    };
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let request = Request { method: method.into(), path: path.into(), headers: fields, body: body.into() };
    let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    http(scope, &request, &Answer { status, headers, body: text.into() });
}

type Parts<'a> = (&'a str, Vec<(String, String)>, &'a str);

fn parts(message: &str) -> Option<Parts<'_>> {
    let (head, body) = message.split_once("\r\n\r\n")?;
    let (first, fields) = head.split_once("\r\n")?;
    let fields = fields.split("\r\n").filter_map(|field| field.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some((first, fields, body))
}

/// A conversation over stdio, kept when it is dropped: `>` before what the client said, `<` before what docquay said.
#[derive(Debug, Default)]
pub(crate) struct Lines(Vec<(char, String)>);

impl Lines {
    pub(crate) fn push(&mut self, direction: char, line: &str) {
        self.0.push((direction, line.to_owned()));
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        write(&json!({ "transport": "stdio", "scope": "", "lines": self.0 }));
    }
}

/// A message of a known revision, and the method that it answers.
pub(crate) fn message(revision: &str, method: &str, message: &[u8]) {
    let message = String::from_utf8_lossy(message);
    write(&json!({ "transport": "none", "revision": revision, "method": method, "message": message }));
}

fn object(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

fn write(line: &Value) {
    let Some(folder) = std::env::var_os("DOCQUAY_RECORD") else { return };
    let path = std::path::Path::new(&folder).join(format!("it-{}.jsonl", std::process::id()));
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
    // One write, so that tests that run at once do not mix their lines.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}
