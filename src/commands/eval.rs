//! `docquay eval`: how well a search finds what its readers ask for, by questions whose answers are known.
//!
//! Owns the file of questions and the figures; the ranking is the server's. A question is found if one of its answers
//! is among the first results; the figures are the shares found at the first place, among three and among all, and
//! the mean reciprocal rank (Voorhees, TREC-8).

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::config::{self, Config};
use crate::docs::{Index, Query};
use crate::server::{self, Error};

/// A question and what should be found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Question {
    line: usize,
    text: String,
    /// Ids of pages or of sections; any of them will do.
    answers: Vec<String>,
}

/// A question with the place of its first answer, from 1.
struct Answered {
    question: Question,
    rank: Option<usize>,
}

/// Reads the sources and the questions, asks each, and writes the figures to `out`; whether every one was found among
/// the first `limit` results.
///
/// # Errors
/// A source or a file of questions that cannot be read; an answer that is no page of the sources.
pub async fn run(
    config: Config,
    file: &Path,
    limit: u8,
    json: bool,
    out: &mut Vec<u8>,
) -> Result<bool, Error> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let what = format!("cannot read the questions {}", file.display());
        wrong(what, error.to_string(), FORM.to_owned())
    })?;
    let questions = parse(file, &text)?;
    let library = server::open(&config).await?;
    let index = library.index();
    let mut answered = Vec::with_capacity(questions.len());
    for question in questions {
        known(file, &index, &question)?;
        let rank = rank(&index, &question, limit);
        answered.push(Answered { question, rank });
    }
    let text = if json { as_json(&answered) } else { as_text(&answered, limit) };
    out.extend_from_slice(text.as_bytes());
    Ok(answered.iter().all(|answered| answered.rank.is_some()))
}

/// A question a line: words, a tab, and the ids that answer it. Empty lines and those that begin with `#` are not.
fn parse(file: &Path, text: &str) -> Result<Vec<Question>, Error> {
    let mut questions = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (words, answers) = line.split_once('\t').unwrap_or((line, ""));
        let answers: Vec<String> = answers.split_whitespace().map(str::to_owned).collect();
        if answers.is_empty() {
            let what = format!("{}:{}: no answer", file.display(), number + 1);
            return Err(wrong(
                what,
                "behind the question there is no tab with an id".to_owned(),
                FORM.to_owned(),
            ));
        }
        questions.push(Question { line: number + 1, text: words.trim().to_owned(), answers });
    }
    if questions.is_empty() {
        let what = format!("{} has no question", file.display());
        return Err(wrong(what, "there is no line to ask".to_owned(), FORM.to_owned()));
    }
    Ok(questions)
}

/// An answer that is nowhere would count against the search.
fn known(file: &Path, index: &Index, question: &Question) -> Result<(), Error> {
    let Some(id) = question.answers.iter().find(|id| index.resolve(id).is_none()) else { return Ok(()) };
    let near = index.nearest_ids(id, 1);
    let help = match near.first() {
        Some(near) => format!("did you mean {near}?"),
        None => "docquay search shows the ids of what it finds".to_owned(),
    };
    let what = format!("{}:{}: there is no page or section {id}", file.display(), question.line);
    Err(wrong(what, "an answer must be in the sources".to_owned(), help))
}

/// The place of the first result that is one of the answers, or a section of a page that is.
fn rank(index: &Index, question: &Question, limit: u8) -> Option<usize> {
    let wanted: Vec<_> = question.answers.iter().filter_map(|id| index.resolve(id)).collect();
    let query = Query { text: &question.text, limit: usize::from(limit), path: None, lang: None };
    let place =
        index.search(&query).hits.iter().position(|hit| wanted.iter().any(|target| target.has(hit)))?;
    Some(place + 1)
}

fn as_text(answered: &[Answered], limit: u8) -> String {
    let mut text = String::new();
    for Answered { question, .. } in answered.iter().filter(|answered| answered.rank.is_none()) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "not found: {:?} (line {}, {})",
            question.text,
            question.line,
            question.answers.join(" ")
        );
    }
    let figures = Figures::of(answered);
    let _ = writeln!(text, "questions             {}", answered.len());
    let _ = writeln!(text, "at the first place    {:.1} %", figures.first * 100.0);
    let _ = writeln!(text, "among the first 3     {:.1} %", figures.third * 100.0);
    let _ = writeln!(text, "{:<22}{:.1} %", format!("among the first {limit}"), figures.all * 100.0);
    let _ = writeln!(text, "mean reciprocal rank  {:.3}", figures.reciprocal);
    text
}

fn as_json(answered: &[Answered]) -> String {
    let figures = Figures::of(answered);
    let each: Vec<_> = answered
        .iter()
        .map(|Answered { question, rank }| json!({ "line": question.line, "query": question.text, "answers": question.answers, "rank": rank }))
        .collect();
    let whole = json!({
        "first": figures.first,
        "first_three": figures.third,
        "found": figures.all,
        "mean_reciprocal_rank": figures.reciprocal,
        "questions": each,
    });
    format!("{whole:#}\n")
}

struct Figures {
    first: f64,
    third: f64,
    all: f64,
    reciprocal: f64,
}

impl Figures {
    /// Shares of all questions; there is at least one.
    fn of(answered: &[Answered]) -> Self {
        let sum = |value: &dyn Fn(f64) -> f64| {
            let ranks = answered.iter().filter_map(|answered| u32::try_from(answered.rank?).ok());
            let sum: f64 = ranks.map(|rank| value(f64::from(rank))).sum();
            sum / f64::from(u32::try_from(answered.len()).unwrap_or(u32::MAX))
        };
        let within = |most: f64| sum(&|rank| if rank <= most { 1.0 } else { 0.0 });
        Self {
            first: within(1.0),
            third: within(3.0),
            all: within(f64::MAX),
            reciprocal: sum(&|rank| 1.0 / rank),
        }
    }
}

fn wrong(what: String, cause: String, help: String) -> Error {
    Error::Config(config::Error { what, cause, help })
}

const FORM: &str = "write a question a line: the words, a tab, and the ids that answer it: renew a key<TAB>guide/tls#renewal";

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str, answers: &[&str]) -> Question {
        Question {
            line: 1,
            text: text.to_owned(),
            answers: answers.iter().map(|id| (*id).to_owned()).collect(),
        }
    }

    #[test]
    fn a_line_is_a_question_and_its_answers() {
        let parsed = parse(Path::new("q"), "# known\n\nrenew a key\tguide/tls guide/keys#renew\n").unwrap();
        assert_eq!(
            parsed,
            [Question { line: 3, ..question("renew a key", &["guide/tls", "guide/keys#renew"]) }]
        );
        for text in ["", "# none\n", "words without an answer\n", "words\t \n"] {
            let error = parse(Path::new("q"), text).unwrap_err();
            let (_, _, help) = error.parts();
            assert!(help.contains("<TAB>"), "{text:?}");
        }
    }

    #[test]
    fn the_figures_are_shares_of_all_questions() {
        let answered: Vec<Answered> = [Some(1), Some(2), Some(4), None]
            .into_iter()
            .map(|rank| Answered { question: question("q", &["a"]), rank })
            .collect();
        let figures = Figures::of(&answered);
        assert_eq!((figures.first, figures.third, figures.all), (0.25, 0.5, 0.75));
        assert!((figures.reciprocal - 1.75 / 4.0).abs() < 1e-9);
        let text = as_text(&answered, 10);
        assert!(
            text.starts_with("not found: \"q\" (line 1, a)\n")
                && text.contains("among the first 10    75.0 %"),
            "{text}"
        );
    }
}
