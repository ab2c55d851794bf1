//! The command as a process: what it prints, how it ends, what its signals do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The command in an environment without any `DOCQUAY_*`, in a folder of its own.
fn docquay(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docquay"));
    in_folder(&mut command, folder);
    command.args(arguments);
    command
}

fn in_folder(command: &mut Command, folder: &Path) {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DOCQUAY_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null());
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    ended(&docquay(folder, arguments).output().unwrap())
}

fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn pages() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("docs")).unwrap();
    std::fs::write(folder.path().join("docs/keys.md"), "# Keys\n\nRotate a key every thirty days.\n")
        .unwrap();
    std::fs::write(folder.path().join("docs/ports.md"), "# Ports\n\n## Open ports\n\nThe harbour has two.\n")
        .unwrap();
    folder
}

/// A server as a process; ended with the test.
struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    banner: String,
    address: SocketAddr,
}

impl Server {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::run(docquay(folder, arguments))
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.args(["--port", "0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("browser") {
            assert_ne!(stderr.read_line(&mut banner).unwrap(), 0, "it ended: {banner}");
        }
        let (_, rest) = banner.split_once("http://").unwrap();
        let address = rest.split("/mcp").next().unwrap().parse().unwrap();
        Self { child, stderr, banner, address }
    }

    /// Reads stderr up to a line that says so.
    #[cfg(target_os = "linux")]
    fn read_until(&mut self, said: &str) {
        let mut line = String::new();
        while !line.contains(said) {
            line.clear();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "it never said: {said}");
        }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The exit code, and what stood on stderr after the banner.
    fn finish(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.stderr.read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until it holds; a generous end, because machines are loaded.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_help_shows_examples_and_the_short_help_fits_a_screen() {
    let folder = tempfile::tempdir().unwrap();
    let (code, long, _) = run(folder.path(), &["--help"]);
    assert_eq!(code, Some(0));
    assert!(
        long.contains("Examples:")
            && long.contains("claude mcp add")
            && long.contains("http.body_bytes=256KiB")
    );
    let (code, short, _) = run(folder.path(), &["-h"]);
    assert_eq!(code, Some(0));
    assert!(!short.contains("Examples:") && short.lines().count() <= 45, "{short}");
}

#[test]
fn the_version_is_the_packages_and_the_long_one_says_what_was_built() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &["-V"]);
    assert_eq!((code, out.trim()), (Some(0), concat!("docquay ", env!("CARGO_PKG_VERSION"))));
    let (code, out, _) = run(folder.path(), &["--version"]);
    assert_eq!((code, out.lines().next()), (Some(0), Some(concat!("docquay ", env!("CARGO_PKG_VERSION")))));
    for line in ["commit: ", "features: acme, cli, docs, outbound", "target: ", "compiler: rustc "] {
        assert!(out.contains(line), "{line} not in {out}");
    }
}

#[test]
fn the_banner_says_where_what_and_how_to_add_it() {
    let folder = pages();
    let server = Server::start(folder.path(), &["docs"]);
    let url = format!("http://{}/mcp", server.address);
    for text in [
        format!("claude mcp add --transport http docs {url}"),
        format!(r#"{{"mcpServers":{{"docs":{{"url":"{url}"}}}}}}"#),
        format!("code --add-mcp '{{\"name\":\"docs\",\"type\":\"http\",\"url\":\"{url}\"}}'"),
        "docs: 2 pages, 3 sections".to_owned(),
    ] {
        assert!(server.banner.contains(&text), "{text}\n{}", server.banner);
    }
    assert_ne!(server.address.port(), 0);
    assert!(!server.banner.contains('\x1b'), "colour without a terminal");
}

#[test]
fn a_made_token_opens_a_server_whose_banner_says_where_it_goes() {
    let folder = pages();
    let (code, out, error) = run(folder.path(), &["token", "--name", "ana"]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let part = |label: &str| out.lines().find_map(|line| line.strip_prefix(label)).unwrap().trim();
    let (token, line) = (part("token "), part("line "));
    assert!(line.starts_with("sha256:") && line.ends_with(" ana") && !line.contains(token), "{out}");
    std::fs::write(folder.path().join("tokens"), format!("{line}\n")).unwrap();
    let server = Server::start(folder.path(), &["docs", "--token-file", "tokens"]);
    let flag = format!("docs http://{}/mcp --header \"Authorization: Bearer TOKEN\"", server.address);
    assert!(server.banner.contains(&flag), "{}", server.banner);
    assert!(server.banner.contains("tokens read") && server.banner.contains("ana"), "{}", server.banner);
    assert!(server.get("/llms.txt").starts_with("HTTP/1.1 401"));
    let mut stream = TcpStream::connect(server.address).unwrap();
    let head = format!("Host: {}\r\nAuthorization: Bearer {token}\r\nConnection: close", server.address);
    write!(stream, "GET /llms.txt HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (code, _, error) = run(folder.path(), &["token", "--name", "two words"]);
    assert!(code == Some(2) && error.contains("help:  use up to 64 letters"), "{error}");
}

#[test]
fn without_a_source_the_manual_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert!(server.banner.contains("docquay's manual"), "{}", server.banner);
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_port_in_use_ends_with_1_and_the_way_to_its_user() {
    let folder = pages();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (code, out, error) = run(folder.path(), &["docs", "--port", &port]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(error.contains(&format!("error: cannot listen on 127.0.0.1:{port}")), "{error}");
    assert!(error.contains(&format!("ss -ltnp 'sport = :{port}'")) && error.contains("--port"), "{error}");
}

#[test]
fn a_missing_folder_ends_with_2_and_names_the_nearest_existing_path() {
    let folder = pages();
    let (code, _, error) = run(folder.path(), &["docs/guide/v2", "--port", "0"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("error: ") && error.contains("cause: ") && error.contains("help:  "), "{error}");
    assert!(error.contains("docs/guide/v2") && error.contains("docs"), "{error}");
}

#[test]
fn an_empty_folder_serves_zero_pages_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    let server = Server::start(folder.path(), &["empty"]);
    assert!(server.banner.contains("0 pages") && server.banner.contains("WARN"), "{}", server.banner);
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
}

#[test]
fn wrong_usage_ends_with_2_and_proposes_the_nearest_flag() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, error) = run(folder.path(), &["--prot", "1"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(error.contains("'--port'"), "{error}");
}

#[test]
fn sigterm_drains_and_ends_with_0() {
    let folder = pages();
    let server = Server::start(folder.path(), &["docs"]);
    server.signal("TERM");
    let (code, log) = server.finish();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("SIGTERM"), "{log}");
}

#[test]
fn a_second_signal_ends_at_once_though_a_stream_is_open() {
    let folder = pages();
    let server = Server::start(folder.path(), &["docs", "--limits", "http.drain=1h"]);
    let mut half = TcpStream::connect(server.address).unwrap();
    write!(half, "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n\r\n", server.address).unwrap();
    server.signal("INT");
    eventually("the drain begins", || TcpStream::connect(server.address).is_err());
    server.signal("INT");
    assert!(server.finish().0.is_some());
}

#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_it_waits_idly_and_serves_again_when_some_are_free() {
    let folder = pages();
    let mut limited = Command::new("sh");
    in_folder(&mut limited, folder.path());
    limited.args(["-c", r#"ulimit -n 40; exec "$0" "$@""#, env!("CARGO_BIN_EXE_docquay"), "docs"]);
    let mut server = Server::run(limited);
    // The kernel completes all of these; the server can accept some.
    let connections: Vec<_> = (0..80).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    server.read_until("accepting a connection failed");
    let before = processor_time(&server);
    std::thread::sleep(Duration::from_secs(1));
    let spent = processor_time(&server) - before;
    // In hundredths of a second: trying again without a pause would take all of it.
    assert!(spent < 30, "{spent}");
    drop(connections);
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
    server.signal("TERM");
    assert_eq!(server.finish().0, Some(0));
}

/// Clock ticks that a process has run for, its own and the kernel's (proc(5), `stat`).
#[cfg(target_os = "linux")]
fn processor_time(server: &Server) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

#[test]
fn sighup_reads_the_sources_again() {
    let folder = pages();
    let server = Server::start(folder.path(), &["docs", "--reload-every", "1h"]);
    assert!(!server.get("/llms.txt").contains("Cranes"));
    std::fs::write(folder.path().join("docs/cranes.md"), "# Cranes\n\nThey lift.\n").unwrap();
    server.signal("HUP");
    eventually("the new page is listed", || server.get("/llms.txt").contains("Cranes"));
}

#[test]
fn search_prints_title_id_and_snippet() {
    let folder = pages();
    let (code, out, error) = run(folder.path(), &["search", "rotate key", "docs"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(out.starts_with("Keys\n  keys") && out.contains("Rotate a key every thirty days."), "{out}");
}

#[test]
fn search_as_json_is_one_object() {
    let folder = pages();
    let (code, out, _) = run(folder.path(), &["search", "--json", "--limit", "1", "harbour", "docs"]);
    assert_eq!(code, Some(0));
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0]["id"], "ports#open-ports");
}

#[test]
fn search_without_a_hit_ends_with_1_and_says_so() {
    let folder = pages();
    let (code, out, _) = run(folder.path(), &["search", "xyzzy", "docs"]);
    assert_eq!(code, Some(1));
    assert!(out.starts_with("Nothing found for \"xyzzy\" in 2 pages."), "{out}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = pages();
    let mut child = docquay(folder.path(), &["search", "key", "docs"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let (code, _, error) = ended(&child.wait_with_output().unwrap());
    assert_eq!((code, error.as_str()), (Some(0), ""));
}

#[test]
fn stdio_answers_a_client_and_prints_nothing_but_messages() {
    let folder = pages();
    let mut child = docquay(folder.path(), &["stdio", "docs"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut ask = |message: Value| writeln!(stdin, "{message}").unwrap();
    ask(json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}));
    ask(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    ask(json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "search", "arguments": {"query": "harbour"}}}));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| {
        let line = line.unwrap();
        serde_json::from_str::<Value>(&line).unwrap()
    });
    let first = lines.next().unwrap();
    assert_eq!((&first["id"], &first["result"]["protocolVersion"]), (&json!(1), &json!("2025-11-25")));
    let second = lines.next().unwrap();
    assert_eq!(second["result"]["structuredContent"]["results"][0]["id"], "ports#open-ports");
    drop(stdin);
    assert_eq!(lines.next(), None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_mistyped_command_is_not_taken_for_a_missing_folder() {
    let folder = tempfile::tempdir().unwrap();
    for (word, command) in [("serch", "search"), ("chekc", "check"), ("stdoi", "stdio"), ("cerf", "cert")] {
        let (code, _, err) = run(folder.path(), &[word, "--port", "0"]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(&format!("did you mean the command: docquay {command}\n")), "{word}: {err}");
    }
    let (code, _, err) = run(folder.path(), &["handbook", "--port", "0"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("the nearest path that exists"), "{err}");
    // A folder of that name is a folder.
    std::fs::create_dir(folder.path().join("serch")).unwrap();
    std::fs::write(folder.path().join("serch/a.md"), "# A").unwrap();
    let server = Server::start(folder.path(), &["serch"]);
    assert!(server.banner.contains("1 page"), "{}", server.banner);
}

#[test]
fn every_command_has_examples_and_says_how_it_exits() {
    let folder = tempfile::tempdir().unwrap();
    for command in ["serve", "stdio", "cert", "search", "eval", "check", "config", "completions", "man"] {
        let (code, help, _) = run(folder.path(), &["help", command]);
        assert_eq!(code, Some(0), "{command}");
        assert!(help.contains("Examples:") && help.contains("Exit codes: 0"), "{command}: {help}");
    }
}

#[test]
fn config_prints_what_takes_effect_and_docquay_reads_it_as_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let written = "source = \"docs\"\nport = 9000\n\n[limits.http]\nconnections = 7\n";
    std::fs::write(folder.path().join("docquay.toml"), written).unwrap();
    let (code, toml, err) = run(folder.path(), &["config", "--allow-host", "a.example"]);
    assert_eq!(code, Some(0), "{err}");
    let line = |start: &str| toml.lines().find(|line| line.starts_with(start)).unwrap_or(&toml).to_owned();
    assert!(line("port = 9000").ends_with("# docquay.toml:2"), "{toml}");
    assert!(line("allow_host = [\"a.example\"]").ends_with("# --allow-host"), "{toml}");
    assert!(line("connections = 7").ends_with("# docquay.toml:5"), "{toml}");
    assert!(line("acme_port = 80").ends_with("# default"), "{toml}");

    std::fs::write(folder.path().join("docquay.toml"), &toml).unwrap();
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
    };
    let (code, again, err) = run(folder.path(), &["config"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(values(&again), values(&toml));
    let (_, json, _) = run(folder.path(), &["config", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["port"]["value"], 9000);
}

#[test]
fn check_tells_each_fault_with_its_fix_and_ends_with_1_only_for_a_failure() {
    let folder = pages();
    let (code, out, err) = run(folder.path(), &["check", "docs", "--port", "0"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(
        out.contains("✓ ok      documents: ") && out.contains("- skipped certificate: no domain"),
        "{out}"
    );
    assert!(!out.contains('\x1b'), "no colours but on a terminal: {out}");

    std::fs::write(folder.path().join("docs/links.md"), "# Links\n\n[a](gone.md) [b](#nowhere)\n").unwrap();
    let (code, out, _) = run(folder.path(), &["check", "docs", "--port", "0", "--json"]);
    assert_eq!(code, Some(0), "a warning is no failure: {out}");
    let findings: serde_json::Value = serde_json::from_str(&out).unwrap();
    let links = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "links").unwrap();
    assert_eq!(
        (links["outcome"].as_str(), links["what"].as_str()),
        (Some("warning"), Some("2 links lead nowhere"))
    );
    assert_eq!(links["cause"], "links → gone.md\nlinks → #nowhere");

    let server = Server::start(folder.path(), &["docs"]);
    let port = server.address.port().to_string();
    let (code, out, _) = run(folder.path(), &["check", "docs", "--port", &port]);
    assert!(code == Some(0) && out.contains(&format!("{port} is held by a docquay that runs")), "{out}");

    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port().to_string();
    let (code, out, _) = run(folder.path(), &["check", "none", "--port", &port]);
    assert_eq!(code, Some(1), "{out}");
    for part in
        ["✗ failed  documents: cannot read none", "✗ failed  port: ", "help:  the nearest path", "ss -ltnp"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }

    let metrics = format!("127.0.0.1:{port}");
    let (code, out, _) = run(folder.path(), &["check", "docs", "--port", "0", "--metrics-bind", &metrics]);
    assert!(code == Some(1) && out.contains("--metrics-bind"), "{out}");
    let (code, out, _) = run(
        folder.path(),
        &[
            "check",
            "docs",
            "--domain",
            "127.0.0.1",
            "--port",
            "0",
            "--acme-port",
            "0",
            "--acme-directory",
            "https://127.0.0.1:1/dir",
        ],
    );
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("then add --agree-tos") && out.contains("✗ failed  CA: "), "{out}");
    assert!(!folder.path().join("certs").exists(), "nothing stays of a check");
}

#[test]
fn eval_counts_what_is_found_and_names_what_is_not() {
    let folder = pages();
    let questions = folder.path().join("questions.tsv");
    let manual =
        ["how do I renew a certificate\tcertificates", "limits of a request body\tlimits"].join("\n");
    std::fs::write(&questions, &manual).unwrap();
    let file = questions.to_str().unwrap();
    let (code, out, err) = run(folder.path(), &["eval", file]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains("questions             2\n") && out.contains("among the first 10    100.0 %"),
        "{out}"
    );

    std::fs::write(&questions, format!("{manual}\nzebra crossing\tcertificates")).unwrap();
    let (code, out, _) = run(folder.path(), &["eval", file, "--json"]);
    assert_eq!(code, Some(1), "{out}");
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["questions"][2]["rank"], serde_json::Value::Null);
    assert!(told["found"].as_f64().unwrap() < 0.7, "{out}");

    std::fs::write(&questions, "renew\tcertificate").unwrap();
    let (code, _, err) = run(folder.path(), &["eval", file]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("questions.tsv:1: there is no page or section certificate"), "{err}");
    assert!(err.contains("did you mean certificates?"), "{err}");
}
