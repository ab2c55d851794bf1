//! Ranks sections for a query: BM25, then exact words.
//!
//! Owns the order of an answer. Works through the lists window by window, so that its scratch does
//! not grow with the corpus (Lucene's `BooleanScorer`), keeps the best candidates, and reads the text of
//! those alone. BM25 as Robertson and Zaragoza give it in "The Probabilistic Relevance Framework" (2009),
//! with Lucene's idf.

use super::index::Index;
use super::language::{Language, primary};
use super::plan::{Plan, Word};
use super::postings::List;
use super::query::{Hit, Query};
use super::quote::Quote;
use super::snippet;

/// BM25's saturation and length parameters; a little over the usual 1.2, for a section is short and a
/// word repeated in it says more.
const K1: f32 = 1.4;

const B: f32 = 0.75;
/// The weight of a query's neighbouring words that are neighbours in the section too.
const NEIGHBOURS: f32 = 0.5;
/// Candidates kept by score, and again by how many of the query's words they hold.
const CANDIDATES: usize = LIMIT;
/// Sections of a window at least; a page is never divided.
const WINDOW: usize = 1024;
/// Most hits of one page in an answer.
const PER_PAGE: usize = 2;

/// The hits, and the query's words that no section holds.
pub(super) fn search(index: &Index, query: &Query<'_>) -> (Vec<Hit>, Vec<String>) {
    let plan = Plan::new(index, query.text);
    let quote = Quote::new(plan.text);
    let mut candidates = candidates(index, &plan, query);
    add_headings(index, &quote, query, &mut candidates);
    let limit = if query.limit == 0 { DEFAULT_LIMIT } else { query.limit.min(LIMIT) };
    read_exactly(index, &plan, &quote, limit, &mut candidates);
    let mut hits: Vec<Hit> = Vec::with_capacity(limit.min(candidates.len()));
    for candidate in &candidates {
        let (page, section) = index.locate(candidate.section);
        if hits.iter().filter(|hit| hit.page == page).count() >= PER_PAGE {
            continue;
        }
        let text = index.pages.get(page).and_then(|page| page.sections.get(section));
        let snippet = text.map_or_else(String::new, |section| snippet::around(&section.text, &plan, &quote));
        hits.push(Hit { page, section, score: candidate.score, snippet });
        if hits.len() == limit {
            break;
        }
    }
    (hits, plan.unknown)
}

/// Adds exactness to the scores and sorts. Reading text costs more than all else, so those candidates are
/// read first that may rise highest, until no other can enter the answer.
fn read_exactly(
    index: &Index,
    plan: &Plan<'_>,
    quote: &Quote,
    limit: usize,
    candidates: &mut Vec<Candidate>,
) {
    let mut by_reach: Vec<(f32, Candidate)> =
        candidates.drain(..).map(|candidate| (candidate.reach(plan), candidate)).collect();
    by_reach
        .sort_unstable_by(|left, right| right.0.total_cmp(&left.0).then(Candidate::order(&left.1, &right.1)));
    for (reach, mut candidate) in by_reach {
        if candidates.len().is_multiple_of(LOOK_EVERY) {
            candidates.sort_unstable_by(Candidate::order);
            if score_to_enter(index, candidates, limit).is_some_and(|score| reach < score) {
                break;
            }
        }
        candidate.score += exactness(index, candidate.section, plan, quote);
        candidates.push(candidate);
    }
    candidates.sort_unstable_by(Candidate::order);
}

/// The score of the last hit, were these sorted candidates all; none if the answer has room.
fn score_to_enter(index: &Index, sorted: &[Candidate], limit: usize) -> Option<f32> {
    let mut pages: Vec<usize> = Vec::with_capacity(limit);
    for candidate in sorted {
        let (page, _) = index.locate(candidate.section);
        if pages.iter().filter(|known| **known == page).count() >= PER_PAGE {
            continue;
        }
        pages.push(page);
        if pages.len() == limit {
            return Some(candidate.score);
        }
    }
    None
}

/// Candidates read between two looks at what is left.
const LOOK_EVERY: usize = 4;

const DEFAULT_LIMIT: usize = 10;
const LIMIT: usize = 50;

/// A section that may become a hit.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    section: u32,
    score: f32,
    /// A bit for each of the plan's words that it holds.
    words: u64,
}

impl Candidate {
    /// The highest score that exact words may give it.
    fn reach(&self, plan: &Plan<'_>) -> f32 {
        // A heading that is the query may stand in a section of which no word was looked for.
        if self.words == 0 || plan.may_be_quoted(self.words) {
            return f32::INFINITY;
        }
        self.score + NEIGHBOURS * plan.neighbours(plan.neighbours_among(self.words))
    }

    fn order(left: &Self, right: &Self) -> std::cmp::Ordering {
        right.score.total_cmp(&left.score).then(left.section.cmp(&right.section))
    }

    fn order_by_words(left: &Self, right: &Self) -> std::cmp::Ordering {
        right.words.count_ones().cmp(&left.words.count_ones()).then_with(|| Self::order(left, right))
    }
}

/// The best of what it is given, a bounded number.
struct Best {
    kept: Vec<Candidate>,
    order: fn(&Candidate, &Candidate) -> std::cmp::Ordering,
    worst: Option<Candidate>,
}

impl Best {
    fn new(order: fn(&Candidate, &Candidate) -> std::cmp::Ordering) -> Self {
        Self { kept: Vec::with_capacity(2 * CANDIDATES), order, worst: None }
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.worst.is_some_and(|worst| (self.order)(&candidate, &worst).is_gt()) {
            return;
        }
        self.kept.push(candidate);
        if self.kept.len() == 2 * CANDIDATES {
            self.trim();
        }
    }

    fn trim(&mut self) {
        if self.kept.len() > CANDIDATES {
            self.kept.select_nth_unstable_by(CANDIDATES - 1, self.order);
            self.kept.truncate(CANDIDATES);
            self.worst = self.kept.last().copied();
        }
    }
}

/// A window's sums for one section.
#[derive(Clone, Copy, Default)]
struct Sum {
    score: f32,
    /// A bit for each word of the plan.
    words: u64,
}

fn candidates(index: &Index, plan: &Plan<'_>, query: &Query<'_>) -> Vec<Candidate> {
    let average = average_length(index);
    let mut cursors: Vec<Cursor<'_>> = plan.words.iter().zip(0..).flat_map(Cursor::of).collect();
    let mut best = Best::new(Candidate::order);
    let mut fullest = Best::new(Candidate::order_by_words);
    let mut sums: Vec<Sum> = Vec::new();
    while let Some(next) = cursors.iter().filter_map(|cursor| cursor.head).map(|(section, _)| section).min() {
        let (first_page, _) = index.locate(next);
        let window = Window::new(index, first_page);
        sums.clear();
        sums.resize(window.lengths.len(), Sum::default());
        for cursor in &mut cursors {
            cursor.score(&window, average, &mut sums);
        }
        let mut number = window.first;
        for page in window.pages {
            let end = index.first_sections.get(page + 1).copied().unwrap_or(window.end);
            let scored = sums.get((number - window.first) as usize..(end - window.first) as usize);
            let touched = (number..end).zip(scored.unwrap_or_default()).filter(|(_, sum)| sum.words != 0);
            let mut touched = touched.peekable();
            number = end;
            if touched.peek().is_none() || !admits(index, page, query) {
                continue;
            }
            for (section, sum) in touched {
                let candidate = Candidate { section, score: sum.score, words: sum.words };
                best.offer(candidate);
                fullest.offer(candidate);
            }
        }
    }
    best.trim();
    fullest.trim();
    let mut all = best.kept;
    all.append(&mut fullest.kept);
    all.sort_unstable_by_key(|candidate| candidate.section);
    all.dedup_by_key(|candidate| candidate.section);
    all
}

/// The mean length of a section, never zero.
#[expect(clippy::cast_precision_loss, reason = "a mean needs no more than f32 has")]
fn average_length(index: &Index) -> f32 {
    index.words.max(1) as f32 / index.lengths.len().max(1) as f32
}

/// Consecutive pages whose sections are scored together.
struct Window<'i> {
    lengths: &'i [u32],
    pages: std::ops::Range<usize>,
    first: u32,
    end: u32,
}

impl<'i> Window<'i> {
    fn new(index: &'i Index, page: usize) -> Self {
        let starts = index.first_sections.get(page..).unwrap_or_default();
        let first = starts.first().copied().unwrap_or_default();
        let whole = starts.partition_point(|start| ((*start - first) as usize) < WINDOW);
        let count = whole.clamp(1, starts.len().saturating_sub(1).max(1));
        let end = starts.get(count).copied().unwrap_or(first);
        let lengths = index.lengths.get(first as usize..end as usize).unwrap_or_default();
        Self { lengths, pages: page..page + count, first, end }
    }
}

/// A place in one list.
struct Cursor<'i> {
    list: List<'i>,
    head: Option<(u32, u32)>,
    weight: f32,
    bit: u64,
}

impl<'i> Cursor<'i> {
    fn of((word, place): (&Word<'i>, u32)) -> Vec<Self> {
        let cursor = |list: &List<'i>| {
            let mut list = list.clone();
            Self { head: list.next(), list, weight: word.weight, bit: 1_u64.checked_shl(place).unwrap_or(0) }
        };
        word.lists.iter().map(cursor).collect()
    }

    /// Adds the window's part of the list to the sums.
    fn score(&mut self, window: &Window<'_>, average: f32, sums: &mut [Sum]) {
        while let Some((section, count)) = self.head.filter(|(section, _)| *section < window.end) {
            let place = (section - window.first) as usize;
            if let (Some(sum), Some(length)) = (sums.get_mut(place), window.lengths.get(place)) {
                sum.score += self.weight * saturate(count, *length, average);
                sum.words |= self.bit;
            }
            self.head = self.list.next();
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of words: f32 is exact to 16 million")]
fn saturate(count: u32, length: u32, average: f32) -> f32 {
    let count = count as f32;
    count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length as f32 / average))
}

/// Whether the query's filters let a page in.
fn admits(index: &Index, page: usize, query: &Query<'_>) -> bool {
    let Some(document) = index.pages.get(page) else { return false };
    let in_path = query.path.is_none_or(|path| {
        let path = path.trim_matches('/');
        let rest = document.id.trim_start_matches('/').strip_prefix(path);
        path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    in_path
        && query.lang.is_none_or(|tag| match &document.lang {
            Some(named) => primary(named).eq_ignore_ascii_case(primary(tag)),
            None => index.page_languages.get(page).is_some_and(|known| *known == Language::from_tag(tag)),
        })
}

/// Adds the sections whose heading, or whose page's title, is the query.
fn add_headings(index: &Index, quote: &Quote, query: &Query<'_>, candidates: &mut Vec<Candidate>) {
    if quote.length == 0 {
        return;
    }
    let wanted = quote.fingerprint();
    let start = index.headings.partition_point(|(fingerprint, _)| *fingerprint < wanted);
    let equal = index.headings.iter().skip(start).take_while(|(fingerprint, _)| *fingerprint == wanted);
    for (_, section) in equal.take(CANDIDATES) {
        let known = candidates.iter().any(|candidate| candidate.section == *section);
        if !known && admits(index, index.locate(*section).0, query) {
            candidates.push(Candidate { section: *section, score: 0.0, words: 0 });
        }
    }
}

/// What exact words add to a score: a section that quotes the whole query outranks all that do not, one
/// whose heading is the query outranks those too.
fn exactness(index: &Index, number: u32, plan: &Plan<'_>, quote: &Quote) -> f32 {
    let (page_number, place) = index.locate(number);
    let Some(page) = index.pages.get(page_number) else { return 0.0 };
    let Some(section) = page.sections.get(place) else { return 0.0 };
    // No sum of BM25 scores exceeds this.
    let most = (K1 + 1.0) * plan.words.iter().map(|word| word.weight).sum::<f32>() + 1.0;
    if quote.is(&section.heading) || place == 0 && quote.is(&page.title) {
        return 2.0 * most;
    }
    let mut followed = 0;
    for text in [&section.heading, &section.text] {
        let found = quote.find(text);
        if found.whole && quote.length > 1 {
            return most;
        }
        followed |= found.followed;
    }
    NEIGHBOURS * plan.neighbours(followed)
}
