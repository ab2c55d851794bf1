//! Pages by hand, for the tests of this folder.

use crate::docs::{Page, Section};

/// A page from lines: `# Heading` begins a section, its anchor the heading in lower case.
pub(super) fn page(id: &str, markdown: &str) -> Page {
    let mut sections: Vec<Section> = Vec::new();
    for line in markdown.lines() {
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        if level > 0 || sections.is_empty() {
            let heading = line[level..].trim().to_owned();
            let heading = if level == 0 { String::new() } else { heading };
            let anchor = heading.to_lowercase().replace(' ', "-");
            let parents = Vec::new();
            let text = if level == 0 { line.to_owned() } else { String::new() };
            sections.push(Section { anchor, heading, level: level as u8, parents, text });
        } else if let Some(last) = sections.last_mut() {
            last.text.push_str(line);
            last.text.push('\n');
        }
    }
    let title = sections.iter().map(|section| section.heading.clone()).find(|heading| !heading.is_empty());
    Page {
        id: id.to_owned(),
        title: title.unwrap_or_else(|| id.to_owned()),
        url: None,
        description: None,
        tags: Vec::new(),
        lang: None,
        sections,
    }
}
