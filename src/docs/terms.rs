//! From tokens to the terms of the index: stop words kept apart, words stemmed by language.
//!
//! Owns the one rule that documents and queries share; knows neither lists nor ranks.

use std::borrow::Cow;

use rust_stemmers::Stemmer;

use super::language::{LANGUAGES, Language};
use super::tokenize::Kind;

/// Stemmers, made once each.
pub(super) struct Stemmers([Option<Stemmer>; LANGUAGES]);

impl Default for Stemmers {
    fn default() -> Self {
        Self(std::array::from_fn(|_| None))
    }
}

/// What a token is to the index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Term<'t> {
    /// As it stands in the vocabulary.
    pub(super) text: Cow<'t, str>,
    /// A word without meaning of its own: listed, but not counted in a section's length.
    pub(super) stop: bool,
}

impl Stemmers {
    /// The term of a folded token in a text of `language`.
    pub(super) fn term<'t>(&mut self, token: &'t str, kind: Kind, language: Language) -> Term<'t> {
        match kind {
            Kind::Word if language.stops(token) => Term { text: Cow::Borrowed(token), stop: true },
            Kind::Word | Kind::Piece => Term { text: self.stem(token, language), stop: false },
            Kind::Character | Kind::Pair | Kind::Whole => Term { text: Cow::Borrowed(token), stop: false },
        }
    }

    fn stem<'t>(&mut self, word: &'t str, language: Language) -> Cow<'t, str> {
        // Where the script is not Latin, a Latin word is an English one: `clusters` in Russian text.
        let language = if word.is_ascii() && NOT_LATIN.contains(&language.code()) {
            Language::default()
        } else {
            language
        };
        let Some(slot) = self.0.get_mut(language.number()) else { return Cow::Borrowed(word) };
        if slot.is_none() {
            *slot = language.stemmer();
        }
        match slot {
            Some(stemmer) => stemmer.stem(word),
            None => Cow::Borrowed(word),
        }
    }
}

const NOT_LATIN: [&str; 4] = ["ru", "el", "ar", "ta"];
