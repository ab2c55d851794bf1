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

/// A conversation over stdio: `>` before what the client said, `<` before what docquay said.
pub(crate) fn stdio(scope: &str, lines: &[(char, String)]) {
    write(&json!({ "transport": "stdio", "scope": scope, "lines": lines }));
}

/// A message of a known revision, and the method that it answers.
pub(crate) fn message(scope: &str, revision: &str, method: &str, message: &str) {
    write(&json!({
        "transport": "none", "scope": scope, "revision": revision, "method": method, "message": message,
    }));
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
