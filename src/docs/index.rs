//! Our own BM25 over sections: title and heading path as fields.

use super::query::{Outcome, Query, Target};
use super::{Page, Section};

/// An immutable index over pages; shared as `Arc<Index>`, replaced whole by a reload.
#[derive(Debug, Default)]
pub struct Index {
    pages: Vec<Page>,
}

impl Index {
    /// Builds the index. Ids are made unique here (`id`, `id~2`); the caller logs `duplicates`.
    #[must_use]
    pub fn build(pages: Vec<Page>) -> Self {
        Self { pages }
    }

    /// Ids that more than one page had, each once.
    #[must_use]
    pub fn duplicates(&self) -> &[String] {
        unimplemented!("search helper")
    }

    /// Every page, in source order.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// How many sections all pages have.
    #[must_use]
    pub fn section_count(&self) -> usize {
        unimplemented!("search helper")
    }

    /// Ranks sections for a query. Never fails: nonsense gives no hits, with guidance.
    #[must_use]
    pub fn search(&self, _query: &Query<'_>) -> Outcome {
        unimplemented!("search helper")
    }

    /// What an id (`guide/tls`, `guide/tls#renewal`), a page's url, a `docs:///` URI, a path
    /// (`/guide/tls.md`) or a docquay `/docs/...` URL names.
    #[must_use]
    pub fn resolve(&self, _reference: &str) -> Option<Target> {
        unimplemented!("search helper")
    }

    /// Ids nearest to one that does not resolve, for "did you mean".
    #[must_use]
    pub fn nearest_ids(&self, _reference: &str, _limit: usize) -> Vec<String> {
        unimplemented!("search helper")
    }

    /// Page ids that begin with `prefix`, in order, for completion; and how many there are.
    #[must_use]
    pub fn complete(&self, _prefix: &str, _limit: usize) -> (Vec<&str>, usize) {
        unimplemented!("search helper")
    }
}

impl Section {
    /// `page` or `page#anchor`: what search returns and fetch resolves.
    #[must_use]
    pub fn id(&self, page: &Page) -> String {
        if self.anchor.is_empty() { page.id.clone() } else { format!("{}#{}", page.id, self.anchor) }
    }
}
