//! Reloads as they happen in the field: swapped links, checkouts, deletions, mounts without events.

use std::fs;
use std::path::Path;
use std::time::Duration;

use docquay::docs::{Library, Options, Source};
use docquay::shutdown::{self, Trigger};
use tokio::task::JoinHandle;

/// A library that runs; dropping the trigger ends it.
struct Running {
    library: &'static Library,
    _trigger: Trigger,
    _task: JoinHandle<()>,
}

fn options() -> Options {
    let mut options = Options::default();
    options.reload_every = Duration::from_millis(100);
    options.settle = Duration::from_millis(50);
    options
}

async fn run(root: &Path, options: Options) -> Running {
    let library = Library::open(vec![Source::Path(root.to_owned())], options).await.unwrap();
    let library: &'static Library = Box::leak(Box::new(library));
    let (trigger, shutdown) = shutdown::channel();
    let task = tokio::spawn(library.run(shutdown));
    Running { library, _trigger: trigger, _task: task }
}

fn ids(library: &Library) -> Vec<String> {
    library.index().pages().iter().map(|page| page.id.clone()).collect()
}

fn text(library: &Library) -> String {
    library.index().pages().iter().flat_map(|page| page.sections.iter().map(|s| s.text.clone())).collect()
}

/// Waits for a state of the library, for as long as a loaded machine may need.
async fn until(library: &Library, what: impl Fn(&Library) -> bool) {
    for _ in 0..1_500 {
        if what(library) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never so: {:?} {:?}", ids(library), library.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_swapped_in_and_the_same_text_is_not() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.md"), "one").unwrap();
    let running = run(folder.path(), options()).await;
    fs::write(folder.path().join("a.md"), "two").unwrap();
    until(running.library, |library| text(library) == "two").await;
    let loads = running.library.state().loads;
    fs::write(folder.path().join("a.md"), "two").unwrap();
    assert!(!running.library.reload().await.unwrap());
    assert_eq!(running.library.state().loads, loads);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sources_take_the_place_of_the_old_ones_and_are_watched() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["old", "new"] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("a.md"), name).unwrap();
    }
    let source = |name: &str| vec![Source::Path(folder.path().join(name))];
    let running = run(&folder.path().join("old"), options()).await;
    let error = running.library.replace(source("missing"), options()).await.unwrap_err();
    assert!(error.what.contains("missing"), "{error:?}");
    assert_eq!((text(running.library).as_str(), running.library.state().ready), ("old", true));
    // The old one is still watched.
    fs::write(folder.path().join("old/a.md"), "older").unwrap();
    until(running.library, |library| text(library) == "older").await;

    assert!(running.library.replace(source("new"), options()).await.unwrap());
    assert_eq!(text(running.library), "new");
    fs::write(folder.path().join("old/a.md"), "not asked for").unwrap();
    fs::write(folder.path().join("new/a.md"), "newer").unwrap();
    until(running.library, |library| text(library) == "newer").await;
    // The same pages from elsewhere are no change.
    fs::create_dir(folder.path().join("copy")).unwrap();
    fs::write(folder.path().join("copy/a.md"), "newer").unwrap();
    assert!(!running.library.replace(source("copy"), options()).await.unwrap());
}

#[tokio::test]
async fn a_library_that_is_not_loaded_is_empty_and_not_ready_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.md"), "one").unwrap();
    let library = Library::new(vec![Source::Path(folder.path().to_owned())], options()).unwrap();
    assert!(!library.state().ready && library.index().pages().is_empty());
    let (loaded, ()) = tokio::join!(library.load(), library.loaded());
    loaded.unwrap();
    assert_eq!((text(&library).as_str(), library.state().ready), ("one", true));
    library.loaded().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_config_map_swap_is_seen() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let version = |name: &str, text: &str| {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("a.md"), text).unwrap();
    };
    version("..1", "old");
    symlink("..1", root.join("..data")).unwrap();
    symlink("..data/a.md", root.join("a.md")).unwrap();
    let running = run(root, options()).await;
    assert_eq!(text(running.library), "old");
    version("..2", "new");
    symlink("..2", root.join("..data_tmp")).unwrap();
    fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    fs::remove_dir_all(root.join("..1")).unwrap();
    until(running.library, |library| text(library) == "new").await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_git_sync_swap_of_the_root_is_seen() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("current");
    for (name, text) in [("rev1", "old"), ("rev2", "new")] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::write(folder.path().join(name).join("a.md"), text).unwrap();
    }
    symlink("rev1", &root).unwrap();
    let running = run(&root, options()).await;
    assert_eq!(text(running.library), "old");
    symlink("rev2", folder.path().join("next")).unwrap();
    fs::rename(folder.path().join("next"), &root).unwrap();
    fs::remove_dir_all(folder.path().join("rev1")).unwrap();
    until(running.library, |library| text(library) == "new").await;
}

fn git(root: &Path, arguments: &[&str]) {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(root)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A repository with fifty pages that say `one` on the branch `one`, and `two` on `two`, which has one page more.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    git(root, &["init", "-q", "-b", "one"]);
    for number in 0..50 {
        fs::write(root.join(format!("page{number}.md")), format!("# P{number}\none\n")).unwrap();
    }
    git(root, &["add", "."]);
    git(root, &["commit", "-qm", "one"]);
    git(root, &["checkout", "-qb", "two"]);
    for number in 0..50 {
        fs::write(root.join(format!("page{number}.md")), format!("# P{number}\ntwo\n")).unwrap();
    }
    fs::write(root.join("more.md"), "two").unwrap();
    git(root, &["add", "."]);
    git(root, &["commit", "-qm", "two"]);
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_between_branches_never_shows_an_empty_index() {
    let folder = repository();
    let root = folder.path();
    let running = run(root, options()).await;
    let library = running.library;
    let readers = tokio::spawn(async move {
        loop {
            let pages = library.index().pages().len();
            assert!((50..=51).contains(&pages), "{pages} pages while branches are switched");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    for branch in ["one", "two", "one"] {
        git(root, &["checkout", "-q", branch]);
        let pages = if branch == "two" { 51 } else { 50 };
        until(library, |library| text(library) == branch.repeat(pages)).await;
    }
    assert!(!readers.is_finished(), "a reader failed");
    readers.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_files_leave_the_index() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.md", "b.md", "c/d.md"] {
        fs::create_dir_all(folder.path().join("c")).unwrap();
        fs::write(folder.path().join(name), "text").unwrap();
    }
    let running = run(folder.path(), options()).await;
    assert_eq!(ids(running.library), ["a", "b", "c/d"]);
    fs::remove_dir_all(folder.path().join("c")).unwrap();
    fs::remove_file(folder.path().join("a.md")).unwrap();
    until(running.library, |library| ids(library) == ["b"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_vanishes_keeps_the_old_index_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("docs");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.md"), "text").unwrap();
    let running = run(&root, options()).await;
    fs::rename(&root, folder.path().join("away")).unwrap();
    until(running.library, |library| library.state().failure.is_some()).await;
    assert_eq!(ids(running.library), ["a"]);
    assert!(running.library.state().ready);
    fs::rename(folder.path().join("away"), &root).unwrap();
    until(running.library, |library| library.state().failure.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_index_keeps_the_old_one_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("index.json");
    let entry = |text: &str| format!(r#"[{{"title":"T","permalink":"/a","contents":"{text}"}}]"#);
    fs::write(&file, entry("old")).unwrap();
    let running = run(&file, options()).await;
    fs::write(&file, r#"[{"title":"T"#).unwrap();
    until(running.library, |library| library.state().failure.is_some()).await;
    assert_eq!(text(running.library), "old");
    fs::write(&file, entry("new")).unwrap();
    until(running.library, |library| text(library) == "new" && library.state().failure.is_none()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_folder_is_waited_for_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("docs");
    let mut options = options();
    options.source_wait = true;
    let running = run(&root, options).await;
    assert!(!running.library.state().ready);
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.md"), "text").unwrap();
    until(running.library, |library| library.state().ready && ids(library) == ["a"]).await;
}

/// The whole server in this process, over real sockets.
#[cfg(feature = "cli")]
mod served {
    use std::fs;
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use docquay::config::Config;
    use docquay::docs::Source;
    use docquay::server;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::{git, options, repository};
    use crate::harness::peer::{self, Reply};
    use crate::harness::server::{BOTH, JSON, STREAM, initialize, modern_body};

    async fn serve(root: &Path) -> server::Running {
        let mut config = Config::default();
        config.sources = vec![Source::Path(root.to_owned())];
        config.docs = options();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        server::start_on(listener, config).await.unwrap()
    }

    async fn modern(address: SocketAddr, method: &str, params: Value) -> Reply {
        let body = modern_body(json!("it"), method, params);
        let mut headers = vec![JSON, BOTH, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        headers.extend(body["params"]["name"].as_str().map(|name| ("mcp-name", name)));
        peer::send(address, "POST", "/mcp", &headers, &body.to_string()).await
    }

    async fn tool(address: SocketAddr, name: &str, arguments: Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        let reply = modern(address, "tools/call", params).await.whole().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let answer = reply.json();
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_request_is_answered_whole_while_branches_are_switched() {
        let folder = repository();
        let root = folder.path();
        let mut running = serve(root).await;
        let address = running.address();
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..4_u32).map(|client| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                let mut asked = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    let id = format!("page{}", (asked * 7 + client) % 50);
                    let page = tool(address, "fetch", json!({ "id": id })).await;
                    let text = page["text"].as_str().unwrap();
                    assert!(text.contains("one") || text.contains("two"), "{page}");
                    let found = tool(address, "search", json!({ "query": "one two" })).await;
                    assert!(!found["results"].as_array().unwrap().is_empty(), "{found}");
                    let list = modern(address, "resources/list", json!({})).await.whole().await.json();
                    let pages = list["result"]["resources"].as_array().unwrap().len();
                    assert!((50..=51).contains(&pages), "{pages} pages");
                    asked += 1;
                }
                asked
            })
        });
        let clients: Vec<_> = clients.collect();
        for branch in ["one", "two", "one", "two", "one"] {
            git(root, &["checkout", "-q", branch]);
            let pages = if branch == "two" { 51 } else { 50 };
            super::until(running.library(), |library| super::text(library) == branch.repeat(pages)).await;
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            assert!(client.await.unwrap() > 0, "a client never got to ask");
        }
        running.drain();
        running.join().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_changed_file_is_told_to_the_streams_of_both_eras() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            // Whole at once, as careful editors do.
            fs::write(folder.path().join("new"), text).unwrap();
            fs::rename(folder.path().join("new"), folder.path().join(name)).unwrap();
        };
        write("keys.md", "# Keys\n\nRotate them.\n");
        write("ports.md", "# Ports\n\nOpen two.\n");
        let mut running = serve(folder.path()).await;
        let address = running.address();

        let filter = json!({ "notifications": {
            "resourcesListChanged": true, "resourceSubscriptions": ["docs:///keys"],
        } });
        let mut listening = modern(address, "subscriptions/listen", filter).await;
        let acknowledged = listening.event().await.unwrap().json();
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");

        let opened = initialize("2025-11-25").to_string();
        let opened = peer::send(address, "POST", "/mcp", &[JSON, BOTH], &opened).await.whole().await;
        let session = ("mcp-session-id", opened.header("mcp-session-id").unwrap());
        let version = ("mcp-protocol-version", "2025-11-25");
        for message in [
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": "docs:///keys" } }),
        ] {
            let headers = [JSON, BOTH, session, version];
            let reply = peer::send(address, "POST", "/mcp", &headers, &message.to_string()).await;
            assert!([200, 202].contains(&reply.whole().await.status), "{message}");
        }
        let mut session_stream = peer::send(address, "GET", "/mcp", &[STREAM, session, version], "").await;
        assert!(session_stream.is_stream());

        // A page that nobody subscribed to is told to nobody; a text alone does not change the list.
        write("ports.md", "# Ports\n\nOpen three.\n");
        super::until(running.library(), |library| super::text(library).contains("three")).await;
        write("keys.md", "# Keys and locks\n\nRotate them weekly.\n");
        for stream in [&mut listening, &mut session_stream] {
            let told = [stream.event().await.unwrap().json(), stream.event().await.unwrap().json()];
            let updated = told.iter().find(|event| event["method"] == "notifications/resources/updated");
            let updated = updated.unwrap_or_else(|| panic!("{told:?}"));
            assert_eq!(updated["params"]["uri"], "docs:///keys");
            let list = |event: &Value| event["method"] == "notifications/resources/list_changed";
            assert!(told.iter().any(list), "{told:?}");
        }
        // What was told can be read.
        let page = tool(address, "fetch", json!({ "id": "keys" })).await;
        assert_eq!(page["text"], "# Keys and locks\n\nRotate them weekly.\n\n");
        running.drain();
        let last = listening.event().await.unwrap().json();
        assert_eq!(last["result"]["resultType"], "complete");
        running.join().await;
    }
}
