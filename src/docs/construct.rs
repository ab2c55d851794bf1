//! Finds the constructs of site generators in Markdown: comments, shortcodes, Liquid, MDX, JSX.
//!
//! Owns their grammar, read the way the generators do: Hugo's shortcodes (`{{< … >}}`, `{{% … %}}`),
//! Liquid (`{% … %}`, `{{ … }}`), MDX 2 (imports, exports, component lines, `{/* … */}`), HTML comments.
//! What does not close is left as text.

use std::ops::Range;

use super::attributes::{Arguments, words_of};
use super::markdown::Cut;

/// Longest shortcode or tag, bytes: beyond it an opening is taken for text.
const LONGEST_TAG: usize = 8 * 1024;

/// Walks a text once, from construct to construct, stepping over code.
pub(super) struct Scanner<'a> {
    text: &'a str,
    code: Vec<Range<usize>>,
    /// No comment closes from here on: spares a search to the end for each later opening.
    unclosed_comment: bool,
}

impl<'a> Scanner<'a> {
    /// `code`: the ranges not to look into, in order.
    pub(super) fn new(text: &'a str, code: Vec<Range<usize>>) -> Self {
        Self { text, code, unclosed_comment: false }
    }

    /// Every construct, in order, none overlapping.
    pub(super) fn cuts(mut self) -> Vec<Cut> {
        let mut cuts: Vec<Cut> = Vec::new();
        let mut next_code = 0;
        let mut at = 0;
        while at < self.text.len() {
            while self.code.get(next_code).is_some_and(|range| range.end <= at) {
                next_code += 1;
            }
            if let Some(range) = self.code.get(next_code).filter(|range| range.start <= at) {
                at = range.end;
                continue;
            }
            match self.construct(at) {
                Some(cut) if cut.range.end > at => {
                    at = cut.range.end;
                    cuts.push(cut);
                }
                _ => at += 1,
            }
        }
        cuts
    }

    /// The construct that begins at this byte.
    fn construct(&mut self, at: usize) -> Option<Cut> {
        let line_start = at == 0 || self.byte(at - 1) == Some(b'\n');
        match self.byte(at)? {
            b'\\' | b'$' if self.rest(at + 1).starts_with("{{") => Some(self.literal(at)),
            b'<' if self.rest(at).starts_with("<!--") => self.comment(at, "-->"),
            b'<' if self.begins_line(at) => self.components(at),
            b'{' => match self.byte(at + 1)? {
                b'{' => self.shortcode(at).or_else(|| self.output(at)),
                b'%' => self.liquid(at),
                b'/' if self.rest(at).starts_with("{/*") => self.comment(at, "*/}"),
                _ => None,
            },
            b'i' | b'e' if line_start => self.module_line(at),
            _ => None,
        }
    }

    /// `${{ … }}` and `\{{`: text, to be stepped over.
    fn literal(&self, at: usize) -> Cut {
        let end = (at + 3).min(self.text.len());
        Cut { range: at..end, keep: self.text.get(at..end).unwrap_or_default().to_owned() }
    }

    fn comment(&mut self, at: usize, close: &str) -> Option<Cut> {
        if self.unclosed_comment {
            return None;
        }
        let mut from = at + close.len();
        loop {
            let Some(found) = self.rest(from).find(close) else {
                self.unclosed_comment = close == "-->";
                return None;
            };
            let end = from + found + close.len();
            if !self.in_code(end - 1) {
                return Some(cut(at..end));
            }
            from = end;
        }
    }

    fn shortcode(&self, at: usize) -> Option<Cut> {
        let close = match self.byte(at + 2)? {
            b'<' => ">}}",
            b'%' => "%}}",
            _ => return None,
        };
        let (inner, end) = self.enclosed(at + 3, close)?;
        let arguments = Arguments::parse(inner);
        if arguments.name == "comment" && !inner.trim_end().ends_with('/') {
            return Some(cut(at..self.closing_tag(end, "/comment", "}}").unwrap_or(end)));
        }
        Some(Cut { range: at..end, keep: words_of(&arguments) })
    }

    fn liquid(&self, at: usize) -> Option<Cut> {
        let (inner, end) = self.enclosed(at + 2, "%}")?;
        let arguments = Arguments::parse(inner.trim_matches('-'));
        match arguments.name {
            "comment" => Some(cut(at..self.closing_tag(end, "endcomment", "%}").unwrap_or(end))),
            "link" | "post_url" => Some(Cut { range: at..end, keep: words_of(&arguments) }),
            _ => Some(cut(at..end)),
        }
    }

    /// `{{ site.title }}`; of `{{ "/x" | relative_url }}` the literal stays.
    fn output(&self, at: usize) -> Option<Cut> {
        let line = self.rest(at + 2).split('\n').next()?;
        let inner = line.split_once("}}")?.0;
        let end = at + 2 + inner.len() + 2;
        if self.in_code(end - 1) || inner.trim().is_empty() {
            return None;
        }
        let inner = inner.trim();
        let quote = inner.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let literal = quote.and_then(|quote| inner.split(quote).nth(1)).unwrap_or_default();
        Some(Cut { range: at..end, keep: literal.to_owned() })
    }

    /// Lines that hold nothing but component tags: `<Tabs>`, `</TabItem>`, `<Card title="x" />`.
    fn components(&self, at: usize) -> Option<Cut> {
        let mut end = at;
        let mut keep = Vec::new();
        loop {
            let tag = self.component(end)?;
            keep.push(words_of(&Arguments::parse(self.text.get(end + 1..tag)?)));
            end = tag;
            let rest = self.rest(end);
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            match self.byte(end + blanks) {
                None | Some(b'\n' | b'\r') => break,
                Some(b'<') => end += blanks,
                Some(_) => return None,
            }
        }
        keep.retain(|words| !words.is_empty());
        Some(Cut { range: at..end, keep: keep.join(" ") })
    }

    /// Where the component tag that begins here ends.
    fn component(&self, at: usize) -> Option<usize> {
        let rest = self.rest(at);
        if rest.starts_with("<>") || rest.starts_with("</>") {
            return Some(at + rest.find('>')? + 1);
        }
        let name = rest.strip_prefix('<')?;
        let name = name.strip_prefix('/').unwrap_or(name);
        let name = name.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').next()?;
        // `<NAME>` is a placeholder in prose; a component is written `<Name>`.
        if !name.starts_with(|c: char| c.is_ascii_uppercase())
            || !name.contains(|c: char| c.is_ascii_lowercase())
        {
            return None;
        }
        let (mut quote, mut depth) = (None, 0_usize);
        for (offset, byte) in rest.bytes().enumerate().take(LONGEST_TAG) {
            match (quote, byte) {
                (Some(open), byte) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'{') => depth += 1,
                (None, b'}') => depth = depth.saturating_sub(1),
                (None, b'>') if depth == 0 => return Some(at + offset + 1),
                (None, _) => {}
            }
        }
        None
    }

    /// `import … from '…'` and `export const …` at the top level of MDX.
    fn module_line(&self, at: usize) -> Option<Cut> {
        let block = self.rest(at).split("\n\n").next()?;
        let length = if block.starts_with("import ") {
            let mut length = 0;
            block.split_inclusive('\n').take(64).find_map(|line| {
                length += line.len();
                let end = line.trim_end().trim_end_matches(';');
                let quoted = end.ends_with('\'') || end.ends_with('"');
                let first = length == line.len();
                let bare = first && (end.starts_with("import '") || end.starts_with("import \""));
                let named = end.contains(" from '") || end.contains(" from \"");
                (quoted && (bare || named)).then_some(length)
            })?
        } else {
            let declared = block.strip_prefix("export ")?;
            let words = ["const ", "let ", "function ", "default ", "async function ", "{", "* from "];
            if !words.iter().any(|word| declared.starts_with(word)) {
                return None;
            }
            if declared.starts_with("default ") && !block.contains(['(', '{']) {
                return None;
            }
            block.len()
        };
        let end = at + block.get(..length)?.trim_end_matches('\n').len();
        (!self.in_code(end.saturating_sub(1))).then(|| cut(at..end))
    }

    /// What stands between `from` and `close`, quoted strings stepped over, and where `close` ends.
    fn enclosed(&self, from: usize, close: &str) -> Option<(&'a str, usize)> {
        let rest = self.rest(from);
        let rest = rest.split("\n\n").next()?;
        let mut quote = None;
        let mut plain = None;
        for (offset, byte) in rest.bytes().enumerate().take(LONGEST_TAG) {
            let closes = byte == close.as_bytes().first().copied()? && rest.get(offset..)?.starts_with(close);
            match (quote, byte) {
                (None, _) if closes => return self.close(from, offset, close),
                (Some(_), _) if closes => plain = plain.or(Some(offset)),
                (Some(open), byte) if open == byte => quote = None,
                (None, b'"' | b'`') => quote = Some(byte),
                _ => {}
            }
        }
        // A lone quotation mark hides the end from the walk above.
        self.close(from, plain?, close)
    }

    fn close(&self, from: usize, offset: usize, close: &str) -> Option<(&'a str, usize)> {
        let end = from + offset + close.len();
        if self.in_code(end - 1) { None } else { Some((self.text.get(from..from + offset)?, end)) }
    }

    /// The end of a closing tag such as `{{< /comment >}}` behind `from`.
    fn closing_tag(&self, from: usize, name: &str, close: &str) -> Option<usize> {
        let found = from + self.rest(from).find(name)?;
        Some(found + self.rest(found).find(close)? + close.len())
    }

    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or_default()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Whether only blanks stand before this byte on its line.
    fn begins_line(&self, at: usize) -> bool {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let mut before = before.iter().rev().skip_while(|byte| matches!(byte, b' ' | b'\t'));
        before.next().is_none_or(|byte| *byte == b'\n')
    }

    fn in_code(&self, at: usize) -> bool {
        let next = self.code.partition_point(|range| range.end <= at);
        self.code.get(next).is_some_and(|range| range.contains(&at))
    }
}

fn cut(range: Range<usize>) -> Cut {
    Cut { range, keep: String::new() }
}
