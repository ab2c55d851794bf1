//! The documents: sources, sections, the index, and the library that reloads it.
//!
//! Owns everything from a folder or a JSON index to a ranked answer. Never learns of HTTP or MCP.

mod address;
mod attributes;
mod construct;
mod dir;
mod document;
mod front_matter;
mod hugo_json;
mod index;
mod language;
mod library;
mod load;
mod loader;
mod manual;
mod markdown;
mod plan;
mod postings;
mod progress;
mod query;
mod quote;
mod rank;
mod resolve;
mod section;
mod snippet;
mod source;
mod spelling;
mod terms;
mod tokenize;
pub mod urls;
mod watch;
mod whole;

pub use index::Index;
pub use library::{Library, State};
pub use progress::{Progress, Step};
pub use query::{Hit, Outcome, Query, Target};
pub use source::{Fetch, Fetched, Options, Source, SourceError, Validators};
pub use urls::Urls;

/// A page with its sections: what a source yields and the index is built from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Page {
    /// Readable and stable: the path without extension (`guide/tls`), or the permalink's path;
    /// a second page with the id gets `~2` in source order.
    pub id: String,
    /// From front matter, else the first heading, else the file's name. Never empty.
    pub title: String,
    /// Where the page is published, absolute, if the source knows.
    pub url: Option<String>,
    /// One paragraph from front matter.
    pub description: Option<String>,
    /// From front matter.
    pub tags: Vec<String>,
    /// Two-letter language (`en`), from front matter, the path or the text.
    pub lang: Option<String>,
    /// In reading order; the first may be the text before any heading (level 0, anchor "").
    pub sections: Vec<Section>,
}

/// A heading and the text under it, up to the next heading.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Section {
    /// Unique within the page, as the site generator makes it; "" for the text before any heading.
    pub anchor: String,
    /// The heading's text, plain; "" for the text before any heading.
    pub heading: String,
    /// 1-6; 0 for the text before any heading.
    pub level: u8,
    /// The headings above this one, outermost first, without its own.
    pub parents: Vec<String>,
    /// Cleaned Markdown without the heading line: no shortcodes, comments, MDX imports.
    pub text: String,
}

impl Page {
    /// A page without sections, description, tags, url or language.
    #[must_use]
    pub fn new(id: impl Into<String>, title: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            url: None,
            description: None,
            tags: Vec::new(),
            lang: None,
            sections: Vec::new(),
        }
    }
}

impl Section {
    /// The text before any heading.
    #[must_use]
    pub fn lead(text: impl Into<String>) -> Self {
        Self {
            anchor: String::new(),
            heading: String::new(),
            level: 0,
            parents: Vec::new(),
            text: text.into(),
        }
    }

    /// A heading of the level 1-6 with the text under it; the caller sets `parents`.
    #[must_use]
    pub fn new(
        anchor: impl Into<String>,
        heading: impl Into<String>,
        level: u8,
        text: impl Into<String>,
    ) -> Self {
        Self { anchor: anchor.into(), heading: heading.into(), level, parents: Vec::new(), text: text.into() }
    }
}
