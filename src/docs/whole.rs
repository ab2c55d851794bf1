//! A page's sections put together again, as Markdown: what `fetch`, resources, `.md` and
//! `llms-full.txt` give out.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;

use super::{Page, Section};

impl Page {
    /// The whole page as Markdown. A page whose first heading is not of level 1 gets its title as one.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut whole = String::with_capacity(self.markdown_len());
        if self.needs_title() {
            push_heading(&mut whole, 1, &self.title);
        }
        for section in &self.sections {
            section.push_markdown(&mut whole);
        }
        whole
    }

    /// The length of [`markdown`](Self::markdown) in bytes, without making it.
    #[must_use]
    pub fn markdown_len(&self) -> usize {
        let title = if self.needs_title() { heading_len(1, &self.title) } else { 0 };
        title + self.sections.iter().map(Section::markdown_len).sum::<usize>()
    }

    /// A section and those below it, as Markdown.
    #[must_use]
    pub fn section_markdown(&self, section: usize) -> String {
        let mut whole = String::new();
        for section in self.sections.get(self.subtree(section)).unwrap_or_default() {
            section.push_markdown(&mut whole);
        }
        whole
    }

    /// The section and the ones after it that are deeper: what a reader takes for "the section".
    #[must_use]
    pub fn subtree(&self, section: usize) -> Range<usize> {
        let Some(first) = self.sections.get(section) else { return 0..0 };
        let deeper = |other: &&Section| first.level > 0 && other.level > first.level;
        let below = self.sections.iter().skip(section + 1).take_while(deeper).count();
        section..section + 1 + below
    }

    /// Page title and heading, for people: `TLS › Renewal`.
    #[must_use]
    pub fn section_title(&self, section: &Section) -> String {
        if section.heading.is_empty() || section.heading == self.title {
            return self.title.clone();
        }
        format!("{} › {}", self.title, section.heading)
    }

    /// A number that changes when anything of the page does; for this process alone.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.id, &self.title, &self.url, &self.description, &self.tags, &self.lang).hash(&mut hasher);
        for section in &self.sections {
            (&section.anchor, &section.heading, section.level, &section.text).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Whether no section shows the title as a heading of level 1 at the top.
    #[must_use]
    pub fn needs_title(&self) -> bool {
        let shown = |section: &Section| section.level == 1;
        let first = self.sections.iter().find(|section| section.level > 0 || !section.text.is_empty());
        !first.is_some_and(shown)
    }
}

impl Section {
    /// The headings down to this one, its own last; empty for the text before any heading.
    #[must_use]
    pub fn heading_path(&self) -> Vec<&str> {
        let own = Some(self.heading.as_str()).filter(|heading| !heading.is_empty());
        self.parents.iter().map(String::as_str).chain(own).collect()
    }

    fn push_markdown(&self, whole: &mut String) {
        if self.level > 0 {
            push_heading(whole, self.level, &self.heading);
        }
        let text = self.text.trim_matches('\n');
        if !text.is_empty() {
            whole.push_str(text);
            whole.push_str("\n\n");
        }
    }

    fn markdown_len(&self) -> usize {
        let heading = if self.level > 0 { heading_len(self.level, &self.heading) } else { 0 };
        let text = self.text.trim_matches('\n').len();
        heading + if text == 0 { 0 } else { text + 2 }
    }
}

fn push_heading(whole: &mut String, level: u8, heading: &str) {
    whole.extend(std::iter::repeat_n('#', usize::from(level)));
    whole.push(' ');
    whole.push_str(heading);
    whole.push_str("\n\n");
}

fn heading_len(level: u8, heading: &str) -> usize {
    usize::from(level) + 1 + heading.len() + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(level: u8, heading: &str, text: &str) -> Section {
        Section {
            anchor: heading.to_lowercase(),
            heading: heading.to_owned(),
            level,
            parents: Vec::new(),
            text: text.to_owned(),
        }
    }

    fn page(sections: Vec<Section>) -> Page {
        Page {
            id: "p".to_owned(),
            title: "Page".to_owned(),
            url: None,
            description: None,
            tags: Vec::new(),
            lang: None,
            sections,
        }
    }

    #[test]
    fn sections_are_put_together_under_their_headings() {
        let page = page(vec![section(1, "Page", "Intro.\n"), section(2, "A", "\none"), section(3, "B", "")]);
        assert_eq!(page.markdown(), "# Page\n\nIntro.\n\n## A\n\none\n\n### B\n\n");
        assert_eq!(page.markdown_len(), page.markdown().len());
    }

    #[test]
    fn a_page_without_a_first_heading_is_headed_by_its_title() {
        let page = page(vec![section(0, "", "Intro."), section(2, "A", "one")]);
        assert_eq!(page.markdown(), "# Page\n\nIntro.\n\n## A\n\none\n\n");
        assert_eq!(page.markdown_len(), page.markdown().len());
    }

    #[test]
    fn a_section_brings_the_deeper_ones_along() {
        let sections = [(1, "Page"), (2, "A"), (3, "B"), (4, "C"), (2, "D"), (3, "E")];
        let page = page(sections.map(|(level, heading)| section(level, heading, "")).to_vec());
        for (start, end) in [(0, 6), (1, 4), (2, 4), (3, 4), (4, 6), (5, 6)] {
            assert_eq!(page.subtree(start), start..end);
        }
        assert_eq!(page.subtree(9), 0..0);
    }

    #[test]
    fn the_fingerprint_follows_the_text() {
        let one = page(vec![section(1, "Page", "a")]);
        let two = page(vec![section(1, "Page", "b")]);
        assert_eq!(one.fingerprint(), one.clone().fingerprint());
        assert_ne!(one.fingerprint(), two.fingerprint());
    }
}
