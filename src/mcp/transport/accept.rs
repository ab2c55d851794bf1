//! What a client sends and takes: `Content-Type` and `Accept`, read leniently.
//!
//! RFC 9110 §12.5.1. Clients have been locked out by strict servers: nothing here leads to a 406.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

/// In which form a request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON body, whatever happens: `application/json`, `*/*`, or no `Accept` at all.
    Json,
    /// JSON, or a stream when the answer takes time or has notifications.
    Either,
    /// A stream.
    Stream,
}

/// The form that `Accept` asks for.
pub(super) fn form(headers: &HeaderMap) -> Form {
    let stream = quality(headers, "text/event-stream") > 0;
    let json = ["application/json", "application/*", "*/*"].iter().any(|it| quality(headers, it) > 0);
    match (stream, json) {
        (true, true) => Form::Either,
        (true, false) => Form::Stream,
        (false, _) => Form::Json,
    }
}

/// Whether `Accept` names event streams: only then is a GET a request for one.
pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    quality(headers, "text/event-stream") > 0
}

/// Whether a person with a browser asks.
pub(super) fn prefers_page(headers: &HeaderMap) -> bool {
    quality(headers, "text/html") > quality(headers, "text/event-stream")
}

/// Whether the body can be JSON: a missing type is taken for it. Types that a page can send to
/// another origin without asking first (`text/plain`, forms) are not.
pub(super) fn sends_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The weight of a media range that stands in `Accept` by name, in thousandths; 0 if it does not.
fn quality(headers: &HeaderMap, range: &str) -> u32 {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(','));
    ranges.filter_map(|part| weight(part, range)).max().unwrap_or(0)
}

fn weight(part: &str, range: &str) -> Option<u32> {
    let mut fields = part.split(';').map(str::trim);
    if !fields.next()?.eq_ignore_ascii_case(range) {
        return None;
    }
    let q = fields.find_map(|field| field.strip_prefix("q=").or_else(|| field.strip_prefix("Q=")));
    Some(q.map_or(1000, thousandths))
}

/// `0.8` is 800; what is no weight counts as 1.
fn thousandths(q: &str) -> u32 {
    match q.split_once('.').unwrap_or((q, "")) {
        ("0", fraction) => fraction
            .chars()
            .chain("000".chars())
            .take(3)
            .fold(0, |sum, digit| sum * 10 + digit.to_digit(10).unwrap_or(0)),
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn accept(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn json_alone_anything_or_nothing_gets_json() {
        for value in ["application/json", "*/*", "", "text/plain", "application/json, text/event-stream;q=0"]
        {
            assert_eq!(form(&accept(value)), Form::Json, "{value}");
        }
        assert_eq!(form(&HeaderMap::new()), Form::Json);
    }

    #[test]
    fn both_types_in_any_spelling_may_become_a_stream() {
        for value in [
            "application/json, text/event-stream",
            "Text/Event-Stream ; q=0.5 , application/JSON",
            "text/event-stream, */*",
        ] {
            assert_eq!(form(&accept(value)), Form::Either, "{value}");
        }
        assert_eq!(form(&accept("text/event-stream")), Form::Stream);
    }

    #[test]
    fn a_browser_prefers_the_page_and_an_event_source_does_not() {
        assert!(prefers_page(&accept("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")));
        assert!(prefers_page(&accept("text/event-stream;q=0.1, text/html;q=0.2")));
        for value in
            ["text/event-stream", "*/*", "application/json", "text/html;q=0", "text/html, text/event-stream"]
        {
            assert!(!prefers_page(&accept(value)), "{value}");
        }
    }

    #[test]
    fn bodies_that_a_foreign_page_can_send_are_not_json() {
        let sends =
            |value| sends_json(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]));
        for value in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.mcp+json"] {
            assert!(sends(value), "{value}");
        }
        for value in [
            "text/plain",
            "text/plain; application/json",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
        ] {
            assert!(!sends(value), "{value}");
        }
        assert!(sends_json(&HeaderMap::new()));
    }
}
