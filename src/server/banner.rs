//! What stands on stderr once the server serves: where, what, and how to add it to a client.

use std::fmt::Write as _;
use std::time::Duration;

use crate::docs::{Index, Source, State};

/// What the banner says.
#[derive(Debug)]
pub(super) struct Banner<'a> {
    /// Without a slash at its end.
    pub(super) base: &'a str,
    pub(super) sources: &'a [Source],
    pub(super) index: &'a Index,
    pub(super) state: &'a State,
    pub(super) reload_every: Duration,
    /// None: plain HTTP.
    pub(super) certificate: Option<&'a str>,
    /// Whether clients need a token.
    pub(super) private: bool,
}

impl Banner<'_> {
    /// The text, with the address in bold if `colour`.
    pub(super) fn render(&self, colour: bool) -> String {
        let (bold, plain) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let base = self.base;
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {label:<13}{value}");
        };
        line("server", &format!("{bold}{base}/mcp{plain}"));
        if let Some(certificate) = self.certificate {
            line("certificate", certificate);
        }
        line("documents", &self.documents());
        line("reload", &self.reload());
        let (flag, headers) = if self.private {
            line("access", "by token: docquay token --name NAME makes one");
            (r#" --header "Authorization: Bearer TOKEN""#, r#","headers":{"Authorization":"Bearer TOKEN"}"#)
        } else {
            ("", "")
        };
        let server = format!(r#""url":"{base}/mcp"{headers}"#);
        line("Claude Code", &format!("claude mcp add --transport http docs {base}/mcp{flag}"));
        line("Cursor", &format!(r#"{{"mcpServers":{{"docs":{{{server}}}}}}} in .cursor/mcp.json"#));
        line("VS Code", &format!(r#"code --add-mcp '{{"name":"docs","type":"http",{server}}}'"#));
        line("browser", &format!("{base}/"));
        format!("docquay {}\n{text}", env!("CARGO_PKG_VERSION"))
    }

    fn documents(&self) -> String {
        let names: Vec<String> = self.sources.iter().map(name).collect();
        let counts = match (&self.state.failure, self.state.ready) {
            (_, true) => format!(
                "{}, {}",
                plural(self.index.pages().len(), "page"),
                plural(self.index.section_count(), "section")
            ),
            (Some(failure), false) => format!("not read yet: {failure}"),
            (None, false) => "not read yet".to_owned(),
        };
        format!("{}: {counts}", names.join(", "))
    }

    fn reload(&self) -> String {
        let paths = self.sources.iter().any(|source| matches!(source, Source::Path(_)));
        let urls = self.sources.iter().any(|source| matches!(source, Source::Url(_)));
        let every = self.reload_every;
        match (paths, urls) {
            (true, _) => format!("on change, checked every {every:?}, and on SIGHUP"),
            (false, true) => format!("checked every {every:?}, and on SIGHUP"),
            (false, false) => "never: the manual is part of the program".to_owned(),
        }
    }
}

fn name(source: &Source) -> String {
    match source {
        Source::Manual => "docquay's manual (name a folder to serve your own)".to_owned(),
        Source::Path(path) => path.display().to_string(),
        Source::Url(url) => url.clone(),
    }
}

pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
