//! What was written and where: flags, variables and `docquay.toml` as entries with their places.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::Error;
use super::keys::{self, Key};

/// One key that was set, with its values as text.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: &'static Key,
    pub(crate) values: Vec<String>,
    pub(crate) place: Place,
    /// Where relative paths begin.
    pub(crate) folder: PathBuf,
}

/// Where an entry was written.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Flag(String),
    Variable(String),
    File { path: PathBuf, line: usize, column: usize },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => formatter.write_str(name),
            Self::File { path, line, column } => write!(formatter, "{}:{line}:{column}", path.display()),
        }
    }
}

/// The flags of a command line, in the order given.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub(super) entries: Vec<Entry>,
}

impl Flags {
    /// Adds a flag's values; none adds nothing. An unknown key is ignored: the command line's own
    /// parser has refused it.
    pub fn push(&mut self, key: &str, flag: &str, values: impl IntoIterator<Item = String>) {
        let values: Vec<String> = values.into_iter().collect();
        let Some(key) = Key::find(key).filter(|_| !values.is_empty()) else { return };
        let place = Place::Flag(flag.to_owned());
        self.entries.push(Entry { key, values, place, folder: PathBuf::new() });
    }

    /// Adds a `--limits KEY=VALUE`.
    ///
    /// # Errors
    /// When it has no `=`, or no limit has that name.
    pub fn push_limit(&mut self, text: &str) -> Result<(), Error> {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Error::new(
                format!("--limits {text}: no value"),
                "a limit is written as KEY=VALUE",
                "for example --limits http.body_bytes=1MiB",
            ));
        };
        let name = format!("limits.{}", name.trim().trim_start_matches("limits.").replace('-', "_"));
        let key = Key::find(&name).ok_or_else(|| unknown("--limits", &name))?;
        let place = Place::Flag(format!("--limits {}", name.trim_start_matches("limits.")));
        let values = vec![value.trim().to_owned()];
        self.entries.push(Entry { key, values, place, folder: PathBuf::new() });
        Ok(())
    }
}

/// The entries of the environment; lists are separated by commas. Empty variables count as unset.
pub(crate) fn environment(variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for key in keys::all() {
        let name = key.variable();
        let Some(value) = variable(&name).filter(|value| !value.is_empty()) else { continue };
        let Ok(value) = value.into_string() else {
            return Err(Error::new(format!("{name} is not UTF-8"), "its bytes are no text", "set it anew"));
        };
        // Kubernetes sets DOCQUAY_PORT=tcp://10.0.0.1:80 in every pod beside a Service named docquay.
        if name == "DOCQUAY_PORT" && value.starts_with("tcp://") {
            continue;
        }
        let values = if key.is_list() {
            value.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
        } else {
            vec![value.trim().to_owned()]
        };
        entries.push(Entry { key, values, place: Place::Variable(name), folder: PathBuf::new() });
    }
    Ok(entries)
}

/// The entries of a `docquay.toml`; relative paths in it begin at its own folder.
pub(crate) fn file(path: &Path, text: &str) -> Result<Vec<Entry>, Error> {
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let place = file.place(error.span().map_or(0, |span| span.start));
        Error::new(
            format!("{place}: not TOML"),
            error.message().trim(),
            "correct that line; strings stand in quotes: bind = \"127.0.0.1\"",
        )
    })?;
    let mut entries = Vec::new();
    file.walk("", table.get_ref(), &mut entries)?;
    Ok(entries)
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn walk(&self, prefix: &str, table: &DeTable<'_>, entries: &mut Vec<Entry>) -> Result<(), Error> {
        for (name, value) in table {
            let place = self.place(name.span().start);
            let full = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            if let Some(key) = Key::find(&full) {
                let values = self.values(key, value)?;
                let place = self.place(value.span().start);
                let folder = self.path.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
                entries.push(Entry { key, values, place, folder });
                continue;
            }
            match value.get_ref().as_table() {
                Some(inner) if is_table(&full) => self.walk(&full, inner, entries)?,
                _ => return Err(unknown(&place.to_string(), &full)),
            }
        }
        Ok(())
    }

    fn values(&self, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Error> {
        if key.is_list()
            && let Some(items) = value.get_ref().as_array()
        {
            return items.iter().map(|item| self.scalar(key, item)).collect();
        }
        Ok(vec![self.scalar(key, value)?])
    }

    fn scalar(&self, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<String, Error> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.to_string()),
            DeValue::Boolean(switch) => Ok(switch.to_string()),
            other => Err(Error::new(
                format!("{}: `{}` has the wrong type", self.place(value.span().start), key.name),
                format!("it is {} {}", article(other.type_str()), other.type_str()),
                if key.is_list() { "write it as [\"…\", \"…\"]" } else { "write one string or number" },
            )),
        }
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Place::File { path: self.path.to_path_buf(), line, column }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn is_table(name: &str) -> bool {
    tables().any(|table| table == name)
}

fn tables() -> impl Iterator<Item = &'static str> {
    ["limits", "limits.access", "limits.tls", "limits.http", "limits.mcp", "limits.docs"].into_iter()
}

fn unknown(place: &str, name: &str) -> Error {
    let what = format!("{place}: unknown key `{name}`");
    let dashes = name.replace('-', "_");
    let known = || keys::all().map(|key| key.name).chain(tables());
    let nearest = known().min_by_key(|known| (distance(known, &dashes), known.len()));
    let help = match nearest {
        Some(nearest) if distance(nearest, &dashes) <= name.len() / 2 => format!("did you mean `{nearest}`?"),
        _ => format!(
            "the keys are {}",
            known().filter(|key| !key.contains('.')).collect::<Vec<_>>().join(", ")
        ),
    };
    Error::new(what, "docquay has no option of that name", help)
}

/// The candidate that `word` is most likely a slip of the pen for; none if none is near.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.into_iter().map(|candidate| (distance(candidate, word), candidate));
    let (edits, candidate) = near.min_by_key(|(edits, _)| *edits)?;
    // Two letters of a word of four are half of it: another word.
    (edits <= 1.max(candidate.len() / 3)).then_some(candidate)
}

/// How many letters to insert, remove, replace or swap to make one word the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    let mut last = None;
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        let mut previous = None;
        for (column, other) in right.iter().enumerate() {
            let at = |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&above, column) + usize::from(letter != *other);
            let mut best = replaced.min(at(&above, column + 1) + 1).min(at(&current, column) + 1);
            if last == Some(*other) && previous == Some(letter) && column > 0 {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
            previous = Some(*other);
        }
        before = std::mem::replace(&mut above, current);
        last = Some(letter);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits_and_swaps() {
        for (left, right, edits) in [
            ("port", "prot", 1),
            ("bind", "bind", 0),
            ("", "abc", 3),
            ("base_url", "baseurl", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), edits, "{left} {right}");
            assert_eq!(distance(right, left), edits, "{right} {left}");
        }
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_known_one() {
        let error = file(Path::new("docquay.toml"), "port = 80\n\nbase-url = \"x\"\n").unwrap_err();
        assert_eq!(error.what, "docquay.toml:3:1: unknown key `base-url`");
        assert_eq!(error.help, "did you mean `base_url`?");
        let error = file(Path::new("docquay.toml"), "[limits.http]\nbody_byte = 1\n").unwrap_err();
        assert_eq!(error.what, "docquay.toml:2:1: unknown key `limits.http.body_byte`");
        assert_eq!(error.help, "did you mean `limits.http.body_bytes`?");
        let error = file(Path::new("docquay.toml"), "[limit]\n").unwrap_err();
        assert_eq!(error.help, "did you mean `limits`?");
        let error = file(Path::new("docquay.toml"), "zzzzzzzzzzzz = 1").unwrap_err();
        assert!(error.help.starts_with("the keys are source, domain, email"), "{}", error.help);
    }

    #[test]
    fn a_service_link_of_kubernetes_is_no_port() {
        let given = |name: &str| (name == "DOCQUAY_PORT").then(|| OsString::from("tcp://10.0.0.1:8080"));
        assert!(environment(&given).unwrap().is_empty());
    }
}
