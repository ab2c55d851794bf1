//! `/metrics` before its judges: promtool reads it, Prometheus scrapes it, and its rules are those of the manual.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::ports;
use super::process::{Process, Signal};
use super::raw::{Client, PATIENCE};

/// docquay over two pages, with its metrics.
struct Server {
    process: Process,
    address: SocketAddr,
    metrics: SocketAddr,
    _folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("docs")).unwrap();
        std::fs::write(folder.path().join("docs/rope.md"), "# Rope\n\n## Knots\n\nA bowline holds.\n")
            .unwrap();
        std::fs::write(folder.path().join("docs/quay.md"), "# Quay\n\nWhere ships are moored.\n").unwrap();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, metrics) = (at(ports::free()), at(ports::free()));
        let mut command = Command::new(env!("CARGO_BIN_EXE_docquay"));
        command.args(["docs", "--port", &address.port().to_string(), "--metrics-bind", &metrics.to_string()]);
        command.env_clear().current_dir(folder.path());
        let process = Process::start(command, "docquay");
        process.wait_for(|line| line.contains("browser"), PATIENCE).await;
        Self { process, address, metrics, _folder: folder }
    }

    /// A question in each era, one that finds nothing, and some that are wrong.
    async fn talk(&self) {
        let mut client = Client::connect(self.address).await;
        for (name, arguments) in [
            ("search", json!({ "query": "bowline" })),
            ("search", json!({ "query": "xyzzy" })),
            ("fetch", json!({ "id": "rope" })),
            ("fetch", json!({ "id": "gone" })),
            ("nothing", json!({})),
        ] {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            let params = json!({ "name": name, "arguments": arguments, "_meta": meta });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            let fields = [
                ("content-type", "application/json"),
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
                ("mcp-name", name),
            ];
            client.request("POST", "/mcp", &fields, &body.to_string()).await;
        }
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } } });
        let json_body = [("content-type", "application/json")];
        let answer = client.request("POST", "/mcp", &json_body, &hello.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(client.request("GET", "/nowhere", &[], "").await.status, 404);
        assert_eq!(client.request("GET", "/", &[("host", "evil.example")], "").await.status, 403);
    }

    async fn page(&self) -> String {
        let answer = Client::connect(self.metrics).await.request("GET", "/metrics", &[], "").await;
        assert_eq!(answer.status, 200);
        answer.text()
    }
}

/// A folder with the manual's alerts as `rules.yml`.
fn rules() -> TempDir {
    let manual = include_str!("../../src/docs/manual/metrics.md");
    let (_, rest) = manual.split_once("```yaml\n").unwrap();
    let (rules, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.yml"), rules).unwrap();
    folder
}

/// What promtool says of `input`; it has nothing to say of what is right.
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let child = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap_or_else(|error| {
        panic!("cannot run promtool: {error}\nhelp: apt-get install prometheus, or run tests/run ops")
    });
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_to_say_of_the_metrics_before_and_after_traffic() {
    let server = Server::start().await;
    for _ in 0..2 {
        let page = server.page().await;
        let (is_clean, said) = promtool(&["check", "metrics"], &page);
        assert!(is_clean && said.trim().is_empty(), "{said}\n{page}");
        server.talk().await;
    }
    // It does find something where there is something.
    let (is_clean, said) =
        promtool(&["check", "metrics"], "# HELP a_count x\n# TYPE a_count counter\na_count 1\n");
    assert!(!is_clean && said.contains("_total"), "{said}");
    server.process.signal(Signal::Terminate);
    assert!(server.process.exit(PATIENCE).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alerts_of_the_manual_are_rules_that_promtool_takes_and_name_metrics_that_exist() {
    let folder = rules();
    let file = folder.path().join("rules.yml");
    let rules = std::fs::read_to_string(&file).unwrap();
    let (is_clean, said) = promtool(&["check", "rules", file.to_str().unwrap()], "");
    assert!(is_clean && said.contains("SUCCESS") && !said.contains("0 rules"), "{said}");

    let server = Server::start().await;
    server.talk().await;
    let page = server.page().await;
    // Without a certificate there is no time of its end.
    let absent = ["docquay_certificate_not_after_timestamp_seconds"];
    for name in names(&rules).into_iter().filter(|name| !absent.contains(&name.as_str())) {
        assert!(page.contains(&format!("# TYPE {name} ")), "{name} is no metric:\n{page}");
    }
}

/// `promtool test rules`: which alerts fire is what the rules are for.
#[test]
fn the_alerts_of_the_manual_fire_when_they_should_and_not_before() {
    let folder = rules();
    std::fs::write(folder.path().join("test.yml"), ALERTS).unwrap();
    let (is_clean, said) = promtool(&["test", "rules", folder.path().join("test.yml").to_str().unwrap()], "");
    assert!(is_clean && said.contains("SUCCESS"), "{said}");
}

/// Two days of a server: its certificate ends on the tenth, its source is gone from 01:00 to 02:00, and on the second
/// day most of its searches find nothing.
const ALERTS: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: docquay_certificate_not_after_timestamp_seconds{job="d",instance="a"}
        values: 777600+0x6000
      - series: docquay_certificate_failures_total{job="d",instance="a",kind="network"}
        values: 0+0x3000 0+1x5 5+0x3000
      - series: docquay_reloads_total{job="d",instance="a",outcome="failed"}
        values: 0+0x60 0+2x60 120+0x6000
      - series: docquay_sources_read_timestamp_seconds{job="d",instance="a"}
        values: 0+60x60 3600+0x60 7260+60x6000
      - series: docquay_searches_without_hits_total{job="d",instance="a"}
        values: 0+1x1440 1440+8x4000
      - series: docquay_search_duration_seconds_count{job="d",instance="a"}
        values: 0+10x6000
    alert_rule_test:
      - { alertname: SourcesUnread, eval_time: 59m, exp_alerts: [] }
      - alertname: SourcesUnread
        eval_time: 110m
        exp_alerts:
          - exp_labels: { job: d, instance: a, outcome: failed }
            exp_annotations: { summary: "a: the documents cannot be read; the old ones are served" }
      - { alertname: SourcesUnread, eval_time: 150m, exp_alerts: [] }
      - { alertname: SearchesFindNothing, eval_time: 20h, exp_alerts: [] }
      - alertname: SearchesFindNothing
        eval_time: 40h
        exp_alerts:
          - exp_labels: { job: d, instance: a }
            exp_annotations: { summary: "a: half of the searches find nothing" }
      - { alertname: CertificateFails, eval_time: 40h, exp_alerts: [] }
      - alertname: CertificateFails
        eval_time: 52h
        exp_alerts:
          - exp_labels: { job: d, instance: a, kind: network }
            exp_annotations: { summary: "a: no new certificate (network); the log says what to do" }
      - { alertname: CertificateEndsSoon, eval_time: 40h, exp_alerts: [] }
      - alertname: CertificateEndsSoon
        eval_time: 72h
        exp_alerts:
          - exp_labels: { job: d, instance: a }
            exp_annotations: { summary: "a: the certificate ends in 6d 0h 0m 0s; see docquay cert status" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_manual_names_every_metric_and_no_other() {
    let server = Server::start().await;
    server.talk().await;
    let page = server.page().await;
    let manual = include_str!("../../src/docs/manual/metrics.md");
    let (table, _) = manual.split_once("## Alerts").unwrap();
    let served: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| name.starts_with("docquay_"))
        .collect();
    for name in &served {
        assert!(table.contains(&format!("`{name}`")), "the manual does not name {name}");
    }
    // Those that wait for a certificate.
    let waiting =
        |name: &str| name.starts_with("docquay_certificate_") && name.ends_with("_timestamp_seconds");
    for name in names(table).iter().filter(|name| !waiting(name)) {
        assert!(served.contains(&name.as_str()), "the manual names {name}, which is not served");
    }
}

/// Our metrics that a text names; a histogram by its family.
fn names(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let family = |word: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).map(str::to_owned)
    };
    words
        .filter(|word| word.starts_with("docquay_"))
        .map(|word| family(word).unwrap_or_else(|| word.to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_it_and_answers_queries_of_it() {
    let server = Server::start().await;
    server.talk().await;
    let folder = tempfile::tempdir().unwrap();
    let config = json!({
        "global": { "scrape_interval": "1s", "scrape_timeout": "1s" },
        "scrape_configs": [{ "job_name": "docquay", "static_configs": [{ "targets": [server.metrics.to_string()] }] }],
    });
    // YAML is a superset of JSON.
    std::fs::write(folder.path().join("prometheus.yml"), config.to_string()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
    let mut command = Command::new("prometheus");
    command
        .arg("--config.file=prometheus.yml")
        .arg("--storage.tsdb.path=data")
        .arg(format!("--web.listen-address={address}"))
        .current_dir(folder.path());
    let prometheus = Process::start(command, "prometheus");
    prometheus.wait_for(|line| line.contains("Server is ready"), Duration::from_secs(60)).await;
    for (query, expected) in [
        ("up", "1"),
        ("docquay_searches_without_hits_total", "1"),
        ("sum(docquay_mcp_requests_total{method=\"tools/call\"})", "5"),
        ("histogram_quantile(1, docquay_search_duration_seconds_bucket) < bool 1", "1"),
        ("time() - docquay_sources_read_timestamp_seconds < bool 600", "1"),
        ("process_resident_memory_bytes > bool 1e6", "1"),
        ("time() - process_start_time_seconds < bool 600", "1"),
    ] {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let value = query_of(address, query).await;
            if value.as_deref() == Some(expected) {
                break;
            }
            assert!(Instant::now() < deadline, "{query} is {value:?}, not {expected}\n{}", prometheus.log());
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The value of the first series that an instant query gives.
async fn query_of(prometheus: SocketAddr, query: &str) -> Option<String> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let path = format!("/api/v1/query?query={encoded}");
    let answer = Client::connect(prometheus).await.request("GET", &path, &[], "").await;
    let answer: Value = answer.json();
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned)
}
