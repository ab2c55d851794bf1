//! Guidance when a query finds little: near words, near titles.
//!
//! Owns likeness of strings. All work is bounded; none is done for queries that find enough.

use super::index::Index;
use super::resolve::MOST_COMPARED;
use super::terms::Stemmers;
use super::tokenize::{Kind, tokens, units};

/// The query with its unknown words respelled, if the corpus knows near ones.
pub(super) fn respell(index: &Index, query: &str, unknown: &[String]) -> Option<String> {
    if query.len() > LONGEST_QUERY {
        return None;
    }
    let mut stemmers = Stemmers::default();
    let mut respelled = Vec::new();
    for word in unknown.iter().take(MOST_WORDS) {
        if let Some(near) = nearest_word(index, word, &mut stemmers) {
            respelled.push((word, near));
        }
    }
    if respelled.is_empty() {
        return None;
    }
    let (mut text, mut end, mut folded) = (String::new(), 0, String::new());
    for unit in units(query) {
        unit.fold_into(query, &mut folded);
        let near = respelled.iter().find(|(word, _)| **word == folded);
        text.push_str(query.get(end..unit.start).unwrap_or_default());
        text.push_str(near.map_or_else(|| unit.of(query), |(_, near)| near));
        end = unit.end;
    }
    text.push_str(query.get(end..).unwrap_or_default());
    Some(text)
}

/// Longest query respelled, bytes; most words of it; most terms compared with each.
const LONGEST_QUERY: usize = 1000;
const MOST_WORDS: usize = 4;
const MOST_TERMS: usize = 200_000;

/// The word nearest to one that the corpus does not know, by the stem that its most frequent language
/// gives; by another's if that finds none.
fn nearest_word(index: &Index, word: &str, stemmers: &mut Stemmers) -> Option<String> {
    let mut stems: Vec<Vec<char>> = Vec::new();
    for language in &index.languages {
        let stem = stemmers.term(word, Kind::Word, *language).text.chars().collect();
        if !stems.contains(&stem) {
            stems.push(stem);
        }
    }
    let most = MOST_TERMS / stems.len().max(1);
    let term = stems.iter().find_map(|stem| nearest_term(index, word, stem, most))?;
    surface(index, term, stemmers)
}

/// Fewest edits, then most sections.
fn nearest_term<'i>(index: &'i Index, word: &str, wanted: &[char], most: usize) -> Option<&'i str> {
    let allowed = match wanted.len() {
        0..=2 => return None,
        3..=4 => 1,
        _ => 2,
    };
    let mut best: Option<(usize, std::cmp::Reverse<u32>, &str)> = None;
    for term in index.postings.terms().take(most) {
        if term.len().abs_diff(word.len()) > 8 || term.bytes().any(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Some(edits) = edits(wanted, term, allowed) else { continue };
        let sections = index.postings.list(term).map_or(0, |list| list.sections);
        let near = (edits, std::cmp::Reverse(sections), term);
        if best.is_none_or(|best| near < best) {
            best = Some(near);
        }
    }
    best.map(|(_, _, term)| term)
}

/// A word of the documents with the stem `term`, as its first section has it.
fn surface(index: &Index, term: &str, stemmers: &mut Stemmers) -> Option<String> {
    let (number, _) = index.postings.list(term)?.next()?;
    let (page_number, place) = index.locate(number);
    let page = index.pages.get(page_number)?;
    let language = index.page_languages.get(page_number).copied().unwrap_or_default();
    let section = page.sections.get(place)?;
    let headings = section.parents.iter().chain([&section.heading, &section.text]);
    let mut found = None;
    for text in [&page.title].into_iter().chain(headings) {
        tokens(text, |token, kind| {
            if found.is_none() && stemmers.term(token, kind, language).text == term {
                found = Some(token.to_owned());
            }
        });
    }
    found
}

/// Edits (insert, delete, replace, swap neighbours) from one word to another, if at most `allowed`.
fn edits(wanted: &[char], term: &str, allowed: usize) -> Option<usize> {
    if term.len() > 4 * (wanted.len() + allowed) {
        return None;
    }
    let term: Vec<char> = term.chars().collect();
    if term.len().abs_diff(wanted.len()) > allowed {
        return None;
    }
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=term.len()).collect();
    for (row, letter) in wanted.iter().enumerate() {
        let mut new = Vec::with_capacity(old.len());
        new.push(row + 1);
        for (column, other) in term.iter().enumerate() {
            let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let replace = cell(&old, column) + usize::from(letter != other);
            let mut least = replace.min(cell(&old, column + 1) + 1).min(cell(&new, column) + 1);
            let swapped = row > 0
                && column > 0
                && wanted.get(row - 1) == Some(other)
                && term.get(column - 1) == Some(letter);
            if swapped {
                least = least.min(cell(&older, column - 1) + 1);
            }
            new.push(least);
        }
        if new.iter().min().is_none_or(|least| *least > allowed) {
            return None;
        }
        older = std::mem::replace(&mut old, new);
    }
    old.last().copied().filter(|edits| *edits <= allowed)
}

/// Pages whose titles are nearest to a query, best first.
pub(super) fn nearest_titles(index: &Index, query: &str) -> Vec<usize> {
    let query: String = query.chars().take(200).collect();
    let titles = index.pages.iter().enumerate().take(MOST_COMPARED);
    let mut near: Vec<(f32, usize)> = titles
        .map(|(number, page)| (likeness(&query, &page.title), number))
        .filter(|(score, _)| *score >= 0.15)
        .collect();
    near.sort_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    near.into_iter().take(5).map(|(_, number)| number).collect()
}

/// How alike two strings are, 0 to 1: the share of their three-letter pieces that they have in common.
pub(super) fn likeness(left: &str, right: &str) -> f32 {
    let (left, right) = (trigrams(left), trigrams(right));
    let common = left.iter().filter(|piece| right.binary_search(piece).is_ok()).count();
    let all = left.len() + right.len();
    if all == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "strings of a few hundred characters")]
    let share = (2 * common) as f32 / all as f32;
    share
}

fn trigrams(text: &str) -> Vec<[char; 3]> {
    let mut found = Vec::new();
    let mut folded = String::new();
    for unit in units(text).take(64) {
        unit.fold_into(text, &mut folded);
        let letters: Vec<char> = [' '].into_iter().chain(folded.chars()).chain([' ']).collect();
        found.extend(letters.windows(3).filter_map(|piece| <[char; 3]>::try_from(piece).ok()));
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_count_swapped_neighbours_once() {
        let word: Vec<char> = "certificate".chars().collect();
        assert_eq!(edits(&word, "certificate", 2), Some(0));
        assert_eq!(edits(&word, "certifciate", 2), Some(1));
        assert_eq!(edits(&word, "certificat", 2), Some(1));
        assert_eq!(edits(&word, "certify", 2), None);
    }

    #[test]
    fn likeness_is_one_for_equal_words_and_none_for_strangers() {
        assert!((likeness("TLS renewal", "tls Renewal") - 1.0).abs() < 1e-6);
        assert!(likeness("abc", "xyz") < 1e-6);
    }
}
