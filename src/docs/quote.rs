//! Exact words: whether a text holds the query word for word, or a heading is the query.
//!
//! Owns the comparison of unstemmed words in order; reads candidates' text only, never an index.
//! Markdown between words does not count, and the destination of a link may stand among them.

use std::hash::Hasher;

use super::tokenize::{Unit, units};

/// The words of a query, ready to be looked for.
#[derive(Debug)]
pub(super) struct Quote {
    /// Each distinct word's hash, with the places in the query at which it stands.
    words: Vec<(u64, u64)>,
    /// A bit for each hash modulo 64, to pass over most words at once.
    filter: u64,
    /// How many words there are; at most 64.
    pub(super) length: usize,
    fingerprint: u32,
}

/// What a text holds of a [`Quote`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// All of it, word for word.
    pub(super) whole: bool,
    /// The places whose word follows the word of the place before, somewhere in the text.
    pub(super) followed: u64,
}

impl Quote {
    /// Takes the first 64 words of a query.
    pub(super) fn new(query: &str) -> Self {
        let mut words: Vec<(u64, u64)> = Vec::new();
        let mut length = 0;
        let mut folded = String::new();
        for unit in units(query).take(64) {
            let hash = hash(query, unit, &mut folded);
            let place = 1 << length;
            match words.iter_mut().find(|(known, _)| *known == hash) {
                Some((_, places)) => *places |= place,
                None => words.push((hash, place)),
            }
            length += 1;
        }
        let filter = words.iter().fold(0, |filter, (hash, _)| filter | 1 << (hash & 63));
        Self { words, filter, length, fingerprint: fingerprint(query) }
    }

    /// Looks through a text (the Shift-And algorithm over words).
    pub(super) fn find(&self, text: &str) -> Found {
        let mut found = Found::default();
        let Some(last) = self.length.checked_sub(1) else { return found };
        let (mut runs, mut previous) = (0_u64, 0_u64);
        let (mut end, mut aside) = (0, false);
        each_word(text, |unit, hash| {
            aside = is_aside(aside, text.as_bytes().get(end..unit.start).unwrap_or_default());
            end = unit.end;
            let places = self.places(hash);
            let next = (runs << 1 | 1) & places;
            if aside {
                // Read or passed over: a run goes on either way.
                runs |= next;
            } else {
                runs = next;
                found.followed |= previous << 1 & places;
                previous = places;
            }
            found.whole = runs >> last & 1 == 1;
            !found.whole
        });
        found
    }

    /// Whether a heading is the query, word for word.
    pub(super) fn is(&self, heading: &str) -> bool {
        self.length > 0 && fingerprint(heading) == self.fingerprint
    }

    /// What headings equal to the query are listed under.
    pub(super) fn fingerprint(&self) -> u32 {
        self.fingerprint
    }

    fn places(&self, hash: u64) -> u64 {
        if self.filter >> (hash & 63) & 1 == 0 {
            return 0;
        }
        self.words.iter().find(|(known, _)| *known == hash).map_or(0, |(_, places)| *places)
    }
}

/// Whether what follows a gap belongs to a link's destination.
fn is_aside(aside: bool, gap: &[u8]) -> bool {
    match gap {
        [b' ' | b'\n'] | [] => false,
        [byte] => aside && *byte != b')' && !byte.is_ascii_whitespace(),
        _ => {
            gap.windows(2).any(|pair| pair == b"](")
                || aside && !gap.iter().any(|byte| *byte == b')' || byte.is_ascii_whitespace())
        }
    }
}

/// Calls `visit` with the units of a text and their hashes, until it says no. ASCII is read byte by byte.
fn each_word(text: &str, mut visit: impl FnMut(Unit, u64) -> bool) {
    let (mut at, mut folded) = (0, String::new());
    let bytes = text.as_bytes();
    while let Some(rest) = bytes.get(at..) {
        let Some(skipped) = rest.iter().position(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii())
        else {
            return;
        };
        let start = at + skipped;
        let mut hasher = Fnv::default();
        let mut end = start;
        let mut plain = true;
        for byte in bytes.get(start..).unwrap_or_default() {
            plain = byte.is_ascii();
            if !byte.is_ascii_alphanumeric() {
                break;
            }
            hasher.write_u8(byte.to_ascii_lowercase());
            end += 1;
        }
        if plain {
            at = end;
            if !visit(Unit { start, end, unspaced: false }, mixed(hasher.finish())) {
                return;
            }
            continue;
        }
        // A word with other letters, or a mark: as far as the next unit's end.
        let Some(unit) = text.get(start..).and_then(|rest| units(rest).next()) else { return };
        let unit = Unit { start: start + unit.start, end: start + unit.end, ..unit };
        at = unit.end;
        if !visit(unit, hash(text, unit, &mut folded)) {
            return;
        }
    }
}

/// A hash of a text's words: equal for texts that differ in case, marks and spaces only.
pub(super) fn fingerprint(text: &str) -> u32 {
    let mut folded = String::new();
    let mut all = Fnv::default();
    for unit in units(text) {
        all.write_u64(hash(text, unit, &mut folded));
    }
    let [a, b, c, d, ..] = all.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn hash(text: &str, unit: Unit, folded: &mut String) -> u64 {
    let word = unit.of(text);
    let mut hasher = Fnv::default();
    if word.is_ascii() {
        word.bytes().for_each(|byte| hasher.write_u8(byte.to_ascii_lowercase()));
    } else {
        unit.fold_into(text, folded);
        hasher.write(folded.as_bytes());
    }
    mixed(hasher.finish())
}

/// The low bits of FNV alone are poor: the high ones are folded in.
fn mixed(hash: u64) -> u64 {
    hash ^ hash >> 32
}

/// FNV-1a: equal on every machine and run, so that answers are too.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u8(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u8(*byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_is_found_through_markdown() {
        let quote = Quote::new("the renewal of a certificate");
        assert!(quote.find("So **the** `renewal` of\na Certificate begins").whole);
        assert!(quote.find("the [renewal](https://a.example/of/it) of a certificate").whole);
        assert!(!quote.find("the renewal of one certificate").whole);
        assert_eq!(quote.find("a renewal of one").followed, 0b100);
    }

    #[test]
    fn a_repeated_beginning_does_not_hide_a_quotation() {
        assert!(Quote::new("a a b").find("a a a b").whole);
    }

    #[test]
    fn a_heading_is_the_query_whatever_its_case_and_marks() {
        assert!(Quote::new("what's NEXT?").is("What’s next"));
        assert!(!Quote::new("next").is("What's next"));
    }
}
