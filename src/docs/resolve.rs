//! Ids: makes them unique, and finds the page or section that an id, URL or path names.
//!
//! Owns every spelling of a reference that is accepted; what is exact always goes before what is not.

use std::collections::HashSet;

use super::query::Target;
use super::spelling::likeness;
use super::{Page, Section};

/// Makes page ids unique and free of `#`, which parts page and anchor; the ids that were given twice.
pub(super) fn make_unique(pages: &mut [Page]) -> Vec<String> {
    for page in &mut *pages {
        if page.id.is_empty() {
            "index".clone_into(&mut page.id);
        } else if page.id.contains('#') {
            page.id = page.id.replace('#', "%23");
        }
    }
    let given: HashSet<String> = pages.iter().map(|page| page.id.clone()).collect();
    let mut taken: HashSet<String> = HashSet::with_capacity(pages.len());
    let mut duplicates: Vec<String> = Vec::new();
    for page in pages {
        if taken.insert(page.id.clone()) {
            continue;
        }
        let free = (2_u32..).map(|number| format!("{}~{number}", page.id));
        let Some(id) = free.into_iter().find(|id| !given.contains(id) && !taken.contains(id)) else {
            continue;
        };
        let old = std::mem::replace(&mut page.id, id.clone());
        taken.insert(id);
        if !duplicates.contains(&old) {
            duplicates.push(old);
        }
    }
    duplicates
}

/// Page numbers in the order of their ids and of their urls.
#[derive(Debug, Default)]
pub(super) struct Ids {
    by_id: Vec<u32>,
    by_url: Vec<u32>,
}

impl Ids {
    pub(super) fn new(pages: &[Page]) -> Self {
        let mut by_id: Vec<u32> = (0..u32::try_from(pages.len()).unwrap_or(u32::MAX)).collect();
        let mut by_url = by_id.clone();
        by_id.sort_by(|left, right| id(pages, *left).cmp(id(pages, *right)));
        by_url.retain(|page| url(pages, *page).is_some());
        by_url.sort_by(|left, right| url(pages, *left).cmp(&url(pages, *right)));
        Self { by_id, by_url }
    }

    /// See [`Index::resolve`](super::Index::resolve).
    pub(super) fn resolve(&self, pages: &[Page], reference: &str) -> Option<Target> {
        if let Some(exact) = self.exact(pages, reference) {
            return Some(exact);
        }
        let reference = reference.trim();
        if reference.len() > LONGEST {
            return None;
        }
        let decoded = percent_decoded(reference);
        let written = [reference, decoded.as_str()];
        written
            .iter()
            .find_map(|reference| self.at_url(pages, reference))
            .or_else(|| {
                written.iter().flat_map(|reference| readings(reference)).find_map(|id| self.exact(pages, &id))
            })
            .or_else(|| {
                written.iter().flat_map(|reference| readings(reference)).find_map(|id| any_case(pages, &id))
            })
    }

    fn exact(&self, pages: &[Page], reference: &str) -> Option<Target> {
        if let Some(page) = self.page(pages, reference) {
            return Some(Target::Page(page));
        }
        let (page, anchor) = reference.split_once('#')?;
        let page = self.page(pages, page)?;
        in_page(pages, page, |section| section.anchor == anchor, anchor)
    }

    fn page(&self, pages: &[Page], wanted: &str) -> Option<usize> {
        let found = self.by_id.binary_search_by(|page| id(pages, *page).cmp(wanted)).ok()?;
        self.by_id.get(found).map(|page| *page as usize)
    }

    /// A page's own URL; a fragment that it lacks is passed over, for pages carry more anchors than headings.
    fn at_url(&self, pages: &[Page], reference: &str) -> Option<Target> {
        let (address, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let address = address.trim_end_matches('/');
        let found = self.by_url.binary_search_by(|page| url(pages, *page).cmp(&Some(address))).ok()?;
        let page = *self.by_url.get(found)? as usize;
        in_page(pages, page, |section| section.anchor == fragment, fragment).or(Some(Target::Page(page)))
    }

    /// See [`Index::nearest_ids`](super::Index::nearest_ids).
    pub(super) fn nearest(&self, pages: &[Page], reference: &str, limit: usize) -> Vec<String> {
        let reference: String = reference.trim().chars().take(200).collect();
        let wanted = readings(&reference).last().unwrap_or_default();
        let named = wanted.split_once('#').and_then(|(page, anchor)| {
            let page = pages.get(self.page(pages, page)?)?;
            Some((page, anchor.to_owned()))
        });
        let mut near: Vec<(f32, String)> = match named {
            Some((page, anchor)) => {
                let sections = page.sections.iter();
                sections.map(|section| (likeness(&anchor, &section.anchor), section.id(page))).collect()
            }
            None => {
                let page = wanted.split('#').next().unwrap_or(&wanted);
                let last = |id: &str| id.rsplit('/').next().unwrap_or_default().to_owned();
                let scored = pages.iter().take(MOST_COMPARED).map(|known| {
                    let whole = likeness(page, &known.id);
                    (whole.max(0.9 * likeness(&last(page), &last(&known.id))), &known.id)
                });
                scored.filter(|(score, _)| *score >= 0.2).map(|(score, id)| (score, id.clone())).collect()
            }
        };
        near.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
        near.into_iter().take(limit).map(|(_, id)| id).collect()
    }

    /// See [`Index::complete`](super::Index::complete).
    pub(super) fn complete<'p>(
        &self,
        pages: &'p [Page],
        prefix: &str,
        limit: usize,
    ) -> (Vec<&'p str>, usize) {
        let start = self.by_id.partition_point(|page| id(pages, *page) < prefix);
        let after = self.by_id.get(start..).unwrap_or_default();
        let count = after.partition_point(|page| id(pages, *page).starts_with(prefix));
        (after.iter().take(count.min(limit)).map(|page| id(pages, *page)).collect(), count)
    }
}

/// Longest reference read, bytes.
const LONGEST: usize = 8 * 1024;
/// Most ids compared for "did you mean".
pub(super) const MOST_COMPARED: usize = 20_000;

fn id(pages: &[Page], page: u32) -> &str {
    pages.get(page as usize).map_or("", |page| page.id.as_str())
}

fn url(pages: &[Page], page: u32) -> Option<&str> {
    let url = pages.get(page as usize)?.url.as_deref()?;
    Some(url.split('#').next().unwrap_or(url).trim_end_matches('/'))
}

fn in_page(pages: &[Page], page: usize, is: impl Fn(&Section) -> bool, anchor: &str) -> Option<Target> {
    if anchor.is_empty() {
        return Some(Target::Page(page));
    }
    let section = pages.get(page)?.sections.iter().position(is)?;
    Some(Target::Section { page, section })
}

fn any_case(pages: &[Page], reference: &str) -> Option<Target> {
    let (wanted, anchor) = reference.split_once('#').unwrap_or((reference, ""));
    let wanted = wanted.to_lowercase();
    let page = pages.iter().position(|page| same_in_lower_case(&page.id, &wanted))?;
    let anchor = anchor.to_lowercase();
    in_page(pages, page, |section| same_in_lower_case(&section.anchor, &anchor), &anchor)
}

fn same_in_lower_case(text: &str, lower: &str) -> bool {
    text.chars().flat_map(char::to_lowercase).eq(lower.chars())
}

/// The ids that a reference may mean, likelier ones first.
fn readings(reference: &str) -> impl Iterator<Item = String> {
    let (path, anchor) = match reference.split_once('#') {
        Some((path, anchor)) => (path, format!("#{anchor}")),
        None => (reference, String::new()),
    };
    let path = match path.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("docs") => rest,
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => path,
    };
    let path = path.split('?').next().unwrap_or(path).trim_matches('/');
    let plain = path.strip_prefix("./").unwrap_or(path);
    let served = plain.strip_prefix("docs/");
    let mut ids = Vec::new();
    for path in [Some(plain), served].into_iter().flatten() {
        ids.push(format!("{path}{anchor}"));
        let stem = EXTENSIONS.iter().find_map(|extension| path.strip_suffix(extension));
        for path in stem.into_iter().chain([path]) {
            ids.push(format!("{path}{anchor}"));
            for index in ["index", "_index", "README"] {
                if let Some(folder) = path.strip_suffix(index).and_then(|path| path.strip_suffix('/')) {
                    ids.push(format!("{folder}{anchor}"));
                }
                let inside = if path.is_empty() { index.to_owned() } else { format!("{path}/{index}") };
                ids.push(format!("{inside}{anchor}"));
            }
        }
    }
    ids.push(reference.replace('#', "%23"));
    let shortest = format!("{}{anchor}", served.unwrap_or(plain));
    ids.push(shortest);
    ids.into_iter()
}

const EXTENSIONS: [&str; 6] = [".md", ".mdx", ".markdown", ".txt", ".html", ".htm"];

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.split_at_checked(2).filter(|_| byte == b'%');
        let value = code.and_then(|(code, after)| {
            let digits = str::from_utf8(code).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = value.unwrap_or((byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
