//! Sources as an operator names them: folders, indexes, URLs; what is wrong with them is said.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use docquay::docs::{Fetch as _, Fetched, Library, Options, Source, SourceError, Validators};
use docquay::docs_fetch::SourceFetch;
use docquay::outbound::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

async fn open(root: &Path) -> Result<Library, SourceError> {
    Library::open(vec![Source::Path(root.to_owned())], Options::default()).await
}

fn ids(library: &Library) -> Vec<String> {
    library.index().pages().iter().map(|page| page.id.clone()).collect()
}

#[tokio::test]
async fn a_folder_is_read_in_a_stable_order_without_drafts_hidden_and_binary_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "index.md", "# Home\n");
    write(root, "guide/_index.md", "# Guide\n");
    write(root, "guide/tls.mdx", "import X from 'x'\n\n# TLS\n");
    write(root, "guide/first.markdown", "---\nweight: 1\n---\n# First\n");
    write(root, "notes.txt", "# not a heading");
    write(root, "draft.md", "---\ndraft: true\n---\n# D\n");
    write(root, ".hidden/a.md", "# H\n");
    write(root, ".b.md", "# H\n");
    write(root, "binary.md", b"a\0b");
    write(root, "latin.md", b"caf\xe9");
    write(root, "broken.md", "---\ntitle: [\n---\n# Broken front matter\n");
    write(root, "image.png", "x");
    let library = open(root).await.unwrap();
    assert_eq!(ids(&library), ["index", "broken", "guide", "guide/first", "guide/tls", "notes"]);
    assert!(library.state().ready);
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_inside_the_folder_only_and_each_folder_once() {
    use std::os::unix::fs::symlink;
    let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = folder.path();
    write(outside.path(), "secret.md", "# S\n");
    write(root, "..2024/real.md", "# R\n");
    write(root, "b/page.md", "# B\n");
    symlink("..2024", root.join("..data")).unwrap();
    symlink("..data/real.md", root.join("real.md")).unwrap();
    symlink("b", root.join("a")).unwrap();
    symlink(".", root.join("loop")).unwrap();
    symlink(outside.path(), root.join("out")).unwrap();
    symlink(outside.path().join("secret.md"), root.join("secret.md")).unwrap();
    symlink("nowhere.md", root.join("dead.md")).unwrap();
    assert_eq!(ids(&open(root).await.unwrap()), ["b/page", "real"]);
}

#[tokio::test]
async fn a_single_file_and_the_manual_are_sources_and_sources_are_joined() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "# A\n");
    let sources = vec![Source::Path(folder.path().join("a.md")), Source::Manual];
    let library = Library::open(sources, Options::default()).await.unwrap();
    assert_eq!(ids(&library).first().map(String::as_str), Some("a"));
    assert!(ids(&library).contains(&"getting-started".to_owned()));
}

#[tokio::test]
async fn a_missing_folder_names_the_nearest_that_exists() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("docs")).unwrap();
    let error = open(&folder.path().join("doks/guide")).await.unwrap_err();
    assert!(error.what.contains("doks/guide"), "{error}");
    assert!(error.help.contains(folder.path().to_str().unwrap()), "{}", error.help);
    assert!(error.help.contains("docs"), "{}", error.help);
}

#[tokio::test]
async fn an_empty_folder_serves_no_pages() {
    let folder = tempfile::tempdir().unwrap();
    let library = open(folder.path()).await.unwrap();
    assert!(library.index().pages().is_empty());
    assert!(library.state().ready);
}

#[tokio::test]
async fn two_pages_with_one_id_both_stay() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "guide.md", "# A\n");
    write(folder.path(), "guide/index.md", "# B\n");
    assert_eq!(open(folder.path()).await.unwrap().index().pages().len(), 2);
}

#[tokio::test]
async fn caps_end_in_an_error_that_names_the_option() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "x".repeat(100));
    write(folder.path(), "b.md", "x".repeat(100));
    write(folder.path(), "index.json", format!("[{}]", " ".repeat(200)));
    for (path, source_bytes, corpus_bytes, option) in [
        ("", 99, 1000, "limits.source_bytes"),
        ("", 100, 199, "limits.corpus_bytes"),
        ("index.json", 100, 1000, "limits.source_bytes"),
    ] {
        let mut options = Options::default();
        (options.source_bytes, options.corpus_bytes) = (source_bytes, corpus_bytes);
        let error = Library::open(vec![Source::Path(folder.path().join(path))], options).await.unwrap_err();
        assert!(error.help.contains(option), "{} {}", error, error.help);
    }
}

#[tokio::test]
async fn a_broken_index_says_where() {
    let folder = tempfile::tempdir().unwrap();
    for (json, text) in [
        (r#"[{"title":"T","permalink":"/a"}]"#, "entry 1: no text field"),
        (r#"[{"title":"T","perma"#, "line 1 column 20"),
    ] {
        write(folder.path(), "index.json", json);
        let error = open(&folder.path().join("index.json")).await.unwrap_err();
        assert!(error.what.contains("index.json") && error.cause.contains(text), "{error}");
    }
}

/// Serves each connection the next of `answers`; tells the requests.
async fn server(answers: Vec<Vec<u8>>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/index.json", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            requests.push(String::from_utf8(head).unwrap().to_lowercase());
            // A client that refuses a body closes before it is written.
            let _ = stream.write_all(&answer).await;
        }
        requests
    });
    (url, task)
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

async fn fetch(url: &str, validators: &Validators, max_bytes: usize) -> Result<Fetched, SourceError> {
    let fetch = SourceFetch::new(Client::new().unwrap());
    fetch.fetch(url, validators, max_bytes, Duration::from_secs(20)).await
}

#[tokio::test]
async fn an_unchanged_url_is_not_sent_again() {
    let (url, server) = server(vec![
        answer("200 OK\r\nETag: \"v1\"\r\nLast-Modified: Mon", "[]"),
        b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec(),
    ])
    .await;
    let Fetched::New { body, validators } = fetch(&url, &Validators::default(), 100).await.unwrap() else {
        panic!("a first answer is new");
    };
    assert_eq!(&body[..], b"[]");
    assert!(matches!(fetch(&url, &validators, 100).await.unwrap(), Fetched::Unchanged));
    let requests = server.await.unwrap();
    assert!(requests[0].contains("user-agent: docquay/"), "{}", requests[0]);
    assert!(requests[1].contains("if-none-match: \"v1\"") && requests[1].contains("if-modified-since: mon"));
}

#[tokio::test]
async fn bad_answers_are_refused_with_the_reason() {
    let endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n".to_vec();
    let endless = [endless, vec![b'x'; 2048], b"\r\n0\r\n\r\n".to_vec()].concat();
    for (answer, text) in [
        (answer("500 Internal Server Error", "no"), "answered 500"),
        (answer("404 Not Found", "no"), "answered 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[".to_vec(), "ended early"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n[".to_vec(), "larger than 1000 bytes"),
        (endless, "larger than 1000 bytes"),
        (b"SSH-2.0\r\n".to_vec(), "no HTTP"),
        (answer("302 Found\r\nLocation: ftp://127.0.0.1/", ""), "another scheme"),
    ] {
        let (url, _server) = server(vec![answer]).await;
        let error = fetch(&url, &Validators::default(), 1000).await.unwrap_err();
        assert!(error.cause.contains(text), "{error} should say {text}");
        assert!(error.what.contains(&url));
    }
}

#[tokio::test]
async fn a_url_is_read_like_a_file_and_waited_for_while_unreachable() {
    let index = r#"[{"title":"T","permalink":"/a/","contents":"text"}]"#;
    let (url, _server) = server(vec![answer("503 Later", ""), answer("200 OK", index)]).await;
    let mut options = Options::default();
    options.fetch = Some(Arc::new(SourceFetch::new(Client::new().unwrap())));
    let library = Library::open(vec![Source::Url(url.clone())], options).await.unwrap();
    assert!(!library.state().ready && library.index().pages().is_empty());
    assert!(library.state().failure.unwrap().contains("503"));
    assert!(library.reload().await.unwrap());
    assert!(library.state().ready && library.state().failure.is_none());
    assert_eq!(library.index().pages()[0].url.as_deref(), Some(url.replace("index.json", "a/").as_str()));
}
