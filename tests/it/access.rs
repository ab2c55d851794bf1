//! Access, over real sockets and from the command line: tokens, sessions that belong to somebody, rates by address,
//! the word of trusted proxies.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use docquay::access::new_token;
use docquay::config::{Config, Flags};
use docquay::entropy::SystemEntropy;
use docquay::server::{self, Error, Running};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::raw::{Answer, Client};
use crate::harness::server::{JSON, initialize, modern_body};

/// A server of the manual, with a folder for its token file.
struct Site {
    running: Running,
    folder: TempDir,
}

/// Somebody who may come in.
struct Guest {
    authorization: String,
    line: String,
}

fn guest(name: &str) -> Guest {
    let (token, line) = new_token(name, &SystemEntropy::new()).unwrap();
    Guest { authorization: format!("Bearer {token}"), line }
}

impl Guest {
    fn field(&self) -> (&str, &str) {
        ("authorization", &self.authorization)
    }
}

/// The configuration of these options, each a key and a value; `TOKENS` is the token file.
fn config(folder: &Path, options: &[(&str, &str)]) -> Config {
    let mut flags = Flags::default();
    for (key, value) in options {
        let value =
            if *value == "TOKENS" { tokens(folder).display().to_string() } else { (*value).to_owned() };
        match key.strip_prefix("limits.") {
            Some(limit) => flags.push_limit(&format!("{limit}={value}")).unwrap(),
            None => flags.push(key, key, [value]),
        }
    }
    Config::load(flags, &|_| None::<OsString>, None, folder).unwrap()
}

fn tokens(folder: &Path) -> PathBuf {
    folder.join("tokens")
}

impl Site {
    async fn start(guests: &[&Guest], options: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), guests);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let running = server::start_on(listener, config(folder.path(), options)).await.unwrap();
        Self { running, folder }
    }

    async fn private(guests: &[&Guest]) -> Self {
        Self::start(guests, &[("token_file", "TOKENS")]).await
    }

    fn address(&self) -> SocketAddr {
        self.running.address()
    }

    async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        Client::connect(self.address()).await.request(method, path, fields, body).await
    }

    async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, fields, "").await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)], body: &Value) -> Answer {
        let fields = [&[JSON, ("accept", "application/json")], fields].concat();
        self.ask("POST", path, &fields, &body.to_string()).await
    }

    async fn search(&self, fields: &[(&str, &str)]) -> Answer {
        let body =
            modern_body(json!(1), "tools/call", json!({"name": "search", "arguments": {"query": "token"}}));
        let mirrors =
            [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "search")];
        self.post("/mcp", &[&mirrors, fields].concat(), &body).await
    }
}

fn write(folder: &Path, guests: &[&Guest]) {
    let lines: String = guests.iter().map(|guest| format!("{}\n", guest.line)).collect();
    std::fs::write(tokens(folder), lines).unwrap();
}

#[tokio::test]
async fn a_call_without_a_token_is_told_what_to_send_and_with_one_it_is_answered() {
    let (ana, stranger) = (guest("ana"), guest("ana"));
    let site = Site::private(&[&ana]).await;

    let answer = site.search(&[]).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"docquay\"")));
    assert!(answer.text().contains("send Authorization: Bearer TOKEN"), "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let answer = site.search(&[stranger.field()]).await;
    let challenge = answer.header("www-authenticate").unwrap().to_owned();
    assert_eq!(answer.status, 401);
    assert!(challenge.starts_with("Bearer realm=\"docquay\", error=\"invalid_token\""), "{challenge}");

    let answer = site.search(&[ana.field()]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        answer.json()["result"]["structuredContent"]["results"].as_array().is_some_and(|r| !r.is_empty())
    );
    let lower = ana.authorization.replace("Bearer", "bearer");
    assert_eq!(site.search(&[("authorization", &lower)]).await.status, 200);
}

#[tokio::test]
async fn lists_are_private_to_whoever_has_a_token() {
    let ana = guest("ana");
    let site = Site::private(&[&ana]).await;
    let open = Site::start(&[], &[]).await;
    let fields = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    let body = modern_body(json!(1), "tools/list", json!({}));
    let answer = site.post("/mcp", &[&fields[..], &[ana.field()]].concat(), &body).await;
    assert_eq!(answer.json()["result"]["cacheScope"], "private");
    let answer = open.post("/mcp", &fields, &body).await;
    assert_eq!(answer.json()["result"]["cacheScope"], "public");
}

#[tokio::test]
async fn a_token_in_the_address_or_in_pieces_is_a_bad_request() {
    let ana = guest("ana");
    let site = Site::private(&[&ana]).await;
    let token = ana.authorization.split_once(' ').unwrap().1;
    for (path, fields) in [
        (format!("/llms.txt?access_token={token}"), vec![]),
        (format!("/llms.txt?access_token={token}"), vec![ana.field()]),
        ("/llms.txt".to_owned(), vec![("authorization", "Bearer")]),
        ("/llms.txt".to_owned(), vec![("authorization", "Bearer a b")]),
        ("/llms.txt".to_owned(), vec![ana.field(), ana.field()]),
    ] {
        let answer = site.get(&path, &fields).await;
        assert_eq!(answer.status, 400, "{path} {fields:?}: {}", answer.text());
        assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_request\""));
        assert!(!answer.text().contains(token));
    }
    let answer = site.get("/llms.txt", &[("authorization", "Basic YTpi")]).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer realm=\"docquay\"")));
}

#[tokio::test]
async fn probes_need_no_token_and_say_nothing_of_the_sources() {
    let site = Site::private(&[&guest("ana")]).await;
    for path in ["/healthz", "/readyz"] {
        let answer = site.get(path, &[]).await;
        assert_eq!((answer.status, answer.text()), (200, "ok\n".to_owned()));
    }
    assert_eq!(site.get("/", &[]).await.status, 401);
}

#[tokio::test]
async fn a_browser_gets_its_preflight_without_a_token_and_may_read_the_refusal() {
    let ana = guest("ana");
    let site = Site::private(&[&ana]).await;
    let origin = ("origin", "http://localhost:5173");
    let preflight = [
        origin,
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization, mcp-protocol-version, mcp-param-region"),
    ];
    let answer = site.ask("OPTIONS", "/mcp", &preflight, "").await;
    assert_eq!(answer.status, 204);
    let allowed = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    for name in [
        "authorization",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "last-event-id",
        "mcp-param-region",
    ] {
        assert!(allowed.split(", ").any(|allowed| allowed == name), "{name} in {allowed}");
    }
    let answer = site.search(&[origin]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, Some(origin.1)));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("WWW-Authenticate"));
    assert_eq!(site.search(&[origin, ana.field()]).await.status, 200);
    let evil = site.search(&[("origin", "https://evil.example"), ana.field()]).await;
    assert_eq!((evil.status, evil.header("access-control-allow-origin")), (403, None));
}

#[tokio::test]
async fn a_session_answers_nobody_but_the_name_that_opened_it() {
    let (ana, renewed, bob) = (guest("ana"), guest("ana"), guest("bob"));
    let site = Site::private(&[&ana, &renewed, &bob]).await;
    let opened = site.post("/mcp", &[ana.field()], &initialize("2025-11-25")).await;
    let session = ("mcp-session-id", opened.header("mcp-session-id").unwrap());
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});

    assert_eq!(site.post("/mcp", &[session, ana.field()], &ping).await.status, 200);
    assert_eq!(site.post("/mcp", &[session, renewed.field()], &ping).await.status, 200);
    assert_eq!(site.post("/mcp", &[session], &ping).await.status, 401);
    assert_eq!(site.post("/mcp", &[session, bob.field()], &ping).await.status, 404);
    let stream = [session, bob.field(), ("accept", "text/event-stream")];
    assert_eq!(site.get("/mcp", &stream).await.status, 404);
    assert_eq!(site.ask("DELETE", "/mcp", &[session, bob.field()], "").await.status, 404);
    assert_eq!(site.ask("DELETE", "/mcp", &[session, ana.field()], "").await.status, 204);
}

#[tokio::test]
async fn the_older_transport_wants_the_token_of_its_opener_with_every_message() {
    let (ana, bob) = (guest("ana"), guest("bob"));
    let site = Site::private(&[&ana, &bob]).await;
    assert_eq!(site.get("/sse", &[]).await.status, 401);
    let mut stream = Client::connect(site.address()).await;
    stream.ask("GET", "/sse", &[ana.field()], "").await;
    assert_eq!(stream.head().await.status, 200);
    let endpoint = stream.event().await.unwrap().data;
    let message = initialize("2024-11-05");
    assert_eq!(site.post(&endpoint, &[], &message).await.status, 401);
    assert_eq!(site.post(&endpoint, &[bob.field()], &message).await.status, 404);
    assert_eq!(site.post(&endpoint, &[ana.field()], &message).await.status, 202);
    assert!(stream.event().await.unwrap().data.contains("2024-11-05"));
}

#[tokio::test]
async fn a_changed_token_file_counts_and_a_broken_one_does_not() {
    let (ana, bob) = (guest("ana"), guest("bob"));
    let mut site = Site::private(&[&ana]).await;
    let lets_in =
        async |site: &Site, guest: &Guest| match site.get("/llms.txt", &[guest.field()]).await.status {
            200 => true,
            401 => false,
            other => panic!("{other}"),
        };
    assert!(lets_in(&site, &ana).await && !lets_in(&site, &bob).await);

    write(site.folder.path(), &[&bob]);
    site.running.reload();
    until(async || lets_in(&site, &bob).await).await;
    assert!(!lets_in(&site, &ana).await);

    // Two broken ones, then a good one: when that counts, both were looked at and let pass.
    for broken in [ana.authorization.clone(), format!("{}\nsha256:12 x", ana.line)] {
        std::fs::write(tokens(site.folder.path()), broken).unwrap();
        site.running.reload();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(lets_in(&site, &bob).await && !lets_in(&site, &ana).await);
    }
    write(site.folder.path(), &[]);
    site.running.reload();
    until(async || !lets_in(&site, &bob).await).await;
    assert!(!lets_in(&site, &ana).await);
}

#[tokio::test]
async fn the_streams_of_a_removed_token_end_and_those_of_others_go_on() {
    let (ana, bob) = (guest("ana"), guest("bob"));
    let mut site = Site::private(&[&ana, &bob]).await;
    let listen = modern_body(
        json!(1),
        "subscriptions/listen",
        json!({"notifications": {"resourcesListChanged": true}}),
    );
    let fields = [JSON, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "subscriptions/listen")];
    let mut streams = Vec::new();
    for guest in [&ana, &bob] {
        let mut modern = Client::connect(site.address()).await;
        modern.ask("POST", "/mcp", &[&fields[..], &[guest.field()]].concat(), &listen.to_string()).await;
        let mut older = Client::connect(site.address()).await;
        older.ask("GET", "/sse", &[guest.field()], "").await;
        for stream in [&mut modern, &mut older] {
            assert_eq!(stream.head().await.status, 200);
            assert!(stream.event().await.is_some());
        }
        streams.push([modern, older]);
    }
    write(site.folder.path(), &[&bob]);
    site.running.reload();
    for stream in &mut streams[0] {
        assert_eq!(stream.event().await, None);
    }
    for stream in &mut streams[1] {
        let more = tokio::time::timeout(std::time::Duration::from_millis(500), stream.event()).await;
        assert!(more.is_err(), "{more:?}");
    }
    // With the token of nobody left, his end too.
    write(site.folder.path(), &[]);
    site.running.reload();
    for stream in &mut streams[1] {
        assert_eq!(stream.event().await, None);
    }
}

async fn until(holds: impl AsyncFn() -> bool) {
    for _ in 0..400 {
        if holds().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it never held");
}

#[tokio::test]
async fn a_token_file_that_cannot_be_used_ends_the_start_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let (token, line) = new_token("ana", &SystemEntropy::new()).unwrap();
    for (text, cause, help) in [
        (None, "No such file", "docquay token --name NAME"),
        (Some(token.clone()), "line 1: no hash", "sha256sum"),
        (Some(format!("{line}\nana {token}\n")), "line 2: no hash", "docquay token --name NAME"),
    ] {
        let _ = std::fs::remove_file(tokens(folder.path()));
        if let Some(text) = text {
            std::fs::write(tokens(folder.path()), text).unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let started = server::start_on(listener, config(folder.path(), &[("token_file", "TOKENS")])).await;
        let Err(Error::Config(error)) = started else { panic!("{started:?}") };
        assert!(error.what.contains("tokens cannot be used"), "{error:?}");
        assert!(error.cause.contains(cause) && error.help.contains(help), "{error:?}");
        assert!(!format!("{error:?}").contains(&token));
    }
}

/// The options of a server behind a proxy on this machine, and a rate that two requests use up for a minute.
const BEHIND: [(&str, &str); 4] = [
    ("trusted_proxies", "127.0.0.1"),
    ("limits.access.requests_per_minute", "1"),
    ("limits.access.burst", "2"),
    ("base_url", "https://docs.example.com"),
];

#[tokio::test]
async fn each_forwarded_address_has_its_own_rate() {
    let site = Site::start(&[], &BEHIND).await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    for _ in 0..2 {
        assert_eq!(site.search(&from("203.0.113.7")).await.status, 200);
    }
    let answer = site.search(&from("203.0.113.7")).await;
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(answer.status, 429);
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(answer.text().contains(&format!("ask again in {wait} seconds")), "{}", answer.text());
    // What the client itself wrote before the proxy's entry changes nothing.
    assert_eq!(site.search(&from("198.51.100.1, 203.0.113.7")).await.status, 429);
    assert_eq!(site.search(&from("203.0.113.8")).await.status, 200);
    assert_eq!(site.search(&[("forwarded", "for=\"[2001:db8::1]:4711\"")]).await.status, 200);
    assert_eq!(site.search(&[("forwarded", "for=\"[2001:db8::2]\"")]).await.status, 200);
    assert_eq!(site.search(&[("forwarded", "for=\"[2001:db8::3]\"")]).await.status, 429);
    assert_eq!(site.get("/healthz", &from("203.0.113.7")).await.status, 200);
}

#[tokio::test]
async fn behind_a_proxy_nobody_is_exempt_by_leaving_out_or_forging_where_he_comes_from() {
    let site = Site::start(&[], &BEHIND).await;
    let forged = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.1")];
    assert_eq!(site.search(&forged).await.status, 200);
    assert_eq!(site.search(&[("x-forwarded-for", "garbage")]).await.status, 200);
    // All of it is counted as the proxy's own.
    assert_eq!(site.search(&forged).await.status, 429);
    assert_eq!(site.search(&[]).await.status, 429);
    assert_eq!(site.search(&[("x-forwarded-for", "203.0.113.7")]).await.status, 200);
}

#[tokio::test]
async fn this_machine_has_no_rate_and_a_stranger_forwards_nothing() {
    let options = [("limits.access.requests_per_minute", "1"), ("limits.access.burst", "1")];
    let site = Site::start(&[], &options).await;
    for _ in 0..5 {
        assert_eq!(site.search(&[("x-forwarded-for", "203.0.113.7")]).await.status, 200);
    }
}

#[tokio::test]
async fn a_refusal_for_asking_too_often_can_be_read_by_an_allowed_page() {
    let site = Site::start(&[], &BEHIND).await;
    let fields = [("x-forwarded-for", "203.0.113.7"), ("origin", "http://localhost:5173")];
    for status in [200, 200, 429] {
        let answer = site.search(&fields).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, Some(fields[1].1))
        );
    }
    assert_eq!(site.ask("OPTIONS", "/mcp", &fields, "").await.status, 429);
}

#[tokio::test]
async fn after_too_many_wrong_tokens_none_of_that_address_is_looked_at() {
    let (ana, stranger) = (guest("ana"), guest("eve"));
    let options = [
        ("token_file", "TOKENS"),
        ("trusted_proxies", "127.0.0.1"),
        ("limits.access.failures_per_minute", "3"),
    ];
    let site = Site::start(&[&ana], &options).await;
    let (attacker, friend) = (("x-forwarded-for", "203.0.113.7"), ("x-forwarded-for", "203.0.113.8"));
    assert_eq!(site.search(&[attacker, ana.field()]).await.status, 200);
    for _ in 0..3 {
        assert_eq!(site.search(&[attacker]).await.status, 401, "no token is no guess");
        assert_eq!(site.search(&[attacker, stranger.field()]).await.status, 401);
    }
    let answer = site.search(&[attacker, stranger.field()]).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some() && answer.text().contains("too many wrong tokens"));
    assert_eq!(site.search(&[attacker, ana.field()]).await.status, 429);
    assert_eq!(site.search(&[friend, ana.field()]).await.status, 200);
}

#[tokio::test]
async fn a_host_that_a_proxy_has_rewritten_is_judged_as_the_client_sent_it() {
    let site = Site::start(&[], &[BEHIND[0], BEHIND[3]]).await;
    let backend = ("host", "backend:8080");
    assert_eq!(site.search(&[backend]).await.status, 403);
    for forwarded in [
        ("x-forwarded-host", "docs.example.com"),
        ("forwarded", "for=203.0.113.7;host=docs.example.com;proto=https"),
    ] {
        let answer = site.search(&[backend, forwarded]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let url = &answer.json()["result"]["structuredContent"]["results"][0]["url"];
        assert!(url.as_str().unwrap().starts_with("https://docs.example.com/"), "{url}");
    }
    for forwarded in
        [("x-forwarded-host", "evil.example"), ("forwarded", "for=203.0.113.7;host=evil.example")]
    {
        let answer = site.search(&[("host", "localhost"), forwarded]).await;
        assert_eq!(answer.status, 403);
        assert!(answer.text().contains("evil.example"), "{}", answer.text());
    }
    let open = Site::start(&[], &[BEHIND[3]]).await;
    assert_eq!(open.search(&[backend, ("x-forwarded-host", "docs.example.com")]).await.status, 403);
}
