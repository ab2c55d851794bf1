//! Snippets: the part of a section that answers the query, as plain text.
//!
//! Owns Markdown's reduction to words (links to their text, no marks, no HTML, code as it stands) and the
//! choice of a window. Blocks stand on lines of their own; a window begins and ends between sentences or
//! lines where it can, between words always.

use pulldown_cmark::{BrokenLink, CowStr, Event, Options, Parser, Tag, TagEnd};

use super::plan::Plan;
use super::quote::Quote;

/// Tokens of a snippet, as language models count them (estimated): aimed at, and at least if the section has them.
const MOST_TOKENS: usize = 140;
const LEAST_TOKENS: usize = 80;
/// A longer sentence or line may be cut.
const SEGMENT_TOKENS: usize = 50;
/// Of a longer text only this much is read as Markdown, around the best place, bytes.
const LONGEST: usize = 2048;

/// The snippet of a section's text.
pub(super) fn around(text: &str, plan: &Plan<'_>, quote: &Quote) -> String {
    let text = if text.len() > LONGEST { excerpt(text, plan, quote) } else { text.into() };
    let plain = plain(&text);
    let segments = segments(&plain);
    let (first, last) = best_window(&plain, &segments, plan);
    let (Some(start), Some(end)) = (segments.get(first), segments.get(last)) else { return String::new() };
    let body = plain.get(start.start..end.end).unwrap_or_default().trim();
    let before = if first > 0 { "… " } else { "" };
    let after = if last + 1 < segments.len() { " …" } else { "" };
    format!("{before}{body}{after}")
}

/// The lines of a long text around its best place, with the fence that they stand in.
fn excerpt(text: &str, plan: &Plan<'_>, quote: &Quote) -> String {
    let (mut best, mut start) = ((f32::MIN, 0), 0);
    while start < text.len() {
        let end = line_end(text, text.floor_char_boundary((start + LONGEST / 2).min(text.len())));
        let part = text.get(start..end).unwrap_or_default();
        let found = quote.find(part);
        let score =
            if found.whole { f32::MAX } else { plan.neighbours(found.followed) + plan.coverage(part) };
        if score > best.0 {
            best = (score, start);
        }
        start = end.max(start + 1);
    }
    let start = best.1;
    let end = line_end(text, text.floor_char_boundary((start + LONGEST).min(text.len())));
    let fences =
        text.get(..start).unwrap_or_default().lines().filter(|line| line.trim_start().starts_with("```"));
    let fence = if fences.count() % 2 == 1 { "```\n" } else { "" };
    let cut = text.floor_char_boundary(end.min(start + 2 * LONGEST));
    format!("{fence}{}", text.get(start..cut).unwrap_or_default())
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |line| at + line + 1)
}

/// Markdown as plain text.
pub(super) fn plain(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_FOOTNOTES;
    // A reference whose definition stands elsewhere is a link all the same.
    let resolve = |link: BrokenLink<'_>| {
        let is_link = !link.reference.is_empty();
        is_link.then_some((CowStr::Borrowed("#"), CowStr::Borrowed("")))
    };
    let mut plain = Plain { text: String::with_capacity(markdown.len()), in_code: false, in_cell: false };
    for event in Parser::new_with_broken_link_callback(markdown, options, Some(resolve)) {
        plain.take(event);
    }
    plain.text.truncate(plain.text.trim_end().len());
    plain.text
}

struct Plain {
    text: String,
    in_code: bool,
    in_cell: bool,
}

impl Plain {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) if self.in_code || !text.contains('\n') => {
                self.text.push_str(&text)
            }
            Event::Text(text) | Event::Code(text) => self.text.push_str(&text.replace('\n', " ")),
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak | Event::Rule => self.line(),
            Event::Start(Tag::CodeBlock(_)) => {
                self.line();
                self.in_code = true;
            }
            Event::End(TagEnd::CodeBlock) => {
                self.in_code = false;
                self.line();
            }
            Event::Start(Tag::Item) => {
                self.line();
                self.text.push_str("- ");
            }
            Event::Start(Tag::TableHead | Tag::TableRow) => {
                self.line();
                self.in_cell = false;
            }
            Event::Start(Tag::TableCell) if self.in_cell => self.text.push_str(" | "),
            Event::Start(Tag::TableCell) => self.in_cell = true,
            Event::Start(Tag::Paragraph) if self.text.ends_with("- ") => {}
            Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::List(_) | Tag::BlockQuote(_))
            | Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableHead | TagEnd::TableRow,
            ) => self.line(),
            _ => {}
        }
    }

    /// Ends the line, if one was begun.
    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}

/// A sentence, a line, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start: usize,
    end: usize,
    tokens: usize,
}

fn segments(plain: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let (mut start, mut quarters) = (0, 0);
    let mut letters = plain.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        quarters += quarters_of(letter);
        let end = at + letter.len_utf8();
        let next = letters.peek().map(|(_, next)| *next);
        let spaced = next.is_none_or(char::is_whitespace);
        let cut = letter == '\n'
            || matches!(letter, '。' | '！' | '？')
            || (matches!(letter, '.' | '!' | '?') && spaced)
            || (quarters > 4 * SEGMENT_TOKENS
                && (letter.is_whitespace() || !letter.is_ascii())
                && !next.is_some_and(|next| next.is_ascii_alphanumeric() && !letter.is_whitespace())
                && (letter.is_whitespace() || quarters_of(letter) == 4))
            || next.is_none();
        if cut {
            segments.push(Segment { start, end, tokens: quarters.div_ceil(4) });
            (start, quarters) = (end, 0);
        }
    }
    segments
}

/// A character's part of a token, in quarters.
fn quarters_of(letter: char) -> usize {
    match letter {
        letter if letter.is_ascii() => 1,
        '\u{0}'..='\u{dff}' => 2,
        _ => 4,
    }
}

/// The first and last segment of the window that holds most of the query.
fn best_window(plain: &str, segments: &[Segment], plan: &Plan<'_>) -> (usize, usize) {
    let matches: Vec<u64> = segments
        .iter()
        .map(|segment| plan.matches(plain.get(segment.start..segment.end).unwrap_or_default()))
        .collect();
    let mut best = (f32::MIN, 0, 0);
    for first in 0..segments.len() {
        let (mut tokens, mut found, mut last) = (0, 0, first);
        let mut repeats = 0.0;
        for (place, (segment, bits)) in segments.iter().zip(&matches).enumerate().skip(first) {
            tokens += segment.tokens;
            if tokens > MOST_TOKENS && place > first {
                break;
            }
            repeats += 0.1 * plan.weight_of(*bits);
            found |= bits;
            last = place;
        }
        let score = plan.weight_of(found) + repeats;
        if score > best.0 + 1e-4 {
            best = (score, first, last);
        }
    }
    let (_, mut first, last) = best;
    let tokens = |first: usize| {
        segments.iter().take(last + 1).skip(first).map(|segment| segment.tokens).sum::<usize>()
    };
    while first > 0 && tokens(first) < LEAST_TOKENS && tokens(first - 1) <= MOST_TOKENS {
        first -= 1;
    }
    (first, last)
}
