//! The rows of bad_input.toml, and how an answer is held against one.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) wire: Vec<WireRow>,
    pub(super) command: Vec<CommandRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireRow {
    pub(super) name: String,
    #[serde(default = "post_mcp")]
    pub(super) request: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, OneOrMore>,
    pub(super) modern: Option<String>,
    pub(super) session: Option<String>,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) fill: BTreeMap<String, (String, usize)>,
    pub(super) chunked: Option<String>,
    pub(super) declare: Option<usize>,
    pub(super) raw: Option<String>,
    pub(super) endless: Option<String>,
    pub(super) stall: Option<usize>,
    #[serde(default)]
    pub(super) limits: Vec<String>,
    status: u16,
    code: Option<i64>,
    #[serde(default)]
    contains: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommandRow {
    pub(super) name: String,
    files: Vec<File>,
    pub(super) arguments: Vec<String>,
    pub(super) exit: Option<i32>,
    pub(super) search: Option<String>,
    pub(super) contains: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    hex: String,
    #[serde(default)]
    fill: BTreeMap<String, (String, usize)>,
}

fn post_mcp() -> String {
    "POST /mcp".to_owned()
}

impl OneOrMore {
    pub(super) fn values(&self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::More(more) => more.clone(),
        }
    }
}

impl WireRow {
    /// Whether the answer is the row's, to the letter.
    pub(super) fn judge(&self, answer: &str) -> Result<(), String> {
        let shown: String = answer.chars().take(800).collect();
        let status =
            answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0);
        if status != self.status {
            return Err(format!("status {status}, expected {}: {shown}", self.status));
        }
        let code = error_code(answer);
        if code != self.code {
            return Err(format!("error code {code:?}, expected {:?}: {shown}", self.code));
        }
        if !answer.contains(&self.contains) {
            return Err(format!("no {:?} in: {shown}", self.contains));
        }
        Ok(())
    }
}

/// The code of the JSON-RPC error in the answer's body, be it JSON or an event; a batch's first.
fn error_code(answer: &str) -> Option<i64> {
    let body = answer.split_once("\r\n\r\n")?.1;
    let json = body.lines().find_map(|line| {
        let line = line.strip_prefix("data: ").unwrap_or(line);
        serde_json::from_str::<Value>(line).ok().filter(|value| value.is_object() || value.is_array())
    })?;
    json.pointer("/error/code").or_else(|| json.pointer("/0/error/code")).and_then(Value::as_i64)
}

impl CommandRow {
    pub(super) fn write_files(&self, folder: &Path) {
        for file in &self.files {
            let bytes =
                if file.hex.is_empty() { fill(&file.text, &file.fill).into_bytes() } else { hex(&file.hex) };
            std::fs::write(folder.join(&file.path), bytes).unwrap();
        }
    }
}

/// The text with every key of `fill` replaced by its repetition.
pub(super) fn fill(text: &str, fill: &BTreeMap<String, (String, usize)>) -> String {
    fill.iter().fold(text.to_owned(), |text, (key, (piece, times))| text.replace(key, &piece.repeat(*times)))
}

/// Bytes from hexadecimal digits; spaces do not count.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> =
        digits.chars().filter(|one| *one != ' ').map(|one| one.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}
