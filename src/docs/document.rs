//! One text file becomes one page: front matter, title, id, language, sections.
//!
//! Owns how a path turns into an id. Reads no files itself: the folder and the embedded manual do.

use super::front_matter::{self, FrontMatter};
use super::{Page, address, markdown, section};

/// Endings of the files that are documents.
pub(super) const ENDINGS: [&str; 4] = ["md", "mdx", "markdown", "txt"];

/// File names that stand for their folder, the stronger first.
const FOLDER_PAGES: [&str; 3] = ["_index", "index", "README"];

/// Languages documentation is commonly written in; only these are read off a path.
const LANGUAGES: [&str; 31] = [
    "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it",
    "ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh",
];

/// A page, and where its front matter wants it among its siblings.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) page: Page,
    pub(super) weight: Option<i64>,
    /// What could not be read.
    pub(super) warning: Option<String>,
}

/// Reads a document; `None` for a draft. `path` is relative, with `/` and its ending; `id` as [`id_of`]
/// makes it.
pub(super) fn read(path: &str, id: String, text: &str, site_url: Option<&str>) -> Option<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let unix;
    let text = if text.contains("\r\n") {
        unix = text.replace("\r\n", "\n");
        &unix
    } else {
        text
    };
    let front_matter::Split { mut matter, body, warning } = front_matter::split(text);
    if matter.draft {
        return None;
    }
    let sections =
        if has_ending(path, "txt") { section::plain(body) } else { section::split(&markdown::clean(body)) };
    let title = matter.title.take().or_else(|| first_heading(&sections)).unwrap_or_else(|| name_of(path));
    let mut page = Page::new(id, title);
    page.url = url_of(&page.id, &matter, site_url);
    page.description = matter.description;
    page.tags = matter.tags;
    page.lang = matter.lang.or_else(|| language_of(path));
    page.sections = sections;
    Some(Document { page, weight: matter.weight, warning })
}

/// The text of the first heading, for a page without a title.
pub(super) fn first_heading(sections: &[super::Section]) -> Option<String> {
    sections.iter().find(|section| !section.heading.is_empty()).map(|section| section.heading.clone())
}

/// Whether a path ends like a document.
pub(super) fn is_document(path: &str) -> bool {
    ENDINGS.iter().any(|ending| has_ending(path, ending))
}

fn has_ending(path: &str, ending: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(stem, found)| {
        !stem.is_empty() && !stem.ends_with('/') && found.eq_ignore_ascii_case(ending)
    })
}

/// The path without its ending; the page of a folder takes the folder's id. `has` tells whether the
/// folder holds a file of that stem, so that of `index.md` and `README.md` only one stands for it.
pub(super) fn id_of(path: &str, has: impl Fn(&str) -> bool) -> String {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let stronger = FOLDER_PAGES.iter().take_while(|page| !page.eq_ignore_ascii_case(name));
    let in_folder =
        |page: &&str| has(&if folder.is_empty() { (*page).to_owned() } else { format!("{folder}/{page}") });
    if !stands_for_folder(name) || stronger.copied().any(|page| in_folder(&page)) {
        return stem.to_owned();
    }
    if folder.is_empty() { "index".to_owned() } else { folder.to_owned() }
}

/// Whether a file of this stem stands for its folder.
pub(super) fn stands_for_folder(stem: &str) -> bool {
    FOLDER_PAGES.iter().any(|page| page.eq_ignore_ascii_case(stem))
}

/// The file's name, or the folder's for the page of a folder.
fn name_of(path: &str) -> String {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let mut parts = stem.rsplit('/');
    let name = parts.next().unwrap_or_default();
    parts.next().filter(|_| stands_for_folder(name)).unwrap_or(name).to_owned()
}

/// Where the page is published: its own absolute URL, else below the site's.
fn url_of(id: &str, matter: &FrontMatter, site_url: Option<&str>) -> Option<String> {
    let own = matter.url.as_deref();
    if let Some(url) = own.filter(|url| address::is_absolute(url)) {
        return Some(url.to_owned());
    }
    let site = site_url?;
    // Jekyll's `/:year/:title/` is a pattern, not a path.
    if let Some(path) = own.filter(|path| !path.contains(':')) {
        return Some(address::below(site, path));
    }
    let folder = id.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = match matter.slug.as_deref() {
        Some(slug) if slug.starts_with('/') => slug.to_owned(),
        Some(slug) if folder.is_empty() => slug.to_owned(),
        Some(slug) => format!("{folder}/{slug}"),
        None if id == "index" => String::new(),
        None => id.to_owned(),
    };
    Some(address::below(site, &path))
}

/// The language a path names: `en/guide.md`, `content/pt-br/a.md`, `guide.de.md`.
fn language_of(path: &str) -> Option<String> {
    let known = |part: &str| {
        let (first, region) = part.split_once(['-', '_']).unwrap_or((part, ""));
        let region = region.len() <= 4 && region.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (region && LANGUAGES.contains(&first)).then(|| first.to_owned())
    };
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    let suffix = file.split('.').rev().nth(1).filter(|_| file.split('.').count() > 2);
    suffix.and_then(known).or_else(|| folders.split('/').take(3).find_map(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> Page {
        read(path, id_of(path, |_| false), text, Some("https://x.org/docs/")).unwrap().page
    }

    #[test]
    fn ids_are_paths_and_folder_pages_take_their_folder() {
        for (path, id) in [
            ("guide/tls.md", "guide/tls"),
            ("guide/01-tls.mdx", "guide/01-tls"),
            ("guide/index.md", "guide"),
            ("guide/_index.md", "guide"),
            ("guide/README.md", "guide"),
            ("README.md", "index"),
            ("a.b/c.txt", "a.b/c"),
            ("guide/index.de.md", "guide/index.de"),
        ] {
            assert_eq!(id_of(path, |_| false), id, "{path}");
        }
        assert_eq!(id_of("a/README.md", |stem| stem == "a/index"), "a/README");
    }

    #[test]
    fn a_title_comes_from_front_matter_then_heading_then_name() {
        assert_eq!(page("a.md", "---\ntitle: T\n---\n# H").title, "T");
        assert_eq!(page("a.md", "text\n\n## H `x`\n").title, "H x");
        assert_eq!(page("guide/some-thing.md", "text").title, "some-thing");
        assert_eq!(page("guide/index.md", "").title, "guide");
        assert_eq!(page("a.txt", "# no heading").title, "a");
    }

    #[test]
    fn urls_follow_the_site_and_what_front_matter_says() {
        let url = |path: &str, matter: &str| page(path, &format!("---\n{matter}\n---\n")).url.unwrap();
        assert_eq!(url("a/b c.md", "x: y"), "https://x.org/docs/a/b%20c");
        assert_eq!(url("index.md", "x: y"), "https://x.org/docs/");
        assert_eq!(url("a/b.md", "slug: c"), "https://x.org/docs/a/c");
        assert_eq!(url("a/b.md", "slug: /c"), "https://x.org/docs/c");
        assert_eq!(url("a/b.md", "url: /z/"), "https://x.org/docs/z/");
        assert_eq!(url("a/b.md", "permalink: https://y.org/z"), "https://y.org/z");
    }

    #[test]
    fn a_language_is_read_off_the_path() {
        for (path, lang) in [
            ("en/guide.md", Some("en")),
            ("content/pt-br/a/b.md", Some("pt")),
            ("guide.de.md", Some("de")),
            ("guide/v1.2.md", None),
            ("guide/go.md", None),
            ("getting-started/it-works.md", None),
        ] {
            assert_eq!(language_of(path).as_deref(), lang, "{path}");
        }
    }

    #[test]
    fn windows_line_ends_and_byte_order_marks_do_not_show() {
        let page = page("a.md", "\u{feff}---\r\ntitle: T\r\n---\r\n# H\r\n\r\nText\r\nmore\r\n");
        assert_eq!(page.title, "T");
        assert_eq!(page.sections[0].text, "Text\nmore");
    }

    #[test]
    fn drafts_are_left_out() {
        assert!(read("a.md", "a".into(), "---\ndraft: true\n---\nx", None).is_none());
    }
}
