//! Splits text into words: folds case, joins identifiers, cuts scripts that have no spaces.
//!
//! Owns what counts as a word; never stems or drops one (that is `language` and `postings`).
//! A *unit* is a run of letters and digits, or one character of a script written without spaces.

/// A run of letters and digits in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Byte range in the text.
    pub(super) start: usize,
    pub(super) end: usize,
    /// One character of a script without spaces.
    pub(super) unspaced: bool,
}

impl Unit {
    /// The unit as written.
    pub(super) fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// Replaces `folded` by the unit in lower case, accents composed, ё as е.
    pub(super) fn fold_into(&self, text: &str, folded: &mut String) {
        folded.clear();
        let word = self.of(text);
        if word.is_ascii() {
            folded.push_str(word);
            folded.make_ascii_lowercase();
        } else {
            fold(word, folded);
        }
    }
}

/// How a token came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A run of letters and digits: `connections`, `httpclient`.
    Word,
    /// One character of a script without spaces: `東`.
    Character,
    /// Two neighbouring characters of a script without spaces: `東京`.
    Pair,
    /// Units joined without a space: `max_connections`, `v1.2.3`.
    Whole,
    /// A part of a unit in camel case: `http` and `client` of `HttpClient`.
    Piece,
}

/// Calls `visit` with every token, folded.
pub(super) fn tokens(text: &str, mut visit: impl FnMut(&str, Kind)) {
    let mut folded = String::new();
    let mut before: Option<Unit> = None;
    let mut path = Chain::default();
    let mut name = Chain::default();
    for unit in units(text) {
        unit.fold_into(text, &mut folded);
        visit(&folded, if unit.unspaced { Kind::Character } else { Kind::Word });
        let joint = before.map_or(Joint::Space, |before| joint(text, before, unit));
        close(joint, &mut path, &mut name, |chain| chain.tell(text, &mut folded, &mut visit));
        match joint {
            Joint::Pair => {
                let pair = Unit { start: before.map_or(unit.start, |before| before.start), ..unit };
                pair.fold_into(text, &mut folded);
                visit(&folded, Kind::Pair);
            }
            _ if !unit.unspaced => {
                pieces(unit.of(text), |piece| {
                    Unit { start: 0, end: piece.len(), unspaced: false }.fold_into(piece, &mut folded);
                    visit(&folded, Kind::Piece);
                });
            }
            _ => {}
        }
        path.push(unit);
        name.push(unit);
        before = Some(unit);
    }
    close(Joint::Space, &mut path, &mut name, |chain| chain.tell(text, &mut folded, &mut visit));
}

/// Ends the chains that `joint` does not continue; a path that is one name is told once.
fn close(joint: Joint, path: &mut Chain, name: &mut Chain, mut tell: impl FnMut(&Chain)) {
    if joint != Joint::Name {
        if name.units < path.units || joint == Joint::Path {
            tell(name);
        }
        *name = Chain::default();
    }
    if joint == Joint::Space || joint == Joint::Pair {
        tell(path);
        *path = Chain::default();
    }
}

/// Units joined without a space so far.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    start: usize,
    end: usize,
    units: usize,
}

impl Chain {
    fn push(&mut self, unit: Unit) {
        if self.units == 0 {
            self.start = unit.start;
        }
        self.units += 1;
        self.end = unit.end;
    }

    fn tell(&self, text: &str, folded: &mut String, visit: &mut impl FnMut(&str, Kind)) {
        if self.units > 1 && self.end - self.start <= LONGEST_WHOLE {
            Unit { start: self.start, end: self.end, unspaced: false }.fold_into(text, folded);
            visit(folded, Kind::Whole);
        }
    }
}

/// What stands between two units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    Space,
    /// Nothing, between characters of a script without spaces.
    Pair,
    /// `-`, `_`, `::`: one name.
    Name,
    /// `.`, `/`: one path of names.
    Path,
}

fn joint(text: &str, left: Unit, right: Unit) -> Joint {
    match (text.get(left.end..right.start), left.unspaced, right.unspaced) {
        (Some(""), true, true) => Joint::Pair,
        (Some("-" | "_" | "__" | "::"), false, false) => Joint::Name,
        (Some("." | "/"), false, false) => Joint::Path,
        _ => Joint::Space,
    }
}

/// Longest identifier kept whole, bytes; longer ones are URLs and hashes, found by part.
const LONGEST_WHOLE: usize = 80;

/// The units of a text, in order.
pub(super) fn units(text: &str) -> Units<'_> {
    Units { text, at: 0 }
}

/// See [`units`].
#[derive(Clone, Debug)]
pub(super) struct Units<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let bytes = self.text.as_bytes();
        let mut start = None;
        while let Some(&byte) = bytes.get(self.at) {
            let (class, width) = if byte.is_ascii() {
                (if byte.is_ascii_alphanumeric() { Class::Word } else { Class::Gap }, 1)
            } else {
                let next = self.text.get(self.at..).and_then(|rest| rest.chars().next())?;
                (class(next), next.len_utf8())
            };
            match (class, start) {
                (Class::Word, _) | (Class::Mark, Some(_)) => {
                    start.get_or_insert(self.at);
                }
                (Class::Unspaced, None) => {
                    let unit = Unit { start: self.at, end: self.at + width, unspaced: true };
                    self.at = unit.end;
                    return Some(unit);
                }
                (Class::Gap | Class::Unspaced, Some(start)) => {
                    return Some(Unit { start, end: self.at, unspaced: false });
                }
                (Class::Gap | Class::Mark, None) => {}
            }
            self.at += width;
        }
        start.map(|start| Unit { start, end: self.at, unspaced: false })
    }
}

#[derive(Clone, Copy)]
enum Class {
    Gap,
    Word,
    /// Continues a word, begins none.
    Mark,
    Unspaced,
}

fn class(next: char) -> Class {
    match next {
        '\u{300}'..='\u{36f}' => Class::Mark,
        // Thai, Lao, Myanmar, Khmer; kana; Han and its extensions; Hangul, whose particles are glued on.
        '\u{e01}'..='\u{e4e}'
        | '\u{e81}'..='\u{ecd}'
        | '\u{1000}'..='\u{1049}'
        | '\u{1780}'..='\u{17d3}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{3096}'
        | '\u{30a1}'..='\u{30ff}'
        | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Class::Unspaced,
        next if next.is_alphanumeric() => Class::Word,
        _ => Class::Gap,
    }
}

/// Lower case, combining accents composed where Snowball's languages have a letter, ё as е.
fn fold(word: &str, folded: &mut String) {
    for next in word.chars().flat_map(char::to_lowercase) {
        let next = if next == 'ё' { 'е' } else { next };
        if !matches!(next, '\u{300}'..='\u{36f}') {
            folded.push(next);
        } else if let Some(composed) = folded.chars().next_back().and_then(|base| compose(base, next)) {
            folded.pop();
            folded.push(composed);
        }
    }
}

fn compose(base: char, mark: char) -> Option<char> {
    let (_, bases, letters) = COMPOSED.iter().find(|(accent, _, _)| *accent == mark)?;
    let place = bases.chars().position(|letter| letter == base)?;
    letters.chars().nth(place)
}

/// A combining mark, the letters it goes on, and what they become (Unicode, canonical composition).
static COMPOSED: [(char, &str, &str); 10] = [
    ('\u{300}', "aeiouн", "àèìòùн"),
    ('\u{301}', "aeiouycnsz", "áéíóúýćńśź"),
    ('\u{302}', "aeiouy", "âêîôûŷ"),
    ('\u{303}', "anoi", "ãñõĩ"),
    ('\u{306}', "agиу", "ăğйў"),
    ('\u{308}', "aeiouyеі", "äëïöüÿеї"),
    ('\u{30a}', "au", "åů"),
    ('\u{30b}', "ou", "őű"),
    ('\u{30c}', "cszrendt", "čšžřěňďť"),
    ('\u{327}', "cst", "çşţ"),
];

/// The parts of a word in camel case, if it has more than one: `HTTPServer` is `HTTP` and `Server`.
fn pieces<'t>(word: &'t str, mut visit: impl FnMut(&'t str)) {
    let mut start = 0;
    let mut rest = word.char_indices().peekable();
    let mut before = None;
    let mut tell = |piece: Option<&'t str>| {
        if let Some(piece) = piece.filter(|piece| piece.chars().nth(1).is_some()) {
            visit(piece);
        }
    };
    while let Some((at, next)) = rest.next() {
        let after = rest.peek().map(|(_, after)| *after);
        let cut = next.is_uppercase()
            && before.is_some_and(|before: char| {
                before.is_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_uppercase() && after.is_some_and(char::is_lowercase))
            });
        if cut {
            tell(word.get(start..at));
            start = at;
        }
        before = Some(next);
    }
    if start > 0 {
        tell(word.get(start..));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        tokens(text, |token, _| found.push(token.to_owned()));
        found.sort();
        found
    }

    #[test]
    fn identifiers_are_found_whole_and_by_part() {
        assert_eq!(all("max_connections"), ["connections", "max", "max_connections"]);
        assert_eq!(all("use --acme-port."), ["acme", "acme-port", "port", "use"]);
        assert_eq!(all("v1.2.3"), ["2", "3", "v1", "v1.2.3"]);
        assert_eq!(all("HttpClient"), ["client", "http", "httpclient"]);
        assert_eq!(all("spec.max_size"), ["max", "max_size", "size", "spec", "spec.max_size"]);
        assert!(
            all("kubectl.kubernetes.io/restartedAt")
                .contains(&"kubectl.kubernetes.io/restartedat".to_owned())
        );
    }

    #[test]
    fn scripts_without_spaces_give_characters_and_pairs() {
        assert_eq!(all("東京都"), ["京", "京都", "東", "東京", "都"]);
    }

    #[test]
    fn accents_are_composed_and_case_is_folded() {
        assert_eq!(all("Pre\u{301}fe\u{301}rence"), all("PRÉFÉRENCE"));
        assert_eq!(all("Ёлка"), all("елка"));
    }

    proptest! {
        #[test]
        fn any_text_is_split_at_character_boundaries_in_order(text in "\\PC*|[ -~\u{300}\u{4e00}Aé_./-]{0,60}") {
            let mut end = 0;
            for unit in units(&text) {
                prop_assert!(unit.start >= end && unit.end > unit.start);
                prop_assert!(text.get(unit.start..unit.end).is_some());
                end = unit.end;
            }
            tokens(&text, |token, _| assert!(!token.is_empty()));
        }
    }
}
