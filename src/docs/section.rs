//! Cuts cleaned Markdown into sections at its headings, with the anchors site generators make.
//!
//! Headings are what CommonMark says they are (§4.2 ATX, §4.3 setext), at the top level of the page; one
//! inside a list or a quotation stays in its section's text, though it takes its anchor from the pool as
//! it does on the published page. Anchors follow GitHub and Hugo (goldmark's `github` style).

use std::collections::HashMap;
use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use super::Section;
use super::markdown::EXTENSIONS;

/// The sections of a page, in reading order; at least one, even of nothing.
pub(super) fn split(text: &str) -> Vec<Section> {
    let headings = headings(text);
    let mut sections = Vec::with_capacity(headings.len() + 1);
    let first = headings.first().map_or(text.len(), |heading| heading.range.start);
    let lead = body(text, 0..first);
    if !lead.is_empty() || headings.is_empty() {
        sections.push(Section::lead(lead));
    }
    let ends: Vec<usize> = headings.iter().skip(1).map(|next| next.range.start).chain([text.len()]).collect();
    let mut above: Vec<(u8, String)> = Vec::new();
    for (heading, end) in headings.into_iter().zip(ends) {
        above.retain(|(level, _)| *level < heading.level);
        let text = body(text, heading.range.end..end);
        let mut section = Section::new(heading.anchor, heading.text, heading.level, text);
        section.parents = above.iter().map(|(_, text)| text.clone()).collect();
        above.push((section.level, section.heading.clone()));
        sections.push(section);
    }
    sections
}

/// One section of plain text, not read as Markdown.
pub(super) fn plain(text: &str) -> Vec<Section> {
    vec![Section::lead(body(text, 0..text.len()))]
}

struct Heading {
    range: Range<usize>,
    level: u8,
    text: String,
    anchor: String,
}

fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut anchors = Anchors::default();
    let mut depth = 0_usize;
    let mut open: Option<(Range<usize>, u8, bool, String)> = None;
    for (event, range) in Parser::new_ext(text, EXTENSIONS).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                // h1 to h6 are 1 to 6.
                open = Some((range, level as u8, depth == 0, String::new()));
            }
            Event::End(TagEnd::Heading(_)) => {
                let Some((range, level, top, text)) = open.take() else { continue };
                let (text, anchor) = anchors.claim(text.trim());
                if top {
                    headings.push(Heading { range, level, text, anchor });
                }
            }
            Event::Start(Tag::List(_) | Tag::Item | Tag::BlockQuote(_)) => depth += 1,
            Event::End(TagEnd::List(_) | TagEnd::Item | TagEnd::BlockQuote(_)) => depth -= 1,
            event => {
                if let Some((.., text)) = &mut open {
                    read_inline(event, text);
                }
            }
        }
    }
    headings
}

/// Adds what a reader sees of an inline event.
fn read_inline(event: Event<'_>, text: &mut String) {
    match event {
        Event::Text(words) | Event::Code(words) => text.push_str(&words),
        Event::SoftBreak | Event::HardBreak => text.push(' '),
        // `<name>` in `kubectl get <name>` is a placeholder, no element.
        Event::InlineHtml(tag) if !is_element(&tag) => text.push_str(&tag),
        _ => {}
    }
}

/// Whether this is a tag of HTML's own phrasing content (or a comment), which shows no words.
fn is_element(tag: &str) -> bool {
    const ELEMENTS: [&str; 24] = [
        "a", "abbr", "b", "br", "cite", "code", "del", "em", "font", "i", "img", "ins", "kbd", "mark", "q",
        "s", "small", "span", "strong", "sub", "sup", "u", "var", "wbr",
    ];
    let name = tag.trim_start_matches(['<', '/']);
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    tag.starts_with("<!") || ELEMENTS.iter().any(|element| element.eq_ignore_ascii_case(name))
}

/// The anchors given out on one page.
#[derive(Default)]
struct Anchors {
    /// How often each was asked for; a made-up `x-1` counts as its own.
    taken: HashMap<String, usize>,
}

impl Anchors {
    /// A heading's text without its `{#id}`, and its anchor, unique on the page.
    fn claim(&mut self, heading: &str) -> (String, String) {
        if let Some((text, id)) = explicit_id(heading) {
            return (text.to_owned(), self.unique(id.to_owned()));
        }
        let mut wanted = slug(heading);
        if wanted.is_empty() {
            wanted.push_str("heading");
        }
        (heading.to_owned(), self.unique(wanted))
    }

    fn unique(&mut self, wanted: String) -> String {
        let Some(mut count) = self.taken.get(&wanted).copied() else {
            self.taken.insert(wanted.clone(), 0);
            return wanted;
        };
        loop {
            count += 1;
            let candidate = format!("{wanted}-{count}");
            if !self.taken.contains_key(&candidate) {
                self.taken.insert(wanted, count);
                self.taken.insert(candidate.clone(), 0);
                return candidate;
            }
        }
    }
}

/// `Renewal {#renew .class}` → `Renewal`, `renew`.
fn explicit_id(heading: &str) -> Option<(&str, &str)> {
    let (text, attributes) = heading.strip_suffix('}')?.rsplit_once('{')?;
    let id = attributes.split_whitespace().find_map(|word| word.strip_prefix('#'))?;
    let plain = !id.is_empty() && !id.contains(['#', '"', '<', '>', '{']);
    plain.then(|| (text.trim_end(), id))
}

/// A heading as GitHub and Hugo write it into a URL.
pub(super) fn slug(heading: &str) -> String {
    let mut slug = String::with_capacity(heading.len());
    for c in heading.chars() {
        match c {
            ' ' | '-' => slug.push('-'),
            '_' => slug.push('_'),
            c if c.is_alphanumeric() => slug.extend(c.to_lowercase()),
            // Combining marks belong to their letter (Devanagari, decomposed accents).
            c if is_mark(c) => slug.push(c),
            _ => {}
        }
    }
    slug
}

fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x300..=0x36F | 0x591..=0x5BD | 0x64B..=0x65F | 0x900..=0x903 | 0x93A..=0x94F
        | 0xE31..=0xE4E | 0x1AB0..=0x1AFF | 0x20D0..=0x20FF)
}

/// The lines of a range without the blank ones around them; the first keeps its indentation.
fn body(text: &str, range: Range<usize>) -> String {
    let text = text.get(range).unwrap_or_default().trim_end();
    let blank = text.len() - text.trim_start().len();
    let start = text.get(..blank).and_then(|blank| blank.rfind('\n')).map_or(0, |newline| newline + 1);
    text.get(start..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outline(text: &str) -> Vec<(u8, String, String, Vec<String>)> {
        split(text).into_iter().map(|s| (s.level, s.heading, s.anchor, s.parents)).collect()
    }

    #[test]
    fn headings_of_both_kinds_open_sections_and_code_does_not() {
        let text = "lead\n\n# One\na\n\n```\n# not\n```\n\nTwo `x`\n---\n\n    # nor this\n\n### Deep ###\n> # quoted\n\n- # listed\n";
        let found: Vec<_> = split(text).into_iter().map(|s| (s.level, s.heading, s.text)).collect();
        let expected = [
            (0, "", "lead"),
            (1, "One", "a\n\n```\n# not\n```"),
            (2, "Two x", "    # nor this"),
            (3, "Deep", "> # quoted\n\n- # listed"),
        ];
        assert_eq!(
            found,
            expected.map(|(level, heading, text)| (level, heading.to_owned(), text.to_owned()))
        );
    }

    #[test]
    fn parents_are_the_headings_above() {
        let parents: Vec<_> =
            outline("# a\n## b\n### c\n## d\n#### e\n# f\n").into_iter().map(|o| o.3).collect();
        let expected: [&[&str]; 6] = [&[], &["a"], &["a", "b"], &["a"], &["a", "d"], &[]];
        assert_eq!(parents, expected);
    }

    #[test]
    fn anchors_are_those_of_site_generators() {
        for (heading, anchor) in [
            ("Hello, World!", "hello-world"),
            ("C++ & Go", "c--go"),
            ("`max_connections` (since 1.2)", "max_connections-since-12"),
            ("Über Größe", "über-größe"),
            ("Конфигурация", "конфигурация"),
            ("Renewal {#renew}", "renew"),
            ("Renewal {#renew .wide}", "renew"),
            ("GET /users/{id}", "get-usersid"),
            ("kubectl get <name>", "kubectl-get-name"),
            ("A <br> B [link](x)", "a--b-link"),
            ("???", "heading"),
        ] {
            let found = outline(&format!("## {heading}\n"));
            assert_eq!(found[0].2, anchor, "{heading}");
        }
    }

    #[test]
    fn equal_headings_get_numbers_and_never_collide() {
        let anchors: Vec<_> =
            outline("# a\n# a\n# a-1\n# a\n> # b\n\n# b\n# c {#a}\n").into_iter().map(|o| o.2).collect();
        assert_eq!(anchors, ["a", "a-1", "a-1-1", "a-2", "b-1", "a-3"]);
    }

    #[test]
    fn a_page_of_nothing_still_has_a_section() {
        assert_eq!(split("").len(), 1);
        assert_eq!(split("# a").len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_cleaned_and_split_with_unique_anchors(
            text in "([ -~]|[#`<>{}%*/!\"'=-]|\n|\n\n|é|<!--|-->|\\{\\{<|>\\}\\}|import |```|# ){0,80}"
        ) {
            let sections = split(&super::super::markdown::clean(&text));
            let mut anchors: Vec<_> = sections.iter().map(|s| s.anchor.clone()).collect();
            anchors.sort();
            anchors.dedup();
            prop_assert_eq!(anchors.len(), sections.len());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = String::from_utf8_lossy(&bytes);
            prop_assert!(!split(&super::super::markdown::clean(&text)).is_empty());
        }

        #[test]
        fn no_word_is_lost_and_order_is_kept(pieces in proptest::collection::vec(0..12_u8, 0..30)) {
            let mut text = String::new();
            let mut words = Vec::new();
            for (number, piece) in pieces.iter().enumerate() {
                let word = format!("word{number}x");
                text.push_str(&match piece {
                    0 => format!("## {word}\n"),
                    1 => format!("```\n# {word} {{{{< keep >}}}} <!-- in code -->\n```\n\n"),
                    2 => format!("<!-- gone -->{word}\n"),
                    3 => format!("{{{{< note >}}}}\n{word}\n{{{{< /note >}}}}\n"),
                    4 => format!("{word}\n===\n"),
                    5 => format!("\n- item {word}\n- two\n\n"),
                    6 => format!("\n> quote {word}\n\n"),
                    7 => format!("\n| a | {word} |\n|---|---|\n| c | d |\n\n"),
                    8 => format!("{{% gone %}} `{{{{ {word} }}}}` {{{{ gone }}}}\n"),
                    9 => format!("\n<Tabs>\n\n{word}\n\n</Tabs>\n"),
                    10 => format!("\n    indented {word}\n\n"),
                    _ => format!("plain *{word}* text\n\n"),
                });
                words.push(word);
            }
            let all: String = split(&super::super::markdown::clean(&text))
                .iter()
                .map(|s| format!("{}\n{}\n", s.heading, s.text))
                .collect();
            prop_assert!(!all.contains("gone"), "{}", all);
            let mut rest = all.as_str();
            for word in &words {
                let at = rest.find(word.as_str());
                prop_assert!(at.is_some(), "{} is lost or out of order in {:?} from {:?}", word, all, text);
                rest = &rest[at.unwrap()..];
            }
        }
    }
}
