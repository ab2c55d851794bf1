//! URI templates, read backwards: which values a URI has in place of the variables.
//!
//! RFC 6570, of which literals, `{name}` and `{+name}` are taken.

/// A template, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `{name}`: no slash, percent-encoded.
    Segment(String),
    /// `{+name}`: anything, as it stands.
    Rest(String),
}

impl Template {
    /// None if it has an expression that is not taken.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((literal, behind)) = rest.split_once('{') {
            let (expression, behind) = behind.split_once('}')?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let (name, make): (_, fn(String) -> Part) = match expression.strip_prefix('+') {
                Some(name) => (name, Part::Rest),
                None => (expression, Part::Segment),
            };
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
            if name.is_empty() || !name.bytes().all(fits) {
                return None;
            }
            parts.push(make(name.to_owned()));
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        (!text.contains("}{") && !rest.contains('}')).then_some(Self(parts))
    }

    /// The variables' values, if the URI is one of the template's.
    pub(super) fn matches(&self, uri: &str) -> Option<Vec<(String, String)>> {
        let mut search = Search { values: Vec::new(), budget: BUDGET };
        search.matches(&self.0, uri).then_some(search.values)
    }
}

/// Bytes that one search may look at: several variables in a long URI could be told apart in very many ways, and
/// the URI is a stranger's.
const BUDGET: usize = 1 << 20;

struct Search {
    values: Vec<(String, String)>,
    budget: usize,
}

impl Search {
    /// A variable ends where the literal behind it begins, as late as that still fits: `{+path}/raw` takes
    /// `a/raw/raw` for the path `a/raw`. Two variables never touch, so that each try fixes one literal.
    fn matches(&mut self, parts: &[Part], uri: &str) -> bool {
        let (name, whole, behind) = match parts {
            [] => return uri.is_empty(),
            [Part::Literal(literal), behind @ ..] => {
                return uri.strip_prefix(literal.as_str()).is_some_and(|rest| self.matches(behind, rest));
            }
            [Part::Segment(name), behind @ ..] => (name, false, behind),
            [Part::Rest(name), behind @ ..] => (name, true, behind),
        };
        let longest = if whole { uri.len() } else { uri.find(['/', '?', '#']).unwrap_or(uri.len()) };
        let ends: Vec<usize> = match behind {
            [Part::Literal(literal), ..] => uri.match_indices(literal.as_str()).map(|(at, _)| at).collect(),
            _ => vec![uri.len()],
        };
        for end in ends.into_iter().rev().filter(|end| (1..=longest).contains(end)) {
            let Some(left) = self.budget.checked_sub(uri.len()) else { return false };
            self.budget = left;
            let Some((value, rest)) = uri.split_at_checked(end) else { continue };
            let Some(value) = (if whole { Some(value.to_owned()) } else { decoded(value) }) else { continue };
            let before = self.values.len();
            self.values.push((name.clone(), value));
            if self.matches(behind, rest) {
                return true;
            }
            self.values.truncate(before);
        }
        false
    }
}

/// Without percent-encoding; none if it is not UTF-8 then.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit =
                || char::from(rest.next()?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit()? * 16 + digit()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(template: &str, uri: &str) -> Option<Vec<String>> {
        let values = Template::parse(template).unwrap().matches(uri)?;
        Some(values.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn a_uri_of_the_template_gives_its_values() {
        for (template, uri, values) in [
            ("test://template/{id}/data", "test://template/123/data", vec!["id=123"]),
            ("test://{a}/{b}", "test://x%20y/z", vec!["a=x y", "b=z"]),
            ("docs:///{+id}", "docs:///a/b#c", vec!["id=a/b#c"]),
            ("f:{+path}/raw", "f:a/raw/raw", vec!["path=a/raw"]),
            ("f:{a}-{b}.txt", "f:1-2-3.txt", vec!["a=1-2", "b=3"]),
            ("plain", "plain", vec![]),
        ] {
            let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
            assert_eq!(read(template, uri), Some(values), "{template}");
        }
    }

    #[test]
    fn another_uri_gives_none() {
        for (template, uri) in [
            ("test://template/{id}/data", "test://template//data"),
            ("test://template/{id}/data", "test://template/1/2/data"),
            ("test://template/{id}/data", "test://template/1/datax"),
            ("docs:///{+id}", "docs:///"),
            ("a{x}", "a%zz"),
            ("a{x}", "a%ff"),
            ("plain", "plainer"),
        ] {
            assert_eq!(read(template, uri), None, "{template} {uri}");
        }
    }

    #[test]
    fn a_uri_that_fits_in_very_many_ways_but_one_is_given_up() {
        let template = Template::parse("{+a}/{+b}/{+c}/{+d}/{+e}!").unwrap();
        assert_eq!(template.matches(&"/".repeat(200_000)), None);
        assert!(template.matches("1/2/3/4/5!").is_some());
    }

    proptest! {
        #[test]
        fn any_template_and_any_uri_are_taken_apart_or_refused(template in "[a/{}+?é-]{0,20}", uri in "[a/%2é-]{0,40}") {
            if let Some(template) = Template::parse(&template) {
                let _ = template.matches(&uri);
            }
        }

        #[test]
        fn what_a_template_was_filled_with_is_read_back(a in "[a-z0-9]{1,9}", b in "[a-z0-9/]{0,9}[a-z0-9]") {
            let expected = vec![("a".to_owned(), a.clone()), ("b".to_owned(), b.clone())];
            let template = Template::parse("test://{a}:{+b}").unwrap();
            prop_assert_eq!(template.matches(&format!("test://{a}:{b}")), Some(expected));
        }
    }

    #[test]
    fn expressions_that_are_not_taken_are_no_template() {
        for template in ["{?q}", "{a,b}", "{a*}", "{", "}", "{}", "{+}", "{a}{b}", "a{b"] {
            assert_eq!(Template::parse(template), None, "{template}");
        }
    }
}
