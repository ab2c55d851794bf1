//! `Forwarded` (RFC 7239 §4 to §6) and `X-Forwarded-For`, as text: what each proxy said of whom it heard.
//!
//! Pure, and believes nothing: who may say such things, [`Proxies`](super::Proxies) decides.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whom a proxy heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Address(IpAddr),
    /// `unknown`, `_hidden`, or what cannot be read.
    Hidden,
}

/// What one proxy added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) node: Option<Node>,
    pub(super) proto: Option<String>,
    pub(super) host: Option<String>,
}

/// The elements of a `Forwarded` field, its lines joined by commas, the client's own first; none if it is
/// malformed anywhere.
pub(super) fn elements(field: &str) -> Option<Vec<Element>> {
    let (mut elements, mut rest) = (Vec::new(), field);
    loop {
        let (element, after) = element(rest)?;
        // RFC 9110 §5.6.1.2: empty elements of a list do not count.
        elements.extend(Some(element).filter(|element| *element != Element::default()));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Some(elements),
            None => return None,
        }
    }
}

/// The addresses of an `X-Forwarded-For`, its lines joined by commas, the client's own first. It has no standard:
/// ports are seen, and IPv6 with and without brackets.
pub(super) fn addresses(field: &str) -> Vec<Node> {
    let entries = field.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let read = |entry: &str| match entry.parse::<IpAddr>() {
        Ok(address) => Node::Address(address.to_canonical()),
        Err(_) => node(entry).unwrap_or(Node::Hidden),
    };
    entries.map(read).collect()
}

/// One element and what stands behind it.
fn element(field: &str) -> Option<(Element, &str)> {
    let (mut element, mut rest) = (Element::default(), field.trim_start_matches(WHITE));
    loop {
        if !rest.is_empty() && !rest.starts_with([';', ',']) {
            let (name, after) = token(rest)?;
            let (value, after) = value(after.strip_prefix('=')?)?;
            element.set(name, value)?;
            rest = after.trim_start_matches(WHITE);
        }
        match rest.strip_prefix(';') {
            // RFC 7239 has no space here; enough proxies do.
            Some(next) => rest = next.trim_start_matches(WHITE),
            None => return Some((element, rest)),
        }
    }
}

impl Element {
    /// Each parameter once (§4); `by` and those to come are passed over.
    fn set(&mut self, name: &str, value: String) -> Option<()> {
        let place = match name.to_ascii_lowercase().as_str() {
            "for" => return set(&mut self.node, node(&value)?),
            "proto" => &mut self.proto,
            "host" => &mut self.host,
            _ => return Some(()),
        };
        set(place, value)
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

/// `192.0.2.1`, `[2001:db8::1]`, `unknown` or `_hidden`, each with an optional port (§6).
fn node(text: &str) -> Option<Node> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address = IpAddr::V6(address.parse::<Ipv6Addr>().ok()?).to_canonical();
        return is_port(port).then_some(Node::Address(address));
    }
    let (name, port) = text.find(':').map_or((text, ""), |colon| text.split_at(colon));
    if !is_port(port) {
        return None;
    }
    match name.parse::<Ipv4Addr>() {
        Ok(address) => Some(Node::Address(address.into())),
        Err(_) if name.eq_ignore_ascii_case("unknown") || is_obfuscated(name) => Some(Node::Hidden),
        Err(_) => None,
    }
}

/// Nothing, `:80`, or `:_hidden`.
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    is_obfuscated(port) || (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_obfuscated(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.strip_prefix('_').is_some_and(|name| !name.is_empty() && name.bytes().all(allowed))
}

/// RFC 9110 §5.6.2.
fn token(text: &str) -> Option<(&str, &str)> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let length = text.bytes().take_while(|byte| allowed(*byte)).count();
    text.split_at_checked(length).filter(|(token, _)| !token.is_empty())
}

/// A token, or a quoted string (RFC 9110 §5.6.4) without its quotes.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        return token(text).map(|(token, rest)| (token.to_owned(), rest));
    };
    let (mut value, mut rest) = (String::new(), quoted.chars());
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(rest.next()?),
            other => value.push(other),
        }
    }
}

const WHITE: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Node {
        Node::Address(text.parse().unwrap())
    }

    fn nodes(field: &str) -> Option<Vec<Option<Node>>> {
        Some(elements(field)?.into_iter().map(|element| element.node).collect())
    }

    #[test]
    fn the_examples_of_rfc_7239_are_read() {
        for (field, expected) in [
            ("for=\"_gazonk\"", vec![Node::Hidden]),
            ("For=\"[2001:db8:cafe::17]:4711\"", vec![address("2001:db8:cafe::17")]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", vec![address("192.0.2.60")]),
            ("for=192.0.2.43, for=198.51.100.17", vec![address("192.0.2.43"), address("198.51.100.17")]),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                vec![address("192.0.2.43"), address("2001:db8:cafe::17"), Node::Hidden],
            ),
            ("for=_hidden, for=_SEVKISEK", vec![Node::Hidden, Node::Hidden]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(Some).collect();
            assert_eq!(nodes(field), Some(expected), "{field}");
        }
    }

    #[test]
    fn proto_and_host_stand_beside_the_address_they_belong_to() {
        let field =
            r#"for=1.2.3.4;proto=HTTPS;host="docs.example.com:8443" ; secret="a\"b;c,d", by=_x;for="[::1]""#;
        let first = Element {
            node: Some(address("1.2.3.4")),
            proto: Some("HTTPS".to_owned()),
            host: Some("docs.example.com:8443".to_owned()),
        };
        let second = Element { node: Some(address("::1")), ..Element::default() };
        assert_eq!(elements(field), Some(vec![first, second]));
        assert_eq!(elements(" ,, ;; , "), Some(vec![]));
    }

    #[test]
    fn what_is_malformed_anywhere_is_not_read_at_all() {
        for field in [
            "for",
            "for=",
            "for=1.2.3.4 for=1.2.3.5",
            "for=1.2.3.4;for=1.2.3.5",
            "for=1.2.3.4:80",
            "for=[::1]",
            "for=::1",
            "for=\"::1\"",
            "for=\"[::1\"",
            "for=\"[1.2.3.4]\"",
            "for=\"1.2.3.4:port\"",
            "for=\"1.2.3.4:123456\"",
            "for=\"1.2.3.4",
            "for=\"1.2.3.4\\",
            "for=docs.example.com",
            "=1.2.3.4",
            "1.2.3.4",
            "for =1.2.3.4",
            "host=a;host=b",
            "\u{fc}=1",
        ] {
            assert_eq!(elements(field), None, "{field}");
        }
    }

    #[test]
    fn x_forwarded_for_is_read_as_proxies_write_it() {
        let field = " 203.0.113.7, 2001:db8::1 ,[2001:db8::2],[2001:db8::3]:80,10.0.0.1:4711,, unknown,x,";
        let expected = ["203.0.113.7", "2001:db8::1", "2001:db8::2", "2001:db8::3", "10.0.0.1"].map(address);
        assert_eq!(addresses(field), [&expected[..], &[Node::Hidden, Node::Hidden]].concat());
        assert_eq!(addresses("::ffff:10.0.0.1"), [address("10.0.0.1")]);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_fail(field in ".*") {
            let _ = (elements(&field), addresses(&field));
        }

        #[test]
        fn no_near_miss_makes_it_fail(field in "[for=\"\\[\\]:;,_.0-9a-f\\\\ ]*") {
            let _ = (elements(&field), addresses(&field));
        }

        #[test]
        fn what_is_written_by_the_rules_is_read(numbers in proptest::collection::vec(0_u128.., 1..9)) {
            let written: Vec<String> =
                numbers.iter().map(|bits| format!("for=\"[{}]\"", Ipv6Addr::from_bits(*bits))).collect();
            let read = nodes(&written.join(", ")).unwrap();
            let meant = numbers.iter().map(|bits| Some(address(&Ipv6Addr::from_bits(*bits).to_string())));
            let meant: Vec<_> = meant.collect();
            let canonical = |node: &Option<Node>| match node {
                Some(Node::Address(address)) => Some(Node::Address(address.to_canonical())),
                other => *other,
            };
            assert_eq!(read, meant.iter().map(canonical).collect::<Vec<_>>());
        }
    }
}
