//! The shapes of a question to the index and of its answer.

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Query<'a> {
    /// The words, as the model or person wrote them; any length.
    pub text: &'a str,
    /// Most hits; 0 means the default (10). Capped at 50.
    pub limit: usize,
    /// Only pages whose id begins with this path.
    pub path: Option<&'a str>,
    /// Only pages of this language.
    pub lang: Option<&'a str>,
}

/// A section that matched.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// Index into [`Index::pages`](super::Index::pages).
    pub page: usize,
    /// Index into that page's sections.
    pub section: usize,
    /// Higher is better; comparable within one answer only.
    pub score: f32,
    /// 80-150 tokens around the match, plain text.
    pub snippet: String,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Best first.
    pub hits: Vec<Hit>,
    /// With no hits: pages with the nearest titles, best first.
    pub nearest: Vec<usize>,
    /// With no or few hits: the query with its unknown words respelled, if the corpus knows a near one.
    pub spelling: Option<String>,
}

/// What an id, URL or path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A whole page: index into [`Index::pages`](super::Index::pages).
    Page(usize),
    /// One section of a page.
    Section {
        /// Index into [`Index::pages`](super::Index::pages).
        page: usize,
        /// Index into that page's sections.
        section: usize,
    },
}

impl Target {
    /// Whether a hit is of this page or this section.
    #[must_use]
    pub fn has(self, hit: &Hit) -> bool {
        match self {
            Self::Page(page) => hit.page == page,
            Self::Section { page, section } => (hit.page, hit.section) == (page, section),
        }
    }
}
