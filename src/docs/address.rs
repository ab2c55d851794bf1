//! The little of URLs (RFC 3986) that documents need: joining, a page's id, percent-coding.

/// The id a URL or path stands for: its path without slashes around it, percent-decoded; `index` for the
/// root.
pub(super) fn id_of(address: &str) -> String {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => address.trim_start_matches("./"),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let id = decode(path).trim_matches('/').to_owned();
    if id.is_empty() { "index".to_owned() } else { id }
}

/// Whether this is an absolute http(s) URL.
pub(super) fn is_absolute(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

/// Resolves a reference against an absolute URL (RFC 3986 §5.2, the forms that indexes use).
pub(super) fn join(base: &str, reference: &str) -> Option<String> {
    if is_absolute(reference) {
        return Some(reference.to_owned());
    }
    let base = base.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = base.split_once("://")?;
    if let Some(rest) = reference.strip_prefix("//") {
        return Some(format!("{scheme}://{rest}"));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut parts: Vec<&str> = Vec::new();
    if !reference.starts_with('/') {
        parts = path.split('/').collect();
        parts.pop();
    }
    for part in reference.trim_start_matches('/').split('/') {
        match part {
            "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    Some(format!("{scheme}://{authority}/{}", parts.join("/")))
}

/// `site` as a folder, plus a path that is percent-encoded here.
pub(super) fn below(site: &str, path: &str) -> String {
    format!("{}/{}", site.trim_end_matches('/'), encode(path.trim_start_matches('/')))
}

/// Encodes what may not stand in a URL's path; slashes stay.
fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Decodes `%XX`; what does not decode to UTF-8 stays as it was.
fn decode(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let hex =
            |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(ahead.next()), hex(ahead.next()))
        {
            bytes.push(high * 16 + low);
            rest = ahead;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_path_of_an_address() {
        for (address, id) in [
            ("https://docs.example.org/guide/tls/", "guide/tls"),
            ("https://docs.example.org", "index"),
            ("https://docs.example.org/", "index"),
            ("https://x.org/a%20b/%C3%BC?q#f", "a b/ü"),
            ("/guide/tls/", "guide/tls"),
            ("./guide", "guide"),
            ("guide/tls#renewal", "guide/tls"),
            ("https://x.org/%FF%zz", "%FF%zz"),
        ] {
            assert_eq!(id_of(address), id, "{address}");
        }
    }

    #[test]
    fn references_are_joined() {
        let base = "https://x.org/docs/index.json?v=1";
        for (reference, url) in [
            ("guide/", "https://x.org/docs/guide/"),
            ("/guide/", "https://x.org/guide/"),
            ("../a/./b", "https://x.org/a/b"),
            ("../../../a", "https://x.org/a"),
            ("//y.org/a", "https://y.org/a"),
            ("http://z.org/", "http://z.org/"),
        ] {
            assert_eq!(join(base, reference).as_deref(), Some(url));
        }
        assert_eq!(join("https://x.org", "a").as_deref(), Some("https://x.org/a"));
        assert_eq!(below("https://x.org/docs/", "a b/ü"), "https://x.org/docs/a%20b/%C3%BC");
    }
}
