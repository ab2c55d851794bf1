//! The arguments of a shortcode, Liquid tag or component, and the words among them worth reading.

/// Attributes whose value a reader of the published page would see, in the order they are kept.
const READABLE: [&str; 14] = [
    "text",
    "prepend",
    "title",
    "heading",
    "label",
    "alt",
    "caption",
    "summary",
    "description",
    "name",
    "file",
    "for_k8s_version",
    "version",
    "state",
];

/// A tag taken apart; strings without their quotes.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    /// The first word; a closing tag's begins with `/`.
    pub(super) name: &'a str,
    named: Vec<(&'a str, &'a str)>,
    positional: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// Takes `name key="value" 'positional' bare` apart; never fails.
    pub(super) fn parse(inner: &'a str) -> Self {
        let inner = inner.trim().trim_start_matches("/*").trim_end_matches("*/").trim();
        let (name, mut rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        let (mut named, mut positional) = (Vec::new(), Vec::new());
        loop {
            rest = rest.trim_start();
            let Some(first) = rest.chars().next() else { break };
            let word = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let key = rest.get(..word).unwrap_or_default();
            let after = rest.get(word..).unwrap_or_default();
            let quoted = matches!(first, '"' | '\'' | '`');
            if !quoted
                && !key.is_empty()
                && let Some(value) = after.strip_prefix('=')
            {
                let (value, after) = value_of(value.trim_start());
                named.push((key, value));
                rest = after;
            } else {
                let (value, after) = value_of(rest);
                positional.push(value);
                rest = after;
            }
        }
        Self { name, named, positional }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        let (_, value) = self.named.iter().find(|(name, _)| *name == key)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }
}

/// A quoted string or a bare word, and what follows it. Always takes something of a non-empty text.
fn value_of(text: &str) -> (&str, &str) {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
    if let Some(value) = quoted('"').or_else(|| quoted('\'')).or_else(|| quoted('`')) {
        return value;
    }
    let end = text.char_indices().skip(1).find(|(_, c)| c.is_whitespace()).map_or(text.len(), |(at, _)| at);
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// What stays of a tag in the text: link targets, captions, titles, the words of a tooltip.
pub(super) fn words_of(arguments: &Arguments<'_>) -> String {
    let first = arguments.positional.first().copied().unwrap_or_default();
    match arguments.name {
        name if name.starts_with('/') => return String::new(),
        "ref" | "relref" | "link" | "post_url" | "heading" if !first.is_empty() => return first.to_owned(),
        _ => {}
    }
    let mut words: Vec<&str> = Vec::new();
    for key in READABLE {
        // `tabs name="…"` names the group for the script, `tab name="…"` is what is read.
        if key == "name" && arguments.name == "tabs" {
            continue;
        }
        if let Some(value) = arguments.get(key).filter(|value| !value.starts_with('{'))
            && !words.contains(&value)
        {
            words.push(value);
        }
    }
    if arguments.get("text").is_none() {
        words.extend(arguments.get("term_id"));
    }
    let spoken = |value: &&&str| value.contains(' ') && !value.starts_with('{');
    words.extend(arguments.positional.iter().filter(spoken));
    words.join(". ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_taken_apart_and_the_readable_ones_kept() {
        for (inner, words) in [
            (" glossary_tooltip text=\"API server\" term_id=\"kube-apiserver\" ", "API server"),
            ("note", ""),
            ("/tab", ""),
            ("tabs name=\"group\"", ""),
            ("skew currentVersion", ""),
            ("ref `a#b`", "a#b"),
            ("button \"Get started\" primary", "Get started"),
            ("figure alt=\"A\" caption=\"A\" link=\"x\"", "A"),
            ("x title=\"unclosed", "\"unclosed"),
            ("x title=", ""),
            ("x = = =", ""),
            ("", ""),
        ] {
            assert_eq!(words_of(&Arguments::parse(inner)), words, "{inner:?}");
        }
    }
}
