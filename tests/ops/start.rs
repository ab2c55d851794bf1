//! The start with a large index: whoever asks is answered before the documents are read, and what needs them waits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::mpsc::{Sender, channel};

use serde_json::{Value, json};

use super::daemon::{Folder, Target, end, eventually};
use super::load::meta;
use super::process::{Process, Signal};
use super::raw::PATIENCE;

/// An index at a URL whose server takes its time.
struct Slow {
    url: String,
    write: Sender<()>,
}

impl Slow {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/slow.json", listener.local_addr().unwrap());
        let (write, written) = channel();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // An error means that the test is over.
            if written.recv().is_ok() {
                let body = json!([{ "title": "Cranes", "permalink": "https://docs.example.com/cranes/",
                    "contents": "They lift." }])
                .to_string();
                let head =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
                write!(stream, "{head}content-type: application/json\r\n\r\n{body}").unwrap();
            }
        });
        Self { url, write }
    }

    fn write(&self) {
        self.write.send(()).unwrap();
    }
}

/// Where it listens, though it does not say that it serves yet.
async fn listening(server: &Process) -> Target {
    let place = |log: &str| {
        let inode =
            std::fs::read_dir(format!("/proc/{}/fd", server.id())).ok()?.flatten().find_map(|entry| {
                let link = std::fs::read_link(entry.path()).ok()?.to_str()?.to_owned();
                let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned();
                let listens = |line: &&str| line.split_whitespace().nth(9) == Some(inode.as_str());
                log.lines()
                    .filter(|line| line.split_whitespace().nth(3) == Some("0A"))
                    .find(listens)
                    .map(str::to_owned)
            })?;
        let port = inode.split_whitespace().nth(1)?.split_once(':')?.1.to_owned();
        u16::from_str_radix(&port, 16).ok()
    };
    // proc_net(5): state 0A listens.
    eventually("it listens", || async {
        place(&std::fs::read_to_string("/proc/net/tcp").unwrap()).is_some()
    })
    .await;
    let port = place(&std::fs::read_to_string("/proc/net/tcp").unwrap()).unwrap();
    Target::plain(std::net::SocketAddr::from(([127, 0, 0, 1], port)))
}

fn fields(method: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", "search"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_index_is_there_health_and_lists_are_answered_and_searches_wait() {
    let folder = Folder::new();
    let slow = Slow::new();
    let server = folder.start(&[&slow.url]);
    let target = listening(&server).await;
    assert_eq!(target.get("/healthz").await.status, 200);
    let ready = target.get("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (503, "not ready: the documents are being read\n"));
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta() } });
    let listed = target.ask("POST", "/mcp", &fields("tools/list")[..4], &list.to_string()).await.json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 3, "{listed}");
    let search = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "search", "arguments": { "query": "cranes" }, "_meta": meta() } });
    let mut waiting = target.connect().await.unwrap();
    waiting.ask("POST", "/mcp", &fields("tools/call"), &search.to_string()).await;
    let mut page = target.connect().await.unwrap();
    page.ask("GET", "/llms.txt", &[], "").await;
    assert!(!server.log().contains("serving address="), "{}", server.log());
    slow.write();
    let found = waiting.answer().await.json();
    assert_eq!(found["result"]["structuredContent"]["results"][0]["title"], "Cranes", "{found}");
    assert!(page.answer().await.text().contains("Cranes"));
    assert_eq!(target.get("/readyz").await.status, 200);
    server.wait_for(|line| line.contains("serving address="), PATIENCE).await;
    end(&server).await;
}

#[tokio::test]
async fn a_signal_ends_it_while_the_index_is_read() {
    let folder = Folder::new();
    let slow = Slow::new();
    let server = folder.start(&[&slow.url]);
    listening(&server).await;
    server.signal(Signal::Terminate);
    assert!(server.exit(PATIENCE).await.success());
}

#[test]
fn stdio_answers_before_the_index_is_there_and_a_search_waits_for_it() {
    let folder = Folder::new();
    let slow = Slow::new();
    let mut command = folder.docquay(&["stdio", &slow.url]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answer = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    writeln!(
        input,
        "{}",
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } })
    )
    .unwrap();
    assert_eq!(answer()["id"], 1);
    writeln!(input, "{}", json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).unwrap();
    for (id, method) in [(2, "ping"), (3, "tools/list")] {
        writeln!(input, "{}", json!({ "jsonrpc": "2.0", "id": id, "method": method })).unwrap();
        assert_eq!(answer()["id"], id);
    }
    writeln!(
        input,
        "{}",
        json!({ "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {
            "name": "search", "arguments": { "query": "cranes" } } })
    )
    .unwrap();
    // Answered while the search waits.
    writeln!(input, "{}", json!({ "jsonrpc": "2.0", "id": 5, "method": "ping" })).unwrap();
    assert_eq!(answer()["id"], 5);
    slow.write();
    let found = answer();
    assert_eq!(found["id"], 4, "{found}");
    assert_eq!(found["result"]["structuredContent"]["results"][0]["title"], "Cranes", "{found}");
    drop(input);
    assert!(child.wait().unwrap().success());
}
