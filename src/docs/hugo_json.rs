//! A site's JSON index, as Hugo, MkDocs and others write it: an array of pages, or an object that holds one.
//!
//! Read as a stream, so that file, tree and pages never exist at once. Owns the names of the fields and the
//! words of what is wrong: entry, field, line and column.

use std::fmt;
use std::io::Read;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::progress::{Progress, Step};
use super::source::{Options, Reading, SourceError};
use super::{Page, address, document, front_matter, markdown, section};

/// The fields of an entry, each with its names; the first found in this order wins.
const TEXT: [&str; 5] = ["contents", "content", "body", "plain", "text"];
const ADDRESS: [&str; 6] = ["permalink", "url", "uri", "href", "relpermalink", "location"];
const DESCRIPTION: [&str; 2] = ["summary", "description"];
const LANGUAGE: [&str; 3] = ["lang", "language", "locale"];

/// Keys under which an object is known to hold its pages.
const LISTS: [&str; 8] = ["pages", "docs", "items", "documents", "entries", "data", "results", "records"];

/// Reads an index. `name` is the path or URL; `base` what relative addresses are resolved against.
///
/// # Errors
/// When it is no JSON, has no list of pages, or an entry lacks a text or an address.
pub(super) fn read(
    name: &str,
    reader: impl Read,
    base: Option<&str>,
    options: &Options,
) -> Result<Reading, SourceError> {
    let progress = options.progress.clone();
    progress.begin(Step::Reading, 0);
    let mut sink = Sink { base, left: options.corpus_bytes, progress, ..Sink::default() };
    let mut json = serde_json::Deserializer::from_reader(reader);
    let read = IndexSeed(&mut sink).deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = read {
        return Err(explain(name, &sink, &error));
    }
    if !sink.found_list {
        return Err(SourceError {
            what: format!("cannot read the index {name}"),
            cause: "it holds no array of pages".to_owned(),
            help: format!("an array of objects is needed, at the top or as one of {}", LISTS.join(", ")),
        });
    }
    let mut warnings = Vec::new();
    if sink.pages.is_empty() {
        warnings.push(format!("{name} holds no page"));
    }
    sink.pages.shrink_to_fit();
    Ok(Reading { pages: sink.pages, warnings })
}

fn explain(name: &str, sink: &Sink<'_>, error: &serde_json::Error) -> SourceError {
    let place = match (sink.entry, &sink.field) {
        (0, _) => String::new(),
        (entry, None) => format!("entry {entry}: "),
        (entry, Some(field)) => format!("entry {entry}, field \"{field}\": "),
    };
    let help = if error.is_io() {
        "see that the file can be read"
    } else if error.is_eof() {
        "the index ends too early: write it again, whole"
    } else if error.is_syntax() {
        "the index is no valid JSON: write it again with the site generator"
    } else {
        "mend the template that writes the index"
    };
    SourceError {
        what: format!("cannot read the index {name}"),
        cause: format!("{place}{error}"),
        help: help.to_owned(),
    }
}

/// Where the pages go, and where in the index the reading is.
#[derive(Default)]
struct Sink<'a> {
    pages: Vec<Page>,
    base: Option<&'a str>,
    /// Bytes of text that may still come.
    left: usize,
    found_list: bool,
    /// From 1; 0 before the first.
    entry: usize,
    field: Option<String>,
    progress: Progress,
}

struct IndexSeed<'s, 'a>(&'s mut Sink<'a>);

impl<'de> DeserializeSeed<'de> for IndexSeed<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IndexSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of pages, or an object that holds one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Entries { sink: self.0, strict: true }.visit_seq(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let strict = LISTS.iter().any(|list| list.eq_ignore_ascii_case(&key));
            map.next_value_seed(Entries { sink: &mut *self.0, strict })?;
        }
        Ok(())
    }
}

/// A list of entries, or another value of the object around it, which is passed over.
struct Entries<'s, 'a> {
    sink: &'s mut Sink<'a>,
    /// Whether everything in it must be a page.
    strict: bool,
}

impl<'de> DeserializeSeed<'de> for Entries<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of pages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.sink.found_list |= self.strict;
        self.sink.entry = 1;
        while list.next_element_seed(Entry { sink: &mut *self.sink, strict: self.strict })?.is_some() {
            self.sink.entry += 1;
        }
        self.sink.entry = 0;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// One element of a list.
struct Entry<'s, 'a> {
    sink: &'s mut Sink<'a>,
    strict: bool,
}

impl<'de> DeserializeSeed<'de> for Entry<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // In a list of another name, such as the tags of the site, strings and numbers are passed over.
        if self.strict { deserializer.deserialize_map(self) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Entry<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a page as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.sink.found_list = true;
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            let name = key.to_ascii_lowercase();
            self.sink.field = Some(key);
            fields.take(&name, &mut map)?;
            self.sink.field = None;
        }
        let (page, bytes) = fields.page(self.sink.base).map_err(A::Error::custom)?;
        self.sink.left = self.sink.left.checked_sub(bytes).ok_or_else(|| {
            A::Error::custom(
                "the texts are larger than `limits.corpus_bytes` together; raise it or split the index",
            )
        })?;
        self.sink.pages.push(page);
        self.sink.progress.advance();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// The fields of an entry as they come; of a field with several names the strongest stays.
#[derive(Default)]
struct Fields {
    title: Option<String>,
    text: Ranked,
    address: Ranked,
    description: Ranked,
    lang: Ranked,
    tags: Vec<String>,
}

#[derive(Default)]
struct Ranked {
    value: Option<(usize, String)>,
    /// Whether a field of such a name was there, if only with `null`.
    seen: bool,
}

impl Ranked {
    fn offer(&mut self, rank: usize, value: Option<String>) {
        self.seen = true;
        if let Some(value) = value
            && self.value.as_ref().is_none_or(|(held, text)| rank < *held || text.is_empty())
        {
            self.value = Some((rank, value));
        }
    }

    fn into_text(self) -> Option<String> {
        self.value.map(|(_, text)| text)
    }
}

impl Fields {
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let slots: [(&[&str], &mut Ranked); 4] = [
            (&TEXT, &mut self.text),
            (&ADDRESS, &mut self.address),
            (&DESCRIPTION, &mut self.description),
            (&LANGUAGE, &mut self.lang),
        ];
        for (names, slot) in slots {
            if let Some(rank) = names.iter().position(|known| *known == name) {
                slot.offer(rank, map.next_value()?);
                return Ok(());
            }
        }
        match name {
            "title" => self.title = map.next_value()?,
            "tags" => self.tags = front_matter::list(&map.next_value::<Value>()?),
            _ => _ = map.next_value::<IgnoredAny>()?,
        }
        Ok(())
    }

    /// The page, and how many bytes its text had.
    fn page(self, base: Option<&str>) -> Result<(Page, usize), String> {
        let missing =
            |what: &str, names: &[&str]| format!("no {what} field; one of {} is needed", names.join(", "));
        if !self.text.seen {
            return Err(missing("text", &TEXT));
        }
        let address = self.address.into_text().ok_or_else(|| missing("address", &ADDRESS))?;
        let text = self.text.into_text().unwrap_or_default();
        let bytes = text.len();
        let text = if text.contains("\r\n") { text.replace("\r\n", "\n") } else { text };
        let sections = section::split(&markdown::clean(&text));
        let id = address::id_of(&address);
        let given = self.title.filter(|title| !title.trim().is_empty());
        let title = given
            .or_else(|| document::first_heading(&sections))
            .unwrap_or_else(|| id.rsplit('/').next().unwrap_or(&id).to_owned());
        let mut page = Page::new(id, title.trim());
        page.url = if address::is_absolute(&address) {
            Some(address)
        } else {
            base.and_then(|base| address::join(base, &address))
        };
        page.description = self.description.into_text().filter(|text| !text.trim().is_empty());
        page.lang = self.lang.into_text().as_deref().and_then(front_matter::language);
        page.tags = self.tags;
        page.sections = sections;
        Ok((page, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(json: &str) -> Vec<Page> {
        read("i.json", json.as_bytes(), Some("https://x.org/docs/"), &Options::default()).unwrap().pages
    }

    fn cause(json: &str) -> String {
        read("i.json", json.as_bytes(), None, &Options::default()).unwrap_err().cause
    }

    #[test]
    fn an_entry_becomes_a_page_under_any_of_the_names() {
        let expected =
            pages(r##"[{"title":"T","permalink":"https://x.org/docs/a/b/","contents":"# H\ntext"}]"##);
        assert_eq!((expected[0].id.as_str(), expected[0].title.as_str()), ("docs/a/b", "T"));
        assert_eq!(expected[0].url.as_deref(), Some("https://x.org/docs/a/b/"));
        assert_eq!(expected[0].sections[0].anchor, "h");
        for json in [
            r##"{"version":3,"tags":["x"],"pages":[{"uri":"https://x.org/docs/a/b/","title":"T","body":"# H\ntext"}]}"##,
            r##"{"docs":[{"HREF":"https://x.org/docs/a/b/","Title":"T","plain":"# H\ntext","extra":{"a":[1]}}]}"##,
            r##"{"other":[1,{"relPermalink":"/docs/a/b/","title":"T","text":"# H\ntext"}],"z":null}"##,
        ] {
            assert_eq!(pages(json), expected, "{json}");
        }
    }

    #[test]
    fn an_empty_title_falls_back_to_heading_and_path() {
        assert_eq!(pages(r###"[{"title":" ","url":"/a/b","text":"x\n## H"}]"###)[0].title, "H");
        assert_eq!(pages(r#"[{"title":null,"url":"/a/b/","text":null}]"#)[0].title, "b");
    }

    #[test]
    fn tags_description_and_language_are_read() {
        let page =
            pages(r#"[{"url":"a","text":"","tags":["x","y"],"summary":"S","lang":"en-US","date":"2024"}]"#)
                .remove(0);
        assert_eq!(
            (page.tags.len(), page.description.as_deref(), page.lang.as_deref()),
            (2, Some("S"), Some("en"))
        );
        assert_eq!(page.url.as_deref(), Some("https://x.org/docs/a"));
    }

    #[test]
    fn errors_name_the_entry_and_the_field() {
        let good = r#"{"title":"T","url":"/a","text":"x"}"#;
        for (json, text) in [
            (
                format!(r#"[{good},{good},{{"title":"T","url":"/a"}}]"#),
                "entry 3: no text field; one of contents, content, body, plain, text is needed",
            ),
            (format!(r#"[{good},{{"text":"x"}}]"#), "entry 2: no address field; one of permalink, url"),
            (
                format!(r#"[{good},{{"title":5,"url":"/a","text":"x"}}]"#),
                r#"entry 2, field "title": invalid type: integer `5`, expected a string"#,
            ),
            (format!(r#"[{good},7]"#), "entry 2: invalid type: integer `7`, expected a page as an object"),
            (
                format!("[{good},\n{}", r#"{"title":"Tr"#),
                r#"entry 2, field "title": EOF while parsing a string at line 2 column 12"#,
            ),
            ("{}".into(), "it holds no array of pages"),
            (r#"{"tags":["a"]}"#.into(), "it holds no array of pages"),
            ("7".into(), "invalid type: integer `7`, expected an array of pages"),
            ("[] x".into(), "trailing characters at line 1 column 4"),
            ("".into(), "EOF while parsing"),
            (r#"[{"tags":"#.to_owned() + &"[".repeat(1000), "recursion limit exceeded"),
        ] {
            let cause = cause(&json);
            assert!(cause.contains(text), "{cause} should contain {text}");
        }
    }

    #[test]
    fn an_index_beyond_the_corpus_cap_is_refused() {
        let json = format!(r#"[{{"url":"/a","text":"{}"}}]"#, "x".repeat(100));
        let options = Options { corpus_bytes: 99, ..Options::default() };
        let error = read("i.json", json.as_bytes(), None, &options).unwrap_err();
        assert!(error.cause.contains("limits.corpus_bytes"), "{error}");
    }
}
