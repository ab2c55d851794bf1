use serde_json::{Value, json};

use super::*;
use crate::mcp::catalog::Capabilities;
use crate::mcp::fake;
use crate::mcp::jsonrpc::{self, Incoming};
use crate::mcp::limits::Limits;

fn message(value: &Value) -> Message {
    match jsonrpc::parse(value.to_string().as_bytes()) {
        Ok(Incoming::Single(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn request(id: u32, method: &str, params: Value) -> Message {
    message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
}

fn notification(method: &str, params: Value) -> Message {
    message(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
}

fn initialize(version: &str) -> Message {
    let client = json!({ "name": "client", "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
    request(0, "initialize", params)
}

fn reply(action: Action) -> Value {
    match action {
        Action::Reply(reply) => {
            let value: Value = serde_json::from_slice(&reply.message).unwrap();
            assert_eq!(value.get("error").is_some(), reply.error.is_some());
            value
        }
        other => panic!("{other:?}"),
    }
}

fn code(action: Action) -> i64 {
    reply(action)["error"]["code"].as_i64().unwrap()
}

fn ready(version: &str, dispatcher: &Dispatcher) -> Session {
    let mut session = Session::new();
    reply(session.on(initialize(version), dispatcher));
    session.on(notification("notifications/initialized", json!({})), dispatcher);
    assert!(session.is_ready());
    session
}

#[test]
fn a_known_legacy_revision_is_echoed_and_any_other_answered_with_the_newest() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    for (offered, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1.0", "2025-11-25"),
    ] {
        let mut session = Session::new();
        let answer = reply(session.on(initialize(offered), &dispatcher));
        assert_eq!(answer["result"]["protocolVersion"], answered);
        assert_eq!(session.rules().unwrap().name, answered);
        assert_eq!(session.client().name.as_deref(), Some("client"));
    }
}

#[test]
fn only_a_request_that_opens_nothing_resumes_a_session() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let rules = Revision::HTTP_SSE.rules();
    let mut session = Session::new();
    for method in ["initialize", "ping", "server/discover"] {
        session.resume_at(&request(1, method, json!({})), rules);
    }
    session.resume_at(&notification("notifications/initialized", json!({})), rules);
    assert!(session.rules().is_none());
    session.resume_at(&request(2, "tools/list", json!({})), rules);
    assert!(session.is_ready());
    // What was negotiated stays.
    let mut session = ready("2025-11-25", &dispatcher);
    session.resume_at(&request(3, "tools/list", json!({})), rules);
    assert_eq!(session.rules().unwrap().name, "2025-11-25");
}

#[test]
fn a_malformed_initialize_leaves_the_session_waiting() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let mut session = Session::new();
    for params in [
        json!({}),
        json!({ "protocolVersion": 1 }),
        json!({ "protocolVersion": "2025-11-25", "capabilities": [] }),
    ] {
        assert_eq!(code(session.on(request(1, "initialize", params), &dispatcher)), -32602);
        assert!(session.rules().is_none());
    }
    reply(session.on(initialize("2025-11-25"), &dispatcher));
}

#[test]
fn before_initialize_only_ping_is_answered() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let mut session = Session::new();
    assert_eq!(reply(session.on(request(1, "ping", json!({})), &dispatcher))["result"], json!({}));
    assert_eq!(code(session.on(request(1, "tools/list", json!({})), &dispatcher)), -32600);
    assert_eq!(code(session.on(request(1, "server/discover", json!({})), &dispatcher)), -32601);
}

#[test]
fn a_request_that_overtakes_initialized_is_run() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let mut session = Session::new();
    reply(session.on(initialize("2025-06-18"), &dispatcher));
    assert!(matches!(session.on(request(1, "tools/list", json!({})), &dispatcher), Action::Run(_)));
}

#[test]
fn methods_that_a_session_lacks_are_not_found() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    for rules in Rules::legacy() {
        let mut session = ready(rules.name, &dispatcher);
        for method in ["server/discover", "subscriptions/listen", "nonsense"] {
            assert_eq!(code(session.on(request(1, method, json!({})), &dispatcher)), -32601, "{method}");
        }
        assert_eq!(code(session.on(initialize(rules.name), &dispatcher)), -32600);
    }
}

#[test]
fn an_id_in_flight_is_taken_until_its_request_has_ended() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let mut session = ready("2025-11-25", &dispatcher);
    let list = || request(1, "tools/list", json!({}));
    assert!(matches!(session.on(list(), &dispatcher), Action::Run(_)));
    assert_eq!(code(session.on(list(), &dispatcher)), -32600);
    session.finished(&RequestId::Number(1));
    assert!(matches!(session.on(list(), &dispatcher), Action::Run(_)));
}

#[test]
fn too_many_requests_at_once_are_refused() {
    let limits = Limits { in_flight: 1, ..Limits::default() };
    let (dispatcher, _, _trigger) = fake::with(fake::EVERYTHING, limits);
    let mut session = ready("2025-11-25", &dispatcher);
    assert!(matches!(session.on(request(1, "tools/list", json!({})), &dispatcher), Action::Run(_)));
    assert_eq!(code(session.on(request(2, "tools/list", json!({})), &dispatcher)), -32600);
}

#[test]
fn cancelling_drops_a_request_in_flight_and_nothing_else() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let mut session = ready("2025-11-25", &dispatcher);
    session.on(request(1, "tools/list", json!({})), &dispatcher);
    for params in [json!({}), json!({ "requestId": null }), json!({ "requestId": "1" })] {
        let action = session.on(notification("notifications/cancelled", params), &dispatcher);
        assert!(matches!(action, Action::Accepted));
    }
    let cancel = || notification("notifications/cancelled", json!({ "requestId": 1, "reason": "changed" }));
    assert!(matches!(session.on(cancel(), &dispatcher), Action::Cancel(RequestId::Number(1))));
    assert!(matches!(session.on(cancel(), &dispatcher), Action::Accepted));
}

#[test]
fn responses_and_unknown_notifications_are_taken_in_silence() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let mut session = ready("2025-11-25", &dispatcher);
    let response = message(&json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    assert!(matches!(session.on(response, &dispatcher), Action::Accepted));
    let unknown = notification("notifications/nonsense", json!({}));
    assert!(matches!(session.on(unknown, &dispatcher), Action::Accepted));
}

#[test]
fn subscriptions_are_kept_up_to_their_limit() {
    let limits = Limits { subscriptions: 2, ..Limits::default() };
    let (dispatcher, _, _trigger) = fake::with(fake::EVERYTHING, limits);
    let mut session = ready("2025-11-25", &dispatcher);
    let mut on = |method: &str, params| session.on(request(1, method, params), &dispatcher);
    for uri in ["fake:///a", "fake:///b", "fake:///b"] {
        assert_eq!(reply(on("resources/subscribe", json!({ "uri": uri })))["result"], json!({}));
    }
    assert_eq!(code(on("resources/subscribe", json!({ "uri": "fake:///c" }))), -32602);
    assert_eq!(code(on("resources/subscribe", json!({}))), -32602);
    reply(on("resources/unsubscribe", json!({ "uri": "fake:///a" })));
    assert_eq!(session.subscriptions(), &HashSet::from(["fake:///b".to_owned()]));
}

#[test]
fn a_server_without_subscriptions_has_no_such_method() {
    let (dispatcher, _, _trigger) =
        fake::with(Capabilities { tools: true, ..Capabilities::default() }, Limits::default());
    let mut session = ready("2025-11-25", &dispatcher);
    let subscribe = request(1, "resources/subscribe", json!({ "uri": "fake:///a" }));
    assert_eq!(code(session.on(subscribe, &dispatcher)), -32601);
}

#[test]
fn arrays_are_for_one_revision_and_never_hold_initialize() {
    let (dispatcher, _, _trigger) = fake::dispatcher();
    let elements = || {
        vec![
            Ok(request(1, "ping", json!({}))),
            Ok(initialize("2025-03-26")),
            Ok(request(2, "tools/list", json!({}))),
            Ok(request(2, "tools/list", json!({}))),
            Ok(notification("notifications/nonsense", json!({}))),
            jsonrpc::parse(b"1").map(|_| unreachable!()),
        ]
    };
    for rules in Rules::legacy() {
        let mut session = ready(rules.name, &dispatcher);
        let outcome = session.on_batch(elements(), &dispatcher);
        if !rules.batches {
            assert_eq!(outcome.unwrap_err().error, Some(ErrorKind::InvalidRequest));
            continue;
        }
        let mut actions = outcome.unwrap().into_iter();
        assert_eq!(reply(actions.next().unwrap())["result"], json!({}));
        assert_eq!(code(actions.next().unwrap()), -32600);
        assert!(matches!(actions.next(), Some(Action::Run(_))));
        assert_eq!(code(actions.next().unwrap()), -32600);
        assert!(matches!(actions.next(), Some(Action::Accepted)));
        assert_eq!(code(actions.next().unwrap()), -32600);
    }
    assert!(Session::new().on_batch(elements(), &dispatcher).is_err());
}

#[test]
fn an_array_beyond_the_limit_is_refused_whole() {
    let limits = Limits { batch: 1, ..Limits::default() };
    let (dispatcher, _, _trigger) = fake::with(fake::EVERYTHING, limits);
    let mut session = ready("2025-03-26", &dispatcher);
    let elements = vec![Ok(request(1, "ping", json!({}))), Ok(request(2, "ping", json!({})))];
    assert!(session.on_batch(elements, &dispatcher).is_err());
}
