//! What a query asks of the index: its words, their lists and weights.
//!
//! Owns the reading of a query: stop words, the corpus's languages, the bound on its length.

use std::collections::HashMap;

use super::index::Index;
use super::language::Language;
use super::postings::List;
use super::terms::Stemmers;
use super::tokenize::{Kind, tokens, units};

/// A query, read.
#[derive(Debug)]
pub(super) struct Plan<'q> {
    /// As much of the query as is read.
    pub(super) text: &'q str,
    /// The words that sections are scored by, the rarest first; at most [`MOST_WORDS`].
    pub(super) words: Vec<Word<'q>>,
    /// Words that carry meaning and that no section holds, folded.
    pub(super) unknown: Vec<String>,
    /// For each of the first 64 units of the text, its weight (0 for stop words) and its word's bit.
    units: Vec<(f32, u64)>,
    /// A bit for each first letter of a word, to pass over most of a text at once.
    firsts: u32,
}

/// One word of a query, in every language of the corpus.
#[derive(Debug)]
pub(super) struct Word<'q> {
    /// Folded, not stemmed.
    pub(super) text: String,
    /// Its stem's list in each language, equal stems once.
    pub(super) lists: Vec<List<'q>>,
    /// How rare it is.
    pub(super) idf: f32,
    /// How much it counts: its rarity, as often as the query has it.
    pub(super) weight: f32,
    sections: u32,
    kind: Kind,
    /// What its forms begin with, by language.
    beginnings: Vec<String>,
}

/// Most of a query that is read, bytes.
const LONGEST: usize = 16 * 1024;
/// Most words that are looked for.
const MOST_WORDS: usize = 64;
/// With fewer words of meaning than this, stop words are looked for too.
const FEW_WORDS: usize = 3;

impl<'q> Plan<'q> {
    pub(super) fn new(index: &'q Index, text: &'q str) -> Self {
        let text = text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text);
        let mut reader = Reader { index, stemmers: Stemmers::default() };
        let language = reader.language(text);
        let (mut words, mut stops, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        // A word that a question repeats weighs as often as it stands there.
        let mut times: HashMap<String, f32> = HashMap::new();
        let paired = has_pair(text);
        tokens(text, |token, kind| {
            if kind == Kind::Character && paired {
                return;
            }
            if let Some(times) = times.get_mut(token) {
                *times += 1.0;
                return;
            }
            times.insert(token.to_owned(), 1.0);
            let word = reader.word(token, kind);
            if kind == Kind::Word && language.stops(token) {
                stops.push(word);
            } else if word.lists.is_empty() {
                if kind == Kind::Word {
                    unknown.push(word.text);
                }
            } else {
                words.push(word);
            }
        });
        let known = words.iter().filter(|word| word.kind != Kind::Piece).count();
        if known < FEW_WORDS && (known > 0 || unknown.is_empty()) {
            words.append(&mut stops);
        }
        words.sort_by(|left, right| {
            left.sections.cmp(&right.sections).then_with(|| left.text.cmp(&right.text))
        });
        words.truncate(MOST_WORDS);
        for word in &mut words {
            word.weight = word.idf * times.get(&word.text).copied().unwrap_or(1.0);
        }
        let units = weigh_units(text, &words);
        let first = |word: &Word<'_>| 1 << (word.text.bytes().next().unwrap_or_default() & 31);
        let firsts = words.iter().fold(0, |firsts, word| firsts | first(word));
        Self { text, words, unknown, units, firsts }
    }

    /// The weight of neighbours: for each place in `followed`, the lesser of its word's and the one
    /// before.
    pub(super) fn neighbours(&self, followed: u64) -> f32 {
        let pairs = self.units.iter().zip(self.units.iter().skip(1));
        pairs
            .zip(1..)
            .filter(|(_, place)| followed >> place & 1 == 1)
            .map(|(((left, _), (right, _)), _)| left.min(*right))
            .sum()
    }

    /// The places of the query whose word, and the one before, are among `words`: no others can be
    /// neighbours in a section that holds just these.
    pub(super) fn neighbours_among(&self, words: u64) -> u64 {
        let pairs = self.units.iter().zip(self.units.iter().skip(1)).zip(1..);
        let held = pairs.filter(|(((_, left), (_, right)), _)| left & words != 0 && right & words != 0);
        held.fold(0, |places, (_, place)| places | 1 << place)
    }

    /// Whether a section with these words may hold the query word for word.
    pub(super) fn may_be_quoted(&self, words: u64) -> bool {
        let whole = |word: &Word<'_>| matches!(word.kind, Kind::Word | Kind::Character);
        let mut needed = self.words.iter().zip(0..MOST_WORDS).filter(|(word, _)| whole(word));
        self.unknown.is_empty() && needed.all(|(_, place)| words >> place & 1 == 1)
    }

    /// A bit for each of the query's words that a text holds, as far as the beginnings of words tell.
    pub(super) fn matches(&self, text: &str) -> u64 {
        let mut folded = String::new();
        let mut found = 0;
        for unit in units(text) {
            let first = unit.of(text).bytes().next().unwrap_or_default();
            if first.is_ascii() && self.firsts >> (first & 31) & 1 == 0 {
                continue;
            }
            unit.fold_into(text, &mut folded);
            for (word, place) in self.words.iter().zip(0..MOST_WORDS) {
                found |= u64::from(word.is_begun_by(&folded)) << place;
            }
        }
        found
    }

    /// The weight of the words that `matches` gave.
    pub(super) fn weight_of(&self, matches: u64) -> f32 {
        let words = self.words.iter().zip(0..MOST_WORDS);
        words.filter(|(_, place)| matches >> place & 1 == 1).map(|(word, _)| word.idf).sum()
    }

    /// The weight of the query's words in a text.
    pub(super) fn coverage(&self, text: &str) -> f32 {
        self.weight_of(self.matches(text))
    }
}

impl Word<'_> {
    /// Whether a word of a text, folded, is this one or another form of it.
    fn is_begun_by(&self, folded: &str) -> bool {
        folded == self.text
            || self.beginnings.iter().any(|beginning| {
                folded.strip_prefix(beginning.as_str()).is_some_and(|ending| ending.len() <= LONGEST_ENDING)
            })
    }
}

/// What may follow a stem in another form of the word, bytes.
const LONGEST_ENDING: usize = 5;

struct Reader<'q> {
    index: &'q Index,
    stemmers: Stemmers,
}

impl<'q> Reader<'q> {
    /// The query's language among those of the corpus; the most frequent one if its words do not tell.
    fn language(&self, text: &str) -> Language {
        let mut folded = String::new();
        let mut best = (0, self.index.languages.first().copied().unwrap_or_default());
        if self.index.languages.len() < 2 {
            return best.1;
        }
        let words: Vec<String> = units(text)
            .take(64)
            .map(|unit| {
                unit.fold_into(text, &mut folded);
                folded.clone()
            })
            .collect();
        for language in &self.index.languages {
            let count = words.iter().filter(|word| language.stops(word)).count();
            if count > best.0 {
                best = (count, *language);
            }
        }
        best.1
    }

    fn word(&mut self, token: &str, kind: Kind) -> Word<'q> {
        let mut terms: Vec<String> = Vec::new();
        for language in &self.index.languages {
            let term = self.stemmers.term(token, kind, *language).text;
            if !terms.iter().any(|known| *known == term) {
                terms.push(term.into_owned());
            }
        }
        let lists: Vec<List<'q>> = terms.iter().filter_map(|term| self.index.postings.list(term)).collect();
        let sections = lists.iter().map(|list| list.sections).sum();
        let idf = idf(sections, self.index.lengths.len());
        // Snowball turns a final y into i: `polici`.
        terms.retain_mut(|term| {
            if term.ends_with('i') {
                term.pop();
            }
            term.chars().nth(2).is_some()
        });
        Word { text: token.to_owned(), lists, idf, weight: idf, sections, kind, beginnings: terms }
    }
}

/// Lucene's: never negative.
#[expect(clippy::cast_precision_loss, reason = "the logarithm needs no more than f32 has")]
fn idf(sections: u32, all: usize) -> f32 {
    let (sections, all) = (sections as f32, all as f32);
    (1.0 + (all - sections + 0.5).max(0.0) / (sections + 0.5)).ln()
}

fn has_pair(text: &str) -> bool {
    let mut units = units(text).peekable();
    while let Some(unit) = units.next() {
        if unit.unspaced && units.peek().is_some_and(|next| next.unspaced && next.start == unit.end) {
            return true;
        }
    }
    false
}

fn weigh_units(text: &str, words: &[Word<'_>]) -> Vec<(f32, u64)> {
    let mut folded = String::new();
    let weigh = |unit: super::tokenize::Unit| {
        unit.fold_into(text, &mut folded);
        let found = words.iter().zip(0..MOST_WORDS).find(|(word, _)| word.text == folded);
        found.map_or((0.0, 0), |(word, place)| (word.idf, 1 << place))
    };
    units(text).take(64).map(weigh).collect()
}
