//! `/llms.txt`, the list of pages, and `/llms-full.txt`, all of their text. <https://llmstxt.org>.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ::http::StatusCode;
use bytes::Bytes;
use tracing::warn;

use super::Site;
use super::answer::{MARKDOWN, PLAIN, etag, has, validated, whole};
use crate::docs::{Index, Urls};
use crate::http::{Request, Response};

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Links,
    Full,
}

/// What was built last, shared by the requests that are still reading it and gone with them: the
/// corpus is never held twice while nobody reads.
#[derive(Debug, Default)]
pub(super) struct Built {
    links: Mutex<Last>,
    full: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    index: Weak<Index>,
    text: Weak<String>,
    tag: String,
}

/// A text with its validator.
struct Tagged {
    text: Bytes,
    tag: String,
}

/// What [`Bytes`] keeps alive.
struct Shared(Arc<String>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

pub(super) async fn answer(site: &Arc<Site>, kind: Kind, request: &Request) -> Response {
    let index = site.library.index();
    // A caller that has the text already costs no building.
    if let Some(tag) = site.built.known(kind, &index).filter(|tag| has(request.headers(), tag)) {
        return validated(request, content_type(kind), Bytes::new(), &tag);
    }
    let shared = Arc::clone(site);
    // Building grows with the corpus, so it runs off the async threads.
    let built = tokio::task::spawn_blocking(move || shared.built.get(kind, &index, &shared));
    match built.await {
        Ok(Tagged { text, tag }) => validated(request, content_type(kind), text, &tag),
        Err(error) => {
            warn!(%error, "llms.txt could not be built");
            whole(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "the text could not be built\n")
        }
    }
}

fn content_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Links => PLAIN,
        Kind::Full => MARKDOWN,
    }
}

impl Built {
    fn last(&self, kind: Kind) -> &Mutex<Last> {
        match kind {
            Kind::Links => &self.links,
            Kind::Full => &self.full,
        }
    }

    /// The validator of the text for `index`, if it is known; never waits for one that is being built.
    fn known(&self, kind: Kind, index: &Arc<Index>) -> Option<String> {
        self.last(kind).try_lock().ok()?.tag_of(index)
    }

    /// The text for `index`. Requests for the same one wait for each other and share it.
    fn get(&self, kind: Kind, index: &Arc<Index>, site: &Site) -> Tagged {
        let mut last = self.last(kind).lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(tag), Some(text)) = (last.tag_of(index), last.text.upgrade()) {
            return Tagged { text: Bytes::from_owner(Shared(text)), tag };
        }
        let text = Arc::new(match kind {
            Kind::Links => links(index, &site.urls, &site.name),
            Kind::Full => full(index, &site.urls),
        });
        let tag = etag(text.as_bytes());
        *last = Last { index: Arc::downgrade(index), text: Arc::downgrade(&text), tag: tag.clone() };
        Tagged { text: Bytes::from_owner(Shared(text)), tag }
    }
}

impl Last {
    fn tag_of(&self, index: &Arc<Index>) -> Option<String> {
        std::ptr::eq(self.index.as_ptr(), Arc::as_ptr(index)).then(|| self.tag.clone())
    }
}

fn links(index: &Index, urls: &Urls, name: &str) -> String {
    let mut out = format!(
        "# {}\n\n> {} pages of documentation. Assistants can search and read them over the Model Context \
         Protocol at {base}/mcp; all of the text in one file: {base}/llms-full.txt\n\n## Docs\n\n",
        one_line(name),
        index.pages().len(),
        base = urls.base(),
    );
    for page in index.pages() {
        let title = one_line(&page.title).replace('[', "\\[").replace(']', "\\]");
        // Parentheses would end the link.
        let url = urls.served(page).replace('(', "%28").replace(')', "%29");
        let _ = write!(out, "- [{title}]({url}.md)");
        if let Some(description) = &page.description {
            let _ = write!(out, ": {}", one_line(description));
        }
        out.push('\n');
    }
    out
}

fn full(index: &Index, urls: &Urls) -> String {
    let length = index.pages().iter().map(|page| page.markdown_len() + 128).sum();
    let mut out = String::with_capacity(length);
    for page in index.pages() {
        let _ = write!(out, "<!-- {} -->\n\n", urls.page(page).replace("--", "%2D%2D"));
        out.push_str(&page.markdown());
        out.push('\n');
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::{Page, Section};

    fn index() -> Arc<Index> {
        let mut page = Page::new("a/b (c)", "A [draft]\nof B");
        page.description = Some("What\nit is.".to_owned());
        page.sections = vec![Section::lead("Text.")];
        Arc::new(Index::build(vec![page]))
    }

    #[test]
    fn the_list_is_one_line_a_page() {
        let text = links(&index(), &Urls::new("https://example.com"), "Docs");
        let line = "- [A \\[draft\\] of B](https://example.com/docs/a/b%20%28c%29.md): What it is.\n";
        assert!(text.starts_with("# Docs\n\n> 1 pages") && text.ends_with(line), "{text}");
    }

    #[test]
    fn the_full_text_holds_every_page_under_its_address() {
        let text = full(&index(), &Urls::new("https://example.com"));
        assert_eq!(text, "<!-- https://example.com/docs/a/b%20(c) -->\n\n# A [draft]\nof B\n\nText.\n\n\n");
    }

    #[test]
    fn a_tag_belongs_to_one_index() {
        let (one, other) = (index(), index());
        let last = Last { index: Arc::downgrade(&one), text: Weak::new(), tag: "t".to_owned() };
        assert_eq!(last.tag_of(&one).as_deref(), Some("t"));
        assert_eq!(last.tag_of(&other), None);
    }
}
