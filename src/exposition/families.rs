//! Which metrics there are: names, kinds, help.
//!
//! Names end in their unit (`_seconds`, `_bytes`), counters in `_total`; a time of the calendar is
//! `_timestamp_seconds`. A series of a table appears with its first count, every other one is there from the start.
//! Source: prometheus.io/docs/practices/naming.

use std::time::SystemTime;

use super::Sources;
use super::text::{Kind, Page};
use crate::metrics::{Calls, Certificates, Documents, Failed, Histogram, Http, Tools};

pub(super) fn write(page: &mut Page, sources: &Sources) {
    build(page);
    http(page, &sources.http);
    calls(page, &sources.calls);
    let sessions = (sources.sessions)() as u64;
    page.single("docquay_mcp_sessions", Kind::Gauge, "Sessions of the older revisions.", sessions);
    tools(page, &sources.tools);
    documents(page, &sources.documents);
    certificates(page, &sources.certificates);
}

fn build(page: &mut Page) {
    page.family("docquay_build_info", Kind::Gauge, "The version of docquay.");
    page.sample("docquay_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
}

fn http(page: &mut Page, http: &Http) {
    let name = "docquay_http_requests_total";
    page.family(
        name,
        Kind::Counter,
        "Requests by route, method and status; code none: the client went away.",
    );
    for ([route, method, code], count) in http.requests() {
        page.sample(name, &[("route", route), ("method", method), ("code", code)], count);
    }
    let name = "docquay_http_request_duration_seconds";
    page.family(name, Kind::Histogram, "From a request's head until its answer began, by route.");
    histograms(page, name, "route", http.durations());
    page.single(
        "docquay_http_response_body_bytes_total",
        Kind::Counter,
        "Bytes of the answers that are over.",
        http.sent.get(),
    );
    page.single("docquay_http_streams", Kind::Gauge, "Event streams that are open.", http.streams.get());
    page.single(
        "docquay_http_connections",
        Kind::Gauge,
        "Connections that are open.",
        http.connections.get(),
    );
    let help = "Connections that were accepted.";
    page.single("docquay_http_connections_accepted_total", Kind::Counter, help, http.accepted.get());
    let name = "docquay_http_connections_refused_total";
    page.family(name, Kind::Counter, "Connections that were closed at once, by the limit that was reached.");
    for (limit, count) in http.refused() {
        page.sample(name, &[("limit", limit)], count);
    }
}

fn calls(page: &mut Page, calls: &Calls) {
    let name = "docquay_mcp_requests_total";
    page.family(name, Kind::Counter, "JSON-RPC requests by method, revision of the protocol and status.");
    for ([method, revision, status], count) in calls.calls() {
        page.sample(name, &[("method", method), ("revision", revision), ("status", status)], count);
    }
    let name = "docquay_mcp_request_duration_seconds";
    page.family(name, Kind::Histogram, "How long the work for a JSON-RPC request took, by method.");
    histograms(page, name, "method", calls.durations());
}

fn tools(page: &mut Page, tools: &Tools) {
    let name = "docquay_tool_calls_total";
    page.family(name, Kind::Counter, "Calls by tool and status; refused: told what to send instead.");
    for ([tool, status], count) in tools.calls() {
        page.sample(name, &[("tool", tool), ("status", status)], count);
    }
    let name = "docquay_search_duration_seconds";
    page.family(name, Kind::Histogram, "How long a search and the writing of its hits took.");
    page.histogram(name, &[], &tools.searches);
    page.single(
        "docquay_searches_without_hits_total",
        Kind::Counter,
        "Searches that found nothing.",
        tools.without_hits.get(),
    );
}

fn documents(page: &mut Page, documents: &Documents) {
    page.single("docquay_pages", Kind::Gauge, "Pages that are served.", documents.pages.get());
    page.single("docquay_sections", Kind::Gauge, "Sections that are served.", documents.sections.get());
    moment(
        page,
        "docquay_index_timestamp_seconds",
        "When the index that is served was built, seconds since 1970.",
        documents.built.get(),
    );
    moment(
        page,
        "docquay_sources_read_timestamp_seconds",
        "When every source was last read or found unchanged, seconds since 1970.",
        documents.read.get(),
    );
    let name = "docquay_reloads_total";
    page.family(name, Kind::Counter, "Readings of the sources by outcome, the first included.");
    for (outcome, count) in documents.readings() {
        page.sample(name, &[("outcome", outcome)], count);
    }
}

fn certificates(page: &mut Page, certificates: &Certificates) {
    moment(
        page,
        "docquay_certificate_not_after_timestamp_seconds",
        "When the served certificate ends, seconds since 1970.",
        certificates.not_after(),
    );
    moment(
        page,
        "docquay_certificate_issued_timestamp_seconds",
        "When a certificate was last issued, seconds since 1970.",
        certificates.last_success(),
    );
    moment(
        page,
        "docquay_certificate_next_attempt_timestamp_seconds",
        "When the next renewal, or the next look, comes, seconds since 1970.",
        certificates.next_attempt(),
    );
    let help = "Certificates that were issued.";
    page.single("docquay_certificates_issued_total", Kind::Counter, help, certificates.issued());
    let name = "docquay_certificate_failures_total";
    page.family(name, Kind::Counter, "Attempts to obtain a certificate that failed, by kind.");
    for kind in Failed::ALL {
        page.sample(name, &[("kind", kind.as_str())], certificates.failures(kind));
    }
}

/// The histograms of a family that have counted something.
fn histograms<'a>(
    page: &mut Page,
    name: &str,
    label: &str,
    histograms: impl Iterator<Item = (&'static str, &'a Histogram)>,
) {
    for (value, histogram) in histograms.filter(|(_, histogram)| !histogram.is_empty()) {
        page.histogram(name, &[(label, value)], histogram);
    }
}

/// A gauge that is absent until its time is known: 0 would be 1970.
fn moment(page: &mut Page, name: &str, help: &str, at: Option<SystemTime>) {
    if let Some(since) = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()) {
        page.single(name, Kind::Gauge, help, since.as_secs());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::metrics::Outcome;

    fn sources() -> Sources {
        Sources {
            http: Arc::new(Http::new(["/mcp"])),
            calls: Arc::default(),
            tools: Arc::default(),
            documents: Arc::default(),
            certificates: Arc::default(),
            sessions: Box::new(|| 3),
        }
    }

    fn written(sources: &Sources) -> String {
        let mut page = Page::default();
        write(&mut page, sources);
        page.finish()
    }

    #[test]
    fn what_was_counted_is_written() {
        let sources = sources();
        sources.http.answered("/mcp", "POST", Some(200), Duration::from_millis(3));
        sources.calls.ended("tools/call", "2025-11-25", Outcome::ToolError, Some(Duration::from_millis(2)));
        sources.certificates.serves(SystemTime::UNIX_EPOCH + Duration::from_secs(99));
        let text = written(&sources);
        for line in [
            "docquay_http_requests_total{route=\"/mcp\",method=\"POST\",code=\"200\"} 1",
            "docquay_http_request_duration_seconds_bucket{route=\"/mcp\",le=\"0.005\"} 1",
            "docquay_mcp_requests_total{method=\"tools/call\",revision=\"2025-11-25\",status=\"tool_error\"} 1",
            "docquay_mcp_request_duration_seconds_count{method=\"tools/call\"} 1",
            "docquay_mcp_sessions 3",
            "docquay_search_duration_seconds_count 0",
            "docquay_reloads_total{outcome=\"failed\"} 0",
            "docquay_certificate_not_after_timestamp_seconds 99",
            "docquay_certificate_failures_total{kind=\"rate_limited\"} 0",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_time_that_never_came_is_not_written_as_1970() {
        assert!(!written(&sources()).contains("timestamp_seconds"));
    }

    #[test]
    fn each_family_is_described_once_and_named_for_its_unit() {
        let text = written(&sources());
        let mut seen = HashSet::new();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert!(kind != "histogram" || name.ends_with("_seconds"), "{name}");
        }
        assert!(seen.len() > 12);
    }
}
