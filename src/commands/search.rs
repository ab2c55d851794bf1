//! `docquay search`: the server's ranking on the command line, for people and for scripts.

use std::io::{self, Write};

use serde_json::json;

use crate::config::Config;
use crate::docs::{Hit, Index, Outcome, Page, Query, Section};
use crate::server::{self, Error};

/// What is asked.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Search")]
pub struct Question {
    /// What to look for, in words or identifiers
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Most results
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=50))]
    pub limit: u8,
    /// Only pages whose id begins so
    #[arg(long, value_name = "PREFIX")]
    pub path: Option<String>,
    /// Only pages of this language: en
    #[arg(long, value_name = "LANG")]
    pub lang: Option<String>,
    /// One JSON object: query, results, and what to try when there are none
    #[arg(long)]
    pub json: bool,
}

/// Reads the sources once, asks, and writes the answer to `out`; whether anything was found.
///
/// # Errors
/// A source that cannot be read.
pub async fn run(config: Config, question: &Question, out: &mut Vec<u8>) -> Result<bool, Error> {
    let library = server::open(&config).await?;
    if let Some(failure) = library.state().failure.filter(|_| !library.state().ready) {
        return Err(Error::Run {
            what: "the documents could not be read".to_owned(),
            cause: failure,
            help: "check the source, or try again when it can be reached".to_owned(),
        });
    }
    let index = library.index();
    let outcome = index.search(&Query {
        text: &question.query,
        limit: usize::from(question.limit),
        path: question.path.as_deref(),
        lang: question.lang.as_deref(),
    });
    let written = if question.json {
        write_json(out, question, &index, &outcome)
    } else {
        write_text(out, question, &index, &outcome)
    };
    written.map_err(|error| Error::Run {
        what: "cannot write the answer".to_owned(),
        cause: error.to_string(),
        help: "free some memory".to_owned(),
    })?;
    Ok(!outcome.hits.is_empty())
}

fn write_text(out: &mut Vec<u8>, question: &Question, index: &Index, outcome: &Outcome) -> io::Result<()> {
    for (position, (hit, page, section)) in found(index, outcome).enumerate() {
        if position > 0 {
            writeln!(out)?;
        }
        writeln!(out, "{}", title(page, section))?;
        writeln!(out, "  {}", section.id(page))?;
        for line in wrap(&hit.snippet, WIDTH) {
            writeln!(out, "    {line}")?;
        }
    }
    if outcome.hits.is_empty() {
        let pages = server::plural(index.pages().len(), "page");
        writeln!(out, "Nothing found for {:?} in {pages}.", question.query)?;
        if let Some(spelling) = &outcome.spelling {
            writeln!(out, "Did you mean: {spelling}")?;
        }
        for page in nearest(index, outcome) {
            writeln!(out, "Nearest title: {} ({})", page.title, page.id)?;
        }
    }
    Ok(())
}

fn write_json(out: &mut Vec<u8>, question: &Question, index: &Index, outcome: &Outcome) -> io::Result<()> {
    let results: Vec<_> = found(index, outcome)
        .map(|(hit, page, section)| {
            json!({
                "id": section.id(page),
                "title": page.title,
                "heading": section.heading,
                "parents": section.parents,
                "url": page.url,
                "snippet": hit.snippet,
                "score": hit.score,
            })
        })
        .collect();
    let nearest: Vec<_> =
        nearest(index, outcome).map(|page| json!({ "id": page.id, "title": page.title })).collect();
    let answer = json!({
        "query": question.query,
        "results": results,
        "spelling": outcome.spelling,
        "nearest": nearest,
    });
    serde_json::to_writer_pretty(&mut *out, &answer)?;
    writeln!(out)
}

fn found<'a>(
    index: &'a Index,
    outcome: &'a Outcome,
) -> impl Iterator<Item = (&'a Hit, &'a Page, &'a Section)> {
    outcome.hits.iter().filter_map(|hit| {
        let page = index.pages().get(hit.page)?;
        Some((hit, page, page.sections.get(hit.section)?))
    })
}

fn nearest<'a>(index: &'a Index, outcome: &'a Outcome) -> impl Iterator<Item = &'a Page> {
    outcome.nearest.iter().filter_map(|page| index.pages().get(*page))
}

/// `Page › Part › Section`, without repeating a heading that is the page's own title.
fn title(page: &Page, section: &Section) -> String {
    let mut parts = vec![page.title.as_str()];
    let own = section.parents.iter().map(String::as_str).chain([section.heading.as_str()]);
    parts.extend(own.filter(|part| !part.is_empty() && *part != page.title));
    parts.join(" › ")
}

/// Words in lines of at most `width` characters; a longer word has its own line.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut length = usize::MAX;
    for word in text.split_whitespace() {
        let letters = word.chars().count();
        match lines.last_mut().filter(|_| length.saturating_add(letters) < width) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
                length += letters + 1;
            }
            None => {
                lines.push(word.to_owned());
                length = letters;
            }
        }
    }
    lines
}

const WIDTH: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snippets_are_wrapped_at_words() {
        assert_eq!(wrap("one two  three\nfour", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("incomprehensible a", 4), ["incomprehensible", "a"]);
        assert!(wrap(" ", 4).is_empty());
    }
}
