//! The token that a request carries. RFC 6750 §2: in `Authorization`, and nowhere else.

use ::http::HeaderMap;
use ::http::header::AUTHORIZATION;

/// What a request brings to be let in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credentials<'a> {
    /// No token: no `Authorization`, or one of another scheme.
    None,
    /// A token. It is a secret: never log it.
    Bearer(&'a str),
    /// What cannot be read as one token, in words for whoever sent it.
    Malformed(&'static str),
}

impl<'a> Credentials<'a> {
    /// Reads them from a request's header fields and its query.
    #[must_use]
    pub fn of(headers: &'a HeaderMap, query: Option<&str>) -> Self {
        // RFC 6750 §5.3: a URL is logged, kept and passed on by everybody on the way.
        if query.is_some_and(names_a_token) {
            return Self::Malformed(
                "a token in the address is not taken: addresses end up in logs; send Authorization: Bearer TOKEN",
            );
        }
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let Some(field) = fields.next() else { return Self::None };
        if fields.next().is_some() {
            return Self::Malformed("there is more than one Authorization field; send one");
        }
        let Ok(field) = field.to_str() else { return Self::Malformed(NO_TOKEN) };
        let (scheme, token) = field.split_once(' ').unwrap_or((field, ""));
        // RFC 9110 §11.1: a scheme's case does not matter.
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Self::None;
        }
        match token.trim_matches(' ') {
            token if is_token(token) => Self::Bearer(token),
            _ => Self::Malformed(NO_TOKEN),
        }
    }
}

/// RFC 6750 §2.1, `b64token`.
pub(super) fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(allowed)
}

fn names_a_token(query: &str) -> bool {
    query.split('&').any(|pair| pair.split('=').next().is_some_and(|name| name == "access_token"))
}

const NO_TOKEN: &str = "the Authorization field holds no token; send Authorization: Bearer TOKEN";

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    fn headers(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        for field in ["Bearer a-._~+/9==", "bearer a-._~+/9==", "BEARER   a-._~+/9== "] {
            assert_eq!(
                Credentials::of(&headers(&[field]), None),
                Credentials::Bearer("a-._~+/9=="),
                "{field}"
            );
        }
    }

    #[test]
    fn another_scheme_is_no_token() {
        for fields in [&[][..], &["Basic dXNlcjpwYXNz"], &["Digest username=\"a\""], &["bearertoken"]] {
            assert_eq!(Credentials::of(&headers(fields), Some("a=b")), Credentials::None, "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_single_token_is_told_so() {
        for fields in [
            &["Bearer"][..],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a,b"],
            &["Bearer =="],
            &["Bearer \u{fc}"],
        ] {
            assert_eq!(
                Credentials::of(&headers(fields), None),
                Credentials::Malformed(NO_TOKEN),
                "{fields:?}"
            );
        }
        let twice = headers(&["Bearer a", "Bearer a"]);
        let twice = Credentials::of(&twice, None);
        assert!(matches!(twice, Credentials::Malformed(why) if why.contains("more than one")));
    }

    #[test]
    fn a_token_in_the_query_is_refused_though_a_good_one_stands_beside_it() {
        let good = headers(&["Bearer a"]);
        for query in ["access_token=a", "q=1&access_token=a", "access_token"] {
            let found = Credentials::of(&good, Some(query));
            assert!(matches!(found, Credentials::Malformed(why) if why.contains("address")), "{query}");
        }
        assert_eq!(Credentials::of(&good, Some("token=a")), Credentials::Bearer("a"));
    }
}
