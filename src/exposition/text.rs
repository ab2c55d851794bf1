//! The text format of Prometheus, version 0.0.4, as it is written.
//!
//! Owns escaping and the order of lines: a family's `# HELP` and `# TYPE`, then its samples together. Source:
//! prometheus.io/docs/instrumenting/exposition_formats.

use std::fmt::Write as _;

use crate::metrics::Histogram;

/// A page of metrics being written.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// What a family's numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Names and values of labels.
type Labels<'a> = [(&'a str, &'a str)];

impl Page {
    /// Begins a family; its samples follow before the next one begins.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        // Writing to a String cannot fail; so below.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    pub(super) fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl Into<Value>) {
        self.0.push_str(name);
        self.labels(labels.iter().copied());
        match value.into() {
            Value::Whole(value) => drop(writeln!(self.0, " {value}")),
            Value::Real(value) => drop(writeln!(self.0, " {value}")),
        }
    }

    /// A family of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Into<Value>) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The samples of one histogram, in seconds.
    pub(super) fn histogram(&mut self, name: &str, labels: &Labels<'_>, histogram: &Histogram) {
        let snapshot = histogram.snapshot();
        let bucket = |page: &mut Self, bound: &str, count: u64| {
            let _ = write!(page.0, "{name}_bucket");
            page.labels(labels.iter().copied().chain([("le", bound)]));
            let _ = writeln!(page.0, " {count}");
        };
        for (bound, count) in &snapshot.buckets {
            bucket(self, &bound.as_secs_f64().to_string(), *count);
        }
        bucket(self, "+Inf", snapshot.count);
        self.sample(&format!("{name}_sum"), labels, snapshot.sum.as_secs_f64());
        self.sample(&format!("{name}_count"), labels, snapshot.count);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn labels<'a>(&mut self, labels: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut before = '{';
        for (name, value) in labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{before}{name}=\"{value}\"");
            before = ',';
        }
        if before == ',' {
            self.0.push('}');
        }
    }
}

/// A sample's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_family_is_help_type_and_samples() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "What\nis \\ counted.");
        page.sample("a_total", &[("path", "/mcp"), ("code", "200")], 3);
        page.sample("a_total", &[], 4.5);
        assert_eq!(
            page.finish(),
            "# HELP a_total What\\nis \\\\ counted.\n# TYPE a_total counter\n\
             a_total{path=\"/mcp\",code=\"200\"} 3\na_total 4.5\n"
        );
    }

    #[test]
    fn whatever_a_label_holds_stays_in_its_quotes_and_on_its_line() {
        let mut page = Page::default();
        page.sample("a", &[("b", "\\ \" \n } c 1")], 1);
        assert_eq!(page.finish(), "a{b=\"\\\\ \\\" \\n } c 1\"} 1\n");
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_a_sum_and_a_count() {
        static BOUNDS: [Duration; 2] = [Duration::from_micros(500), Duration::from_secs(1)];
        let histogram = Histogram::new(&BOUNDS);
        for millis in [0, 250, 250, 5_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut page = Page::default();
        page.histogram("d_seconds", &[("path", "/")], &histogram);
        assert_eq!(
            page.finish(),
            "d_seconds_bucket{path=\"/\",le=\"0.0005\"} 1\nd_seconds_bucket{path=\"/\",le=\"1\"} 3\n\
             d_seconds_bucket{path=\"/\",le=\"+Inf\"} 4\nd_seconds_sum{path=\"/\"} 5.5\n\
             d_seconds_count{path=\"/\"} 4\n"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_sample_is_one_line(value in ".*") {
            let mut page = Page::default();
            page.sample("a", &[("b", &value)], 1);
            proptest::prop_assert_eq!(page.finish().matches('\n').count(), 1);
        }
    }
}
