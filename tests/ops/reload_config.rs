//! SIGHUP: what the configuration file says now takes effect, whole or not at all, and connections go on.

use serde_json::{Value, json};

use super::daemon::{Folder, Target, end, serving};
use super::load::{Load, meta, streams};
use super::process::{Process, Signal};
use super::raw::PATIENCE;

const EVIL: [(&str, &str); 1] = [("host", "docs.example.com")];

/// SIGHUP, and the line that says what came of it.
async fn reloaded(server: &Process, line: &str) -> String {
    let mark = server.mark();
    server.signal(Signal::Hangup);
    server.wait_for_after(mark, |written| written.contains(line), PATIENCE).await;
    server.written_after(mark)
}

async fn status(target: &Target, path: &str, fields: &[(&str, &str)]) -> u16 {
    target.ask("GET", path, fields, "").await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_that_can_change_takes_effect_and_no_client_notices() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    folder.write("more/cranes.md", "# Cranes\n\nThey lift.\n");
    folder.write("docquay.toml", "source = [\"docs\"]\n");
    let server = folder.start(&[]);
    let target = Target::plain(serving(&server).await);
    let open = streams(&target, 9).await;
    let load = Load::on(&target);
    load.answers(50).await;
    assert_eq!(status(&target, "/llms.txt", &EVIL).await, 403);
    folder.write(
        "docquay.toml",
        "source = [\"docs\", \"more\"]\nallow_host = \"docs.example.com\"\nbase_url = \"https://docs.example.net/d\"\n\
         log_level = \"debug\"\nallow_origin = \"https://app.example.com\"\n[limits.http]\nbody_bytes = \"1KiB\"\n",
    );
    let log = reloaded(&server, "the configuration changed").await;
    assert!(
        log.contains(
            "keys=\"source, base_url, allow_origin, allow_host, log_level, limits.http.body_bytes\""
        ),
        "{log}"
    );
    assert_eq!(status(&target, "/llms.txt", &EVIL).await, 200);
    let origin = [("origin", "https://app.example.com")];
    assert_eq!(status(&target, "/llms.txt", &origin).await, 200);
    let list = target.get("/llms.txt").await.text();
    assert!(list.contains("Cranes") && list.contains("https://docs.example.net/d/docs/keys"), "{list}");
    let long = "x".repeat(1025);
    assert_eq!(target.ask("POST", "/mcp", &[], &long).await.status, 413);
    // The level too: how a connection ended is told.
    let mut wrong = target.connect().await.unwrap();
    wrong.send("no HTTP\r\n\r\n").await;
    server.wait_for(|line| line.contains("DEBUG") && line.contains("connection ended"), PATIENCE).await;
    folder.write("docquay.toml", "source = [\"docs\"]\n");
    reloaded(&server, "the configuration changed").await;
    assert_eq!(status(&target, "/llms.txt", &EVIL).await, 403);
    assert!(!target.get("/llms.txt").await.text().contains("Cranes"));
    load.answers(50).await;
    let report = load.stop().await;
    assert!(report.faults.is_empty() && report.refused == 0, "{report:?}");
    server.signal(Signal::Terminate);
    for stream in open {
        stream.ends_properly().await;
    }
    assert!(server.exit(PATIENCE).await.success());
}

#[tokio::test]
async fn a_wrong_configuration_is_told_and_the_old_one_stays_whole() {
    let folder = Folder::new();
    let good = "source = \"docs\"\nallow_host = \"docs.example.com\"\n";
    folder.write("docquay.toml", good);
    let server = folder.start(&[]);
    let target = Target::plain(serving(&server).await);
    for (text, cause, help) in [
        (
            "source = \"docs\"\nbase-url = 1\n",
            "docquay has no option of that name",
            "did you mean `base_url`?",
        ),
        ("source = \"docs\"\nallow_host = [\n", "docquay.toml", "correct that line"),
        ("source = \"nowhere\"\nallow_host = \"other.example\"\n", "nowhere", "docs"),
        ("source = \"docs\"\ndomain = \"a.example\"\n", "terms", "agree"),
    ] {
        folder.write("docquay.toml", text);
        let log = reloaded(&server, "the old configuration stays").await;
        assert!(log.contains(cause) && log.contains(help), "{text}: {log}");
        assert_eq!(status(&target, "/llms.txt", &EVIL).await, 200, "{text}");
        assert_eq!(status(&target, "/readyz", &[]).await, 200, "{text}");
    }
    folder.write("docquay.toml", good);
    reloaded(&server, "the documents are the same").await;
    end(&server).await;
}

#[tokio::test]
async fn what_needs_a_restart_is_named_each_time_and_the_rest_applies() {
    let folder = Folder::new();
    folder.write("docquay.toml", "source = \"docs\"\n");
    let server = folder.start(&[]);
    let target = Target::plain(serving(&server).await);
    folder.write(
        "docquay.toml",
        "source = \"docs\"\nbind = \"127.0.0.9\"\nacme_port = 81\nlog_format = \"json\"\n\
         tls_cert = \"cert.pem\"\ntls_key = \"key.pem\"\nallow_host = \"docs.example.com\"\n",
    );
    for _ in 0..2 {
        let log = reloaded(&server, "needs a restart").await;
        assert!(log.contains("keys=\"acme_port, bind, tls_cert, tls_key, log_format\""), "{log}");
        assert_eq!(status(&target, "/llms.txt", &EVIL).await, 200);
    }
    end(&server).await;
}

#[tokio::test]
async fn flags_and_variables_still_beat_the_file() {
    let folder = Folder::new();
    folder.write("docquay.toml", "source = \"docs\"\n");
    let mut command = folder.docquay(&["--port", "0", "--allow-host", "flag.example"]);
    command.env("DOCQUAY_BASE_URL", "https://variable.example");
    let server = Process::start(command, "docquay");
    let line = server.wait_for(|line| line.contains("serving address="), PATIENCE).await;
    let address = line.rsplit("address=").next().unwrap().trim().parse().unwrap();
    let target = Target::plain(address);
    let file = "source = \"docs\"\nallow_host = \"file.example\"\nbase_url = \"https://file.example\"\nreload_every = \"7s\"\n";
    folder.write("docquay.toml", file);
    let log = reloaded(&server, "the configuration changed").await;
    assert!(log.contains("keys=\"reload_every\""), "{log}");
    assert_eq!(status(&target, "/llms.txt", &[("host", "flag.example")]).await, 200);
    assert_eq!(status(&target, "/llms.txt", &[("host", "file.example")]).await, 403);
    end(&server).await;
}

#[tokio::test]
async fn a_session_goes_on_and_hears_what_the_new_sources_changed() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    folder.write("more/cranes.md", "# Cranes\n\nThey lift.\n");
    folder.write("docquay.toml", "source = [\"docs\"]\n");
    let server = folder.start(&[]);
    let target = Target::plain(serving(&server).await);
    let open = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let opened = target.ask("POST", "/mcp", &open, &body.to_string()).await;
    let session = ("mcp-session-id", opened.header("mcp-session-id").unwrap());
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    target.ask("POST", "/mcp", &[open[0], open[1], session], &told).await;
    let mut stream = target.connect().await.unwrap();
    stream.ask("GET", "/mcp", &[("accept", "text/event-stream"), session], "").await;
    assert_eq!(stream.head().await.status, 200);
    folder.write("docquay.toml", "source = [\"docs\", \"more\"]\nbase_url = \"https://docs.example.net\"\n");
    reloaded(&server, "the configuration changed").await;
    assert_eq!(stream.event().await.unwrap().data, "", "the priming event");
    assert!(stream.event().await.unwrap().data.contains("notifications/resources/list_changed"));
    let search = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "search", "arguments": { "query": "cranes" } } });
    let json = ("accept", "application/json");
    let found = target.ask("POST", "/mcp", &[open[0], json, session], &search.to_string()).await.json();
    let first = &found["result"]["structuredContent"]["results"][0];
    assert_eq!(first["url"], "https://docs.example.net/docs/cranes#cranes", "{found}");
    // Of the modern era too.
    let list =
        json!({ "jsonrpc": "2.0", "id": 3, "method": "resources/list", "params": { "_meta": meta() } });
    let fields = [open[0], json, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/list")];
    let listed: Value = target.ask("POST", "/mcp", &fields, &list.to_string()).await.json();
    assert_eq!(listed["result"]["resources"].as_array().unwrap().len(), 3, "{listed}");
    end(&server).await;
}

#[tokio::test]
async fn a_new_pair_is_served_after_a_sighup() {
    let folder = Folder::new();
    let first = folder.pair();
    let server =
        folder.start(&["docs", "--bind", "127.0.0.1", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    let address = serving(&server).await;
    let before = Target::tls(address, &first);
    let after = Target::tls(address, &folder.pair());
    assert_eq!(status(&before, "/llms.txt", &[]).await, 200);
    assert!(after.connect().await.is_err());
    reloaded(&server, "the certificate of tls_cert changed").await;
    assert_eq!(status(&after, "/llms.txt", &[]).await, 200);
    end(&server).await;
}

#[tokio::test]
async fn another_file_for_the_pair_is_served_and_a_missing_one_is_not() {
    let folder = Folder::new();
    folder.pair();
    let text = |cert: &str| {
        format!("source = \"docs\"\nbind = \"127.0.0.1\"\ntls_cert = \"{cert}\"\ntls_key = \"{cert}\"\n")
    };
    let both = |name: &str| {
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        folder.write(name, &format!("{}{}", read("cert.pem"), read("key.pem")));
        folder.path().join(name)
    };
    let first = both("one.pem");
    folder.pair();
    let second = both("two.pem");
    folder.write("docquay.toml", &text("one.pem"));
    let server = folder.start(&[]);
    let address = serving(&server).await;
    // Each time a client without a session to resume, which would ask for no certificate.
    let (first, second) = (|| Target::tls(address, &first), Target::tls(address, &second));
    assert_eq!(status(&first(), "/llms.txt", &[]).await, 200);
    folder.write("docquay.toml", &text("missing.pem"));
    let log = reloaded(&server, "the old configuration stays").await;
    assert!(log.contains("cannot read") && log.contains("missing.pem"), "{log}");
    assert_eq!(status(&first(), "/llms.txt", &[]).await, 200);
    folder.write("docquay.toml", &text("two.pem"));
    reloaded(&server, "the configuration changed").await;
    assert_eq!(status(&second, "/llms.txt", &[]).await, 200);
    assert!(first().connect().await.is_err());
    // The new file is the one that is watched.
    folder.pair();
    let third = Target::tls(address, &both("two.pem"));
    reloaded(&server, "the certificate of tls_cert changed").await;
    assert_eq!(status(&third, "/llms.txt", &[]).await, 200);
    end(&server).await;
}
