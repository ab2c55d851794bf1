//! `fetch`: a page or section as Markdown, in pieces that put together are the whole text.

use serde_json::{Map, Value, json};

use super::args::Arguments;
use super::cut::{self, Budget, Piece};
use super::definitions::NOTE;
use super::{Refusal, View, tokens};
use crate::docs::{Page, Target, urls};

const ID: [&str; 8] = ["id", "url", "path", "uri", "document_id", "doc_id", "page", "section"];
const MAX_CHARS: [&str; 4] = ["max_chars", "max_length", "max_characters", "limit"];
const FEWEST: usize = 200;
const MOST: usize = 50_000;

/// Tokens kept for everything but the text: titles, addresses, metadata, notes.
const ENVELOPE: usize = 250;

/// Tokens that a long page's list of sections may take from its first answer.
const OUTLINE: usize = 700;

/// What is fetched, found.
struct Found<'a> {
    page: &'a Page,
    section: Option<usize>,
    whole: String,
}

pub(super) fn run(view: &View<'_>, arguments: &Arguments) -> Result<Value, Refusal> {
    let reference = arguments.text(&ID)?;
    let reference = reference.ok_or_else(|| arguments.missing("id", "{\"id\": \"guide/tls#renewal\"}"))?;
    let offset = arguments.count(&["offset", "start", "start_index", "next_offset"])?.unwrap_or(0);
    let max_chars = arguments.count(&MAX_CHARS)?.map(|chars| chars.clamp(FEWEST, MOST));
    let found = find(view, &reference).ok_or_else(|| view.unknown("page or section", &reference))?;

    let total = found.whole.chars().count();
    let from = byte_of(&found.whole, offset).filter(|_| offset == 0 || offset < total);
    let from = from.ok_or_else(|| out_of_range(offset, total))?;
    let room = max_chars.map_or(tokens::DEFAULT, |_| tokens::MOST) - ENVELOPE;
    let budget = Budget { chars: max_chars.unwrap_or(MOST), tokens: room };
    let mut piece = cut::piece(&found.whole, from, budget);
    let outline = if offset == 0 && piece.next.is_some() { sections(&found) } else { Vec::new() };
    if !outline.is_empty() && max_chars.is_none() {
        let cost: usize = outline.iter().map(|entry| tokens::estimate(&entry.to_string()) + 1).sum();
        piece = cut::piece(&found.whole, from, Budget { tokens: room.saturating_sub(cost), ..budget });
    }
    Ok(answer(view, &found, offset, total, &piece, outline))
}

fn find<'a>(view: &View<'a>, reference: &str) -> Option<Found<'a>> {
    let pages = view.index.pages();
    match view.index.resolve(reference)? {
        Target::Page(page) => {
            let page = pages.get(page)?;
            Some(Found { page, section: None, whole: page.markdown() })
        }
        Target::Section { page, section } => {
            let page = pages.get(page)?;
            Some(Found { page, section: Some(section), whole: page.section_markdown(section) })
        }
    }
}

fn answer(
    view: &View<'_>,
    found: &Found<'_>,
    offset: usize,
    total: usize,
    piece: &Piece<'_>,
    outline: Vec<Value>,
) -> Value {
    let Found { page, section, .. } = found;
    let section = section.and_then(|section| page.sections.get(section));
    let mut answer = Map::new();
    let mut put = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    put("id", json!(section.map_or_else(|| page.id.clone(), |section| section.id(page))));
    let title = section.map_or_else(|| page.title.clone(), |section| page.section_title(section));
    put("title", json!(title));
    let url = section.map_or_else(|| view.urls.page(page), |section| view.urls.section(page, section));
    put("url", json!(url));
    put("text", json!(piece.text));
    put("metadata", metadata(page, section.map(|section| section.heading_path()).unwrap_or_default()));
    put("offset", json!(offset));
    put("total_chars", json!(total));
    put("truncated", json!(piece.next.is_some()));
    if piece.next.is_some() {
        put("next_offset", json!(offset + piece.text.chars().count()));
    }
    if !outline.is_empty() {
        put("outline", Value::Array(outline));
    }
    put("note", json!(note(piece)));
    Value::Object(answer)
}

fn metadata(page: &Page, heading_path: Vec<&str>) -> Value {
    let mut metadata = json!({
        "page": page.id,
        "page_title": page.title,
        "heading_path": heading_path,
        "uri": urls::resource_uri(page),
    });
    if let Some(fields) = metadata.as_object_mut() {
        for (name, value) in [("lang", &page.lang), ("description", &page.description)] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value.chars().take(300).collect::<String>()));
            }
        }
        if !page.tags.is_empty() {
            fields.insert("tags".to_owned(), page.tags.iter().take(20).cloned().collect());
        }
    }
    metadata
}

fn note(piece: &Piece<'_>) -> String {
    let mut note = NOTE.to_owned();
    if piece.next.is_some() {
        note.push_str(" The text goes on: fetch the same id with offset = next_offset.");
    }
    if piece.in_code {
        note.push_str(" It breaks off inside a code block, which the next piece continues.");
    }
    note
}

/// The sections of what is fetched: as many levels as fit, then as many sections.
fn sections(found: &Found<'_>) -> Vec<Value> {
    let Found { page, section, .. } = found;
    let range = section.map_or(0..page.sections.len(), |section| page.subtree(section));
    let sections = page.sections.get(range).unwrap_or_default();
    let entries = |deepest: u8| -> Vec<Value> {
        let shown = sections.iter().filter(|section| (1..=deepest).contains(&section.level));
        let entry = |section: &crate::docs::Section| json!({ "id": section.id(page), "heading": section.heading, "level": section.level });
        shown.map(entry).collect()
    };
    let cost = |entry: &Value| tokens::estimate(&entry.to_string()) + 1;
    let fits = |entries: &Vec<Value>| entries.iter().map(cost).sum::<usize>() <= OUTLINE;
    if let Some(entries) = (2..=6).rev().map(entries).find(fits) {
        return entries;
    }
    let mut left = OUTLINE;
    let fitting = |entry: &Value| {
        let rest = left.checked_sub(cost(entry));
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    entries(2).into_iter().take_while(fitting).collect()
}

/// The byte at which character number `chars` begins; the end for as many as there are.
fn byte_of(text: &str, chars: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(chars)
}

fn out_of_range(offset: usize, total: usize) -> Refusal {
    let last = total.saturating_sub(1);
    Refusal::Arguments(format!(
        "offset {offset} is behind the end: the text has {total} characters. Send an offset from 0 to {last}."
    ))
}
