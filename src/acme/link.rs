//! `Link` header fields: RFC 8288 §3, tolerant of what CAs and proxies make of it.
//!
//! Several fields or one with commas; targets with or without angle brackets' company of spaces; relation types
//! quoted or not, several in one parameter.

use http::HeaderMap;
use http::header::LINK;

/// The targets of every link with this relation type, in order, verbatim.
pub(super) fn links(headers: &HeaderMap, relation: &str) -> Vec<String> {
    let values = headers.get_all(LINK).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| targets(value, relation)).take(MOST_LINKS).collect()
}

fn targets(mut rest: &str, relation: &str) -> Vec<String> {
    let mut found = Vec::new();
    // A target ends at its bracket, so that a comma inside a URL does not split it.
    while let Some((_, behind)) = rest.split_once('<') {
        let Some((target, behind)) = behind.split_once('>') else { break };
        let (parameters, next) = parameters(behind);
        if parameters.iter().any(|parameter| names(parameter, relation)) {
            found.push(target.trim().to_owned());
        }
        rest = next;
    }
    found
}

/// The parameters up to the comma that ends this link, and what is behind it; commas and semicolons in quotes are text.
fn parameters(text: &str) -> (Vec<&str>, &str) {
    let (mut found, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' | ',' if !quoted => {
                found.extend(text.get(start..place));
                start = place + 1;
                if character == ',' {
                    return (found, text.get(start..).unwrap_or_default());
                }
            }
            _ => {}
        }
    }
    found.extend(text.get(start..));
    (found, "")
}

/// Whether `rel="a b"`, `rel=a` or `rel = a` names the relation; types are compared without case (RFC 8288 §2.1.1).
fn names(parameter: &str, relation: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let value = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && value.split_whitespace().any(|one| one.eq_ignore_ascii_case(relation))
}

const MOST_LINKS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn alternates(values: &[&str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, value.parse().unwrap());
        }
        links(&headers, "alternate")
    }

    #[test]
    fn links_are_found_in_every_form() {
        let both = ["https://ca/1", "https://ca/2"];
        for values in [
            &[r#"<https://ca/1>;rel="alternate""#, r#"<https://ca/2>; rel="alternate""#][..],
            &[
                r#"<https://ca/dir>;rel="index", <https://ca/1>;rel="alternate",<https://ca/2>;rel="alternate""#,
            ],
            &["<https://ca/1>;rel=alternate, < https://ca/2 > ; Rel = ALTERNATE"],
            &[r#"<https://ca/1>; title="a, \"b; <c>"; rel="up alternate""#, "<https://ca/2>;rel=alternate"],
        ] {
            assert_eq!(alternates(values), both, "{values:?}");
        }
        assert_eq!(alternates(&["<https://ca/a,b;c>;rel=alternate"]), ["https://ca/a,b;c"]);
        assert!(
            alternates(&["https://ca/1;rel=alternate", "<https://ca/1", "<x>;rel=up", "", "<x>"]).is_empty()
        );
    }

    proptest::proptest! {
        #[test]
        fn no_field_panics(value: Vec<u8>, tail in r#"[<>;,="\\ a-z]{0,40}"#) {
            let mut headers = HeaderMap::new();
            headers.extend(http::HeaderValue::from_bytes(&value).ok().map(|value| (LINK, value)));
            headers.append(LINK, tail.parse().unwrap());
            links(&headers, "alternate");
        }
    }
}
