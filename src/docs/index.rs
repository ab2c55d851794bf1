//! The index: pages, the inverted lists over their sections, and the way from an id to a page.
//!
//! Owns building; ranking is `rank`, ids are `resolve`. A section is numbered through all pages in
//! source order; its words are the page's title (counted three times), the headings above it, its
//! heading (twice) and its text.

use std::collections::HashMap;

use super::language::{LANGUAGES, Language};
use super::postings::{Builder, Postings};
use super::progress::{Progress, Step};
use super::query::{Outcome, Query, Target};
use super::quote::fingerprint;
use super::resolve::{Ids, make_unique};
use super::terms::Stemmers;
use super::tokenize::{Kind, tokens};
use super::{Page, Section, rank, spelling};

/// An immutable index over pages; shared as `Arc<Index>`, replaced whole by a reload.
#[derive(Debug, Default)]
pub struct Index {
    pub(super) pages: Vec<Page>,
    duplicates: Vec<String>,
    ids: Ids,
    pub(super) postings: Postings,
    /// The number of each page's first section; one more entry than pages.
    pub(super) first_sections: Vec<u32>,
    /// Each section's words, stop words left out.
    pub(super) lengths: Vec<u32>,
    /// The sum of the lengths.
    pub(super) words: u64,
    /// Each page's language, named or guessed.
    pub(super) page_languages: Vec<Language>,
    /// The languages of the pages, the most frequent first.
    pub(super) languages: Vec<Language>,
    /// Fingerprints of headings and page titles, sorted, each with the section it names.
    pub(super) headings: Vec<(u32, u32)>,
}

impl Index {
    /// Builds the index. Ids are made unique here (`id`, `id~2`); the caller logs `duplicates`.
    /// A page without sections gets an empty one, so that its title can be found.
    #[must_use]
    pub fn build(pages: Vec<Page>) -> Self {
        Self::build_watched(pages, &Progress::default())
    }

    /// The same, saying how far it is.
    pub(super) fn build_watched(mut pages: Vec<Page>, progress: &Progress) -> Self {
        progress.begin(Step::Indexing, pages.len());
        let duplicates = make_unique(&mut pages);
        for page in &mut pages {
            if page.sections.is_empty() {
                page.sections.push(Section::lead(""));
            }
        }
        let mut index = Self { ids: Ids::new(&pages), duplicates, ..Self::default() };
        let mut words = Words::default();
        let languages = languages(&pages);
        for (page, language) in pages.iter().zip(&languages) {
            index.add(page, *language, &mut words);
            progress.advance();
        }
        index.words = index.lengths.iter().copied().map(u64::from).sum();
        index.page_languages = languages;
        index.first_sections.push(count(index.lengths.len()));
        index.postings = words.builder.finish();
        index.languages = ordered(&index.page_languages);
        index.headings.sort_unstable();
        index.headings.shrink_to_fit();
        index.lengths.shrink_to_fit();
        index.pages = pages;
        index
    }

    fn add(&mut self, page: &Page, language: Language, words: &mut Words) {
        let first = count(self.lengths.len());
        self.first_sections.push(first);
        self.headings.push((fingerprint(&page.title), first));
        for section in &page.sections {
            let number = count(self.lengths.len());
            if !section.heading.is_empty() {
                self.headings.push((fingerprint(&section.heading), number));
            }
            self.lengths.push(words.add(page, section, number, language));
        }
    }

    /// Ids that more than one page had, each once.
    #[must_use]
    pub fn duplicates(&self) -> &[String] {
        &self.duplicates
    }

    /// Every page, in source order.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// How many sections all pages have.
    #[must_use]
    pub fn section_count(&self) -> usize {
        self.lengths.len()
    }

    /// Ranks sections for a query. Never fails: nonsense gives no hits, with guidance.
    #[must_use]
    pub fn search(&self, query: &Query<'_>) -> Outcome {
        let (hits, unknown) = rank::search(self, query);
        let mut outcome = Outcome { hits, ..Outcome::default() };
        if outcome.hits.len() < FEW && !unknown.is_empty() {
            outcome.spelling = spelling::respell(self, query.text, &unknown);
        }
        if outcome.hits.is_empty() {
            outcome.nearest = spelling::nearest_titles(self, query.text);
        }
        outcome
    }

    /// What an id (`guide/tls`, `guide/tls#renewal`), a page's url, a `docs:///` URI, a path
    /// (`/guide/tls.md`) or a docquay `/docs/...` URL names. An exact id goes first, then what reads as
    /// one, then either in another case.
    #[must_use]
    pub fn resolve(&self, reference: &str) -> Option<Target> {
        self.ids.resolve(&self.pages, reference)
    }

    /// Ids nearest to one that does not resolve, for "did you mean".
    #[must_use]
    pub fn nearest_ids(&self, reference: &str, limit: usize) -> Vec<String> {
        self.ids.nearest(&self.pages, reference, limit)
    }

    /// Page ids that begin with `prefix`, in order, for completion; and how many there are.
    #[must_use]
    pub fn complete(&self, prefix: &str, limit: usize) -> (Vec<&str>, usize) {
        self.ids.complete(&self.pages, prefix, limit)
    }

    /// The page and the place in it of a section's number.
    pub(super) fn locate(&self, number: u32) -> (usize, usize) {
        let page = self.first_sections.partition_point(|first| *first <= number).saturating_sub(1);
        let first = self.first_sections.get(page).copied().unwrap_or_default();
        (page, number.saturating_sub(first) as usize)
    }
}

/// Fewer hits than this call for a look at the spelling.
const FEW: usize = 3;

impl Section {
    /// `page` or `page#anchor`: what search returns and fetch resolves.
    #[must_use]
    pub fn id(&self, page: &Page) -> String {
        if self.anchor.is_empty() { page.id.clone() } else { format!("{}#{}", page.id, self.anchor) }
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Each page's language: named, else told by its text, else the one that most pages have.
fn languages(pages: &[Page]) -> Vec<Language> {
    let told = |page: &Page| match &page.lang {
        Some(tag) => Some(Language::from_tag(tag)),
        None => Language::detect(page.sections.iter().map(|section| section.text.as_str())),
    };
    let told: Vec<Option<Language>> = pages.iter().map(told).collect();
    let known: Vec<Language> = told.iter().copied().flatten().collect();
    let usual = ordered(&known).first().copied().unwrap_or_default();
    told.into_iter().map(|language| language.unwrap_or(usual)).collect()
}

fn ordered(page_languages: &[Language]) -> Vec<Language> {
    let mut counts: Vec<(usize, Language)> = Vec::new();
    for language in page_languages {
        match counts.iter_mut().find(|(_, known)| known == language) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, *language)),
        }
    }
    counts.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
    counts.into_iter().map(|(_, language)| language).collect()
}

/// Turns sections into term numbers while the index is built.
#[derive(Default)]
struct Words {
    builder: Builder,
    stemmers: Stemmers,
    /// By language: what a token was found to be, so that each word is stemmed once.
    known: [HashMap<Box<str>, Known>; LANGUAGES],
    section: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Known {
    term: u32,
    stop: bool,
}

impl Words {
    /// Adds a section; its length.
    fn add(&mut self, page: &Page, section: &Section, number: u32, language: Language) -> u32 {
        self.section.clear();
        let mut length = 0;
        let fields = std::iter::repeat_n(page.title.as_str(), TITLE)
            .chain(section.parents.iter().map(String::as_str))
            .chain(std::iter::repeat_n(section.heading.as_str(), HEADING))
            .chain([section.text.as_str()]);
        for text in fields {
            tokens(text, |token, kind| {
                let Known { term, stop } = self.known(token, kind, language);
                length += u32::from(!stop && matches!(kind, Kind::Word | Kind::Character));
                self.section.push(term);
            });
        }
        self.builder.add(number, &mut self.section);
        length
    }

    fn known(&mut self, token: &str, kind: Kind, language: Language) -> Known {
        let stemmed = matches!(kind, Kind::Word);
        let memory = self.known.get_mut(language.number()).filter(|_| stemmed);
        if let Some(known) = memory.as_ref().and_then(|memory| memory.get(token)) {
            return *known;
        }
        let term = self.stemmers.term(token, kind, language);
        let known = Known { term: self.builder.number(&term.text), stop: term.stop };
        if let Some(memory) = memory {
            if memory.len() >= REMEMBERED {
                memory.clear();
            }
            memory.insert(token.into(), known);
        }
        known
    }
}

/// How often a word of the page's title, and of the section's own heading, counts.
const TITLE: usize = 3;
const HEADING: usize = 2;

/// Words remembered per language while the index is built.
const REMEMBERED: usize = 1 << 14;
