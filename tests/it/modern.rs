//! `/mcp` in the modern era (2026-07-28), over real sockets.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::peer::Whole;
use crate::harness::raw;
use crate::harness::server::{BOTH, JSON, STREAM, Server, modern_body, server, with, with_both};
use docquay::mcp::Limits;
use docquay::mcp::catalog::Changes;

const VERSION: (&str, &str) = ("mcp-protocol-version", "2026-07-28");

async fn list(server: &Server, headers: &[(&str, &str)]) -> Whole {
    let body = modern_body(json!(1), "tools/list", json!({}));
    server.post(headers, &body).await.whole().await
}

fn assert_refused(answer: &Whole, status: u16, code: i64) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_request_is_answered_without_any_session() {
    let server = server().await;
    let answer = server.modern(json!("a"), "tools/list", json!({})).await.whole().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("mcp-session-id"), None);
    let answer = answer.json();
    assert_eq!(answer["id"], "a");
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(answer["result"]["tools"][0]["name"], "echo");
    let discovery = server.modern(json!(1), "server/discover", json!({})).await.whole().await.json();
    assert_eq!(discovery["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(server.hub.sessions(), 0);
}

#[tokio::test]
async fn headers_must_repeat_the_body() {
    let server = server().await;
    let method = ("mcp-method", "tools/list");
    assert_eq!(list(&server, &[JSON, BOTH, VERSION, method]).await.status, 200);
    assert_eq!(
        list(&server, &[JSON, ("MCP-PROTOCOL-VERSION", "  2026-07-28\t"), ("Mcp-Method", " tools/list ")])
            .await
            .status,
        200
    );
    assert_refused(&list(&server, &[JSON, method]).await, 400, -32020);
    assert_refused(&list(&server, &[JSON, VERSION]).await, 400, -32020);
    assert_refused(
        &list(&server, &[JSON, ("mcp-protocol-version", "2025-11-25"), method]).await,
        400,
        -32020,
    );
    assert_refused(&list(&server, &[JSON, VERSION, ("mcp-method", "TOOLS/LIST")]).await, 400, -32020);
    assert_refused(&list(&server, &[JSON, VERSION, VERSION, method]).await, 400, -32020);
    assert_refused(&list(&server, &[JSON, VERSION, method, method]).await, 400, -32020);
    let refused = list(&server, &[JSON, VERSION, ("mcp-method", "ping")]).await;
    assert_eq!(refused.json()["id"], 1);
}

#[tokio::test]
async fn a_name_must_be_repeated_encoded_or_not() {
    let server = server().await;
    let call = async |name: Option<&str>| {
        let body = modern_body(json!(1), "tools/call", json!({ "name": "echo", "arguments": {} }));
        let mut headers = vec![JSON, VERSION, ("mcp-method", "tools/call")];
        headers.extend(name.map(|name| ("mcp-name", name)));
        server.post(&headers, &body).await.whole().await
    };
    assert_eq!(call(Some("echo")).await.status, 200);
    assert_eq!(call(Some("=?base64?ZWNobw==?=")).await.status, 200);
    for wrong in [None, Some("Echo"), Some("=?base64?ZWNobw?="), Some("=?BASE64?ZWNobw==?=")] {
        assert_refused(&call(wrong).await, 400, -32020);
    }
    let encoded = ("mcp-name", "=?base64?Z2F0ZWQ6Ly8vw6nDqW4=?=");
    let body = modern_body(json!(1), "resources/read", json!({ "uri": "gated:///één" }));
    let read =
        server.post(&[JSON, VERSION, ("mcp-method", "resources/read"), encoded], &body).await.whole().await;
    assert_eq!(read.status, 200, "{read:?}");
}

#[tokio::test]
async fn a_revision_that_is_not_served_is_named_before_anything_else_is_asked() {
    let server = server().await;
    let mut body = modern_body(json!(7), "tools/list", json!({}));
    body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let refused = server.post(&[JSON, ("mcp-protocol-version", "2099-01-01")], &body).await.whole().await;
    assert_refused(&refused, 400, -32022);
    let refused = refused.json();
    assert_eq!(refused["id"], 7);
    assert_eq!(refused["error"]["data"], json!({ "supported": ["2026-07-28"], "requested": "2099-01-01" }));
    // A header alone makes a request modern too.
    let body = json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/list" });
    let refused = server.post(&[JSON, ("mcp-protocol-version", "1999-01-01")], &body).await.whole().await;
    assert_refused(&refused, 400, -32022);
    assert_refused(&server.post(&[JSON, VERSION], &body).await.whole().await, 400, -32602);
}

#[tokio::test]
async fn meta_without_capabilities_is_malformed() {
    let server = server().await;
    let mut body = modern_body(json!(1), "tools/list", json!({}));
    body["params"]["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientCapabilities");
    let headers = [JSON, BOTH, VERSION, ("mcp-method", "tools/list")];
    assert_refused(&server.post(&headers, &body).await.whole().await, 400, -32602);
}

#[tokio::test]
async fn methods_of_the_other_era_and_unknown_ones_are_not_found() {
    let server = server().await;
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "no/such"] {
        let answer = server.modern(json!(1), method, json!({})).await.whole().await;
        assert_refused(&answer, 404, -32601);
        assert_eq!(answer.json()["id"], 1);
        assert_eq!(answer.header("mcp-session-id"), None);
    }
}

#[tokio::test]
async fn a_methods_own_error_is_an_answer_like_any_other() {
    let server = server().await;
    let answer = server.modern(json!(1), "tools/call", json!({ "name": "no-such" })).await.whole().await;
    assert_eq!((answer.status, answer.code()), (200, -32602));
}

#[tokio::test]
async fn notifications_are_accepted_and_responses_and_batches_refused() {
    let server = server().await;
    let notification =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    let accepted = server.post(&[JSON, VERSION], &notification).await.whole().await;
    assert_eq!((accepted.status, accepted.body.as_str()), (202, ""));
    let response = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    let refused = server.post(&[JSON, VERSION], &response).await.whole().await;
    assert_refused(&refused, 400, -32600);
    assert_eq!(refused.json().get("id"), None);
    let batch = json!([modern_body(json!(1), "tools/list", json!({}))]);
    assert_refused(
        &server.post(&[JSON, VERSION, ("mcp-method", "tools/list")], &batch).await.whole().await,
        400,
        -32600,
    );
}

#[tokio::test]
async fn an_unreadable_body_gets_an_error_without_an_id() {
    let server = server().await;
    for (body, code) in [("{", -32700), ("", -32700), ("[]", -32600), ("5", -32600)] {
        let answer = server.send("POST", "/mcp", &[JSON, VERSION], body).await.whole().await;
        assert_refused(&answer, 400, code);
        assert_eq!(answer.json().get("id"), None, "{answer:?}");
    }
}

#[tokio::test]
async fn bodies_of_other_types_are_refused_and_an_unnamed_type_is_json() {
    let server = server().await;
    let body = modern_body(json!(1), "tools/list", json!({})).to_string();
    let send = async |content_type: Option<&str>| {
        let mut headers = vec![VERSION, ("mcp-method", "tools/list")];
        headers.extend(content_type.map(|value| ("content-type", value)));
        server.send("POST", "/mcp", &headers, &body).await.whole().await.status
    };
    assert_eq!(send(None).await, 200);
    assert_eq!(send(Some("application/json; charset=utf-8")).await, 200);
    for other in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        assert_eq!(send(Some(other)).await, 415, "{other}");
    }
}

#[tokio::test]
async fn get_delete_and_other_methods_are_not_allowed() {
    let server = server().await;
    for (method, headers, allowed) in [
        ("GET", vec![STREAM, VERSION], "POST"),
        ("GET", vec![STREAM], "POST"),
        ("GET", vec![], "POST"),
        ("GET", vec![("accept", "*/*")], "POST"),
        ("DELETE", vec![VERSION, ("mcp-session-id", "x")], "POST"),
        ("DELETE", vec![], "POST"),
        ("PUT", vec![], "GET, POST, DELETE"),
        ("PATCH", vec![VERSION], "GET, POST, DELETE"),
    ] {
        let answer = server.send(method, "/mcp", &headers, "").await.whole().await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {headers:?}");
    }
}

#[tokio::test]
async fn a_browser_gets_the_page() {
    let server = server().await;
    let browser = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
    let page = server.send("GET", "/mcp", &[browser], "").await.whole().await;
    assert_eq!((page.status, page.body.as_str()), (200, "for people"));
}

#[tokio::test]
async fn a_client_that_takes_only_json_gets_json_whatever_happens() {
    let server = server().await;
    for accept in ["application/json", "*/*", "text/plain"] {
        let answer = server.modern_as(accept, json!(1), "tools/call", json!({ "name": "chatty" })).await;
        assert!(!answer.is_stream());
        let answer = answer.whole().await.json();
        assert_eq!(answer["result"]["content"][0]["text"], "chatted");
    }
    let body = modern_body(json!(1), "tools/call", json!({ "name": "chatty" }));
    let headers = [JSON, VERSION, ("mcp-method", "tools/call"), ("mcp-name", "chatty")];
    assert!(!server.post(&headers, &body).await.is_stream());
}

#[tokio::test]
async fn a_client_that_takes_only_streams_gets_a_stream() {
    let server = server().await;
    let mut answer = server.modern_as("text/event-stream", json!(1), "tools/list", json!({})).await;
    assert!(answer.is_stream());
    assert_eq!(answer.header("x-accel-buffering"), Some("no"));
    let event = answer.event().await.unwrap();
    assert_eq!(event.id, None);
    assert_eq!(event.json()["id"], 1);
    assert_eq!(answer.event().await, None);
    let refused = server.modern_as("text/event-stream", json!(1), "no/such", json!({})).await.whole().await;
    assert_refused(&refused, 404, -32601);
}

#[tokio::test]
async fn notifications_come_before_the_answer_that_ends_the_stream() {
    let server = server().await;
    let mut answer = server.modern(json!(1), "tools/call", json!({ "name": "gated" })).await;
    assert!(answer.is_stream());
    let first = answer.event().await.unwrap();
    assert_eq!(first.id, None);
    assert_eq!(first.json()["params"]["message"], "waiting");
    server.catalog.gate.add_permits(1);
    assert_eq!(answer.event().await.unwrap().json()["params"]["message"], "through");
    assert_eq!(answer.event().await.unwrap().json()["result"]["content"][0]["text"], "through the gate");
    assert_eq!(answer.event().await, None);
}

#[tokio::test]
async fn notifications_of_an_instant_answer_are_not_lost() {
    let server = server().await;
    let mut answer = server.modern(json!(1), "tools/call", json!({ "name": "chatty" })).await;
    let mut events = Vec::new();
    while let Some(event) = answer.event().await {
        events.push(event.json());
    }
    assert_eq!(events.len(), 3, "{events:?}");
    assert_eq!(events[0]["params"]["progress"], 1.0);
    assert_eq!(events[2]["id"], 1);
}

#[tokio::test]
async fn a_slow_silent_call_becomes_a_stream() {
    let server = with(Limits::default(), Duration::from_millis(20)).await;
    let mut answer = server.modern(json!(1), "tools/call", json!({ "name": "silent" })).await;
    assert!(answer.is_stream());
    // The first bytes come at once, so that no proxy withholds the head.
    assert_eq!(answer.block().await.as_deref(), Some(":"));
    server.catalog.gate.add_permits(1);
    assert_eq!(answer.event().await.unwrap().json()["id"], 1);
    assert_eq!(answer.event().await, None);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_call() {
    let server = server().await;
    let stream = server.modern(json!(1), "tools/call", json!({ "name": "gated" })).await;
    server.catalog.until_running(1).await;
    drop(stream);
    server.catalog.until_running(0).await;
    // Before any byte of the answer, too.
    let waiting = server.modern_as("application/json", json!(1), "tools/call", json!({ "name": "silent" }));
    let waiting = tokio::time::timeout(Duration::from_secs(1), async {
        tokio::select! {
            _ = waiting => panic!("answered"),
            () = server.catalog.until_running(1) => {}
        }
    });
    waiting.await.unwrap();
    server.catalog.until_running(0).await;
}

#[tokio::test]
async fn a_subscription_streams_what_it_asked_for_and_ends_gracefully() {
    let server = server().await;
    let filter = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = server.modern(json!("sub"), "subscriptions/listen", filter.clone()).await;
    assert!(stream.is_stream());
    let acknowledged = stream.event().await.unwrap();
    assert_eq!(acknowledged.id, None);
    let acknowledged = acknowledged.json();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub");
    // Whatever `Accept` says: there is no other answer.
    let mut second = server.modern_as("application/json", json!(5), "subscriptions/listen", filter).await;
    assert_eq!(
        second.event().await.unwrap().json()["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        5
    );
    server.catalog.tools_changed();
    for stream in [&mut stream, &mut second] {
        assert_eq!(stream.event().await.unwrap().json()["method"], "notifications/tools/list_changed");
    }
    server.trigger.drain();
    let last = stream.event().await.unwrap().json();
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!("sub"), &json!("complete")));
    assert_eq!(stream.event().await, None);
}

#[tokio::test]
async fn a_subscriber_that_stops_reading_is_cut_while_others_are_told() {
    let (mut limits, mut connections) = (Limits::default(), docquay::http::Limits::default());
    limits.stream_queue = 4;
    connections.write_stall = Duration::from_secs(1);
    let server = with_both(limits, connections).await;
    // Far more messages for one change than the queue takes, and long ones.
    let uris: Vec<String> = (0..500).map(|n| format!("gated:///{n}/{}", "x".repeat(400))).collect();
    let everything = json!({ "notifications": { "resourceSubscriptions": uris } });
    let mut stopped = server.modern(json!("stopped"), "subscriptions/listen", everything.clone()).await;
    let mut reader = server.modern(json!("reader"), "subscriptions/listen", everything).await;
    for stream in [&mut stopped, &mut reader] {
        assert!(stream.event().await.is_some());
    }
    // More than what sockets hold on their way.
    for _ in 0..60 {
        server.catalog.change(Changes { updated: uris.clone(), ..Changes::default() });
        for uri in &uris {
            assert_eq!(reader.event().await.unwrap().json()["params"]["uri"], json!(uri));
        }
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // It ends while the server goes on: it was cut.
    while let Some(event) = stopped.event().await {
        assert_eq!(event.json()["id"], Value::Null);
    }
    server.catalog.change(Changes { updated: vec![uris[0].clone()], ..Changes::default() });
    assert_eq!(reader.event().await.unwrap().json()["params"]["uri"], json!(uris[0]));
    server.trigger.drain();
    assert_eq!(reader.event().await.unwrap().json()["id"], "reader");
}

#[tokio::test]
async fn a_body_too_large_or_too_slow_is_refused_and_others_go_on() {
    let mut connections = docquay::http::Limits::default();
    connections.body = Duration::from_millis(200);
    connections.body_bytes = 1000;
    let server = with_both(Limits::default(), connections).await;
    let params = json!({ "name": "echo", "arguments": { "text": "x".repeat(2000) } });
    let large = server.modern(json!(1), "tools/call", params).await.whole().await;
    assert_eq!((large.status, large.body.as_str()), (413, "the body is larger than 1000 bytes\n"));
    for path in ["/mcp", "/message?sessionId=x"] {
        let mut slow = raw::Client::connect(server.address).await;
        slow.send(format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{{")).await;
        let answer = slow.answer().await;
        if path == "/mcp" {
            assert_eq!((answer.status, answer.text().as_str()), (408, "the body did not arrive in time\n"));
            assert!(slow.is_closed().await);
        } else {
            // Not read at all: its session is unknown.
            assert_eq!(answer.status, 404);
        }
    }
    let answer = server.modern(json!(2), "tools/list", json!({})).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn http2_carries_answers_and_streams_side_by_side() {
    let server = server().await;
    let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (client, connection) =
        hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let ask = async |id: Value, method: &str, params: Value| {
        let body = modern_body(id, method, params);
        let mut request = http::Request::post(format!("http://{}/mcp", server.address))
            .header(JSON.0, JSON.1)
            .header(BOTH.0, BOTH.1)
            .header(VERSION.0, VERSION.1)
            .header("mcp-method", method);
        if let Some(name) = body["params"]["name"].as_str() {
            request = request.header("mcp-name", name);
        }
        let request = request.body(Full::from(body.to_string())).unwrap();
        raw::in_time(client.clone().send_request(request)).await.unwrap()
    };
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let mut stream = ask(json!("sub"), "subscriptions/listen", listen).await;
    let chatty = ask(json!(1), "tools/call", json!({ "name": "chatty", "arguments": {} })).await;
    let list = ask(json!(2), "tools/list", json!({})).await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(chatty.headers()["content-type"], "text/event-stream");
    assert_eq!(list.headers()["content-type"], "application/json");
    let text = async |body: hyper::body::Incoming| {
        String::from_utf8(raw::in_time(body.collect()).await.unwrap().to_bytes().to_vec()).unwrap()
    };
    let chatty = text(chatty.into_body()).await;
    assert!(chatty.matches("notifications/progress").count() == 2 && chatty.contains("chatted"), "{chatty}");
    let list: Value = serde_json::from_str(&text(list.into_body()).await).unwrap();
    assert_eq!(list["id"], 2);
    server.catalog.tools_changed();
    let mut seen = String::new();
    while !seen.contains("notifications/tools/list_changed") {
        let frame = raw::in_time(stream.frame()).await.unwrap().unwrap();
        seen.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    server.trigger.drain();
    assert!(text(stream.into_body()).await.contains(r#""id":"sub""#));
}

#[tokio::test]
async fn a_malformed_subscription_is_refused() {
    let server = server().await;
    let refused =
        server.modern(json!(1), "subscriptions/listen", json!({ "notifications": 5 })).await.whole().await;
    assert_eq!(refused.code(), -32602);
}

#[tokio::test]
async fn both_eras_interleave_on_one_origin() {
    let server = server().await;
    let client = server.initialize("2025-11-25").await;
    for round in 0..3 {
        let modern = server.modern(json!(round), "tools/list", json!({})).await.whole().await.json();
        assert_eq!(modern["result"]["resultType"], "complete");
        // mcp-remote sends `Mcp-Method` with legacy calls, and the session with modern ones.
        let body = json!({ "jsonrpc": "2.0", "id": round, "method": "tools/list" });
        let session = ("mcp-session-id", client.session.as_str());
        let legacy =
            server.post(&[JSON, BOTH, session, ("mcp-method", "tools/list")], &body).await.whole().await;
        assert_eq!(legacy.status, 200);
        assert_eq!(legacy.json()["result"].get("resultType"), None);
        let body = modern_body(json!(round), "tools/list", json!({}));
        let headers = [JSON, BOTH, VERSION, session, ("mcp-method", "tools/list"), ("last-event-id", "0-1")];
        assert_eq!(
            server.post(&headers, &body).await.whole().await.json()["result"]["resultType"],
            "complete"
        );
    }
    assert_eq!(server.hub.sessions(), 1);
}
