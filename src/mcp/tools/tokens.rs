//! How many tokens a text costs, roughly: tokenizers differ, so this errs on the dear side.

/// What a default answer may cost; hosts are to see fewer than 3,000 tokens.
pub(super) const DEFAULT: usize = 2_800;

/// What any answer may cost: Claude cuts off at 25,000.
pub(super) const MOST: usize = 20_000;

/// A text's estimated tokens.
pub(super) fn estimate(text: &str) -> usize {
    text.chars().map(weight).sum::<usize>().div_ceil(UNIT)
}

/// The bytes at the start of `text` that fit into `chars` characters and `tokens` tokens.
pub(super) fn fitting(text: &str, chars: usize, tokens: usize) -> usize {
    let mut left = tokens.saturating_mul(UNIT);
    for (count, (at, char)) in text.char_indices().enumerate() {
        if count == chars || weight(char) > left {
            return at;
        }
        left -= weight(char);
    }
    text.len()
}

/// Hundredths of a token. English prose is at 25, code and JSON at 30 to 35; other alphabets take
/// about half a token a letter, the scripts of East and South Asia one and more.
fn weight(char: char) -> usize {
    match u32::from(char) {
        0..0x80 => 30,
        0x80..0x800 => 55,
        _ => 120,
    }
}

const UNIT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_scripts_cost_more() {
        assert_eq!(estimate(&"a".repeat(100)), 30);
        assert_eq!(estimate(&"я".repeat(100)), 55);
        assert_eq!(estimate(&"語".repeat(100)), 120);
    }

    #[test]
    fn a_fitting_start_ends_between_characters() {
        assert_eq!(fitting("aяb", 2, 100), 3);
        assert_eq!(fitting("aяb", 9, 100), 4);
        assert_eq!(fitting(&"a".repeat(100), 1_000, 3), 10);
        assert_eq!(fitting("", 0, 0), 0);
    }
}
