//! Where a page is read by people: its own address, else docquay's `/docs/{id}`; and the percent
//! encoding that both need. RFC 3986 §2, §3.3, §3.5.

use super::{Page, Section};

/// Makes the addresses of pages and sections; every one is absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    base: String,
}

impl Urls {
    /// `base` is docquay's public address, scheme included: `https://docs.example.com`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { base: base.trim_end_matches('/').to_owned() }
    }

    /// docquay's public address, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The path of the public address: "" unless docquay lives below a prefix.
    #[must_use]
    pub fn prefix(&self) -> &str {
        let authority = self.base.split_once("://").map_or("", |(_, rest)| rest);
        authority.find('/').and_then(|at| authority.get(at..)).unwrap_or("")
    }

    /// The page's own address if it has an absolute one, else docquay's.
    #[must_use]
    pub fn page(&self, page: &Page) -> String {
        match page.url.as_deref().filter(|url| is_http(url)) {
            Some(own) => clean(own),
            None => self.served(page),
        }
    }

    /// The page's address with the section's anchor.
    #[must_use]
    pub fn section(&self, page: &Page, section: &Section) -> String {
        let mut url = self.page(page);
        if !section.anchor.is_empty() {
            url.truncate(url.find('#').unwrap_or(url.len()));
            url.push('#');
            url.push_str(&encode_fragment(&section.anchor));
        }
        url
    }

    /// The address under which docquay itself shows the page.
    #[must_use]
    pub fn served(&self, page: &Page) -> String {
        format!("{}/docs/{}", self.base, encode_path(&page.id))
    }

    /// [`served`](Self::served) as a link from another page of this server: a path without the host.
    #[must_use]
    pub fn served_path(&self, page: &Page) -> String {
        format!("{}/docs/{}", self.prefix(), encode_path(&page.id))
    }
}

/// The page's address as an MCP resource: `docs:///guide/tls`.
#[must_use]
pub fn resource_uri(page: &Page) -> String {
    format!("docs:///{}", encode_path(&page.id))
}

/// Percent-encodes for a URL's path; `/` stays.
#[must_use]
pub fn encode_path(text: &str) -> String {
    encode(text, b"/-._~!$&'()*+,;=:@")
}

/// Percent-encodes for a URL's fragment.
#[must_use]
pub fn encode_fragment(text: &str) -> String {
    encode(text, b"/?-._~!$&'()*+,;=:@")
}

/// Undoes percent encoding; none if a sequence is broken or the bytes are not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let (high, low) = (hex_value(*rest.next()?)?, hex_value(*rest.next()?)?);
            bytes.push(high * 16 + low);
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether a reference is an absolute http(s) URL.
#[must_use]
pub fn is_http(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// Encodes what may not stand in a URL and leaves the rest, `%` sequences included.
#[must_use]
pub fn clean(url: &str) -> String {
    encode(url, b"%:/?#[]@!$&'()*+,;=-._~")
}

fn encode(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(hex_digit));
        }
    }
    encoded
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(id: &str, url: Option<&str>) -> Page {
        Page {
            id: id.to_owned(),
            title: "T".to_owned(),
            url: url.map(str::to_owned),
            description: None,
            tags: Vec::new(),
            lang: None,
            sections: Vec::new(),
        }
    }

    fn section(anchor: &str) -> Section {
        let heading = anchor.to_owned();
        Section { anchor: heading.clone(), heading, level: 2, parents: Vec::new(), text: String::new() }
    }

    #[test]
    fn a_page_has_its_own_address_or_docquays() {
        let urls = Urls::new("https://docs.example.com/");
        for (id, own, expected) in [
            ("guide/tls", None, "https://docs.example.com/docs/guide/tls"),
            ("guide/tls", Some("https://a.example/tls/"), "https://a.example/tls/"),
            ("guide/tls", Some("/tls/"), "https://docs.example.com/docs/guide/tls"),
            ("guide/tls", Some("javascript://x"), "https://docs.example.com/docs/guide/tls"),
            ("c# notes/ü?", None, "https://docs.example.com/docs/c%23%20notes/%C3%BC%3F"),
        ] {
            assert_eq!(urls.page(&page(id, own)), expected);
        }
    }

    #[test]
    fn a_section_adds_its_anchor_in_place_of_any_other() {
        let urls = Urls::new("http://127.0.0.1:8080");
        let own = page("a", Some("https://a.example/x?y#old"));
        assert_eq!(urls.section(&own, &section("new one")), "https://a.example/x?y#new%20one");
        assert_eq!(urls.section(&own, &section("")), "https://a.example/x?y#old");
        assert_eq!(urls.section(&page("a", None), &section("b")), "http://127.0.0.1:8080/docs/a#b");
    }

    #[test]
    fn links_keep_the_prefix_of_the_public_address() {
        assert_eq!(Urls::new("https://example.com").served_path(&page("a", None)), "/docs/a");
        assert_eq!(Urls::new("https://example.com/kb/").served_path(&page("a", None)), "/kb/docs/a");
    }

    proptest! {
        #[test]
        fn whatever_is_encoded_decodes_to_itself(text in ".*") {
            prop_assert_eq!(decode(&encode_path(&text)), Some(text.clone()));
            prop_assert_eq!(decode(&encode_fragment(&text)), Some(text.clone()));
            prop_assert!(encode_path(&text).bytes().all(|b| b.is_ascii_graphic() && b != b'#' && b != b'?'));
        }

        #[test]
        fn decoding_never_panics(text in "[%0-9a-fé]*") {
            let _ = decode(&text);
        }
    }
}
