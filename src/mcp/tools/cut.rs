//! Where a long Markdown text is cut: between blocks, else between lines, never inside a code block
//! that fits into an answer. The pieces put together are the whole text.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::tokens;

/// How much text an answer may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) chars: usize,
    pub(super) tokens: usize,
}

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    pub(super) text: &'t str,
    /// The byte at which the next piece begins; none after the last.
    pub(super) next: Option<usize>,
    /// The cut lies inside a code block that is larger than the budget.
    pub(super) in_code: bool,
}

/// The piece of `whole` that begins at byte `from` (a character boundary). Holds at least one
/// character, however small the budget, unless nothing is left.
pub(super) fn piece(whole: &str, from: usize, budget: Budget) -> Piece<'_> {
    let rest = whole.get(from..).unwrap_or_default();
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let limit = from + tokens::fitting(rest, budget.chars, budget.tokens).max(first);
    if limit >= whole.len() {
        return Piece { text: rest, next: None, in_code: false };
    }
    let blocks = Blocks::of(whole);
    let at = blocks.last_between(from, limit).or_else(|| last_line(whole, from, limit, &blocks));
    let at = at.unwrap_or_else(|| anywhere(whole, from, limit));
    let in_code = blocks.in_code(at);
    Piece { text: whole.get(from..at).unwrap_or(rest), next: Some(at), in_code }
}

/// A text's outermost blocks and all of its code blocks, as bytes.
struct Blocks {
    /// Where an outermost block begins that does not directly follow a heading.
    starts: Vec<usize>,
    code: Vec<Range<usize>>,
}

impl Blocks {
    fn of(whole: &str) -> Self {
        let mut blocks = Self { starts: Vec::new(), code: Vec::new() };
        let (mut depth, mut after_heading) = (0_usize, false);
        let options = Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES;
        for (event, range) in Parser::new_ext(whole, options).into_offset_iter() {
            if depth == 0 && !matches!(event, Event::End(_)) {
                if !after_heading {
                    blocks.starts.push(range.start);
                }
                after_heading = false;
            }
            match event {
                Event::Start(tag) => {
                    depth += 1;
                    if matches!(tag, Tag::CodeBlock(_)) {
                        blocks.code.push(range);
                    }
                }
                Event::End(tag) => {
                    depth = depth.saturating_sub(1);
                    after_heading = depth == 0 && matches!(tag, TagEnd::Heading(_));
                }
                _ => {}
            }
        }
        blocks
    }

    /// The last start of a block in `from..=limit` that leaves at least a quarter of the room used.
    fn last_between(&self, from: usize, limit: usize) -> Option<usize> {
        let least = from + ((limit - from) / 4).max(1);
        let last = self.starts.iter().rev().find(|start| **start <= limit).copied();
        last.filter(|start| *start >= least)
    }

    fn in_code(&self, at: usize) -> bool {
        self.code.iter().any(|code| code.start < at && at < code.end)
    }
}

/// The last beginning of a line in `from+1..=limit`, outside of code if there is one.
fn last_line(whole: &str, from: usize, limit: usize, blocks: &Blocks) -> Option<usize> {
    // One byte less: the line that begins at `limit` is after a newline at `limit - 1`.
    let lines = whole.get(from..limit)?.rmatch_indices('\n').map(|(at, _)| from + at + 1);
    let (mut inside, mut outside) = (None, None);
    for line in lines {
        if !blocks.in_code(line) {
            outside = Some(line);
            break;
        }
        inside = inside.or(Some(line));
    }
    outside.or(inside)
}

/// After the last space, else at the limit: a single line that is longer than the budget.
fn anywhere(whole: &str, from: usize, limit: usize) -> usize {
    let space = whole.get(from..limit).and_then(|text| text.rfind(' '));
    space.map_or(limit, |at| from + at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(whole: &str, chars: usize) -> Vec<Piece<'_>> {
        let budget = Budget { chars, tokens: usize::MAX };
        let mut all = vec![piece(whole, 0, budget)];
        while let Some(next) = all.last().unwrap().next {
            all.push(piece(whole, next, budget));
        }
        all
    }

    fn texts(whole: &str, chars: usize) -> Vec<&str> {
        pieces(whole, chars).iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn a_short_text_is_one_piece() {
        assert_eq!(texts("# A\n\nb\n\n", 100), ["# A\n\nb\n\n"]);
        assert_eq!(texts("", 100), [""]);
    }

    #[test]
    fn cuts_fall_between_blocks_and_not_behind_a_heading() {
        let whole = "first paragraph here\n\nsecond one\n\n## Head\n\nthird one\n\n";
        assert_eq!(texts(whole, 44), ["first paragraph here\n\nsecond one\n\n", "## Head\n\nthird one\n\n"]);
    }

    #[test]
    fn a_code_block_that_fits_is_never_cut() {
        let code = "```sh\none\n\ntwo\n\nthree\n```\n\n";
        let whole = format!("intro words\n\n{code}end\n\n");
        assert_eq!(texts(&whole, 30), ["intro words\n\n", code, "end\n\n"]);
        assert!(pieces(&whole, 30).iter().all(|piece| !piece.in_code));
    }

    #[test]
    fn a_code_block_larger_than_the_budget_is_cut_at_a_line_and_says_so() {
        let whole = format!("```\n{}```\n\n", "a line of code\n".repeat(20));
        let pieces = pieces(&whole, 100);
        assert!(pieces[0].in_code);
        assert!(pieces.iter().all(|piece| piece.text.ends_with('\n')));
    }

    #[test]
    fn one_long_line_is_cut_at_spaces_or_anywhere() {
        assert_eq!(texts("aaa bbb ccc", 5), ["aaa ", "bbb ", "ccc"]);
        assert_eq!(texts("ééééé", 2), ["éé", "éé", "é"]);
    }

    fn block() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zé ]{1,60}\n\n",
            "#{1,4} [a-z]{1,9}\n\n",
            "(- [a-z]{1,20}\n){1,5}\n",
            "```\n([a-z ]{0,20}\n){1,6}```\n\n",
            "- [a-z]{1,9}\n\n  ```\n(  [a-z]{0,9}\n\n){1,4}  ```\n\n",
            "[ -~é語\n]{0,40}",
        ]
    }

    proptest! {
        #[test]
        fn the_pieces_put_together_are_the_whole(
            blocks in prop::collection::vec(block(), 0..12), chars in 1_usize..200,
        ) {
            let whole = blocks.concat();
            let all = pieces(&whole, chars);
            prop_assert!(all.iter().all(|piece| piece.text.chars().count() <= chars.max(1)));
            prop_assert_eq!(all.iter().map(|piece| piece.text).collect::<String>(), whole);
        }

        #[test]
        fn no_cut_lies_inside_code_that_fits(
            blocks in prop::collection::vec(block(), 0..12), chars in 1_usize..200,
        ) {
            let whole = blocks.concat();
            let known = Blocks::of(&whole);
            for piece in pieces(&whole, chars) {
                let Some(next) = piece.next else { continue };
                for code in known.code.iter().filter(|code| code.start < next && next < code.end) {
                    let line = whole[..code.start].rfind('\n').map_or(0, |at| at + 1);
                    // With the line break behind it.
                    let needed = whole[line..code.end].chars().count() + 1;
                    prop_assert!(needed > chars, "{whole:?} cut at {next}");
                    prop_assert!(piece.in_code);
                }
            }
        }
    }
}
