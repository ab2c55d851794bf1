//! Where the links of a page lead when docquay shows it: to other pages here, to the place where it
//! is published, or nowhere. RFC 3986 §5.2 for paths.

use crate::docs::{Page, urls};

/// Finds the path under which this server shows what a reference names.
pub(super) type Resolve<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a link becomes; none if it must not or cannot be followed.
pub(super) fn rewrite(page: &Page, href: &str, resolve: Resolve<'_>) -> Option<String> {
    if href.starts_with('#') {
        return Some(href.to_owned());
    }
    if let Some(scheme) = scheme(href) {
        let allowed = ["http", "https", "mailto"].iter().any(|own| scheme.eq_ignore_ascii_case(own));
        return allowed.then(|| href.to_owned());
    }
    if href.starts_with("//") {
        return Some(format!("https:{href}"));
    }
    let (path, fragment) = href.split_once('#').unwrap_or((href, ""));
    let path = urls::decode(path.split('?').next().unwrap_or(path))?;
    let found = candidates(&page.id, &path).into_iter().find_map(|id| resolve(&id));
    match (found, fragment) {
        (Some(path), "") => Some(path),
        (Some(path), fragment) => Some(format!("{path}#{fragment}")),
        (None, _) => published(page, href),
    }
}

/// Whether an image may be shown: what the content security policy lets through.
pub(super) fn shows_image(href: &str) -> bool {
    scheme(href).is_some_and(|scheme| {
        scheme.eq_ignore_ascii_case("https") || (scheme == "data" && href.starts_with("data:image/"))
    })
}

/// The scheme, if the reference has one. Browsers skip control characters in it, so these count.
fn scheme(href: &str) -> Option<&str> {
    let (scheme, _) = href.split_once(':')?;
    (!scheme.contains(['/', '?', '#'])).then_some(scheme)
}

/// Whether a reference is a path, to be resolved against the page that has it.
pub(super) fn is_relative(href: &str) -> bool {
    scheme(href).is_none() && !href.starts_with("//")
}

/// The ids that a path may mean: from the site's root, from the page's folder (files link so), from
/// the page as a folder (sites with a folder for each page link so).
pub(super) fn candidates(id: &str, path: &str) -> Vec<String> {
    if path.starts_with('/') {
        return vec![join("", path)];
    }
    let folder = id.rsplit_once('/').map_or("", |(folder, _)| folder);
    vec![join(folder, path), join(id, path)]
}

fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The link on the site where the page is published.
fn published(page: &Page, href: &str) -> Option<String> {
    let own = page.url.as_deref().filter(|url| urls::is_http(url))?;
    let own = own.split(['#', '?']).next()?;
    let authority = own.find("://")? + 3;
    let root = own.get(authority..)?.find('/').map_or(own.len(), |at| authority + at);
    let joined = if href.starts_with('/') {
        format!("{}{href}", own.get(..root)?)
    } else {
        let folder = own.get(root..).and_then(|path| path.rfind('/')).map_or(own.len(), |at| root + at);
        format!("{}/{href}", own.get(..folder)?)
    };
    Some(urls::clean(&joined))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(url: Option<&str>) -> Page {
        let mut page = Page::new("guide/tls", "TLS");
        page.url = url.map(str::to_owned);
        page
    }

    fn known(id: &str) -> Option<String> {
        let id = id.strip_suffix(".md").unwrap_or(id);
        ["guide/start", "guide/tls/deep", "api"].contains(&id).then(|| format!("/docs/{id}"))
    }

    #[test]
    fn links_between_pages_lead_to_pages_here() {
        for (href, expected) in [
            ("start.md", "/docs/guide/start"),
            ("./start.md#top", "/docs/guide/start#top"),
            ("../api.md?x=1", "/docs/api"),
            ("/api/", "/docs/api"),
            ("deep", "/docs/guide/tls/deep"),
            ("../start/", "/docs/guide/start"),
            ("#here", "#here"),
            ("https://example.com/x", "https://example.com/x"),
            ("//example.com/x", "https://example.com/x"),
            ("mailto:a@example.com", "mailto:a@example.com"),
        ] {
            assert_eq!(rewrite(&page(None), href, &known).as_deref(), Some(expected), "{href}");
        }
    }

    #[test]
    fn other_links_lead_to_the_published_site() {
        let own = page(Some("https://a.example/docs/guide/tls/?x#y"));
        for (href, expected) in [
            ("img/x.png", "https://a.example/docs/guide/tls/img/x.png"),
            ("/other/", "https://a.example/other/"),
        ] {
            assert_eq!(rewrite(&own, href, &known).as_deref(), Some(expected), "{href}");
        }
    }

    #[test]
    fn links_that_could_run_something_or_lead_nowhere_are_dropped() {
        for href in
            ["javascript:alert(1)", "JaVaScript:x", "java\tscript:x", "data:text/html,x", "gone.md", "%zz"]
        {
            assert_eq!(rewrite(&page(None), href, &known), None, "{href}");
        }
        for href in ["http://a/x.png", "x.png", "data:text/html,x", "javascript:x"] {
            assert!(!shows_image(href), "{href}");
        }
    }
}
