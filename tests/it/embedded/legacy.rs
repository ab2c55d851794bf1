//! Questions, logs and released streams in the legacy era.

use std::sync::Arc;
use std::time::Duration;

use docquay::mcp::server::{Ask, Level, Limits, Tool, ToolCall, Value, json};
use docquay::mcp::transport::stdio;
use docquay::shutdown;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, duplex, split};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{accepted, asks_a_name, greet, serve, server, text};
use crate::harness::peer::{self, PATIENCE};
use crate::harness::server::{JSON, STREAM};

fn elicits() -> Value {
    json!({ "elicitation": {} })
}

#[tokio::test]
async fn a_question_is_a_request_on_the_calls_stream_and_its_answer_a_post() {
    let served = serve(asks_a_name()).await;
    for revision in ["2025-06-18", "2025-11-25"] {
        let session = served.session(revision, elicits()).await;
        let mut call = session.call(7, "greet").await;
        let question = call.event().await.unwrap().json();
        assert_eq!(question["method"], "elicitation/create");
        assert_eq!(question["params"]["message"], "Your name?");
        assert_eq!(session.answer(&question["id"], accepted("Ada")).await.status, 202);
        let answer = call.event().await.unwrap().json();
        assert_eq!((&answer["id"], text(&answer["result"])), (&json!(7), "Hello, Ada!"));
        assert!(call.event().await.is_none());
    }
}

#[tokio::test]
async fn an_answer_counts_in_its_own_session_alone() {
    let served = serve(asks_a_name()).await;
    let (ours, other) =
        (served.session("2025-11-25", elicits()).await, served.session("2025-11-25", elicits()).await);
    let mut call = ours.call(1, "greet").await;
    let question = call.event().await.unwrap().json();
    // Ids count in each session from one on: this is an id that the other session could have been given.
    assert_eq!(other.answer(&question["id"], accepted("Mallory")).await.status, 202);
    assert_eq!(ours.answer(&json!("none of yours"), accepted("Nobody")).await.status, 202);
    ours.answer(&question["id"], accepted("Ada")).await;
    assert_eq!(text(&call.event().await.unwrap().json()["result"]), "Hello, Ada!");
    // Twice is once.
    assert_eq!(ours.answer(&question["id"], accepted("Late")).await.status, 202);
}

#[tokio::test]
async fn a_thousand_sessions_that_are_asked_with_equal_ids_get_their_own_answers() {
    let served = Arc::new(serve(asks_a_name()).await);
    let mut asked = JoinSet::new();
    for number in 0..1_000 {
        let served = Arc::clone(&served);
        asked.spawn(async move {
            let session = served.session("2025-11-25", elicits()).await;
            let mut call = session.call(1, "greet").await;
            let question = call.event().await.unwrap().json();
            assert_eq!(question["id"], 1);
            session.answer(&question["id"], accepted(&format!("number {number}"))).await;
            let answer = call.event().await.unwrap().json();
            assert_eq!(text(&answer["result"]), format!("Hello, number {number}!"));
        });
        // As many at once as a machine of small limits has descriptors for.
        if asked.len() >= 200 {
            asked.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = asked.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_cancelled_call_takes_its_question_back() {
    let served = serve(asks_a_name()).await;
    let session = served.session("2025-11-25", elicits()).await;
    let mut call = session.call(5, "greet").await;
    let question = call.event().await.unwrap().json();
    let params = json!({ "requestId": 5 });
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    session.post(crate::harness::server::BOTH, &cancelled).await.whole().await;
    let taken_back = call.event().await.unwrap().json();
    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], question["id"]);
    assert!(call.event().await.is_none());
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_gets_a_result_that_says_why() {
    let served = serve(asks_a_name().tool(Tool::new("visit"), async |call: ToolCall| {
        call.context.ask("visit", Ask::url("Please agree", "https://example.com")).await.map(|_| "agreed")
    }))
    .await;
    let only_json = ("accept", "application/json");
    let params = |tool: &str| json!({ "name": tool, "arguments": {} });
    let call =
        |tool: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params(tool) });
    for (revision, capabilities, accept, tool, said) in [
        ("2025-11-25", json!({}), crate::harness::server::BOTH, "greet", "elicitation"),
        ("2025-11-25", elicits(), only_json, "greet", "text/event-stream"),
        ("2025-11-25", elicits(), crate::harness::server::BOTH, "visit", "url"),
        ("2025-06-18", json!({ "elicitation": { "url": {} } }), crate::harness::server::BOTH, "visit", "url"),
        ("2025-03-26", elicits(), crate::harness::server::BOTH, "greet", "elicitation"),
    ] {
        let session = served.session(revision, capabilities).await;
        let answer = session.post(accept, &call(tool)).await.whole().await.json();
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(text(&answer["result"]).contains(said), "{answer}");
    }
}

#[tokio::test]
async fn a_question_by_url_has_an_id_of_its_own() {
    let served = serve(server().tool(Tool::new("visit"), async |call: ToolCall| {
        call.context.ask("visit", Ask::url("Please agree", "https://example.com")).await.map(|_| "agreed")
    }))
    .await;
    let session = served.session("2025-11-25", json!({ "elicitation": { "url": {} } })).await;
    let mut call = session.call(1, "visit").await;
    let question = call.event().await.unwrap().json();
    assert_eq!(
        (&question["params"]["mode"], &question["params"]["url"]),
        (&json!("url"), &json!("https://example.com"))
    );
    assert!(question["params"]["elicitationId"].as_str().unwrap().len() >= 22);
    session.answer(&question["id"], json!({ "action": "accept" })).await;
    assert_eq!(text(&call.event().await.unwrap().json()["result"]), "agreed");
}

#[tokio::test]
async fn a_client_that_refuses_or_answers_nonsense_gets_a_result_that_says_so() {
    let served = serve(asks_a_name()).await;
    let session = served.session("2025-11-25", elicits()).await;
    let error = json!({ "code": -1, "message": "nobody is at home" });
    for (outcome, said) in [
        (json!({ "error": error }), "nobody is at home"),
        (json!({ "result": { "action": "accept", "content": {} } }), "not what was asked for"),
        (json!({ "result": 12345 }), "not what was asked for"),
    ] {
        let mut call = session.call(1, "greet").await;
        let question = call.event().await.unwrap().json();
        let mut answer = json!({ "jsonrpc": "2.0", "id": question["id"] });
        answer.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
        session.post(crate::harness::server::BOTH, &answer).await.whole().await;
        let result = call.event().await.unwrap().json();
        assert_eq!(result["result"]["isError"], true);
        assert!(text(&result["result"]).contains(said), "{result}");
    }
}

#[tokio::test]
async fn a_silent_client_is_waited_for_no_longer_than_the_limit() {
    let mut limits = Limits::default();
    limits.answer_time = Duration::from_millis(100);
    let served = serve(asks_a_name().limits(limits)).await;
    let session = served.session("2025-11-25", elicits()).await;
    let mut call = session.call(1, "greet").await;
    call.event().await.unwrap();
    assert_eq!(call.event().await.unwrap().json()["method"], "notifications/cancelled");
    let answer = call.event().await.unwrap().json();
    assert!(text(&answer["result"]).contains("no answer"), "{answer}");
}

#[tokio::test]
async fn waiting_for_the_client_is_not_the_tools_own_time() {
    let mut limits = Limits::default();
    limits.tool_time = Duration::from_millis(150);
    let stuck = async |call: ToolCall| -> Result<String, docquay::mcp::Error> {
        greet(call).await?;
        std::future::pending().await
    };
    let served = serve(asks_a_name().tool(Tool::new("stuck"), stuck).limits(limits)).await;
    let session = served.session("2025-11-25", elicits()).await;
    for (tool, said) in [("greet", "Hello, Ada!"), ("stuck", "no answer within 0.15 s")] {
        let mut call = session.call(1, tool).await;
        let question = call.event().await.unwrap().json();
        sleep(Duration::from_millis(500)).await;
        session.answer(&question["id"], accepted("Ada")).await;
        let answer = call.event().await.unwrap().json();
        assert!(text(&answer["result"]).starts_with(said), "{answer}");
    }
}

#[tokio::test]
async fn a_session_gets_the_log_messages_of_the_level_it_set() {
    let log = async |call: ToolCall| {
        for level in [Level::Debug, Level::Info, Level::Warning, Level::Emergency] {
            call.context.log(level, Some("part"), &json!({ "at": level.name() }));
        }
        Ok("logged")
    };
    let silent = serve(server().tool(Tool::new("log"), log)).await;
    let served = serve(server().tool(Tool::new("log"), log).logging()).await;
    let session = served.session("2025-11-25", json!({})).await;
    for (set, told) in [
        (None, vec!["info", "warning", "emergency"]),
        (Some("debug"), vec!["debug", "info", "warning", "emergency"]),
        (Some("warning"), vec!["warning", "emergency"]),
    ] {
        if let Some(level) = set {
            let answer =
                session.request(1, "logging/setLevel", json!({ "level": level })).await.whole().await;
            assert_eq!(answer.json()["result"], json!({}));
        }
        let mut call = session.call(2, "log").await;
        for level in told {
            let message = call.event().await.unwrap().json();
            let params = json!({ "level": level, "logger": "part", "data": { "at": level } });
            assert_eq!((&message["method"], &message["params"]), (&json!("notifications/message"), &params));
        }
        assert_eq!(text(&call.event().await.unwrap().json()["result"]), "logged");
    }
    let answer = session.request(1, "logging/setLevel", json!({ "level": "loud" })).await.whole().await;
    assert_eq!(answer.code(), -32602);

    let session = silent.session("2025-11-25", json!({})).await;
    assert_eq!(text(&session.call(2, "log").await.whole().await.json()["result"]), "logged");
    let answer = session.request(1, "logging/setLevel", json!({ "level": "debug" })).await.whole().await;
    assert_eq!(answer.code(), -32601);
}

#[tokio::test]
async fn a_call_that_lets_its_client_go_is_answered_when_it_comes_back() {
    let long = async |call: ToolCall| {
        call.context.release();
        sleep(Duration::from_millis(100)).await;
        Ok("done")
    };
    let served = serve(server().tool(Tool::new("long"), long)).await;
    let session = served.session("2025-11-25", json!({})).await;
    let mut call = session.call(3, "long").await;
    let primed = call.block().await.unwrap();
    assert!(primed.contains("\nretry: 1000\n") && primed.ends_with("data: "), "{primed}");
    let id = primed.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
    assert!(call.block().await.is_none());
    let answer = session.get(id).await.event().await.unwrap().json();
    assert_eq!((&answer["id"], text(&answer["result"])), (&json!(3), "done"));

    // Older clients take empty data for broken JSON, and do not come back.
    let session = served.session("2025-06-18", json!({})).await;
    let answer = session.call(3, "long").await.whole().await.json();
    assert_eq!(text(&answer["result"]), "done");
}

#[tokio::test]
async fn a_question_on_the_older_pair_of_paths_comes_on_the_stream() {
    let served = serve(asks_a_name()).await;
    let mut stream = peer::send(served.address, "GET", "/sse", &[STREAM], "").await;
    let path = stream.event().await.unwrap().data;
    let post = async |body: Value| {
        peer::send(served.address, "POST", &path, &[JSON], &body.to_string()).await.status
    };
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-06-18", "capabilities": elicits(), "clientInfo": client });
    post(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })).await;
    stream.event().await.unwrap();
    let params = json!({ "name": "greet" });
    assert_eq!(
        post(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })).await,
        202
    );
    let question = stream.event().await.unwrap().json();
    assert_eq!(post(json!({ "jsonrpc": "2.0", "id": question["id"], "result": accepted("Ada") })).await, 202);
    assert_eq!(text(&stream.event().await.unwrap().json()["result"]), "Hello, Ada!");
}

#[tokio::test]
async fn on_stdio_answers_are_read_also_when_as_many_calls_run_as_may() {
    let mut limits = Limits::default();
    limits.in_flight = 1;
    let (_trigger, shutdown) = shutdown::channel();
    let embedded = asks_a_name().limits(limits).build(shutdown.clone()).unwrap();
    let (ours, theirs) = duplex(1 << 16);
    let (input, output) = split(theirs);
    let serving = tokio::spawn(stdio::serve(Arc::clone(embedded.dispatcher()), input, output, shutdown));
    let (output, mut input) = split(ours);
    let mut lines = BufReader::new(output).lines();
    let mut exchange = async |message: Value, answered: bool| {
        input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        if !answered {
            return Value::Null;
        }
        let line = timeout(PATIENCE, lines.next_line()).await.expect("a line in time").unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": elicits(), "clientInfo": client });
    exchange(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }), true).await;
    let call = |id: i64| json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": "greet" } });
    let question = exchange(call(1), true).await;
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(exchange(call(2), true).await["error"]["code"], -32600);
    let answer =
        exchange(json!({ "jsonrpc": "2.0", "id": question["id"], "result": accepted("Ada") }), true).await;
    assert_eq!((&answer["id"], text(&answer["result"])), (&json!(1), "Hello, Ada!"));
    exchange(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }), false).await;
    drop((input, lines));
    timeout(PATIENCE, serving).await.expect("an end in time").unwrap().unwrap();
}
