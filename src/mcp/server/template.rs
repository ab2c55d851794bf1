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
        let mut values = Vec::new();
        matches(&self.0, uri, &mut values).then_some(values)
    }
}

/// A variable ends where the literal behind it begins, as late as that still fits: `{+path}/raw` takes `a/raw/raw` for
/// the path `a/raw`. Two variables never touch, so that each try fixes one literal.
fn matches(parts: &[Part], uri: &str, values: &mut Vec<(String, String)>) -> bool {
    let (name, whole, behind) = match parts {
        [] => return uri.is_empty(),
        [Part::Literal(literal), behind @ ..] => {
            return uri.strip_prefix(literal.as_str()).is_some_and(|rest| matches(behind, rest, values));
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
        let Some((value, rest)) = uri.split_at_checked(end) else { continue };
        let Some(value) = (if whole { Some(value.to_owned()) } else { decoded(value) }) else { continue };
        let before = values.len();
        values.push((name.clone(), value));
        if matches(behind, rest, values) {
            return true;
        }
        values.truncate(before);
    }
    false
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
    fn expressions_that_are_not_taken_are_no_template() {
        for template in ["{?q}", "{a,b}", "{a*}", "{", "}", "{}", "{+}", "{a}{b}", "a{b"] {
            assert_eq!(Template::parse(template), None, "{template}");
        }
    }
}
