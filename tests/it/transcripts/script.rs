//! Reading a transcript: blocks of what is sent, what must come, and what happens.
//!
//! `README.md` beside the transcripts describes the notation.

use std::path::Path;

use serde_json::Value;

#[derive(Debug)]
pub(super) struct Block {
    pub(super) step: Step,
    /// Where it begins, from 1.
    pub(super) line: usize,
    /// Whether a comment with a `§` stands between it and the block before.
    pub(super) cited: bool,
}

#[derive(Debug)]
pub(super) enum Step {
    /// The client sends this, on a connection that has a name if it stays open.
    Sent(Connection, Vec<String>),
    /// This must come.
    Came(Connection, Vec<String>),
    /// Something happens beside the protocol.
    Event(String),
}

pub(super) type Connection = Option<char>;

/// The blocks of a file.
pub(super) fn read(path: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks: Vec<Block> = Vec::new();
    let (mut cited, mut joins) = (false, false);
    for (index, line) in text.lines().enumerate() {
        let place = || format!("{}:{}", path.display(), index + 1);
        if line.is_empty() || line.starts_with('#') {
            cited |= line.contains('§');
            joins = false;
            continue;
        }
        let step = step(line).unwrap_or_else(|| panic!("{}: no such line: {line}", place()));
        if joins
            && let Some(last) = blocks.last_mut()
            && join(&mut last.step, &step)
        {
            continue;
        }
        blocks.push(Block { step, line: index + 1, cited });
        (cited, joins) = (false, true);
    }
    blocks
}

fn step(line: &str) -> Option<Step> {
    if let Some(event) = line.strip_prefix("* ") {
        return Some(Step::Event(event.to_owned()));
    }
    let name = line.chars().next().filter(char::is_ascii_uppercase);
    let rest = line.strip_prefix(|it| Some(it) == name).unwrap_or(line);
    let (direction, text) = rest.split_at_checked(1)?;
    let text = if text.is_empty() { text } else { text.strip_prefix(' ')? };
    match direction {
        ">" => Some(Step::Sent(name, vec![text.to_owned()])),
        "<" => Some(Step::Came(name, vec![text.to_owned()])),
        _ => None,
    }
}

/// Adds a line to the block that it goes on with.
fn join(block: &mut Step, line: &Step) -> bool {
    match (block, line) {
        (Step::Sent(name, lines), Step::Sent(other, more))
        | (Step::Came(name, lines), Step::Came(other, more))
            if name == other =>
        {
            lines.extend(more.iter().cloned());
            true
        }
        _ => false,
    }
}

/// Whether two JSON values are equal: numbers by their value, the replies of a batch in any order.
pub(super) fn equal(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Array(expected), Value::Array(got)) if is_batch(expected) && is_batch(got) => {
            expected.len() == got.len() && expected.iter().all(|one| got.iter().any(|other| same(one, other)))
        }
        _ => same(expected, got),
    }
}

fn is_batch(array: &[Value]) -> bool {
    array.iter().all(|each| each.get("jsonrpc").is_some())
}

fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Number(expected), Value::Number(got)) => expected.as_f64() == got.as_f64(),
        (Value::Array(expected), Value::Array(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(one, other)| same(one, other))
        }
        (Value::Object(expected), Value::Object(got)) => {
            expected.len() == got.len()
                && expected.iter().all(|(key, one)| got.get(key).is_some_and(|other| same(one, other)))
        }
        _ => expected == got,
    }
}
