//! The pages for people and crawlers, through the router.

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::StatusCode;
use bytes::Bytes;
use http_body_util::BodyExt as _;

use docquay::docs::Urls;
use docquay::http::{HostPolicy, Request, Router};
use docquay::web::{Site, routes};
use serde_json::json;

use crate::harness::library::{BASE, Server, folder, library};

struct Answer {
    status: StatusCode,
    headers: ::http::HeaderMap,
    body: String,
}

async fn ask(router: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = ::http::Request::builder().method(method).uri(path).header("host", "localhost:8080");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let request = Request::whole(head, Bytes::new(), SocketAddr::from(([127, 0, 0, 1], 9)));
    let (head, body) = router.answer(request).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

async fn get(router: &Router, path: &str) -> Answer {
    ask(router, "GET", path, &[]).await
}

fn router(library: &Arc<docquay::docs::Library>) -> Router {
    let site = Arc::new(Site::new(Arc::clone(library), Urls::new(BASE)));
    Router::new(routes(&site), HostPolicy::default())
}

#[tokio::test]
async fn every_address_that_docquay_serves_answers_with_its_fragment_in_the_page() {
    let folder = folder();
    let library = library(folder.path()).await;
    let (router, urls) = (router(&library), Urls::new(BASE));
    for page in library.index().pages() {
        for section in &page.sections {
            let url = urls.section(page, section);
            let path = url.strip_prefix(BASE).unwrap();
            let (path, fragment) = path.split_once('#').unwrap_or((path, ""));
            let answer = get(&router, path).await;
            assert_eq!(answer.status, StatusCode::OK, "{url}");
            let anchor = docquay::docs::urls::decode(fragment).unwrap();
            let id = format!(" id=\"{}\"", anchor.replace('&', "&amp;").replace('"', "&quot;"));
            assert!(fragment.is_empty() || answer.body.contains(&id), "{url}: no {id}");
        }
        let source = get(&router, &format!("{}.md", urls.served_path(page))).await;
        assert_eq!((source.status, source.body), (StatusCode::OK, page.markdown()), "{}", page.id);
        assert_eq!(source.headers["content-type"], "text/markdown; charset=utf-8");
    }
}

#[tokio::test]
async fn pages_are_inert_and_link_to_each_other() {
    let folder = folder();
    let router = router(&library(folder.path()).await);
    let answer = get(&router, "/docs/guide/odd%20name%20&%20more").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.body.contains("<script"), "{}", answer.body);
    assert!(answer.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none';"));
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    let start = get(&router, "/docs/index").await;
    assert!(start.body.contains("<a href=\"/docs/guide/tls#renewal\">TLS</a>"), "{}", start.body);
    assert!(start.body.contains("class=\"next\"") || start.body.contains("class=\"previous\""));
}

#[tokio::test]
async fn a_wrong_address_is_answered_with_near_ones_or_the_right_one() {
    let folder = folder();
    let router = router(&library(folder.path()).await);
    let answer = get(&router, "/docs/guide/tsl").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(answer.body.contains("href=\"/docs/guide/tls\""), "{}", answer.body);
    let answer = get(&router, "/docs/guide/tls/").await;
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (StatusCode::FOUND, &"/docs/guide/tls".parse().unwrap())
    );
    for path in ["/docs/%", "/docs/%ff", "/docs/..%2f..%2fetc%2fpasswd", "/docs/<script>"] {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let answer = get(&router, &path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(!answer.body.contains("<script"));
    }
}

#[tokio::test]
async fn a_caller_that_has_the_page_gets_304_and_head_gets_no_body() {
    let folder = folder();
    let router = router(&library(folder.path()).await);
    for path in ["/", "/docs/guide/tls", "/docs/guide/tls.md", "/llms.txt", "/llms-full.txt"] {
        let first = get(&router, path).await;
        assert_eq!(first.status, StatusCode::OK, "{path}");
        let tag = first.headers["etag"].to_str().unwrap();
        let again = ask(&router, "GET", path, &[("if-none-match", tag)]).await;
        assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{path}");
        let head = ask(&router, "HEAD", path, &[]).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""), "{path}");
        assert_eq!(head.headers["content-length"].to_str().unwrap(), first.body.len().to_string());
        let post = ask(&router, "POST", path, &[]).await;
        assert_eq!(
            (post.status, &post.headers["allow"]),
            (StatusCode::METHOD_NOT_ALLOWED, &"GET, HEAD".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn the_home_page_says_how_to_add_the_server() {
    let folder = folder();
    let router = router(&library(folder.path()).await);
    let home = get(&router, "/").await.body;
    for part in [
        "http://localhost:8080/mcp",
        "Claude",
        "ChatGPT",
        "Cursor",
        "VS Code",
        "Gemini",
        "10 pages",
        "Start here",
    ] {
        assert!(home.contains(part), "{part}");
    }
}

#[tokio::test]
async fn llms_txt_names_every_page_by_an_address_that_works_and_that_fetch_takes() {
    let folder = folder();
    let server = Server::over(folder.path()).await;
    let router = router(&server.library);
    let text = get(&router, "/llms.txt").await.body;
    assert!(text.starts_with("# Documentation\n\n> "), "{text}");
    let links: Vec<&str> = text.lines().filter(|line| line.starts_with("- [")).collect();
    let index = server.library.index();
    assert_eq!(links.len(), index.pages().len());
    for (line, page) in links.into_iter().zip(index.pages()) {
        let url = line.split_once("](").unwrap().1.split_once(')').unwrap().0;
        let answer = get(&router, url.strip_prefix(BASE).unwrap()).await;
        assert_eq!((answer.status, answer.body), (StatusCode::OK, page.markdown()), "{url}");
        assert_eq!(server.tool("fetch", json!({ "id": url })).await["id"], page.id, "{url}");
    }
    let full = get(&router, "/llms-full.txt").await.body;
    assert!(index.pages().iter().all(|page| full.contains(&page.markdown())));
}

#[tokio::test]
async fn health_answers_whatever_the_host() {
    let folder = folder();
    let router = router(&library(folder.path()).await);
    for path in ["/healthz", "/readyz"] {
        let answer = ask(&router, "GET", path, &[("host", "10.1.2.3")]).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "ok\n"), "{path}");
    }
}
