//! The sources: whether they can be read, what was left out, ids, links, and a search that must find.

use super::Report;
use crate::config::Config;
use crate::docs::{Index, Library, Query};
use crate::server::{self, plural};
use crate::web::{BrokenLink, broken_links};

pub(super) async fn check(config: &Config, report: &mut Report) {
    let library = match server::open(config).await {
        Ok(library) => library,
        Err(error) => {
            let (what, cause, help) = error.parts();
            report.fail("documents", what, cause, help);
            return skip_rest(report, "the documents cannot be read");
        }
    };
    let state = library.state();
    if let Some(failure) = state.failure.filter(|_| !state.ready) {
        let (cause, help) = failure.rsplit_once("; ").unwrap_or((&failure, "check the source"));
        report.fail("documents", "the documents cannot be read now", cause, help);
        return skip_rest(report, "the documents cannot be read");
    }
    let index = library.index();
    pages(config, &index, report);
    left_out(&library, report).await;
    ids(&index, report);
    links(&index, report);
    search(&index, report);
}

fn skip_rest(report: &mut Report, why: &str) {
    for check in ["links", "search"] {
        report.skip(check, why);
    }
}

fn pages(config: &Config, index: &Index, report: &mut Report) {
    let counts =
        format!("{}, {}", plural(index.pages().len(), "page"), plural(index.section_count(), "section"));
    let of = if config.sources.is_empty() { " of docquay's own manual" } else { "" };
    if index.pages().is_empty() {
        report.warn(
            "documents",
            "there is no page",
            "the sources were read, and nothing in them is a document",
            "name a folder with .md, .mdx, .markdown or .txt files, or an index with pages",
        );
    } else {
        report.ok("documents", format!("{counts}{of}"));
    }
}

async fn left_out(library: &Library, report: &mut Report) {
    let warnings = library.warnings().await;
    if !warnings.is_empty() {
        report.warn(
            "documents",
            format!("{} while the sources were read", plural(warnings.len(), "warning")),
            first(&warnings, |warning| warning.clone()),
            "correct these files, or leave them out of the source",
        );
    }
}

fn ids(index: &Index, report: &mut Report) {
    let duplicates = index.duplicates();
    if duplicates.is_empty() {
        return report.ok("ids", "every page has its own");
    }
    report.warn(
        "ids",
        format!("{} more than one page has", plural_of(duplicates.len(), "id that", "ids that")),
        first(duplicates, |id| format!("{id}: the later page is reached as {id}~2")),
        "rename one of the files, or serve the folders from one folder above them",
    );
}

fn links(index: &Index, report: &mut Report) {
    let broken = broken_links(index);
    if broken.is_empty() {
        return report.ok("links", "every link between the pages leads to one");
    }
    let shown = |link: &BrokenLink| format!("{} → {}", link.page, link.target);
    report.warn(
        "links",
        format!("{} nowhere", plural_of(broken.len(), "link leads", "links lead")),
        first(&broken, shown),
        "correct them in those pages: a link leads from the page's own folder, or with / from the source's",
    );
}

/// What a client would do first: search for something that is there.
fn search(index: &Index, report: &mut Report) {
    let words = |title: &str| {
        title.split_whitespace().any(|word| word.chars().filter(|c| c.is_alphanumeric()).count() > 3)
    };
    let half = index.pages().len() / 2;
    let (later, earlier) = (index.pages().iter().skip(half), index.pages().iter().take(half));
    let Some(page) = later.chain(earlier).find(|page| words(&page.title)) else {
        return report.skip("search", "no page has a title to search for");
    };
    let query = Query { text: &page.title, limit: 10, path: None, lang: None };
    let outcome = index.search(&query);
    let place = outcome
        .hits
        .iter()
        .position(|hit| index.pages().get(hit.page).is_some_and(|found| found.id == page.id));
    let same =
        |hit: &crate::docs::Hit| index.pages().get(hit.page).is_some_and(|found| found.title == page.title);
    match (place, outcome.hits.iter().any(same)) {
        (Some(place), _) => {
            report.ok("search", format!("{:?} finds {} in place {}", page.title, page.id, place + 1));
        }
        (None, true) => report.ok("search", format!("{:?} finds a page of that title", page.title)),
        (None, false) => report.warn(
            "search",
            format!("{:?} does not find {} among the first ten", page.title, page.id),
            format!("{} rank before the page of that title", plural(outcome.hits.len(), "section")),
            "give the page a title that says what it alone is about",
        ),
    }
}

/// The first few, a line each, and how many more.
fn first<T>(all: &[T], shown: impl Fn(&T) -> String) -> String {
    let mut lines: Vec<String> = all.iter().take(SHOWN).map(shown).collect();
    if all.len() > SHOWN {
        lines.push(format!("and {} more", all.len() - SHOWN));
    }
    lines.join("\n")
}

fn plural_of(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

const SHOWN: usize = 10;
