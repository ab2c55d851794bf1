//! Cleans Markdown of what a site generator would have consumed: HTML comments, shortcodes, Liquid,
//! MDX imports and lines of components.
//!
//! Owns which constructs go and which of their words stay. Code, fenced, indented or inline, is never
//! touched; pulldown-cmark says where it is (CommonMark 0.31). Everything else stays as it was written.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::construct::Scanner;

/// The extensions that both passes, cleaning and sectioning, read Markdown with.
pub(super) const EXTENSIONS: Options =
    Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);

/// A construct that goes, and the words of it that stay in its place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Byte range in the source.
    pub(super) range: Range<usize>,
    /// What stands there instead; mostly nothing.
    pub(super) keep: String,
}

/// The text without its constructs.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if !may_hold_constructs(text) {
        return Cow::Borrowed(text);
    }
    let cuts = Scanner::new(text, code(text)).cuts();
    if cuts.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(apply(text, &cuts)) }
}

/// A cheap look that spares most pages both passes.
fn may_hold_constructs(text: &str) -> bool {
    let pair = |pair: &[u8]| match pair {
        [b'{', next] => matches!(next, b'{' | b'%' | b'/'),
        [b'<', next] => matches!(next, b'!' | b'/' | b'>' | b'A'..=b'Z'),
        _ => false,
    };
    text.as_bytes().windows(2).any(pair) || text.contains("import ") || text.contains("export ")
}

/// Byte ranges of code blocks and code spans, in order.
fn code(text: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (event, range) in Parser::new_ext(text, EXTENSIONS).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) | Event::Code(_) => ranges.push(range),
            Event::Start(Tag::HtmlBlock) => code_in_html(text, range, &mut ranges),
            _ => {}
        }
    }
    ranges
}

/// What MDX reads as code in a block that CommonMark takes for HTML, such as the lines below `</Tabs>`.
fn code_in_html(text: &str, block: Range<usize>, ranges: &mut Vec<Range<usize>>) {
    let html = text.get(block.clone()).unwrap_or_default();
    if html.trim_start().starts_with("<!--") || !html.contains('`') {
        return;
    }
    // Runs of backticks: where each begins, and its length. A code is closed by the next equal run.
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in html.match_indices('`') {
        match runs.last_mut() {
            Some((start, length)) if *start + *length == at => *length += 1,
            _ => runs.push((at, 1)),
        }
    }
    let mut runs = runs.into_iter();
    while let Some((start, length)) = runs.next() {
        let mut ahead = runs.clone().take(256);
        if let Some((end, _)) = ahead.find(|(_, other)| *other == length) {
            ranges.push(block.start + start..block.start + end + length);
            runs.by_ref().find(|(at, _)| *at == end);
        }
    }
}

/// Replaces the cuts; a line that held nothing else goes with them, but never joins two paragraphs.
fn apply(text: &str, cuts: &[Cut]) -> String {
    let mut out = Cleaned { text: String::with_capacity(text.len()), line: 0, cut_here: false };
    let mut at = 0;
    for cut in cuts {
        out.copy(text.get(at..cut.range.start).unwrap_or_default());
        out.cut(&cut.keep);
        at = cut.range.end;
    }
    out.copy(text.get(at..).unwrap_or_default());
    out.text
}

struct Cleaned {
    text: String,
    /// Where the current line begins.
    line: usize,
    /// Whether something was cut from the current line.
    cut_here: bool,
}

impl Cleaned {
    fn cut(&mut self, keep: &str) {
        self.text.push_str(keep);
        self.cut_here = true;
    }

    fn copy(&mut self, piece: &str) {
        let mut rest = piece;
        if self.cut_here {
            let Some((tail, after)) = piece.split_once('\n') else {
                self.text.push_str(piece);
                return;
            };
            self.text.push_str(tail);
            self.end_cut_line();
            rest = after;
        }
        let start = self.text.len();
        self.text.push_str(rest);
        if let Some(newline) = rest.rfind('\n') {
            self.line = start + newline + 1;
        }
    }

    fn end_cut_line(&mut self) {
        self.cut_here = false;
        if self.text.get(self.line..).is_some_and(|line| line.trim().is_empty()) {
            self.text.truncate(self.line);
            if self.text.is_empty() || self.text.ends_with("\n\n") {
                return;
            }
        }
        self.text.push('\n');
        self.line = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructs_go_and_their_useful_words_stay() {
        for (dirty, cleaned) in [
            ("a <!-- b --> c", "a  c"),
            ("one\n<!-- x\n\ny -->\ntwo", "one\n\ntwo"),
            ("one\n\n<!-- x -->\n\ntwo", "one\n\n\ntwo"),
            ("your {{< glossary_tooltip text=\"cluster\" term_id=\"c\" >}}, yes", "your cluster, yes"),
            ("a {{< glossary_tooltip term_id=\"job\" >}} b", "a job b"),
            ("{{< note >}}\nMind this.\n{{< /note >}}\n", "Mind this.\n\n"),
            ("[Pod]({{< ref \"../pod#Spec\" >}})", "[Pod](../pod#Spec)"),
            ("## {{% heading \"whatsnext\" %}}\n", "## whatsnext\n"),
            ("{{% tab name=\"Windows\" %}}\nrun\n{{% /tab %}}\n", "Windows\nrun\n\n"),
            ("a {{< comment >}} hidden {{< /comment >}} b", "a  b"),
            ("see [x]({{ site.baseurl }}/y)", "see [x](/y)"),
            ("{% include note.html %}\ntext", "text"),
            ("{% comment %}gone{% endcomment %}kept", "kept"),
            ("a {{< figure src=\"a.svg\" alt=\"A\n  chart\" caption=\"Flow\" >}} b", "a A\n  chart. Flow b"),
            ("import Tabs from '@theme/Tabs';\nimport {\n  A,\n} from 'x';\n\nText\n", "\nText\n"),
            ("export const meta = {\n  a: 1,\n};\n\nText\n", "\nText\n"),
            (
                "<Tabs>\n<TabItem value=\"w\" label=\"Windows\">\n\nRun\n\n</TabItem>\n</Tabs>\n",
                "Windows\n\nRun\n\n",
            ),
            ("{/* note */}\nText", "Text"),
        ] {
            assert_eq!(clean(dirty), cleaned, "{dirty:?}");
        }
    }

    #[test]
    fn code_and_lookalikes_are_left_alone() {
        for text in [
            "```\n<!-- a --> {{< b >}} {% c %} {{ d }}\nimport x from 'y'\n<Tabs>\n```\n",
            "use `{{ .Values.x }}` and `<!-- c -->` and ``{% raw %}``",
            "~~~mdx\n<Tabs>\n~~~\n",
            "<!-- never closed\n\ntext",
            "{{< never closed\n\ntext >}}",
            "${{ secrets.TOKEN }}",
            "a generic `Vec<T>` and <NAME> and 1 < 2",
            "import duties are paid\nexport FOO=bar is shell",
            "<div>\nhtml stays\n</div>",
        ] {
            assert_eq!(clean(text), text);
        }
    }
}
