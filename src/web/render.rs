//! A page's Markdown as HTML that is safe to show: raw HTML becomes text, every section keeps its anchor.

use std::collections::HashMap;
use std::fmt::Write as _;

use pulldown_cmark::{BrokenLink, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

use super::links::{self, Resolve};
use super::shell::escape;
use crate::docs::{Page, Section};

/// The page's sections as HTML, without a frame.
pub(super) fn article(page: &Page, resolve: Resolve<'_>) -> String {
    let definitions = Definitions::of(page);
    let mut out = String::with_capacity(page.markdown_len() * 2);
    if page.needs_title() {
        let _ = writeln!(out, "<h1>{}</h1>", escape(&page.title));
    }
    for section in &page.sections {
        if section.level > 0 {
            heading(section, &mut out);
        }
        text(page, section, &definitions, resolve, &mut out);
    }
    out
}

/// Link reference definitions of the whole page: a section may use what another defines.
pub(super) struct Definitions(HashMap<String, (String, String)>);

impl Definitions {
    pub(super) fn of(page: &Page) -> Self {
        let mut all = HashMap::new();
        for section in page.sections.iter().filter(|section| section.text.contains("]:")) {
            let parser = Parser::new_ext(&section.text, options());
            for (label, definition) in parser.reference_definitions().iter() {
                let title = definition.title.as_deref().unwrap_or_default().to_owned();
                all.entry(label.to_lowercase()).or_insert_with(|| (definition.dest.to_string(), title));
            }
        }
        Self(all)
    }

    pub(super) fn find(&self, link: &BrokenLink<'_>) -> Option<(CowStr<'static>, CowStr<'static>)> {
        let (dest, title) = self.0.get(&link.reference.to_lowercase())?;
        Some((dest.clone().into(), title.clone().into()))
    }
}

pub(super) fn options() -> Options {
    Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM
}

fn heading(section: &Section, out: &mut String) {
    let (level, words) = (section.level.clamp(1, 6), escape(&section.heading));
    if section.anchor.is_empty() {
        let _ = writeln!(out, "<h{level}>{words}</h{level}>");
        return;
    }
    let (id, fragment) = (escape(&section.anchor), crate::docs::urls::encode_fragment(&section.anchor));
    let link = format!(
        "<a class=\"anchor\" href=\"#{}\" aria-label=\"Link to this section\">#</a>",
        escape(&fragment)
    );
    let _ = writeln!(out, "<h{level} id=\"{id}\">{words} {link}</h{level}>");
}

fn text(page: &Page, section: &Section, definitions: &Definitions, resolve: Resolve<'_>, out: &mut String) {
    let lookup = |link: BrokenLink<'_>| definitions.find(&link);
    let events = Parser::new_with_broken_link_callback(&section.text, options(), Some(lookup));
    let mut filter = Filter { page, resolve, dropped: Vec::new() };
    html::push_html(out, events.filter_map(|event| filter.pass(event)));
}

/// Makes raw HTML text, sends links where they can be followed, and takes off the rest, leaving
/// their words.
struct Filter<'a> {
    page: &'a Page,
    resolve: Resolve<'a>,
    /// For each open link or image, whether its tags are left out.
    dropped: Vec<bool>,
}

impl Filter<'_> {
    fn pass<'e>(&mut self, event: Event<'e>) -> Option<Event<'e>> {
        match event {
            Event::Html(raw) | Event::InlineHtml(raw) => Some(Event::Text(raw)),
            Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let dest = match link_type {
                    LinkType::Email => Some(dest_url.to_string()),
                    _ => links::rewrite(self.page, &dest_url, self.resolve),
                };
                self.dropped.push(dest.is_none());
                Some(Event::Start(Tag::Link { link_type, dest_url: dest?.into(), title, id }))
            }
            Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
                let shown = links::shows_image(&dest_url);
                self.dropped.push(!shown);
                shown.then_some(Event::Start(Tag::Image { link_type, dest_url, title, id }))
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                let dropped = self.dropped.pop().unwrap_or(false);
                (!dropped).then_some(event)
            }
            // An id of its own could take an anchor's place.
            Event::Start(Tag::Heading { level, .. }) => {
                Some(Event::Start(Tag::Heading { level, id: None, classes: Vec::new(), attrs: Vec::new() }))
            }
            event => Some(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rendered(sections: Vec<Section>) -> String {
        let mut page = Page::new("guide/tls", "TLS");
        page.sections = sections;
        article(&page, &|id| id.starts_with("guide/start").then(|| "/docs/guide/start".to_owned()))
    }

    #[test]
    fn every_section_has_its_anchor_as_an_id() {
        let html = rendered(vec![
            Section::new("tls", "TLS", 1, "a"),
            Section::new("a-b\"", "A & B", 2, "```\nopen"),
        ]);
        assert!(html.contains("<h1 id=\"tls\">TLS "), "{html}");
        assert!(html.contains("<h2 id=\"a-b&quot;\">A &amp; B "), "{html}");
    }

    #[test]
    fn raw_html_and_scripts_become_text() {
        let text = "<script>alert(1)</script>\n\nInline <b onclick=x>bold</b>.\n\n[x](javascript:alert(1)) \
                    ![alt](javascript:x) <javascript:x>";
        let html = rendered(vec![Section::lead(text)]);
        for bad in ["<script", "<b ", "href=\"javascript", "src=\"javascript"] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
        assert!(html.contains("&lt;script&gt;") && html.contains("alt"), "{html}");
    }

    #[test]
    fn links_lead_to_pages_here_and_references_reach_across_sections() {
        let html = rendered(vec![
            Section::lead("See [the start](start.md) and [more][m]."),
            Section::new("x", "X", 2, "[m]: https://example.com/more"),
        ]);
        assert!(html.contains("<a href=\"/docs/guide/start\">the start</a>"), "{html}");
        assert!(html.contains("<a href=\"https://example.com/more\">more</a>"), "{html}");
    }

    #[test]
    fn images_that_may_not_load_leave_their_words() {
        let html = rendered(vec![Section::lead("![diagram](img/x.png) ![logo](https://e.com/l.png)")]);
        assert!(html.contains("diagram") && !html.contains("img/x.png"), "{html}");
        assert!(html.contains("<img src=\"https://e.com/l.png\" alt=\"logo\""), "{html}");
    }

    proptest! {
        #[test]
        fn no_text_brings_a_tag_or_a_scheme_of_its_own(
            text in prop::collection::vec(prop_oneof![
                "[ -~\n]{0,20}", Just("<script>".to_owned()), Just("<img src=x onerror=y>".to_owned()),
                Just("[a](javascript:x)".to_owned()), Just("<!-- ".to_owned()), Just("```\n".to_owned()),
                Just("<a href='x'>".to_owned()), Just("\n\n".to_owned()),
            ], 0..12),
        ) {
            let html = rendered(vec![Section::lead(text.concat())]).to_lowercase();
            for bad in ["<script", "<img src=x", "<a href='x'", "href=\"javascript", "<iframe", "<!--"] {
                prop_assert!(!html.contains(bad), "{bad} in {html}");
            }
        }
    }
}
