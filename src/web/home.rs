//! `/`: what this server is, how to add it to an assistant, and what it documents.

use std::fmt::Write as _;

use super::Site;
use super::answer::{HTML, fresh};
use super::shell::{self, escape};
use crate::docs::{Index, Page};
use crate::http::{Request, Response};

/// Pages listed; llms.txt lists all.
const LISTED: usize = 200;

pub(super) fn page(site: &Site, request: &Request) -> Response {
    fresh(request, HTML, html(site))
}

fn html(site: &Site) -> String {
    let index = site.library.index();
    let endpoint = format!("{}/mcp", site.urls.base());
    let (pages, sections) = (index.pages().len(), index.section_count());
    let mut main = format!(
        "<h1>{}</h1>\n<p class=\"lead\">{}, {}, for people to read and for AI assistants to search over \
         the Model Context Protocol.</p>\n\
         <h2>Add it to your assistant</h2>\n<p>The address is</p>\n<pre class=\"endpoint\"><code>{}</code></pre>\n",
        escape(&site.name),
        counted(pages, "page"),
        counted(sections, "section"),
        escape(&endpoint),
    );
    if !site.urls.base().starts_with("https://") {
        main.push_str(
            "<p class=\"meta\">This address reaches programs on this machine or network. Claude on the web and \
             ChatGPT need a public https address.</p>\n",
        );
    }
    main.push_str(&clients(&endpoint, site.private));
    main.push_str(&list(site, &index));
    let home = format!("{}/", site.urls.prefix());
    let description = "Documentation for people and, over the Model Context Protocol, for AI assistants.";
    shell::page(&site.name, description, (&site.name, &home), &main)
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// How each host is told of the server; with the place of the token where callers need one.
fn clients(endpoint: &str, private: bool) -> String {
    let entry = |inner: &str| format!("{{\n  \"mcpServers\": {{\n    \"docs\": {{ {inner} }}\n  }}\n}}");
    let (flag, headers) = if private {
        (
            " --header \"Authorization: Bearer TOKEN\"",
            ", \"headers\": { \"Authorization\": \"Bearer TOKEN\" }",
        )
    } else {
        ("", "")
    };
    let claude = format!("claude mcp add --transport http docs {endpoint}{flag}");
    let mut steps = if private {
        vec![("Claude", "In Claude Code:", claude)]
    } else {
        vec![
            (
                "Claude",
                "On the web and on the desktop: Settings, Connectors, Add custom connector, and paste the address. \
                 In Claude Code:",
                claude,
            ),
            (
                "ChatGPT",
                "Settings, Connectors (developer mode under Advanced settings), Create, with this address and no \
                 authentication:",
                endpoint.to_owned(),
            ),
        ]
    };
    steps.extend([
        ("Cursor", "In ~/.cursor/mcp.json:", entry(&format!("\"url\": \"{endpoint}\"{headers}"))),
        (
            "VS Code",
            "In .vscode/mcp.json:",
            format!(
                "{{\n  \"servers\": {{\n    \"docs\": {{ \"type\": \"http\", \"url\": \"{endpoint}\"{headers} }}\n  }}\n}}"
            ),
        ),
        (
            "Gemini CLI",
            "In a terminal, or as httpUrl in ~/.gemini/settings.json:",
            format!("gemini mcp add --transport http{flag} docs {endpoint}"),
        ),
    ]);
    let mut out = String::new();
    for (number, (name, how, code)) in steps.iter().enumerate() {
        let open = if number == 0 { " open" } else { "" };
        let _ = write!(
            out,
            "<details class=\"client\"{open}><summary>{name}</summary>\n<p>{how}</p>\n<pre><code>{}</code></pre>\n\
             </details>\n",
            escape(code),
        );
    }
    out
}

fn list(site: &Site, index: &Index) -> String {
    let pages = index.pages();
    if pages.is_empty() {
        let why =
            if site.library.state().ready { "There are no pages yet." } else { "The pages are being read." };
        return format!("<h2>Pages</h2>\n<p>{why}</p>\n");
    }
    let items: String = pages.iter().take(LISTED).map(|page| item(site, page)).collect();
    let prefix = escape(site.urls.prefix());
    let more = if pages.len() > LISTED {
        format!("These are the first {LISTED} of {}; all of them stand in ", pages.len())
    } else {
        "For machines: ".to_owned()
    };
    format!(
        "<h2>Pages</h2>\n<ul class=\"pages\">\n{items}</ul>\n<p class=\"meta\">{more}\
         <a href=\"{prefix}/llms.txt\">llms.txt</a><a href=\"{prefix}/llms-full.txt\">llms-full.txt</a></p>\n",
    )
}

fn item(site: &Site, page: &Page) -> String {
    let about = page.description.as_deref().unwrap_or(&page.id);
    let path = site.urls.served_path(page);
    let (path, title, about) = (escape(&path), escape(&page.title), escape(about));
    format!("<li><a href=\"{path}\">{title}</a><small>{about}</small></li>\n")
}
