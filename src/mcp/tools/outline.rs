//! `outline`: the pages and their headings, as many as an answer holds.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::args::Arguments;
use super::definitions::NOTE;
use super::{Refusal, View, tokens};
use crate::docs::{Page, Section, Target};

/// Tokens kept for everything but the list.
const ENVELOPE: usize = 200;

/// Folders named at most.
const FOLDERS: usize = 20;

pub(super) fn run(view: &View<'_>, arguments: &Arguments) -> Result<Value, Refusal> {
    let path = arguments.text(&["path", "id", "page", "prefix", "folder", "url", "uri"])?;
    let path = path.as_deref().map(|path| path.strip_prefix("docs://").unwrap_or(path).trim_matches('/'));
    let path = path.filter(|path| !path.is_empty());
    let offset = arguments.count(&["offset", "start", "next_offset"])?.unwrap_or(0);
    let below: Vec<&Page> = view.index.pages().iter().filter(|page| lies_below(page, path)).collect();
    match (path, below.as_slice()) {
        (_, [page]) => one_page(page, offset),
        (None, _) => many_pages(view, "", &below, offset),
        (Some(path), []) => match view.index.resolve(path) {
            Some(Target::Page(page) | Target::Section { page, .. }) => {
                let page = view.index.pages().get(page).ok_or_else(|| view.unknown("page", path))?;
                one_page(page, offset)
            }
            None => Err(view.unknown("page or folder", path)),
        },
        (Some(path), below) => many_pages(view, path, below, offset),
    }
}

/// Whether a page is `path` or lies in it.
fn lies_below(page: &Page, path: Option<&str>) -> bool {
    let Some(path) = path else { return true };
    page.id.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// All headings of a page, from number `offset` on.
fn one_page(page: &Page, offset: usize) -> Result<Value, Refusal> {
    let headings: Vec<Value> = headings(page).map(|section| heading(page, section)).collect();
    check_offset(offset, headings.len(), "headings")?;
    let total = headings.len();
    let mut shown = entry(page);
    let rest = headings.into_iter().skip(offset);
    let fitting = fitting(rest, tokens::DEFAULT - ENVELOPE);
    let next = offset + fitting.len();
    put(&mut shown, "headings", Value::Array(fitting));
    Ok(answer(vec![shown], total, (next < total).then_some(next), Map::new()))
}

/// Pages from number `offset` on: with their headings if all of it fits, else without.
fn many_pages(view: &View<'_>, path: &str, pages: &[&Page], offset: usize) -> Result<Value, Refusal> {
    check_offset(offset, pages.len(), "pages")?;
    let mut extra = Map::new();
    if pages.is_empty() {
        extra.insert("hint".to_owned(), json!(view.emptiness()));
        return Ok(answer(Vec::new(), 0, None, extra));
    }
    let budget = tokens::DEFAULT - ENVELOPE;
    let rest = || pages.iter().skip(offset);
    let full = fitting(rest().map(|page| with_headings(page)), budget);
    if offset + full.len() == pages.len() {
        return Ok(answer(full, pages.len(), None, extra));
    }
    let folders = if offset == 0 { folders(path, pages) } else { Vec::new() };
    let taken: usize = folders.iter().map(|folder| tokens::estimate(&folder.to_string()) + 1).sum();
    let bare = fitting(rest().map(|page| entry(page)), budget.saturating_sub(taken));
    let next = offset + bare.len();
    if folders.len() > 1 {
        extra.insert("folders".to_owned(), Value::Array(folders));
    }
    let hint = "Call outline with path set to a folder or a page's id for its headings; with offset set to \
                next_offset, if there is one, for more pages.";
    extra.insert("hint".to_owned(), json!(hint));
    Ok(answer(bare, pages.len(), (next < pages.len()).then_some(next), extra))
}

fn answer(pages: Vec<Value>, total: usize, next: Option<usize>, mut extra: Map<String, Value>) -> Value {
    extra.insert("pages".to_owned(), Value::Array(pages));
    extra.insert("total".to_owned(), json!(total));
    extra.insert("note".to_owned(), json!(NOTE));
    if let Some(next) = next {
        extra.insert("next_offset".to_owned(), json!(next));
    }
    Value::Object(extra)
}

fn entry(page: &Page) -> Value {
    json!({ "id": page.id, "title": page.title, "sections": page.sections.len() })
}

fn with_headings(page: &Page) -> Value {
    let mut entry = entry(page);
    let headings: Vec<Value> = headings(page).map(|section| heading(page, section)).collect();
    put(&mut entry, "headings", Value::Array(headings));
    entry
}

/// The headings worth naming: not the one that is the page's title.
fn headings(page: &Page) -> impl Iterator<Item = &Section> {
    page.sections.iter().filter(|section| section.level > 0 && section.heading != page.title)
}

fn heading(page: &Page, section: &Section) -> Value {
    json!({ "id": section.id(page), "heading": section.heading, "level": section.level })
}

/// The folders directly below `path` with their numbers of pages, largest first.
fn folders(path: &str, pages: &[&Page]) -> Vec<Value> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for page in pages {
        let below = page.id.strip_prefix(path).unwrap_or(&page.id);
        let skipped = page.id.len() - below.len() + usize::from(below.starts_with('/'));
        let first = page.id.get(skipped..).and_then(|rest| rest.split_once('/'));
        if let Some(folder) = first.and_then(|(name, _)| page.id.get(..skipped + name.len())) {
            *counts.entry(folder).or_default() += 1;
        }
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_unstable_by(|(a, many), (b, more)| more.cmp(many).then(a.cmp(b)));
    counts.into_iter().take(FOLDERS).map(|(path, pages)| json!({ "path": path, "pages": pages })).collect()
}

/// As many values as `budget` tokens hold, one at least.
fn fitting(values: impl Iterator<Item = Value>, budget: usize) -> Vec<Value> {
    let mut left = budget;
    let mut taken = Vec::new();
    for value in values {
        let cost = tokens::estimate(&value.to_string()) + 1;
        if cost > left && !taken.is_empty() {
            break;
        }
        left = left.saturating_sub(cost);
        taken.push(value);
    }
    taken
}

fn check_offset(offset: usize, total: usize, what: &str) -> Result<(), Refusal> {
    if offset == 0 || offset < total {
        return Ok(());
    }
    let last = total.saturating_sub(1);
    Err(Refusal::Arguments(format!(
        "offset {offset} is behind the end: there are {total} {what}. Send an offset from 0 to {last}."
    )))
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
