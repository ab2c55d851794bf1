//! The frame of every HTML page: head, style, header, footer. No script, no outside asset.

/// A page in its frame; `main` is HTML, the rest is text.
pub(super) fn page(title: &str, description: &str, site: (&str, &str), main: &str) -> String {
    let (name, home) = site;
    format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"description\" content=\"{}\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><a href=\"{}\">{}</a></header>\n<main>\n{main}</main>\n\
         <footer>Served by docquay {}, also to AI assistants over the Model Context Protocol.</footer>\n\
         </body>\n</html>\n",
        escape(description),
        escape(title),
        escape(home),
        escape(name),
        env!("CARGO_PKG_VERSION"),
    )
}

/// Text as it may stand in HTML, attribute values in double quotes included.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

const STYLE: &str = "
:root{--ink:#1c1f23;--soft:#5b6470;--paper:#fff;--tint:#f4f6f8;--line:#dfe3e8;--link:#0b5cad;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--ink:#e4e7eb;--soft:#9aa4b1;--paper:#14171a;--tint:#1e2327;--line:#333a41;--link:#7ab8ff}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.6 system-ui,sans-serif;overflow-wrap:break-word}
header,main,footer{max-width:48rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:1rem;padding-bottom:1rem;font-weight:600}
header a{color:inherit;text-decoration:none}
footer{margin-top:4rem;padding-top:1rem;padding-bottom:2rem;border-top:1px solid var(--line);color:var(--soft);font-size:.875rem}
a{color:var(--link)}
h1,h2,h3,h4,h5,h6{line-height:1.25;margin:2em 0 .6em}
h1{font-size:2rem;margin-top:.4em}h2{font-size:1.45rem}h3{font-size:1.2rem}h4,h5,h6{font-size:1rem}
.anchor{color:var(--soft);text-decoration:none;opacity:0;font-weight:400}
:hover>.anchor,.anchor:focus{opacity:1}
:target{background:var(--tint)}
code,pre{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:.9em}
code{background:var(--tint);padding:.1em .3em;border-radius:4px}
pre{background:var(--tint);border:1px solid var(--line);border-radius:8px;padding:.9rem 1rem;overflow-x:auto;line-height:1.45}
pre code{background:none;padding:0;font-size:1em}
table{border-collapse:collapse;display:block;max-width:100%;overflow-x:auto}
th,td{border:1px solid var(--line);padding:.4rem .7rem;text-align:left;vertical-align:top}
th{background:var(--tint)}
blockquote{margin:1rem 0;padding:.1rem 1rem;border-left:4px solid var(--line);color:var(--soft)}
img{max-width:100%;height:auto}
hr{border:0;border-top:1px solid var(--line);margin:2rem 0}
.lead{font-size:1.15rem;color:var(--soft)}
.crumbs,.meta{color:var(--soft);font-size:.875rem}
.meta a{margin-right:1rem}
.endpoint{font-size:1.1rem}
.toc{border:1px solid var(--line);border-radius:8px;padding:.5rem 1rem;margin:1rem 0}
.toc summary{cursor:pointer;color:var(--soft)}
.toc ul{margin:.4rem 0;padding-left:1.2rem}
.around{display:flex;gap:1rem;justify-content:space-between;margin-top:3rem}
.around a{flex:0 1 48%;border:1px solid var(--line);border-radius:8px;padding:.6rem .9rem;text-decoration:none}
.around a span{display:block;color:var(--soft);font-size:.8rem}
.around .next{text-align:right;margin-left:auto}
.pages{padding:0;list-style:none}
.pages li{padding:.45rem 0;border-bottom:1px solid var(--line)}
.pages small{display:block;color:var(--soft)}
details.client{border:1px solid var(--line);border-radius:8px;margin:.6rem 0;padding:0 1rem}
details.client summary{cursor:pointer;font-weight:600;padding:.6rem 0}
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_frame_is_loaded_from_elsewhere() {
        let html = page("<T>", "d\"", ("Site & Co", "/"), "<p>x</p>");
        assert!(html.contains("<title>&lt;T&gt;</title>") && html.contains("content=\"d&quot;\""), "{html}");
        for loaded in ["<script", "src=", "http:", "https:", "url(", "@import"] {
            assert!(!html.contains(loaded), "{loaded}");
        }
    }
}
