//! `/docs/{id}`: a page for reading, `/docs/{id}.md`: its Markdown.

use std::fmt::Write as _;

use ::http::StatusCode;

use super::answer::{HTML, MARKDOWN, fresh, moved, whole};
use super::shell::{self, escape};
use super::{Site, render};
use crate::docs::{Index, Page, Target, Urls, urls};
use crate::http::{Request, Response};

/// Sections from which on a page shows its contents first.
const CONTENTS_FROM: usize = 4;

pub(super) fn page(site: &Site, request: &Request) -> Response {
    let index = site.library.index();
    let wanted = request.path().strip_prefix("/docs/").and_then(urls::decode).unwrap_or_default();
    if let Some((at, page)) = by_id(&index, &wanted) {
        return fresh(request, HTML, document(site, &index, at, page));
    }
    if let Some((_, page)) = wanted.strip_suffix(".md").and_then(|id| by_id(&index, id)) {
        return fresh(request, MARKDOWN, page.markdown());
    }
    match index.resolve(&wanted) {
        Some(Target::Page(page) | Target::Section { page, .. }) if !wanted.is_empty() => {
            let path = index.pages().get(page).map(|page| site.urls.served_path(page));
            path.map_or_else(|| unknown(site, &index, &wanted), |path| moved(&path))
        }
        _ => unknown(site, &index, &wanted),
    }
}

/// The page with exactly this id.
fn by_id<'a>(index: &'a Index, id: &str) -> Option<(usize, &'a Page)> {
    let named = |at: usize| index.pages().get(at).filter(|page| page.id == id).map(|page| (at, page));
    match index.resolve(id) {
        Some(Target::Page(at)) if named(at).is_some() => named(at),
        // An id that reads like something else, such as `c#`.
        _ => index.pages().iter().enumerate().find(|(_, page)| page.id == id),
    }
}

fn document(site: &Site, index: &Index, at: usize, page: &Page) -> String {
    let mut main = String::new();
    if let Some((folder, _)) = page.id.rsplit_once('/') {
        let _ = writeln!(main, "<p class=\"crumbs\">{}</p>", escape(&folder.replace('/', " / ")));
    }
    let article = render::article(page, &|reference| served(index, &site.urls, reference));
    // The contents stand behind the title.
    let (title, rest) = match article.find("</h1>\n").and_then(|at| article.split_at_checked(at + 6)) {
        Some((title, rest)) if title.matches("<h").count() == 1 => (title, rest),
        _ => ("", article.as_str()),
    };
    let _ = write!(main, "<article>\n{title}{}{rest}</article>\n", contents(page));
    main.push_str(&around(site, index, at));
    let source = format!("{}.md", site.urls.served_path(page));
    let _ = write!(main, "<p class=\"meta\"><a href=\"{}\">Markdown source</a>", escape(&source));
    let own = site.urls.page(page);
    if own != site.urls.served(page) {
        let _ = write!(main, "<a href=\"{}\">Published page</a>", escape(&own));
    }
    main.push_str("</p>\n");
    let home = format!("{}/", site.urls.prefix());
    let title = format!("{} · {}", page.title, site.name);
    shell::page(&title, page.description.as_deref().unwrap_or_default(), (&site.name, &home), &main)
}

/// The path at which this server shows what `reference` names.
fn served(index: &Index, urls: &Urls, reference: &str) -> Option<String> {
    match index.resolve(reference)? {
        Target::Page(page) => Some(urls.served_path(index.pages().get(page)?)),
        Target::Section { page, section } => {
            let page = index.pages().get(page)?;
            let anchor = &page.sections.get(section)?.anchor;
            Some(format!("{}#{}", urls.served_path(page), urls::encode_fragment(anchor)))
        }
    }
}

fn contents(page: &Page) -> String {
    let shown = |level: u8| (2..=3).contains(&level);
    let sections = page.sections.iter().filter(|section| shown(section.level) && !section.anchor.is_empty());
    if sections.clone().count() < CONTENTS_FROM {
        return String::new();
    }
    let mut out = String::from("<details class=\"toc\"><summary>On this page</summary>\n<ul>\n");
    for section in sections {
        let indent = if section.level > 2 { " style=\"margin-left:1.2rem\"" } else { "" };
        let fragment = urls::encode_fragment(&section.anchor);
        let words = escape(&section.heading);
        let _ = writeln!(out, "<li{indent}><a href=\"#{}\">{words}</a></li>", escape(&fragment));
    }
    out.push_str("</ul>\n</details>\n");
    out
}

/// Links to the pages before and behind this one.
fn around(site: &Site, index: &Index, at: usize) -> String {
    let link = |page: Option<&Page>, class: &str, word: &str| {
        page.map_or_else(String::new, |page| {
            let path = site.urls.served_path(page);
            let title = escape(&page.title);
            format!("<a class=\"{class}\" href=\"{}\"><span>{word}</span>{title}</a>\n", escape(&path))
        })
    };
    let before = at.checked_sub(1).and_then(|at| index.pages().get(at));
    let behind = index.pages().get(at + 1);
    let links = link(before, "previous", "Previous") + &link(behind, "next", "Next");
    format!("<nav class=\"around\">\n{links}</nav>\n")
}

fn unknown(site: &Site, index: &Index, wanted: &str) -> Response {
    let shown: String = wanted.chars().take(200).collect();
    let mut main =
        format!("<h1>No such page</h1>\n<p>There is no page <code>{}</code>.</p>\n", escape(&shown));
    let nearest = index.nearest_ids(&shown, 5);
    let links = nearest.iter().filter_map(|id| Some((id, served(index, &site.urls, id)?)));
    let links: String = links
        .map(|(id, path)| format!("<li><a href=\"{}\">{}</a></li>\n", escape(&path), escape(id)))
        .collect();
    if !links.is_empty() {
        let _ = write!(main, "<p>Perhaps one of these was meant:</p>\n<ul>\n{links}</ul>\n");
    }
    let home = format!("{}/", site.urls.prefix());
    let _ = writeln!(main, "<p><a href=\"{}\">All pages</a></p>", escape(&home));
    let title = format!("No such page · {}", site.name);
    whole(StatusCode::NOT_FOUND, HTML, shell::page(&title, "", (&site.name, &home), &main))
}
