//! The inverted index: which section holds which term, how often.
//!
//! Owns the vocabulary and the packed lists; knows no ranking. A list is the number of its sections
//! and then, for each, `gap << 1 | (count == 1)` and, if the count is not one, the count; all LEB128.

use std::collections::HashMap;

/// Terms in order, each with its list.
#[derive(Debug, Default)]
pub(super) struct Postings {
    words: String,
    word_ends: Vec<u32>,
    lists: Vec<u8>,
    list_ends: Vec<u32>,
}

impl Postings {
    /// The list of a term.
    pub(super) fn list(&self, term: &str) -> Option<List<'_>> {
        let found = self.position(term)?;
        let start = before(&self.list_ends, found);
        let mut bytes = self.lists.get(start..at(&self.list_ends, found))?;
        let sections = varint(&mut bytes)?;
        Some(List { bytes, section: 0, sections })
    }

    /// Every term, in order.
    pub(super) fn terms(&self) -> impl Iterator<Item = &str> {
        (0..self.word_ends.len()).map(|number| self.term(number))
    }

    fn term(&self, number: usize) -> &str {
        self.words.get(before(&self.word_ends, number)..at(&self.word_ends, number)).unwrap_or_default()
    }

    fn position(&self, term: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.word_ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.term(middle).cmp(term) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

fn at(ends: &[u32], number: usize) -> usize {
    ends.get(number).map_or(0, |end| *end as usize)
}

fn before(ends: &[u32], number: usize) -> usize {
    number.checked_sub(1).map_or(0, |number| at(ends, number))
}

/// A term's sections, ascending, with how often each holds it.
#[derive(Clone, Debug)]
pub(super) struct List<'p> {
    bytes: &'p [u8],
    section: u32,
    /// How many sections hold the term.
    pub(super) sections: u32,
}

impl Iterator for List<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        let head = varint(&mut self.bytes)?;
        let count = if head & 1 == 1 { 1 } else { varint(&mut self.bytes)? };
        self.section = self.section.wrapping_add(head >> 1);
        Some((self.section, count))
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    Some(value)
}

fn push_varint(mut value: u32, bytes: &mut Vec<u8>) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

/// Collects terms section by section.
#[derive(Debug, Default)]
pub(super) struct Builder {
    numbers: HashMap<Box<str>, u32>,
    lists: Vec<Growing>,
}

#[derive(Debug, Default)]
struct Growing {
    last: u32,
    sections: u32,
    bytes: Vec<u8>,
}

impl Builder {
    /// The number of a term, new or known.
    pub(super) fn number(&mut self, term: &str) -> u32 {
        if let Some(known) = self.numbers.get(term) {
            return *known;
        }
        let number = u32::try_from(self.lists.len()).unwrap_or(u32::MAX);
        self.lists.push(Growing::default());
        self.numbers.insert(term.into(), number);
        number
    }

    /// Adds a section's terms, given as numbers, once for each time they occur. Sections come in order.
    pub(super) fn add(&mut self, section: u32, terms: &mut [u32]) {
        terms.sort_unstable();
        for same in terms.chunk_by(PartialEq::eq) {
            let list = same.first().and_then(|number| self.lists.get_mut(*number as usize));
            let (Some(list), Ok(count)) = (list, u32::try_from(same.len())) else { continue };
            push_varint((section - list.last) << 1 | u32::from(count == 1), &mut list.bytes);
            if count != 1 {
                push_varint(count, &mut list.bytes);
            }
            list.last = section;
            list.sections += 1;
        }
    }

    /// Packs what was collected.
    pub(super) fn finish(self) -> Postings {
        let Self { numbers, mut lists } = self;
        let mut order: Vec<(Box<str>, u32)> = numbers.into_iter().collect();
        order.sort_unstable();
        let mut packed = Postings {
            words: String::with_capacity(order.iter().map(|(word, _)| word.len()).sum()),
            word_ends: Vec::with_capacity(order.len()),
            lists: Vec::with_capacity(lists.iter().map(|list| list.bytes.len() + 2).sum()),
            list_ends: Vec::with_capacity(order.len()),
        };
        for (word, number) in order {
            let Some(list) = lists.get_mut(number as usize).map(std::mem::take) else { continue };
            packed.words.push_str(&word);
            packed.word_ends.push(u32::try_from(packed.words.len()).unwrap_or(u32::MAX));
            push_varint(list.sections, &mut packed.lists);
            packed.lists.extend_from_slice(&list.bytes);
            packed.list_ends.push(u32::try_from(packed.lists.len()).unwrap_or(u32::MAX));
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_as_they_went_in() {
        let mut builder = Builder::default();
        let (a, b) = (builder.number("a"), builder.number("b"));
        builder.add(0, &mut [a, b, a]);
        builder.add(7, &mut [b]);
        builder.add(100_000, &mut [a; 300]);
        let packed = builder.finish();
        assert_eq!(packed.list("a").unwrap().collect::<Vec<_>>(), [(0, 2), (100_000, 300)]);
        assert_eq!(packed.list("b").unwrap().collect::<Vec<_>>(), [(0, 1), (7, 1)]);
        assert_eq!(packed.list("b").unwrap().sections, 2);
        assert!(packed.list("c").is_none());
        assert_eq!(packed.terms().collect::<Vec<_>>(), ["a", "b"]);
    }
}
