//! `search`: the best sections for a query; with none, what to try instead.

use serde_json::{Map, Value, json};

use super::args::Arguments;
use super::definitions::NOTE;
use super::{Refusal, View, tokens};
use crate::docs::{Hit, Outcome, Query};

const QUERY: [&str; 7] = ["query", "question", "q", "text", "search", "search_query", "input"];
const LIMIT: [&str; 5] = ["limit", "max_results", "top_k", "k", "n"];
const DEFAULT_LIMIT: usize = 10;
const MOST: usize = 50;

pub(super) fn run(view: &View<'_>, arguments: &Arguments) -> Result<Value, Refusal> {
    let text = arguments.text(&QUERY)?;
    let text = text.ok_or_else(|| arguments.missing("query", "{\"query\": \"certificate renewal\"}"))?;
    let asked = arguments.count(&LIMIT)?;
    let path = arguments.text(&["path", "prefix", "folder"])?;
    let path = path.as_deref().map(trim_path).filter(|path| !path.is_empty());
    let lang = arguments.text(&["lang", "language", "locale"])?;
    let limit = asked.unwrap_or(DEFAULT_LIMIT).clamp(1, MOST);
    let query = Query { text: &text, limit, path, lang: lang.as_deref() };

    let outcome = view.index.search(&query);
    let mut results: Vec<Value> = outcome.hits.iter().filter_map(|hit| result(view, hit)).collect();
    shorten(&mut results, if asked.is_some() { tokens::MOST } else { tokens::DEFAULT });
    let none = results.is_empty();
    let mut answer = Map::new();
    answer.insert("results".to_owned(), Value::Array(results));
    if let Some(spelling) = &outcome.spelling {
        answer.insert("spelling".to_owned(), json!(spelling));
    }
    if none {
        answer.insert("nearest".to_owned(), nearest(view, &outcome));
        answer.insert("hint".to_owned(), json!(hint(view, &query)));
    } else {
        answer.insert("note".to_owned(), json!(NOTE));
    }
    Ok(Value::Object(answer))
}

/// What is searched for.
pub(super) fn asked(arguments: &Arguments) -> Option<String> {
    arguments.text(&QUERY).ok().flatten()
}

fn result(view: &View<'_>, hit: &Hit) -> Option<Value> {
    let page = view.index.pages().get(hit.page)?;
    let section = page.sections.get(hit.section)?;
    Some(json!({
        "id": section.id(page),
        "title": page.section_title(section),
        "url": view.urls.section(page, section),
        "heading_path": section.heading_path(),
        "snippet": hit.snippet,
    }))
}

fn nearest(view: &View<'_>, outcome: &Outcome) -> Value {
    let pages = outcome.nearest.iter().take(5).filter_map(|at| view.index.pages().get(*at));
    pages.map(|page| json!({ "id": page.id, "title": page.title, "url": view.urls.page(page) })).collect()
}

/// Why nothing was found and what to send instead.
fn hint(view: &View<'_>, query: &Query<'_>) -> String {
    if let Some(reason) = view.emptiness() {
        return reason.to_owned();
    }
    let pages = view.index.pages();
    if let Some(path) = query.path.filter(|path| !pages.iter().any(|page| page.id.starts_with(path))) {
        return format!(
            "No page's id begins with {path:?}. Leave path out, or call outline to see the paths."
        );
    }
    if let Some(lang) = query.lang
        && !pages.iter().any(|page| page.lang.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(lang)))
    {
        let mut known: Vec<&str> = pages.iter().filter_map(|page| page.lang.as_deref()).collect();
        known.sort_unstable();
        known.dedup();
        let known = if known.is_empty() { "none is marked".to_owned() } else { known.join(", ") };
        return format!("No page is in the language {lang:?} (known: {known}). Leave lang out.");
    }
    "Nothing matches. Use fewer and more general words, the documents' own terms and language, or the exact \
     name of an option; leave path and lang out; or call outline to see which pages exist."
        .to_owned()
}

/// A path as ids begin: without scheme or slashes around it.
fn trim_path(path: &str) -> &str {
    path.strip_prefix("docs://").unwrap_or(path).trim_matches('/')
}

/// Shortens the snippets until the answer costs about `budget` tokens: a result without its snippet
/// is worth more than none.
fn shorten(results: &mut [Value], budget: usize) {
    let snippet = |result: &Value| result.get("snippet").and_then(Value::as_str).map_or(0, tokens::estimate);
    let snippets: usize = results.iter().map(snippet).sum();
    let whole: usize = results.iter().map(|result| tokens::estimate(&result.to_string())).sum();
    if whole <= budget || snippets == 0 {
        return;
    }
    let room = budget.saturating_sub(whole.saturating_sub(snippets));
    for value in results.iter_mut().filter_map(|result| result.get_mut("snippet")) {
        let Some(text) = value.as_str() else { continue };
        let share = tokens::estimate(text) * room / snippets;
        let mut short = text.get(..tokens::fitting(text, usize::MAX, share)).unwrap_or_default().to_owned();
        short.push('…');
        *value = Value::String(short);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_snippets_are_shortened_to_the_budget() {
        let mut results: Vec<Value> =
            (0..10).map(|n| json!({ "id": format!("page/{n}"), "snippet": "слово ".repeat(200) })).collect();
        shorten(&mut results, tokens::DEFAULT);
        let cost = tokens::estimate(&Value::Array(results.clone()).to_string());
        assert!((tokens::DEFAULT / 2..tokens::DEFAULT + 100).contains(&cost), "{cost}");
    }

    #[test]
    fn a_path_is_trimmed_to_how_ids_begin() {
        for sent in ["guide/tls", "/guide/tls/", "docs:///guide/tls"] {
            assert_eq!(trim_path(sent), "guide/tls");
        }
    }
}
