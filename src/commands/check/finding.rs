//! What a check found, and the report that is made of it, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was checked: `documents`, `CAA`.
    pub check: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What is so, or what is amiss.
    pub what: String,
    /// Why; empty if all is well.
    pub cause: String,
    /// The exact thing to do; empty if there is nothing.
    pub help: String,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Ok,
    /// The server works, but not as well as it could.
    Warning,
    /// The server does not work so.
    Failed,
    /// It does not apply here, or needs what is not there; the cause says which.
    Skipped,
}

impl Outcome {
    /// As in JSON: `ok`, `warning`, `failed`, `skipped`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    fn mark(self) -> char {
        match self {
            Self::Ok => '✓',
            Self::Warning => '!',
            Self::Failed => '✗',
            Self::Skipped => '-',
        }
    }

    /// SGR of ECMA-48: green, yellow, red, faint.
    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Failed => "\x1b[31m",
            Self::Skipped => "\x1b[2m",
        }
    }
}

/// Every finding, in the order of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// At least one for each check.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn ok(&mut self, check: &'static str, what: impl Into<String>) {
        self.add(check, Outcome::Ok, what, "", "");
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(check, Outcome::Warning, what, cause, help);
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        what: impl Into<String>,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(check, Outcome::Failed, what, cause, help);
    }

    pub(super) fn skip(&mut self, check: &'static str, cause: impl Into<String>) {
        self.add(check, Outcome::Skipped, "not checked", cause, "");
    }

    pub(super) fn add(
        &mut self,
        check: &'static str,
        outcome: Outcome,
        what: impl Into<String>,
        cause: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (what, cause, help) = (what.into(), cause.into(), help.into());
        self.findings.push(Finding { check, outcome, what, cause, help });
    }

    /// Whether a check failed; warnings are no failures.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.count(Outcome::Failed) > 0
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }

    /// For people: a mark, a word and what was found, a line each; cause and help below. With colours if so wished.
    #[must_use]
    pub fn text(&self, colours: bool) -> String {
        let mut text = String::new();
        for Finding { check, outcome, what, cause, help } in &self.findings {
            let (colour, plain) = if colours { (outcome.colour(), "\x1b[0m") } else { ("", "") };
            let head = format!("{colour}{} {:<8}{plain}", outcome.mark(), outcome.as_str());
            // Writing to a String cannot fail.
            let _ = match outcome {
                Outcome::Skipped => writeln!(text, "{head}{check}: {cause}"),
                _ => writeln!(text, "{head}{check}: {}", indented(what)),
            };
            for (label, words) in [("cause: ", cause), ("help:  ", help)] {
                if !words.is_empty() && *outcome != Outcome::Skipped {
                    let _ = writeln!(text, "{:INDENT$}{label}{}", "", indented(words));
                }
            }
        }
        let counts = [Outcome::Ok, Outcome::Warning, Outcome::Failed, Outcome::Skipped]
            .map(|outcome| format!("{} {}", self.count(outcome), outcome.as_str()));
        let _ = writeln!(text, "\n{}", counts.join(", "));
        text
    }

    /// For programs: an array of objects with `check`, `outcome`, `what`, `cause` and `help`, all text.
    #[must_use]
    pub fn json(&self) -> String {
        let value = |finding: &Finding| {
            json!({
                "check": finding.check,
                "outcome": finding.outcome.as_str(),
                "what": finding.what,
                "cause": finding.cause,
                "help": finding.help,
            })
        };
        format!("{:#}\n", Value::Array(self.findings.iter().map(value).collect()))
    }
}

fn indented(text: &str) -> String {
    text.trim().replace('\n', &format!("\n{:width$}", "", width = INDENT + 7))
}

/// The width of mark and word.
const INDENT: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.ok("documents", "2 pages");
        report.fail("port 80", "cannot listen", "it is taken", "see who:\nss -ltnp");
        report.skip("CAA", "no domain");
        report
    }

    #[test]
    fn people_read_a_line_for_each_check_with_cause_and_help_below() {
        let text = "✓ ok      documents: 2 pages\n\
                    ✗ failed  port 80: cannot listen\n          cause: it is taken\n          help:  see who:\n                 ss -ltnp\n\
                    - skipped CAA: no domain\n\n1 ok, 0 warning, 1 failed, 1 skipped\n";
        assert_eq!(report().text(false), text);
        assert!(report().text(true).starts_with("\x1b[32m✓ ok      \x1b[0mdocuments"));
        assert!(report().failed());
    }

    #[test]
    fn programs_read_an_array_of_objects() {
        let json: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(json[1]["outcome"], "failed");
        assert_eq!(json[1]["help"], "see who:\nss -ltnp");
        assert_eq!(
            json[2],
            json!({"check": "CAA", "outcome": "skipped", "what": "not checked", "cause": "no domain", "help": ""})
        );
    }
}
