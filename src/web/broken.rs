//! Links between pages that lead nowhere: what a reader of the pages would find to be text without a link.
//!
//! Owns what counts as one. A link to anything but a page (an image, an archive) is not judged, and neither is one of
//! a page that is published elsewhere and may lead to what is there.

use std::collections::HashSet;

use pulldown_cmark::{Event, LinkType, Parser, Tag};

use super::links;
use super::render::{Definitions, options};
use crate::docs::{Index, Page, Target, urls};

/// A link that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokenLink {
    /// The id of the page that has it.
    pub page: String,
    /// As it is written there.
    pub target: String,
}

/// Every link between the pages that leads to no page, or to no section of one; each once a page, in reading order.
#[must_use]
pub fn broken_links(index: &Index) -> Vec<BrokenLink> {
    let mut broken = Vec::new();
    for page in index.pages() {
        let mut seen = HashSet::new();
        for target in targets(page) {
            if !leads_somewhere(index, page, &target) && seen.insert(target.clone()) {
                broken.push(BrokenLink { page: page.id.clone(), target });
            }
        }
    }
    broken
}

/// Where the links of a page lead, as written.
fn targets(page: &Page) -> Vec<String> {
    let definitions = Definitions::of(page);
    let mut targets = Vec::new();
    for section in &page.sections {
        let lookup = |link: pulldown_cmark::BrokenLink<'_>| definitions.find(&link);
        for event in Parser::new_with_broken_link_callback(&section.text, options(), Some(lookup)) {
            if let Event::Start(Tag::Link { link_type, dest_url, .. }) = event
                && link_type != LinkType::Email
            {
                targets.push(dest_url.into_string());
            }
        }
    }
    targets
}

fn leads_somewhere(index: &Index, page: &Page, href: &str) -> bool {
    let (path, fragment) = href.split_once('#').unwrap_or((href, ""));
    let Some(fragment) = urls::decode(fragment) else { return false };
    if href.starts_with('#') {
        return has_anchor(page, &fragment);
    }
    if !links::is_relative(href) || !is_page(path) {
        return true;
    }
    let Some(path) = urls::decode(path.split('?').next().unwrap_or(path)) else { return false };
    let found = links::candidates(&page.id, &path).into_iter().find_map(|id| index.resolve(&id));
    let found = found.and_then(|target| match target {
        Target::Page(page) | Target::Section { page, .. } => index.pages().get(page),
    });
    match found {
        Some(found) => has_anchor(found, &fragment),
        None => page.url.as_deref().is_some_and(urls::is_http),
    }
}

/// A heading's anchor, or one that the page sets in HTML or in a heading's attributes.
fn has_anchor(page: &Page, fragment: &str) -> bool {
    let quoted = [format!("\"{fragment}\""), format!("'{fragment}'"), format!("[^{fragment}")];
    let set = |text: &str| quoted.iter().any(|quoted| text.contains(quoted.as_str()));
    fragment.is_empty()
        || fragment == "top"
        || page.sections.iter().any(|section| section.anchor == fragment || set(&section.text))
}

/// Whether a path may name a page: by its ending, or for want of one.
fn is_page(path: &str) -> bool {
    let name = path.split('?').next().unwrap_or(path).rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((before, ending)) if !before.is_empty() => {
            let ending = ending.to_ascii_lowercase();
            ["md", "mdx", "markdown", "txt", "html", "htm"].contains(&ending.as_str())
                // `v1.2` is a name, and no kind of file has digits alone.
                || ending.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::Section;

    fn page(id: &str, text: &str) -> Page {
        let mut page = Page::new(id, id);
        page.sections.push(Section::new("top-part", "Top part", 2, text));
        page
    }

    fn broken(text: &str) -> Vec<String> {
        let index = Index::build(vec![
            page("guide/a", text),
            page("guide/b", "<a name=\"mark\">"),
            page("index", ""),
        ]);
        broken_links(&index).into_iter().map(|link| format!("{} {}", link.page, link.target)).collect()
    }

    #[test]
    fn links_that_lead_to_a_page_or_a_section_are_good() {
        for text in [
            "[x](b.md) [x](./b) [x](/guide/b/) [x](../index.md#top-part) [x](#top-part) [x](b.md#mark)",
            "[x](https://elsewhere.example/gone.md) [x](mailto:a@b.example) <a@b.example> [x](picture.png)",
            "[x][label]\n\n[label]: b.md",
            "`[x](gone.md)` and ![x](gone.md)",
        ] {
            assert_eq!(broken(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found_once_each() {
        let text = "[x](gone.md) [y](gone.md) [x](b.md#nowhere) [x](#nothing) [x](/v1.2) [x][l]\n\n[l]: ../c";
        let found = ["gone.md", "b.md#nowhere", "#nothing", "/v1.2", "../c"]
            .map(|target| format!("guide/a {target}"));
        assert_eq!(broken(text), found);
    }

    #[test]
    fn what_a_published_page_links_to_may_be_on_its_site() {
        let mut published = page("guide/a", "[x](gone.md)");
        published.url = Some("https://docs.example/guide/a/".to_owned());
        assert_eq!(broken_links(&Index::build(vec![published])), []);
    }
}
