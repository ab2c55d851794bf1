//! How docquay is watched: `/metrics` on its own listener, ids of requests, traces, and what the log says.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use docquay::access::new_token;
use docquay::entropy::SystemEntropy;
use docquay::http::{self, Access, Checks, Handler, HostPolicy, Plain, Request, Response, Route, Router};
use docquay::shutdown;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Words that stand in the documents, in questions, or in secrets: no log may have them.
const DOCUMENT_WORD: &str = "bollardish";
const QUERY_WORD: &str = "questionable";
const SECRET: &str = "s3cr3t-v4lu3";

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

/// The binary, serving two pages, with its metrics on a port of their own; ended with the test.
struct Server {
    child: Child,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    /// Lines after the banner.
    lines: mpsc::Receiver<String>,
    folder: TempDir,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let page = format!("# Keys\n\nRotate a key every thirty days, {DOCUMENT_WORD}.\n");
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        std::fs::write(folder.path().join("docs/keys.md"), page).unwrap();
        std::fs::write(folder.path().join("docs/ports.md"), "# Ports\n\nThe harbour has two.\n").unwrap();
        let mut child = command(folder.path())
            .args(["docs", "--port", "0", "--reload-every", "1h"])
            .args(arguments)
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("browser") {
            assert_ne!(stderr.read_line(&mut banner).unwrap(), 0, "it ended: {banner}");
        }
        let address = |before: &str, after: &[char]| {
            let (_, rest) = banner.split_once(before)?;
            rest.split(after).next()?.parse().ok()
        };
        let metrics = banner.lines().find(|line| line.contains("serving metrics")).map(|line| {
            let (_, rest) = line.split_once("127.0.0.1:").unwrap();
            let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
            SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))
        });
        let address = address("http://", &['/']).unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, address, metrics, lines, folder }
    }

    fn with_metrics(arguments: &[&str]) -> Self {
        Self::start(&[&["--metrics-bind", "127.0.0.1:0"], arguments].concat())
    }

    /// Sends a request to the serving port and gives the whole answer.
    fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> String {
        exchange(self.address, method, path, fields, body)
    }

    /// A JSON-RPC request in the newest revision.
    fn call(&self, method: &str, name: Option<&str>, mut params: Value, fields: &[(&str, &str)]) -> String {
        let meta = params.as_object_mut().unwrap().entry("_meta").or_insert_with(|| json!({}));
        meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "tester\nline", "version": "1" });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut all = vec![
            ("content-type", "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        all.extend(name.map(|name| ("mcp-name", name)));
        all.extend(fields);
        self.ask("POST", "/mcp", &all, &body)
    }

    fn search(&self, query: &str, fields: &[(&str, &str)]) -> String {
        let params = json!({ "name": "search", "arguments": { "query": query } });
        self.call("tools/call", Some("search"), params, fields)
    }

    fn scrape(&self) -> String {
        let answer = exchange(self.metrics.unwrap(), "GET", "/metrics", &[], "");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        body.to_owned()
    }

    /// The value of one series, exactly as it is written.
    fn value(&self, series: &str) -> Option<f64> {
        let page = self.scrape();
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }

    fn eventually(&self, series: &str, value: f64) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.value(series) != Some(value) {
            assert!(Instant::now() < end, "{series} never was {value}:\n{}", self.scrape());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The next line after the banner of which that is true.
    fn line(&self, is_it: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let line = self.lines.recv_timeout(end - Instant::now()).expect("the line in time");
            if is_it(&line) {
                return line;
            }
        }
    }

    /// The next line of a JSON log with that message.
    fn json_line(&self, message: &str) -> Value {
        let is_it = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            line["message"] == message
        };
        serde_json::from_str(&self.line(is_it)).unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Ends it, and gives every line after the banner that was not taken yet.
    fn rest(mut self) -> String {
        self.signal("TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.lines.iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docquay"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOCQUAY_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn exchange(address: SocketAddr, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !fields.iter().any(|(name, _)| *name == "host") {
        head.push_str("Host: localhost\r\n");
    }
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    write!(stream, "{head}\r\n{body}").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn what_clients_do_moves_the_numbers() {
    let server = Server::with_metrics(&[]);
    assert!(server.search("harbour", &[]).contains("ports"));
    assert!(server.search("xyzzy", &[]).contains("hint"));
    server.call("tools/call", Some("fetch"), json!({ "name": "fetch", "arguments": { "id": "gone" } }), &[]);
    server.call("tools/list", None, json!({}), &[]);
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "old", "version": "1" } } });
    server.ask("POST", "/mcp", &[("content-type", "application/json")], &initialize.to_string());
    server.ask("GET", "/healthz", &[], "");
    server.ask("GET", "/nowhere", &[], "");
    server.ask("GET", "/llms.txt", &[("host", "evil.example")], "");
    for (series, value) in [
        (r#"docquay_build_info{version="0.1.0"}"#, 1.0),
        (r#"docquay_http_requests_total{route="/mcp",method="POST",code="200"}"#, 5.0),
        (r#"docquay_http_requests_total{route="/healthz",method="GET",code="200"}"#, 1.0),
        (r#"docquay_http_requests_total{route="other",method="GET",code="404"}"#, 1.0),
        (r#"docquay_http_requests_total{route="/llms.txt",method="GET",code="403"}"#, 1.0),
        (r#"docquay_http_request_duration_seconds_count{route="/mcp"}"#, 5.0),
        (r#"docquay_mcp_requests_total{method="tools/call",revision="2026-07-28",status="ok"}"#, 2.0),
        (r#"docquay_mcp_requests_total{method="tools/call",revision="2026-07-28",status="tool_error"}"#, 1.0),
        (r#"docquay_mcp_requests_total{method="tools/list",revision="2026-07-28",status="ok"}"#, 1.0),
        (r#"docquay_mcp_requests_total{method="initialize",revision="2025-06-18",status="ok"}"#, 1.0),
        (r#"docquay_mcp_request_duration_seconds_count{method="tools/call"}"#, 3.0),
        (r#"docquay_tool_calls_total{tool="search",status="ok"}"#, 2.0),
        (r#"docquay_tool_calls_total{tool="fetch",status="refused"}"#, 1.0),
        ("docquay_search_duration_seconds_count", 2.0),
        ("docquay_searches_without_hits_total", 1.0),
        ("docquay_mcp_sessions", 1.0),
        ("docquay_pages", 2.0),
        (r#"docquay_reloads_total{outcome="changed"}"#, 1.0),
        ("docquay_certificates_issued_total", 0.0),
        ("docquay_http_connections", 0.0),
        ("docquay_http_connections_accepted_total", 8.0),
    ] {
        server.eventually(series, value);
    }
}

#[test]
fn a_stream_and_its_session_are_counted_while_they_are_open() {
    let server = Server::with_metrics(&[]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    for series in ["docquay_http_streams", "docquay_mcp_sessions", "docquay_http_connections"] {
        server.eventually(series, 1.0);
    }
    drop(stream);
    for series in ["docquay_http_streams", "docquay_mcp_sessions", "docquay_http_connections"] {
        server.eventually(series, 0.0);
    }
}

#[test]
fn no_client_can_add_a_series() {
    let server = Server::with_metrics(&[]);
    let odd = |mark: &str| {
        server.ask(mark, &format!("/{mark}"), &[("host", mark)], "");
        server.ask("GET", &format!("/docs/{mark}?{mark}={mark}"), &[], "");
        server.call(mark, None, json!({}), &[]);
        server.call("tools/call", Some(mark), json!({ "name": mark, "arguments": {} }), &[]);
        let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": mark, "capabilities": {}, "clientInfo": { "name": mark, "version": mark } } });
        server.ask("POST", "/mcp", &[("content-type", "application/json")], &initialize.to_string());
    };
    let series = || -> BTreeSet<String> {
        server.scrape().lines().filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    odd("FIRST");
    let before = series();
    (0..20).for_each(|number| odd(&format!("ODD{number}")));
    let after = series();
    assert_eq!(before, after);
    assert!(!after.iter().any(|series| series.contains("FIRST") || series.contains("ODD")));
}

#[test]
fn metrics_are_served_on_their_own_listener_and_on_no_other() {
    let server = Server::with_metrics(&[]);
    assert!(server.ask("GET", "/metrics", &[], "").starts_with("HTTP/1.1 404"));
    let metrics = server.metrics.unwrap();
    let ask = |method: &str, path: &str, fields: &[(&str, &str)]| exchange(metrics, method, path, fields, "");
    // A scraper asks by the address that it was told, whatever it is called here.
    let page = ask("GET", "/metrics", &[("host", "10.1.2.3:9464")]);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert_eq!(header(&page, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let head = ask("HEAD", "/metrics", &[]);
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(ask("POST", "/metrics", &[]).starts_with("HTTP/1.1 405"));
    for path in ["/", "/mcp", "/docs/keys", "/llms.txt", "/sse"] {
        let answer = ask("GET", path, &[]);
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("/metrics"), "{path}: {answer}");
    }
    assert!(!page.contains(DOCUMENT_WORD) && !page.contains("keys"), "{page}");
}

#[test]
fn metrics_that_cannot_be_bound_end_the_start_with_their_own_option_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = command(folder.path()).args(["--port", "0", "--metrics-bind", &address]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("error: cannot listen on {address}")), "{said}");
    assert!(said.contains("ss -ltnp") && said.contains("--metrics-bind"), "{said}");
    let output = command(folder.path()).args(["--port", "0", "--metrics-bind", "9464"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("127.0.0.1:9464"), "{said}");
}

#[test]
fn a_failed_reload_is_counted_and_the_age_of_the_documents_stays() {
    let server = Server::with_metrics(&[]);
    let read = server.value("docquay_sources_read_timestamp_seconds").unwrap();
    std::fs::remove_dir_all(server.folder.path().join("docs")).unwrap();
    server.signal("HUP");
    let end = Instant::now() + Duration::from_secs(20);
    while server.value(r#"docquay_reloads_total{outcome="failed"}"#) == Some(0.0) {
        assert!(Instant::now() < end, "the failure was never counted");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(server.value("docquay_sources_read_timestamp_seconds"), Some(read));
    assert_eq!(server.value("docquay_pages"), Some(2.0));
}

#[test]
fn a_request_has_an_id_its_own_if_it_brings_a_good_one() {
    let server = Server::start(&[]);
    let id = |fields: &[(&str, &str)]| {
        header(&server.ask("GET", "/healthz", fields, ""), "x-request-id").unwrap().to_owned()
    };
    let (one, two) = (id(&[]), id(&[]));
    assert!(one != two && one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one} {two}");
    assert_eq!(id(&[("x-request-id", "theirs-17")]), "theirs-17");
    for bad in ["two words", "\u{e9}", &"x".repeat(65)] {
        assert_eq!(id(&[("x-request-id", bad)]).len(), 16, "{bad}");
    }
    // Refusals have one too: that is when somebody asks for it.
    let refused = server.ask("GET", "/mcp", &[("host", "evil.example"), ("x-request-id", "why")], "");
    assert!(
        refused.starts_with("HTTP/1.1 403") && header(&refused, "x-request-id") == Some("why"),
        "{refused}"
    );
}

#[test]
fn the_access_log_is_a_line_of_json_for_each_request_with_its_id_and_trace() {
    let server = Server::start(&["--log-format", "json", "--access-log"]);
    server.search("harbour", &[("x-request-id", "r-1"), ("traceparent", &traceparent())]);
    let line = server.json_line("request");
    for (field, value) in [
        ("level", json!("INFO")),
        ("request_id", json!("r-1")),
        ("trace_id", json!(TRACE)),
        ("span_id", json!(SPAN)),
        ("method", json!("POST")),
        ("route", json!("/mcp")),
        ("status", json!(200)),
        ("rpc_method", json!("tools/call")),
        ("revision", json!("2026-07-28")),
        ("client_name", json!("tester\nline")),
    ] {
        assert_eq!(line[field], value, "{field} in {line}");
    }
    assert!(line["duration_ms"].as_f64().unwrap() >= 0.0 && line["bytes"].as_u64().unwrap() > 100, "{line}");
    assert!(
        line["peer"].as_str().unwrap().starts_with("127.0.0.1:") && line.get("query").is_none(),
        "{line}"
    );

    server.ask("GET", "/nowhere?q=1", &[], "");
    let line = server.json_line("request");
    assert_eq!((&line["route"], &line["status"]), (&json!("other"), &json!(404)), "{line}");
    assert!(line.get("trace_id").is_none() && line.get("rpc_method").is_none(), "{line}");
}

#[test]
fn a_trace_in_meta_is_the_calls_own_and_the_requests_if_no_header_names_one() {
    let server = Server::start(&["--log-format", "json", "--log-level", "docquay=debug"]);
    let inner = "00-11111111111111111111111111111111-2222222222222222-01";
    let params = json!({ "_meta": { "traceparent": inner } });
    server.call("tools/list", None, params.clone(), &[("x-request-id", "a")]);
    let call = server.json_line("call");
    let request = server.json_line("request");
    for line in [&call, &request] {
        assert_eq!((&line["request_id"], &line["trace_id"]), (&json!("a"), &json!("1".repeat(32))), "{line}");
    }
    assert_eq!((&call["status"], &call["level"]), (&json!("ok"), &json!("DEBUG")));

    server.call("tools/list", None, params, &[("traceparent", &traceparent())]);
    assert_eq!(server.json_line("call")["span_id"], json!("2".repeat(16)));
    assert_eq!(server.json_line("request")["span_id"], json!(SPAN));
}

#[test]
fn a_stream_is_logged_when_it_is_over_with_what_it_sent() {
    let server = Server::start(&["--log-format", "json", "--access-log"]);
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(stream, "GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut first = [0; 64];
    assert_ne!(stream.read(&mut first).unwrap(), 0);
    drop(stream);
    let line = server.json_line("request");
    assert_eq!((&line["route"], &line["status"]), (&json!("/sse"), &json!(200)), "{line}");
    assert!(line["bytes"].as_u64().unwrap() > 0, "{line}");
}

#[test]
fn a_line_names_the_client_behind_a_proxy_and_whose_token_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (token, line) = new_token("ana", &SystemEntropy::new()).unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, line).unwrap();
    let options = ["--log-format", "json", "--access-log", "--trusted-proxies", "127.0.0.1"];
    let server = Server::with_metrics(&[&options[..], &["--token-file", tokens.to_str().unwrap()]].concat());
    let (proxied, bearer) = (("x-forwarded-for", "203.0.113.9"), format!("Bearer {token}"));
    server.search("harbour", &[proxied, ("authorization", &bearer)]);
    let line = server.json_line("request");
    assert_eq!((&line["client"], &line["caller"]), (&json!("203.0.113.9"), &json!("ana")), "{line}");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");

    server.search("harbour", &[proxied]);
    let line = server.json_line("request");
    assert_eq!((&line["status"], &line["client"]), (&json!(401), &json!("203.0.113.9")), "{line}");
    assert!(line.get("caller").is_none(), "{line}");
    let refused = "docquay_http_requests_total{route=\"/mcp\",method=\"POST\",code=\"401\"}";
    server.eventually(refused, 1.0);
}

#[test]
fn a_request_that_comes_too_often_is_counted_and_logged_as_any_other() {
    let rate = ["--limits", "access.requests_per_minute=1", "--limits", "access.burst=1"];
    let behind = ["--trusted-proxies", "127.0.0.1", "--log-format", "json", "--access-log"];
    let server = Server::with_metrics(&[&rate[..], &behind].concat());
    let proxied = [("x-forwarded-for", "203.0.113.9")];
    let answers = [server.search("harbour", &proxied), server.search("harbour", &proxied)];
    assert!(answers[1].starts_with("HTTP/1.1 429"), "{answers:?}");
    assert_eq!(server.json_line("request")["status"], json!(200));
    assert_eq!(server.json_line("request")["status"], json!(429));
    server.eventually("docquay_http_requests_total{route=\"/mcp\",method=\"POST\",code=\"429\"}", 1.0);
}

#[test]
fn a_hangup_turns_the_logs_on_and_the_numbers_go_on() {
    let server = Server::with_metrics(&["--log-format", "json"]);
    server.search("harbour", &[]);
    let reload = |text: &str| {
        std::fs::write(server.folder.path().join("docquay.toml"), text).unwrap();
        server.signal("HUP");
        server.json_line("the configuration changed")["keys"].clone()
    };
    assert_eq!(reload("access_log = true\nlog_queries = true\n"), json!("access_log, log_queries"));
    server.search("harbour", &[]);
    assert_eq!(server.json_line("search")["query"], json!("harbour"));
    assert_eq!(server.json_line("request")["rpc_method"], json!("tools/call"));
    for series in [
        "docquay_http_requests_total{route=\"/mcp\",method=\"POST\",code=\"200\"}",
        "docquay_mcp_requests_total{method=\"tools/call\",revision=\"2026-07-28\",status=\"ok\"}",
        "docquay_tool_calls_total{tool=\"search\",status=\"ok\"}",
        "docquay_search_duration_seconds_count",
    ] {
        server.eventually(series, 2.0);
    }
    assert_eq!(reload("log_queries = true\n"), json!("access_log"));
    server.search("harbour", &[]);
    server.json_line("search");
    let said = server.rest();
    assert!(!said.contains("rpc_method"), "{said}");
}

#[test]
fn another_metrics_bind_waits_for_a_restart_and_says_so() {
    let server = Server::start(&["--log-format", "json"]);
    std::fs::write(server.folder.path().join("docquay.toml"), "metrics_bind = \"127.0.0.1:0\"\n").unwrap();
    server.signal("HUP");
    let line = server.json_line("needs a restart; until then the old values stay");
    assert_eq!(line["keys"], json!("metrics_bind"), "{line}");
}

#[test]
fn without_the_access_log_requests_are_not_logged_at_info() {
    let server = Server::start(&[]);
    server.search("harbour", &[]);
    let said = server.rest();
    assert!(!said.contains("rpc_method") && !said.contains("tools/call"), "{said}");
}

/// Everything that a client can say where it should not be repeated.
fn talk(server: &Server) {
    let token = format!("Bearer {SECRET}");
    let fields = [("authorization", token.as_str()), ("cookie", SECRET), ("last-event-id", SECRET)];
    server.search(&format!("{QUERY_WORD} {DOCUMENT_WORD}"), &fields);
    server.search(QUERY_WORD, &fields);
    let fetch = |id: &str| json!({ "name": "fetch", "arguments": { "id": id, "extra": QUERY_WORD } });
    server.call("tools/call", Some("fetch"), fetch("keys"), &fields);
    server.call("tools/call", Some("fetch"), fetch(SECRET), &fields);
    server.call("tools/call", Some(SECRET), json!({ "name": SECRET, "arguments": {} }), &fields);
    server.call("resources/read", Some("docs:///keys"), json!({ "uri": "docs:///keys" }), &fields);
    server.call(SECRET, None, json!({ "a": SECRET }), &fields);
    server.ask("GET", &format!("/{SECRET}?q={QUERY_WORD}"), &fields, "");
    server.ask("GET", &format!("/docs/keys?q={QUERY_WORD}"), &fields, "");
    server.ask("GET", &format!("/.well-known/acme-challenge/{SECRET}"), &fields, "");
    let json = [("content-type", "application/json"), ("mcp-session-id", SECRET)];
    server.ask("POST", "/mcp", &json, &format!("{{\"{SECRET}"));
    server.ask("POST", "/mcp", &json, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    server.ask("POST", &format!("/message?sessionId={SECRET}"), &json, "{}");
    server.ask("GET", "/healthz", &[("x-request-id", &format!("{SECRET} \u{e9}"))], "");
    server.ask("GET", "/healthz", &[("traceparent", SECRET)], "");
}

#[test]
fn no_question_document_or_token_is_in_the_log_even_at_trace() {
    for format in ["text", "json"] {
        let server = Server::start(&["--log-format", format, "--log-level", "docquay=trace", "--access-log"]);
        talk(&server);
        let said = server.rest();
        // So much was said that silence is no excuse.
        assert!(said.matches("tools/call").count() >= 8, "{said}");
        for word in [QUERY_WORD, DOCUMENT_WORD, SECRET] {
            assert!(!said.contains(word), "{format}: {word} in {said}");
        }
    }
}

#[test]
fn questions_are_logged_if_the_operator_asks_for_them_and_nothing_else_is() {
    let server = Server::start(&["--log-format", "json", "--log-queries"]);
    server.search(&format!("{QUERY_WORD} harbour"), &[("x-request-id", "asked")]);
    let line = server.json_line("search");
    assert_eq!(line["query"], format!("{QUERY_WORD} harbour"));
    assert_eq!((&line["request_id"], &line["hits"]), (&json!("asked"), &json!(1)), "{line}");
    talk(&server);
    let said = server.rest();
    assert!(said.contains(QUERY_WORD) && !said.contains(SECRET), "{said}");
}

/// Answers nobody.
struct Silent;

impl Handler for Silent {
    fn handle(self: Arc<Self>, _: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(std::future::pending())
    }
}

async fn silent(limits: http::Limits) -> (SocketAddr, Arc<Router>, shutdown::Trigger) {
    let route = Route {
        path: http::Path::Exact("/silent"),
        access: Access::Open,
        checks: Checks::Exempt,
        handler: Arc::new(Silent),
    };
    let router = Arc::new(Router::new(vec![route], HostPolicy::default()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    tokio::spawn(http::serve(listener, Plain, Arc::clone(&router), limits, shutdown));
    (address, router, trigger)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_over_the_limit_is_counted_by_its_limit() {
    let mut limits = http::Limits::default();
    limits.connections = 1;
    let (address, router, _trigger) = silent(limits).await;
    let _first = TcpStream::connect(address).unwrap();
    let mut second = TcpStream::connect(address).unwrap();
    second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let closed = tokio::task::spawn_blocking(move || second.read(&mut [0; 1])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    let refused: Vec<_> = router.metrics().refused().collect();
    assert_eq!(refused, [("connections", 1), ("connections_per_address", 0)]);
    assert_eq!((router.metrics().accepted.get(), router.metrics().connections.get()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_before_its_answer_is_counted_without_a_status() {
    let (address, router, _trigger) = silent(http::Limits::default()).await;
    let mut client = TcpStream::connect(address).unwrap();
    write!(client, "GET /silent HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(router.metrics().requests().count(), 0);
    drop(client);
    let end = Instant::now() + Duration::from_secs(20);
    while router.metrics().requests().count() == 0 {
        assert!(Instant::now() < end, "its end was never counted");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let counted: Vec<_> = router.metrics().requests().collect();
    assert_eq!(counted, [(["/silent", "GET", "none"], 1)]);
    let durations: u64 = router.metrics().durations().map(|(_, histogram)| histogram.snapshot().count).sum();
    assert_eq!(durations, 0);
}
