//! Every page as a resource `docs:///{id}`: listed, read, completed.
//!
//! Spec: 2026-07-28 server/resources, server/utilities/{pagination,completion}; RFC 6570.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use crate::docs::{Index, Page, Target, urls};
use crate::mcp::catalog::{Completion, Listing, Reference, Resource, ResourceContents, ResourceTemplate};
use crate::mcp::error::{Error, ErrorKind};

const TEMPLATE: &str = "docs:///{+id}";
const SCHEME: &str = "docs:///";
const MARKDOWN: &str = "text/markdown";
const PER_LIST: usize = 100;
const COMPLETIONS: usize = 100;

pub(super) fn list(index: &Index, cursor: Option<&str>) -> Result<Listing<Resource>, Error> {
    let pages = index.pages();
    let start = match cursor {
        None => 0,
        Some(cursor) => after(pages, cursor).ok_or_else(invalid_cursor)?,
    };
    let shown = pages.get(start..).unwrap_or_default();
    let shown = shown.get(..PER_LIST).unwrap_or(shown);
    let end = start + shown.len();
    let last = shown.last().filter(|_| end < pages.len());
    Ok(Listing {
        items: shown.iter().map(resource).collect(),
        next_cursor: last.map(|page| encode_cursor(end, &page.id)),
    })
}

fn resource(page: &Page) -> Resource {
    Resource {
        uri: urls::resource_uri(page),
        name: page.id.clone(),
        title: Some(page.title.clone()),
        description: page.description.clone(),
        mime_type: Some(MARKDOWN.to_owned()),
        size: u64::try_from(page.markdown_len()).ok(),
        ..Resource::default()
    }
}

pub(super) fn templates(cursor: Option<&str>) -> Result<Listing<ResourceTemplate>, Error> {
    if cursor.is_some() {
        return Err(invalid_cursor());
    }
    let template = ResourceTemplate {
        uri_template: TEMPLATE.to_owned(),
        name: "page".to_owned(),
        title: Some("A documentation page".to_owned()),
        description: Some("A page by its id, as Markdown; id#anchor is one section of it.".to_owned()),
        mime_type: Some(MARKDOWN.to_owned()),
        ..ResourceTemplate::default()
    };
    Ok(Listing { items: vec![template], next_cursor: None })
}

pub(super) fn read(index: &Index, uri: &str) -> Result<Vec<ResourceContents>, Error> {
    let text = uri.starts_with(SCHEME).then(|| text(index, uri)).flatten();
    let text = text.ok_or_else(|| {
        let message = "no such resource; resources/list names them, the search tool finds them";
        Error::new(ErrorKind::ResourceNotFound, message).with_data(json!({ "uri": uri }))
    })?;
    Ok(vec![ResourceContents::text(uri, text).mime_type(MARKDOWN)])
}

fn text(index: &Index, uri: &str) -> Option<String> {
    match index.resolve(uri)? {
        Target::Page(page) => Some(index.pages().get(page)?.markdown()),
        Target::Section { page, section } => Some(index.pages().get(page)?.section_markdown(section)),
    }
}

pub(super) fn complete(
    index: &Index,
    reference: &Reference,
    argument: &str,
    value: &str,
) -> Result<Completion, Error> {
    let Reference::Resource(uri) = reference else {
        return Err(Error::new(ErrorKind::InvalidParams, "there are no prompts to complete"));
    };
    if uri != TEMPLATE || argument != "id" {
        let message = format!("only the argument \"id\" of {TEMPLATE} can be completed");
        return Err(Error::new(ErrorKind::InvalidParams, message));
    }
    let (mut values, mut total) = index.complete(value, COMPLETIONS);
    if values.is_empty() {
        // No id begins so: those that hold the words anywhere.
        let holding = index.pages().iter().map(|page| page.id.as_str()).filter(|id| id.contains(value));
        total = holding.clone().count();
        values = holding.take(COMPLETIONS).collect();
    }
    let has_more = total > values.len();
    Ok(Completion { values: values.into_iter().map(str::to_owned).collect(), total: Some(total), has_more })
}

/// Names the last page given and its number, so that a reload in between moves nothing.
fn encode_cursor(end: usize, id: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{end}:{id}"))
}

/// Where the list goes on: behind the page that the cursor names; if it is gone, at its number.
fn after(pages: &[Page], cursor: &str) -> Option<usize> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (end, id) = text.split_once(':')?;
    let end: usize = end.parse().ok().filter(|end| *end > 0)?;
    let named = |page: &Page| page.id == id;
    if pages.get(end - 1).is_some_and(named) {
        return Some(end);
    }
    Some(pages.iter().position(named).map_or(end - 1, |at| at + 1).min(pages.len()))
}

fn invalid_cursor() -> Error {
    Error::new(ErrorKind::InvalidParams, "this cursor is not one of ours; list again without a cursor")
}

#[cfg(test)]
mod tests {
    use super::super::testing::page;
    use super::*;

    fn pages(range: std::ops::Range<usize>) -> Vec<Page> {
        range.map(|n| page(&format!("p{n}"), &format!("# P{n}\n\ntext"))).collect()
    }

    #[test]
    fn following_the_cursors_lists_every_page_once() {
        let index = Index::build(pages(0..250));
        let (mut uris, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let listing = list(&index, cursor.as_deref()).unwrap();
            uris.extend(listing.items.into_iter().map(|resource| resource.uri));
            cursor = listing.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(uris, (0..250).map(|n| format!("docs:///p{n}")).collect::<Vec<_>>());
    }

    #[test]
    fn a_cursor_survives_a_reload() {
        let cursor = list(&Index::build(pages(0..250)), None).unwrap().next_cursor.unwrap();
        let first = |pages| list(&Index::build(pages), Some(&cursor)).unwrap().items.first().cloned();
        assert_eq!(first(pages(50..250)).unwrap().uri, "docs:///p100", "earlier pages are gone");
        assert_eq!(first(pages(100..250)).unwrap().uri, "docs:///p199", "the named page is gone: by number");
        assert_eq!(first(pages(0..3)), None);
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        let index = Index::build(pages(0..3));
        for cursor in ["", "x", "AAAA", "2", "MTI", &encode_cursor(0, "p0")] {
            let error = list(&index, Some(cursor)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParams, "{cursor}");
        }
    }

    #[test]
    fn a_resource_is_not_found_by_any_other_scheme() {
        let index = Index::build(pages(0..3));
        for uri in ["p1", "file:///p1", "https://example.com/p1", ""] {
            let error = read(&index, uri).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ResourceNotFound);
            assert_eq!(error.data(), Some(&json!({ "uri": uri })));
        }
    }
}
