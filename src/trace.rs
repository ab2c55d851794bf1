//! Which request something belongs to: an id of ours or the client's, and the trace that it is part of.
//!
//! Owns the reading of `traceparent` (W3C Trace Context, version 00) and the making of ids. Both are for logs and
//! for the client alone: they open nothing and are compared with nothing. Where a `traceparent` stands is its
//! reader's matter: a header, or a request's `_meta` (MCP 2026-07-28, basic §OpenTelemetry trace context).

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::entropy::{Entropy, SystemEntropy};

/// Which request something belongs to; nothing is known of one that came over stdio without a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The request's id.
    pub request_id: Option<RequestId>,
    /// The caller's span.
    pub parent: Option<TraceParent>,
}

impl Trace {
    /// The request's id, for logs.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_ref().map(RequestId::as_str)
    }

    /// The trace's id, for logs.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.parent.as_ref().map(TraceParent::trace_id)
    }

    /// The id of the caller's span, for logs.
    #[must_use]
    pub fn span_id(&self) -> Option<&str> {
        self.parent.as_ref().map(TraceParent::span_id)
    }
}

/// The id of a request: 1 to 64 characters of visible ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A client's own id; none if it is longer than 64 characters or anything else than visible ASCII.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(Arc::from(text)))
    }

    /// As it was given or made.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Makes ids: 16 hexadecimal digits, each once in a process, and telling nobody how many there were.
#[derive(Debug)]
pub struct RequestIds(AtomicU64);

impl RequestIds {
    /// Ids that other processes do not make. Without randomness they may: an id is a convenience.
    #[must_use]
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut seed = [0; 8];
        let _ = entropy.fill(&mut seed);
        Self(AtomicU64::new(u64::from_ne_bytes(seed)))
    }

    /// The next id.
    #[must_use]
    pub fn next(&self) -> RequestId {
        // SplitMix64: each step is one-to-one, so that no two counts give one id.
        let mut id = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        id = (id ^ (id >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        RequestId(format!("{:016x}", id ^ (id >> 31)).into())
    }
}

impl Default for RequestIds {
    /// By the system's own randomness.
    fn default() -> Self {
        Self::new(&SystemEntropy::new())
    }
}

/// A `traceparent`: the trace and the caller's span in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: [u8; 32],
    span: [u8; 16],
}

impl TraceParent {
    /// Reads `00-TRACE-SPAN-FLAGS`, lower-case hexadecimal; none for anything else, and for ids of zeros.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        if version != "00" || fields.next().is_some() || flags.len() != 2 || !flags.bytes().all(is_hex) {
            return None;
        }
        let (trace, span): ([u8; 32], [u8; 16]) =
            (trace.as_bytes().try_into().ok()?, span.as_bytes().try_into().ok()?);
        let is_id = |id: &[u8]| id.iter().copied().all(is_hex) && id.iter().any(|digit| *digit != b'0');
        (is_id(&trace) && is_id(&span)).then_some(Self { trace, span })
    }

    /// 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        std::str::from_utf8(&self.trace).unwrap_or_default()
    }

    /// 16 hexadecimal digits: the caller's span.
    #[must_use]
    pub fn span_id(&self) -> &str {
        std::str::from_utf8(&self.span).unwrap_or_default()
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TraceParent({}-{})", self.trace_id(), self.span_id())
    }
}

/// A duration for logs: milliseconds with three decimals.
#[must_use]
pub fn milliseconds(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

fn is_hex(digit: u8) -> bool {
    matches!(digit, b'0'..=b'9' | b'a'..=b'f')
}

const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_traceparent_of_version_00_gives_its_two_ids() {
        for flags in ["00", "01", "ff"] {
            let parent = TraceParent::parse(&format!("00-{TRACE}-{SPAN}-{flags}")).unwrap();
            assert_eq!((parent.trace_id(), parent.span_id()), (TRACE, SPAN));
        }
    }

    #[test]
    fn whatever_is_not_exactly_that_is_none() {
        for text in [
            String::new(),
            "00".to_owned(),
            format!("01-{TRACE}-{SPAN}-01"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{}-{SPAN}-01", &TRACE[1..]),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!(" 00-{TRACE}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "\u{e9}".repeat(16)),
        ] {
            assert_eq!(TraceParent::parse(&text), None, "{text:?}");
        }
    }

    #[test]
    fn a_clients_id_is_taken_if_it_is_short_and_visible() {
        for good in ["a", "7f3b-1", &"x".repeat(64), "a/b+c=~{\"}"] {
            assert_eq!(RequestId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a\n", "a\u{1b}[0m", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn ten_thousand_ids_differ_and_tell_no_count() {
        let ids = RequestIds::default();
        let made: Vec<String> = (0..10_000).map(|_| ids.next().to_string()).collect();
        assert!(made.iter().all(|id| RequestId::parse(id).is_some() && id.len() == 16));
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
        assert!(!made.is_sorted());
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        assert_eq!(milliseconds(Duration::from_nanos(1_234_567)), 1.235);
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics_and_gives_nothing_but_hexadecimal(text in ".{0,80}") {
            if let Some(parent) = TraceParent::parse(&text) {
                proptest::prop_assert!(text.contains(parent.trace_id()) && text.contains(parent.span_id()));
            }
        }
    }
}
