//! docquay's own manual, embedded: what is served when no source is named.
//!
//! The texts lie in `manual/`; a new page is a file there and a line in [`PAGES`].

use super::document;
use super::source::Reading;

/// Path and text of each page, in reading order.
const PAGES: &[(&str, &str)] = &[
    ("index.md", include_str!("manual/index.md")),
    ("getting-started.md", include_str!("manual/getting-started.md")),
    ("sources.md", include_str!("manual/sources.md")),
    ("search.md", include_str!("manual/search.md")),
    ("tools.md", include_str!("manual/tools.md")),
    ("clients.md", include_str!("manual/clients.md")),
    ("endpoints.md", include_str!("manual/endpoints.md")),
    ("commands.md", include_str!("manual/commands.md")),
    ("configuration.md", include_str!("manual/configuration.md")),
    ("certificates.md", include_str!("manual/certificates.md")),
    ("access.md", include_str!("manual/access.md")),
    ("proxy.md", include_str!("manual/proxy.md")),
    ("operations.md", include_str!("manual/operations.md")),
    ("container.md", include_str!("manual/container.md")),
    ("reload.md", include_str!("manual/reload.md")),
    ("limits.md", include_str!("manual/limits.md")),
    ("security.md", include_str!("manual/security.md")),
    ("metrics.md", include_str!("manual/metrics.md")),
    ("troubleshooting.md", include_str!("manual/troubleshooting.md")),
    ("protocol.md", include_str!("manual/protocol.md")),
    ("embedding.md", include_str!("manual/embedding.md")),
];

/// The manual's pages. It has no site of its own: docquay's `/docs/{id}` is where they are.
pub(super) fn read() -> Reading {
    let documents = PAGES.iter().filter_map(|(path, text)| {
        document::read(path, document::id_of(path, |_| false), text, None).map(|document| document.page)
    });
    Reading { pages: documents.collect(), warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_the_manual_has_a_description_and_a_text() {
        let pages = read().pages;
        assert_eq!(pages.len(), PAGES.len());
        assert_eq!(pages[0].id, "index");
        for (page, (path, text)) in pages.iter().zip(PAGES) {
            assert!(text.starts_with("---\n"), "{path} has no front matter");
            assert!(page.description.is_some(), "{path} has no description");
            assert!(page.sections.iter().any(|section| !section.text.is_empty()), "{path} says nothing");
        }
    }
}
