use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::mcp::catalog::Changes;
use crate::mcp::fake;

fn call(rules: &'static Rules, method: &str, params: Value) -> Call {
    let Value::Object(params) = params else { panic!("an object") };
    let (id, method) = (RequestId::Number(1), method.into());
    Call { id, method, params, rules, client: Arc::default(), trace: Trace::default() }
}

async fn answer(dispatcher: &Dispatcher, rules: &'static Rules, method: &str, params: Value) -> Value {
    let reply = dispatcher.answer(call(rules, method, params), Outbox::closed()).await;
    let answer: Value = serde_json::from_slice(&reply.message).unwrap();
    assert_eq!(answer.get("error").is_some(), reply.error.is_some());
    assert_eq!(answer["id"], 1);
    answer
}

fn modern() -> &'static Rules {
    Revision::MODERN.rules()
}

#[tokio::test]
async fn params_of_the_wrong_shape_are_refused_with_what_to_send() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    for (method, params, advice) in [
        ("tools/call", json!({}), "`name`"),
        ("tools/call", json!({ "name": 1 }), "`name` must be a string"),
        ("tools/call", json!({ "name": "echo", "arguments": [] }), "`arguments` must be an object"),
        ("tools/call", json!({ "name": "nonsense" }), "echo, everything, progress"),
        ("tools/list", json!({ "cursor": "" }), "`cursor`"),
        ("tools/list", json!({ "cursor": 1 }), "`cursor`"),
        ("resources/list", json!({ "cursor": "nonsense" }), "cursor"),
        ("resources/read", json!({}), "`uri`"),
        ("prompts/get", json!({ "arguments": {} }), "`name`"),
        ("prompts/get", json!({ "name": "ask", "arguments": { "topic": 1 } }), "must be a string"),
        ("completion/complete", json!({}), "`ref`"),
        ("completion/complete", json!({ "ref": { "type": "ref/none" } }), "`ref.type`"),
        ("completion/complete", json!({ "ref": { "type": "ref/resource", "uri": "a" } }), "`argument`"),
    ] {
        let answer = answer(&dispatcher, modern(), method, params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(advice), "{answer}");
    }
}

#[tokio::test]
async fn bad_arguments_are_a_result_where_the_revision_says_so() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    for rules in Rules::legacy().chain([modern()]) {
        let answer = answer(&dispatcher, rules, "tools/call", json!({ "name": "picky" })).await;
        if rules.argument_errors_as_results {
            assert_eq!(answer["result"]["isError"], true);
            assert_eq!(answer["result"]["content"][0]["text"], "send `depth`: an integer");
        } else {
            assert_eq!(answer["error"]["code"], -32602);
        }
    }
}

#[tokio::test]
async fn an_unknown_resource_is_named_in_the_data_under_the_code_of_the_revision() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    for rules in Rules::legacy().chain([modern()]) {
        let answer = answer(&dispatcher, rules, "resources/read", json!({ "uri": "fake:///none" })).await;
        assert_eq!(answer["error"]["code"], if rules.handshake { -32002 } else { -32602 });
        assert_eq!(answer["error"]["data"], json!({ "uri": "fake:///none" }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_over_its_time_is_a_result_that_says_so() {
    let (dispatcher, _, _trigger) =
        fake::with(fake::EVERYTHING, Limits { tool_time: Duration::from_secs(30), ..Limits::default() });
    let answer = answer(&dispatcher, modern(), "tools/call", json!({ "name": "stuck" })).await;
    assert_eq!(answer["result"]["isError"], true);
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("30 s"));
}

#[tokio::test]
async fn lists_are_rendered_once_until_a_change() {
    let (dispatcher, fake, _trigger) = fake::dispatcher();
    let list = || answer(&dispatcher, modern(), "tools/list", json!({}));
    let first = list().await;
    assert_eq!(list().await, first);
    assert_eq!(fake.listed.load(Ordering::Relaxed), 1);
    fake.change(Changes { tools: true, ..Changes::default() });
    assert_eq!(list().await, first);
    assert_eq!(fake.listed.load(Ordering::Relaxed), 2);
    for _ in 0..20 {
        fake.change(Changes::default());
    }
    list().await;
    assert_eq!(fake.listed.load(Ordering::Relaxed), 3, "a lagging shelf is emptied too");
}

#[tokio::test]
async fn pages_follow_their_cursor() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let first = answer(&dispatcher, modern(), "resources/list", json!({})).await;
    let cursor = first["result"]["nextCursor"].clone();
    let second = answer(&dispatcher, modern(), "resources/list", json!({ "cursor": cursor })).await;
    assert_eq!(second["result"]["resources"][0]["uri"], "fake:///two");
    assert!(second["result"].get("nextCursor").is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_an_answer_stops_its_progress() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let (outbox, mut sent) = Outbox::channel(8);
    let params = json!({ "name": "stuck", "_meta": { "progressToken": 1 } });
    let work = dispatcher.answer(call(modern(), "tools/call", params), outbox);
    timeout(Duration::from_millis(1), work).await.expect_err("dropped at work");
    assert_eq!(sent.recv().await, None, "the queue has no sender left");
}

#[tokio::test]
async fn a_stream_is_opened_by_the_modern_era_alone() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    for rules in Rules::legacy() {
        let call = call(rules, "subscriptions/listen", json!({ "notifications": {} }));
        assert_eq!(dispatcher.listen(&call).unwrap_err().error, Some(ErrorKind::MethodNotFound));
    }
}

#[tokio::test]
async fn a_call_is_counted_by_how_it_ended_and_one_that_is_dropped_as_cancelled() {
    let (dispatcher, _fake, _trigger) = fake::dispatcher();
    let legacy = Revision::V2025_03_26.rules();
    answer(&dispatcher, modern(), "tools/call", json!({ "name": "echo", "arguments": {} })).await;
    answer(&dispatcher, modern(), "tools/call", json!({ "name": "picky", "arguments": {} })).await;
    answer(&dispatcher, legacy, "tools/call", json!({ "name": "picky", "arguments": {} })).await;
    answer(&dispatcher, modern(), "nonsense", json!({})).await;
    let stuck = call(modern(), "tools/call", json!({ "name": "stuck", "arguments": {} }));
    let work = dispatcher.answer(stuck, Outbox::closed());
    timeout(Duration::from_millis(1), work).await.expect_err("dropped at work");
    let counted: std::collections::BTreeMap<_, _> = dispatcher.metrics().calls().collect();
    let expected = [
        (["other", "2026-07-28", "method_not_found"], 1),
        (["tools/call", "2025-03-26", "invalid_params"], 1),
        (["tools/call", "2026-07-28", "cancelled"], 1),
        (["tools/call", "2026-07-28", "ok"], 1),
        (["tools/call", "2026-07-28", "tool_error"], 1),
    ];
    assert_eq!(counted, expected.into());
}

#[tokio::test]
async fn a_dispatcher_counts_on_where_the_one_before_it_did() {
    let (first, _fake, _trigger) = fake::dispatcher();
    let (second, _fake, _trigger) = fake::dispatcher();
    let second = Arc::into_inner(second).unwrap().with_metrics(Arc::clone(first.metrics()));
    answer(&first, modern(), "tools/list", json!({})).await;
    answer(&second, modern(), "tools/list", json!({})).await;
    let counted: Vec<_> = first.metrics().calls().collect();
    assert_eq!(counted, [(["tools/list", "2026-07-28", "ok"], 2)]);
}
