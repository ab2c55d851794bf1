//! The stdio transport: lines in, lines out, over an in-memory pipe.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use docquay::mcp::Limits;
use docquay::mcp::catalog::Changes;
use docquay::mcp::transport::stdio;
use docquay::shutdown::Trigger;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex,
    split,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::fake::{self, Fake};
use crate::harness::record;

struct Client {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    served: JoinHandle<io::Result<()>>,
    fake: Arc<Fake>,
    trigger: Trigger,
    said: record::Lines,
}

impl Client {
    fn start() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let (dispatcher, fake, trigger) = fake::with(fake::EVERYTHING, limits);
        let (ours, theirs) = duplex(1 << 20);
        let (input, output) = split(theirs);
        let shutdown = dispatcher.shutdown().clone();
        let served = tokio::spawn(stdio::serve(dispatcher, input, output, shutdown));
        let (output, input) = split(ours);
        Self {
            input,
            output: BufReader::new(output).lines(),
            served,
            fake,
            trigger,
            said: record::Lines::default(),
        }
    }

    async fn initialized(revision: &str) -> Self {
        let mut client = Self::start();
        client.initialize(revision).await;
        client
    }

    async fn initialize(&mut self, revision: &str) {
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": info });
        self.request("opening", "initialize", params).await;
        let answer = self.answer("opening").await;
        assert_eq!(answer["result"]["protocolVersion"], revision);
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    async fn write(&mut self, line: &str) {
        self.said.push('>', line);
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.input.write_all(b"\n").await.unwrap();
    }

    async fn send(&mut self, message: &Value) {
        self.write(&message.to_string()).await;
    }

    async fn request(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        let id: Value = id.into();
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
    }

    async fn modern(&mut self, id: impl Into<Value>, method: &str, mut params: Value) {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        self.request(id, method, params).await;
    }

    async fn cancel(&mut self, id: impl Into<Value>) {
        let params = json!({ "requestId": id.into() });
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    }

    async fn next(&mut self) -> Value {
        self.last().await.expect("a message")
    }

    /// The next message; none at the end of the output.
    async fn last(&mut self) -> Option<Value> {
        let line = timeout(PATIENCE, self.output.next_line()).await.expect("in time").unwrap();
        if let Some(line) = &line {
            self.said.push('<', line);
        }
        line.map(|line| serde_json::from_str(&line).expect("only messages"))
    }

    async fn answer(&mut self, id: impl Into<Value>) -> Value {
        let answer = self.next().await;
        assert_eq!(answer["id"], id.into(), "{answer}");
        answer
    }

    async fn code(&mut self, id: impl Into<Value>) -> i64 {
        self.answer(id).await["error"]["code"].as_i64().expect("an error")
    }

    /// Nothing but the answer to a ping (or discover) comes now.
    async fn expect_silence(&mut self) {
        self.modern("silence", "server/discover", json!({})).await;
        assert_eq!(self.answer("silence").await["result"]["resultType"], "complete");
    }

    async fn finish(mut self) {
        self.input.shutdown().await.unwrap();
        assert_eq!(self.last().await, None);
        timeout(PATIENCE, self.served).await.expect("in time").unwrap().unwrap();
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

fn calling(tool: &str) -> Value {
    json!({ "name": tool, "arguments": { "a": 1 } })
}

fn everything_changed() -> Changes {
    let updated = vec!["fake:///one".into(), "fake:///two".into()];
    Changes { tools: true, prompts: true, resources: true, updated }
}

fn methods(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["method"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn both_eras_are_served_side_by_side() {
    let mut client = Client::start();
    client.modern(1, "server/discover", json!({})).await;
    let discovered = client.answer(1).await;
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));

    client.initialize("2025-11-25").await;
    client.request(2, "tools/call", calling("echo")).await;
    let legacy = client.answer(2).await;
    assert_eq!(legacy["result"]["structuredContent"], json!({ "a": 1 }));
    assert!(legacy["result"].get("resultType").is_none());

    client.modern("3", "tools/call", calling("echo")).await;
    let modern = client.answer("3").await;
    assert_eq!(modern["result"]["resultType"], "complete");
    client.finish().await;
}

#[tokio::test]
async fn before_initialize_a_legacy_request_is_told_to_initialize() {
    let mut client = Client::start();
    client.request(1, "tools/list", json!({})).await;
    assert_eq!(client.code(1).await, -32600);
    client.request(2, "server/discover", json!({})).await;
    assert_eq!(client.code(2).await, -32601);
    client.initialize("2025-06-18").await;
    client.finish().await;
}

#[tokio::test]
async fn a_bad_line_is_answered_without_an_id_and_the_next_one_served() {
    let mut limits = Limits::default();
    limits.line = 1_000;
    let mut client = Client::with(limits);
    for (line, code) in [
        ("not json".to_owned(), -32700),
        ("[".repeat(900), -32700),
        ("[]".to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_owned(), -32600),
        ("x".repeat(5_000), -32600),
    ] {
        client.write(&line).await;
        let answer = client.next().await;
        assert_eq!((&answer["error"]["code"], answer.get("id")), (&json!(code), None), "{line}");
    }
    client.write("").await;
    client.write("\r").await;
    client.request(7, "nonsense", json!([])).await;
    assert_eq!(client.code(7).await, -32602);
    client.expect_silence().await;
    client.finish().await;
}

#[tokio::test]
async fn an_unknown_method_is_not_found_in_every_revision() {
    for revision in LEGACY {
        let mut client = Client::initialized(revision).await;
        client.request(1, "nonsense", json!({})).await;
        assert_eq!(client.code(1).await, -32601);
    }
    let mut client = Client::start();
    for method in ["nonsense", "ping", "initialize", "logging/setLevel", "resources/subscribe"] {
        client.modern(1, method, json!({})).await;
        assert_eq!(client.code(1).await, -32601, "{method}");
    }
}

#[tokio::test]
async fn a_modern_request_without_its_fields_or_of_another_revision_is_refused() {
    let mut client = Client::start();
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
    client.request(1, "tools/list", json!({ "_meta": meta })).await;
    assert_eq!(client.code(1).await, -32602);
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2025-11-25" });
    client.request(2, "tools/list", json!({ "_meta": meta })).await;
    let answer = client.answer(2).await;
    assert_eq!(answer["error"]["code"], -32022);
    assert_eq!(answer["error"]["data"]["supported"], json!(["2026-07-28"]));
}

#[tokio::test]
async fn answers_come_as_they_are_ready() {
    let mut client = Client::start();
    client.modern(1, "tools/call", calling("stuck")).await;
    client.modern(2, "tools/call", calling("echo")).await;
    client.answer(2).await;
    client.modern(1, "tools/call", calling("echo")).await;
    assert_eq!(client.code(1).await, -32600, "the id is in use");
    client.cancel(1).await;
    client.modern(1, "tools/call", calling("echo")).await;
    assert!(client.answer(1).await["result"].is_object(), "the id is free again");
    client.finish().await;
}

#[tokio::test]
async fn a_cancelled_request_is_never_answered() {
    let mut limits = Limits::default();
    limits.tool_time = Duration::from_millis(50);
    for revision in LEGACY {
        let mut client = Client::with(limits.clone());
        client.initialize(revision).await;
        client.request(1, "tools/call", calling("stuck")).await;
        client.cancel(1).await;
        client.request(2, "tools/call", calling("stuck")).await;
        assert_eq!(client.answer(2).await["result"]["isError"], true, "{revision}");
        client.finish().await;
    }
}

#[tokio::test]
async fn requests_beyond_the_bound_wait_for_their_turn() {
    let mut limits = Limits::default();
    (limits.in_flight, limits.tool_time) = (2, Duration::from_millis(20));
    let mut client = Client::with(limits);
    for id in 0..6 {
        client.modern(id, "tools/call", calling("stuck")).await;
    }
    for _ in 0..6 {
        assert_eq!(client.next().await["result"]["isError"], true);
    }
    client.finish().await;
}

#[tokio::test]
async fn progress_comes_before_its_answer() {
    let mut client = Client::start();
    let mut params = calling("progress");
    params["_meta"]["progressToken"] = "token".into();
    client.modern(1, "tools/call", params).await;
    for progress in [0.0, 1.0] {
        let message = client.next().await;
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(message["params"]["progressToken"], "token");
        assert_eq!(message["params"]["progress"], progress);
    }
    client.answer(1).await;
    client.finish().await;
}

#[tokio::test]
async fn listen_streams_share_the_channel_and_end_gracefully() {
    let mut client = Client::start();
    let filter =
        json!({ "toolsListChanged": true, "resourceSubscriptions": ["fake:///one", "fake:///else"] });
    client.modern(1, "subscriptions/listen", json!({ "notifications": filter })).await;
    let acknowledged = client.next().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["notifications"], filter);
    client
        .modern("1", "subscriptions/listen", json!({ "notifications": { "promptsListChanged": true } }))
        .await;
    assert_eq!(client.next().await["params"]["_meta"][SUBSCRIPTION], "1");

    client.fake.change(everything_changed());
    let mut told = vec![client.next().await, client.next().await, client.next().await];
    told.sort_by_key(|message| message["method"].to_string());
    assert_eq!(
        methods(&told),
        [
            "notifications/prompts/list_changed",
            "notifications/resources/updated",
            "notifications/tools/list_changed"
        ]
    );
    assert_eq!(told[0]["params"]["_meta"][SUBSCRIPTION], "1");
    assert_eq!(told[1]["params"]["_meta"][SUBSCRIPTION], 1);
    assert_eq!(told[1]["params"]["uri"], "fake:///one");

    client.cancel("1").await;
    client.expect_silence().await;
    client.fake.change(Changes { prompts: true, ..Changes::default() });
    client.expect_silence().await;

    client.trigger.drain();
    let end = client.answer(1).await;
    assert_eq!(end["result"]["resultType"], "complete");
    assert_eq!(end["result"]["_meta"][SUBSCRIPTION], 1);
    assert_eq!(client.last().await, None);
    client.served.await.unwrap().unwrap();
}

const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

#[tokio::test]
async fn a_malformed_filter_is_refused() {
    let mut client = Client::start();
    for params in [
        json!({}),
        json!({ "notifications": [] }),
        json!({ "notifications": { "toolsListChanged": 1 } }),
        json!({ "notifications": { "resourceSubscriptions": [1] } }),
        json!({ "notifications": { "resourceSubscriptions": "fake:///one" } }),
    ] {
        client.modern(1, "subscriptions/listen", params.clone()).await;
        assert_eq!(client.code(1).await, -32602, "{params}");
    }
}

#[tokio::test]
async fn a_ready_legacy_session_is_told_of_changes_in_every_revision() {
    for revision in LEGACY {
        let mut client = Client::initialized(revision).await;
        client.request(1, "resources/subscribe", json!({ "uri": "fake:///two" })).await;
        client.answer(1).await;
        client.fake.change(everything_changed());
        let told = [client.next().await, client.next().await, client.next().await, client.next().await];
        assert_eq!(
            methods(&told),
            [
                "notifications/tools/list_changed",
                "notifications/prompts/list_changed",
                "notifications/resources/list_changed",
                "notifications/resources/updated"
            ]
        );
        assert_eq!(told[3]["params"], json!({ "uri": "fake:///two" }));
        client.request(2, "resources/unsubscribe", json!({ "uri": "fake:///two" })).await;
        client.answer(2).await;
        client.fake.change(Changes { updated: vec!["fake:///two".into()], ..Changes::default() });
        client.expect_silence().await;
        client.finish().await;
    }
}

#[tokio::test]
async fn an_array_is_answered_with_an_array_where_the_revision_has_them() {
    for revision in LEGACY {
        let mut client = Client::initialized(revision).await;
        let array = json!([
            { "jsonrpc": "2.0", "id": 1, "method": "ping" },
            { "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": calling("echo") },
            { "jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {} },
            { "jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": calling("stuck") },
            { "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 4 } },
            1,
        ]);
        client.send(&array).await;
        let answer = client.next().await;
        if revision != "2025-03-26" {
            assert_eq!(answer["error"]["code"], -32600);
            let null = (revision < "2025-11-25").then_some(&Value::Null);
            assert_eq!(answer.get("id"), null, "{revision}");
            continue;
        }
        let mut ids: Vec<_> = answer.as_array().unwrap().iter().map(|each| each["id"].to_string()).collect();
        ids.sort();
        assert_eq!(ids, ["1", "2", "3", "null"]);
        client.send(&json!([{ "jsonrpc": "2.0", "method": "notifications/nonsense" }])).await;
        client.expect_silence().await;
        client.finish().await;
    }
}

#[tokio::test]
async fn what_is_at_work_when_the_input_ends_is_still_answered() {
    let mut client = Client::start();
    client.modern(1, "subscriptions/listen", json!({ "notifications": {} })).await;
    for id in 2..20 {
        client.modern(id, "tools/call", calling("echo")).await;
    }
    client.input.shutdown().await.unwrap();
    let mut answers = 0;
    while client.last().await.is_some() {
        answers += 1;
    }
    assert_eq!(answers, 19);
    client.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_is_gone_ends_it_quietly() {
    let Client { mut input, output, served, .. } = Client::start();
    input.write_all(b"nonsense\n").await.unwrap();
    drop((input, output));
    timeout(PATIENCE, served).await.expect("in time").unwrap().unwrap();
}
