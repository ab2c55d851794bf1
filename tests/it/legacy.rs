//! The legacy era over real sockets: sessions on `/mcp`, and the pair of `/sse` and `/message`.

use std::time::Duration;

use docquay::mcp::Limits;
use docquay::mcp::catalog::Changes;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::peer::{self, PATIENCE, Reply, Whole};
use crate::harness::server::{self, BOTH, JSON, STREAM, Server, initialize, modern_body, server, with};

const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

fn request(id: Value, method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method })
}

fn assert_refused(answer: &Whole, status: u16, code: i64) {
    assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
}

mod streamable {
    use super::*;

    #[tokio::test]
    async fn each_revision_opens_a_session_works_in_it_and_ends_it() {
        let server = server().await;
        for revision in REVISIONS {
            let client = server.initialize(revision).await;
            assert!(client.session.len() >= 22 && client.session.bytes().all(|byte| byte.is_ascii_graphic()));
            let accepted = client.notify("notifications/initialized", json!({})).await;
            assert_eq!((accepted.status, accepted.body.as_str()), (202, ""));
            let tools = client.request(json!("x"), "tools/list", json!({})).await.whole().await;
            assert_eq!(tools.header("content-type"), Some("application/json"));
            assert_eq!((tools.status, tools.json()["id"].clone()), (200, json!("x")));
            assert_eq!(tools.json()["result"]["tools"][0]["name"], "echo");
            let unknown = client.request(json!(2), "no/such", json!({})).await.whole().await;
            assert_eq!((unknown.status, unknown.code()), (200, -32601));
            assert_eq!(client.delete().await.status, 204);
            assert_eq!(client.request(json!(3), "ping", json!({})).await.whole().await.status, 404);
            assert_eq!(client.delete().await.status, 404);
        }
        assert_eq!(server.hub.sessions(), 0);
    }

    #[tokio::test]
    async fn an_unknown_revision_is_answered_with_the_newest_of_the_era() {
        let server = server().await;
        for offered in ["2026-07-28", "1999-01-01", "2099-12-31"] {
            let answer = server.post(&[JSON, BOTH], &initialize(offered)).await.whole().await;
            assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25", "{offered}");
        }
    }

    #[tokio::test]
    async fn a_malformed_initialize_opens_no_session() {
        let server = server().await;
        let refused = server.post(&[JSON], &request(json!(1), "initialize")).await.whole().await;
        assert_refused(&refused, 400, -32602);
        assert_eq!((refused.header("mcp-session-id"), server.hub.sessions()), (None, 0));
    }

    #[tokio::test]
    async fn a_request_without_a_session_is_refused_with_what_to_send() {
        let server = server().await;
        for headers in [vec![JSON], vec![JSON, BOTH, ("mcp-protocol-version", "2025-06-18")]] {
            let refused = server.post(&headers, &request(json!(4), "tools/list")).await.whole().await;
            assert_refused(&refused, 400, -32600);
            assert_eq!(refused.json()["id"], 4);
            assert!(refused.body.contains("initialize"));
        }
        let session = ("mcp-session-id", "no-such-session");
        let gone = server.post(&[JSON, BOTH, session], &request(json!(4), "tools/list")).await.whole().await;
        assert_refused(&gone, 404, -32600);
        for method in ["GET", "DELETE"] {
            assert_eq!(server.send(method, "/mcp", &[STREAM, session], "").await.status, 404);
        }
    }

    #[tokio::test]
    async fn a_version_header_that_is_no_revision_is_refused() {
        let server = server().await;
        let client = server.initialize("2025-11-25").await;
        let session = ("mcp-session-id", client.session.as_str());
        for version in ["invalid", "1999-01-01", ""] {
            let headers = [JSON, BOTH, session, ("mcp-protocol-version", version)];
            assert_eq!(
                server.post(&headers, &request(json!(1), "tools/list")).await.status,
                400,
                "{version}"
            );
        }
        // Another one of the era than was negotiated is let pass, and none too.
        let headers = [JSON, BOTH, session, ("mcp-protocol-version", "2025-03-26")];
        assert_eq!(server.post(&headers, &request(json!(1), "tools/list")).await.status, 200);
        assert_eq!(server.post(&[JSON, session], &request(json!(1), "tools/list")).await.status, 200);
    }

    #[tokio::test]
    async fn batches_are_taken_where_the_revision_has_them() {
        let server = server().await;
        let batch = json!([
            request(json!(1), "ping"),
            { "jsonrpc": "2.0", "method": "notifications/initialized" },
            request(json!(2), "tools/list"),
            { "jsonrpc": "2.0", "id": 3 },
            request(json!(4), "initialize"),
        ]);
        for revision in REVISIONS {
            let client = server.initialize(revision).await;
            let answer = client.post(BOTH, &batch).await.whole().await;
            if revision != "2025-03-26" {
                assert_refused(&answer, 400, -32600);
                continue;
            }
            assert_eq!(answer.status, 200);
            let answers = answer.json();
            let mut ids: Vec<i64> =
                answers.as_array().unwrap().iter().filter_map(|it| it["id"].as_i64()).collect();
            ids.sort_unstable();
            assert_eq!(ids, [1, 2, 3, 4], "{answers}");
            let notes = json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]);
            assert_eq!(client.post(BOTH, &notes).await.status, 202);
        }
        let alone = server.post(&[JSON, BOTH], &json!([initialize("2025-03-26")])).await.whole().await;
        assert_refused(&alone, 400, -32600);
    }

    #[tokio::test]
    async fn a_batch_with_notifications_is_streamed_reply_by_reply() {
        let server = server().await;
        let client = server.initialize("2025-03-26").await;
        let call = json!({ "name": "chatty", "arguments": {}, "_meta": { "progressToken": 1 } });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call });
        let mut answer = client.post(BOTH, &json!([call, request(json!(2), "ping")])).await;
        assert!(answer.is_stream());
        let mut ids = Vec::new();
        while let Some(event) = answer.event().await {
            ids.extend(event.json()["id"].as_i64());
        }
        ids.sort_unstable();
        assert_eq!(ids, [1, 2]);
    }

    #[tokio::test]
    async fn an_id_in_flight_is_not_given_twice_in_one_session() {
        let server = server().await;
        let (one, other) = (server.initialize("2025-06-18").await, server.initialize("2025-06-18").await);
        let mut first = one.call(json!(1), "gated").await;
        assert_refused(&one.call(json!(1), "echo").await.whole().await, 400, -32600);
        assert_eq!(other.call(json!(1), "echo").await.whole().await.json()["id"], 1);
        server.catalog.gate.add_permits(1);
        while first.event().await.is_some() {}
        assert_eq!(one.call(json!(1), "echo").await.status, 200);
    }

    #[tokio::test]
    async fn a_cancelled_request_gets_no_answer() {
        let server = server().await;
        let client = server.initialize("2025-11-25").await;
        let mut stream = client.call(json!(1), "gated").await;
        assert_eq!(stream.event().await.unwrap().json()["method"], "notifications/progress");
        let cancel = async |id: i64| {
            let params = json!({ "requestId": id, "reason": "enough" });
            assert_eq!(client.notify("notifications/cancelled", params).await.status, 202);
        };
        cancel(1).await;
        server.catalog.until_running(0).await;
        assert_eq!(stream.event().await, None);
        // One whose POST still waits is told that nothing comes.
        let (waiting, ()) = tokio::join!(client.call(json!(2), "silent"), async {
            server.catalog.until_running(1).await;
            cancel(2).await;
        });
        assert!(waiting.is_stream());
        assert_eq!(waiting.whole().await.body, "");
        cancel(99).await;
    }

    #[tokio::test]
    async fn a_broken_connection_is_no_cancellation_and_the_answer_can_be_fetched() {
        let server = server().await;
        let client = server.initialize("2025-11-25").await;
        let mut stream = client.call(json!(1), "gated").await;
        let first = stream.event().await.unwrap().id.unwrap();
        drop(stream);
        server.catalog.gate.add_permits(1);
        server.catalog.until_running(0).await;
        let mut resumed = client.get(Some(&first)).await;
        assert_eq!(resumed.event().await.unwrap().json()["params"]["message"], "through");
        let answer = resumed.event().await.unwrap();
        assert_eq!(answer.json()["result"]["content"][0]["text"], "through the gate");
        assert!(answer.id.is_some_and(|id| id != first));
        assert_eq!(resumed.event().await, None);
        // Before any byte of the answer, too: the work goes on.
        let silent =
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "silent" } });
        let waiting = tokio::select! {
            _ = client.post(("accept", "application/json"), &silent) => false,
            () = server.catalog.until_running(1) => true,
        };
        assert!(waiting);
        assert_eq!(client.call(json!(3), "echo").await.status, 200);
        server.catalog.until_running(1).await;
        assert_eq!(client.delete().await.status, 204);
        server.catalog.until_running(0).await;
    }

    #[tokio::test]
    async fn changes_reach_exactly_one_of_a_sessions_streams() {
        let server = server().await;
        let client = server.initialize("2025-11-25").await;
        let mut first = client.get(None).await;
        assert!(first.is_stream());
        // The first bytes come at once: in this revision the priming event.
        assert_eq!(first.block().await.as_deref(), Some("id: 0-0\nretry: 1000\ndata: "));
        let mut second = client.get(None).await;
        server.catalog.tools_changed();
        let event = second.event().await.unwrap();
        assert_eq!(event.json()["method"], "notifications/tools/list_changed");
        drop(second);
        // What comes while the newest is broken reaches the other, or waits for it.
        let subscribe = client.request(json!(1), "resources/subscribe", json!({ "uri": "gated:///a" })).await;
        assert_eq!(subscribe.status, 200);
        server.catalog.change(docquay::mcp::catalog::Changes {
            updated: vec!["gated:///a".into(), "gated:///b".into()],
            ..Default::default()
        });
        let mut resumed = client.get(event.id.as_deref()).await;
        let updated = tokio::time::timeout(PATIENCE, async {
            tokio::select! { event = first.event() => event, event = resumed.event() => event }
        });
        let updated = updated.await.unwrap().unwrap().json();
        assert_eq!(updated["method"], "notifications/resources/updated");
        assert_eq!(updated["params"]["uri"], "gated:///a");
    }

    #[tokio::test]
    async fn what_was_missed_is_replayed_and_an_unknown_event_opens_a_fresh_stream() {
        let server = server().await;
        let client = server.initialize("2025-06-18").await;
        let mut stream = client.get(None).await;
        server.catalog.tools_changed();
        let seen = stream.event().await.unwrap().id.unwrap();
        drop(stream);
        server.catalog.change(docquay::mcp::catalog::Changes { prompts: true, ..Default::default() });
        let mut resumed = client.get(Some(&seen)).await;
        assert_eq!(resumed.event().await.unwrap().json()["method"], "notifications/prompts/list_changed");
        for unknown in ["999-1", "nonsense", ""] {
            let mut fresh = client.get(Some(unknown)).await;
            assert_eq!(fresh.status, 200);
            server.catalog.tools_changed();
            assert_eq!(fresh.event().await.unwrap().json()["method"], "notifications/tools/list_changed");
        }
        // Events of one session are nothing to another.
        let other = server.initialize("2025-06-18").await;
        let mut stream = other.get(Some(&seen)).await;
        assert_eq!(stream.block().await.as_deref(), Some(":"));
    }

    #[tokio::test]
    async fn streams_end_with_their_session_and_at_the_drain() {
        let server = server().await;
        let (ended, drained) = (server.initialize("2025-11-25").await, server.initialize("2025-11-25").await);
        let (mut first, mut second) = (ended.get(None).await, drained.get(None).await);
        assert_eq!(ended.delete().await.status, 204);
        assert_eq!(first.event().await, None);
        server.trigger.drain();
        assert_eq!(second.event().await, None);
    }

    #[tokio::test]
    async fn a_stream_that_opens_after_the_drain_began_ends_at_once() {
        let server = server().await;
        let (new, old) = (server.initialize("2025-11-25").await, server.initialize("2025-11-25").await);
        let _before = old.get(None).await;
        let (address, _trigger) = server.undrained().await;
        server.trigger.drain();
        for client in [new, old] {
            let headers = [STREAM, ("mcp-session-id", client.session.as_str())];
            let mut after = peer::send(address, "GET", "/mcp", &headers, "").await;
            assert!(after.is_stream());
            assert_eq!(after.event().await, None);
        }
    }

    #[tokio::test]
    async fn idle_sessions_end_also_when_nobody_calls() {
        let mut limits = Limits::default();
        limits.session_idle = Duration::from_secs(1);
        let server = with(limits, Duration::from_secs(60)).await;
        let held = server.initialize("2025-11-25").await;
        let mut stream = held.get(None).await;
        let idle = server.initialize("2025-11-25").await;
        let swept = async {
            while server.hub.sessions() > 1 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, swept).await.unwrap();
        server.catalog.tools_changed();
        assert!(stream.event().await.is_some());
        assert_eq!(idle.get(None).await.status, 404);
    }

    #[tokio::test]
    async fn a_request_over_the_limit_is_refused_until_another_has_its_answer() {
        let mut limits = Limits::default();
        limits.in_flight = 2;
        let server = with(limits, Duration::from_secs(60)).await;
        let (client, other) = (server.initialize("2025-11-25").await, server.initialize("2025-11-25").await);
        let (first, second, _) =
            tokio::join!(client.call(json!(1), "gated"), client.call(json!(2), "gated"), async {
                server.catalog.until_running(2).await;
            });
        let refused = client.call(json!(3), "echo").await.whole().await;
        assert_refused(&refused, 400, -32600);
        assert_eq!(refused.json()["id"], 3);
        // What needs no work is answered, and so is another session.
        assert_eq!(client.request(json!(4), "ping", json!({})).await.status, 200);
        assert_eq!(other.call(json!(1), "echo").await.status, 200);
        server.catalog.gate.add_permits(2);
        assert!(first.whole().await.body.contains("through the gate"));
        assert!(second.whole().await.body.contains("through the gate"));
        // The stream's last byte precedes the end of its request by an instant.
        let free = async {
            while client.call(json!(3), "echo").await.status != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.unwrap();
    }

    #[tokio::test]
    async fn a_batch_over_the_limit_is_refused_whole_and_the_session_goes_on() {
        let mut limits = Limits::default();
        limits.batch = 2;
        let server = with(limits, Duration::from_secs(60)).await;
        let client = server.initialize("2025-03-26").await;
        let batch = |most: i64| Value::from_iter((1..=most).map(|id| request(json!(id), "ping")));
        let refused = client.post(BOTH, &batch(3)).await.whole().await;
        assert_refused(&refused, 400, -32600);
        assert!(refused.body.contains("at most 2 messages"), "{refused:?}");
        let answers = client.post(BOTH, &batch(2)).await.whole().await.json();
        assert_eq!(answers.as_array().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_get_that_asks_for_no_stream_is_not_allowed() {
        let server = server().await;
        let client = server.initialize("2025-11-25").await;
        for accept in ["*/*", "application/json"] {
            let headers = [("accept", accept), ("mcp-session-id", client.session.as_str())];
            let answer = server.send("GET", "/mcp", &headers, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
        }
    }

    #[tokio::test]
    async fn whatever_a_client_accepts_it_is_answered_and_never_locked_out() {
        let server = server().await;
        for revision in REVISIONS {
            for accept in [None, Some("application/json"), Some("*/*"), Some("text/plain")] {
                let accept = accept.map(|accept| ("accept", accept));
                let headers: Vec<_> = [JSON].into_iter().chain(accept).collect();
                let opened = server.post(&headers, &initialize(revision)).await;
                let session = opened.header("mcp-session-id").unwrap().to_owned();
                assert_eq!((opened.status, opened.header("content-type")), (200, Some("application/json")));
                let headers = [&headers[..], &[("mcp-session-id", session.as_str())]].concat();
                let call = json!({ "name": "chatty", "_meta": { "progressToken": "p" } });
                let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call });
                let answer = server.post(&headers, &call).await.whole().await;
                assert_eq!(answer.header("content-type"), Some("application/json"), "{revision} {accept:?}");
                assert_eq!(answer.json()["result"]["content"][0]["text"], "chatted");
            }
        }
    }

    #[tokio::test]
    async fn after_a_restart_a_client_is_sent_back_to_initialize() {
        let before = server().await;
        let client = before.initialize("2025-11-25").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let after = server::on(listener, Limits::default(), Duration::from_secs(60));
        let session = ("mcp-session-id", client.session.as_str());
        let gone = after.post(&[JSON, BOTH, session], &request(json!(1), "tools/list")).await.whole().await;
        assert_refused(&gone, 404, -32600);
        // Even with the old id still attached.
        let again = after.post(&[JSON, BOTH, session], &initialize("2025-11-25")).await.whole().await;
        assert_eq!(again.status, 200);
        assert_ne!(again.header("mcp-session-id").unwrap(), client.session);
    }

    #[tokio::test]
    async fn at_the_cap_idle_sessions_make_room_and_busy_ones_do_not() {
        let mut limits = Limits::default();
        limits.sessions = 2;
        let server = with(limits, Duration::from_secs(60)).await;
        let first = server.initialize("2025-11-25").await;
        let second = server.initialize("2025-11-25").await;
        let third = server.initialize("2025-11-25").await;
        assert_eq!(first.get(None).await.status, 404);
        let _streams = (second.get(None).await, third.get(None).await);
        let refused = server.post(&[JSON, BOTH], &initialize("2025-11-25")).await.whole().await;
        assert_refused(&refused, 503, -32603);
        assert_eq!(server.send("GET", "/sse", &[STREAM], "").await.status, 503);
    }
}

mod http_sse {
    use super::*;

    struct Session<'a> {
        server: &'a Server,
        stream: Reply,
        endpoint: String,
    }

    impl<'a> Session<'a> {
        async fn open(server: &'a Server) -> Self {
            let mut stream = server.send("GET", "/sse", &[STREAM], "").await;
            assert!(stream.is_stream());
            let endpoint = stream.event().await.unwrap();
            assert_eq!(endpoint.event.as_deref(), Some("endpoint"));
            assert!(endpoint.data.starts_with("/message?sessionId="), "{}", endpoint.data);
            Self { server, stream, endpoint: endpoint.data }
        }

        async fn initialized(server: &'a Server, revision: &str) -> Self {
            let mut session = Self::open(server).await;
            session.send(&initialize(revision)).await;
            assert_eq!(session.message().await["result"]["protocolVersion"], revision);
            session
        }

        async fn post(&self, body: &str) -> Whole {
            self.server.send("POST", &self.endpoint, &[JSON], body).await.whole().await
        }

        async fn send(&self, body: &Value) {
            let accepted = self.post(&body.to_string()).await;
            assert_eq!((accepted.status, accepted.body.as_str()), (202, "Accepted"));
        }

        async fn message(&mut self) -> Value {
            let event = self.stream.event().await.unwrap();
            assert_eq!(event.event.as_deref(), Some("message"));
            event.json()
        }
    }

    fn call(id: i64, tool: &str) -> Value {
        let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": id } });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    }

    #[tokio::test]
    async fn answers_come_on_the_stream_in_each_revision() {
        let server = server().await;
        for revision in REVISIONS {
            let mut session = Session::initialized(&server, revision).await;
            session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
            session.send(&request(json!("t"), "tools/list")).await;
            let tools = session.message().await;
            assert_eq!((&tools["id"], &tools["result"]["tools"][0]["name"]), (&json!("t"), &json!("echo")));
            session.send(&call(5, "chatty")).await;
            assert_eq!(session.message().await["method"], "notifications/progress");
            assert_eq!(session.message().await["method"], "notifications/progress");
            assert_eq!(session.message().await["id"], 5);
        }
    }

    #[tokio::test]
    async fn a_probe_for_the_modern_era_is_told_that_there_is_none() {
        let server = server().await;
        let mut session = Session::open(&server).await;
        session.send(&modern_body(json!(1), "server/discover", json!({}))).await;
        assert_eq!(session.message().await["error"]["code"], -32601);
        session.send(&initialize("2026-07-28")).await;
        assert_eq!(session.message().await["result"]["protocolVersion"], "2025-11-25");
        session.send(&request(json!(2), "server/discover")).await;
        assert_eq!(session.message().await["error"]["code"], -32601);
    }

    #[tokio::test]
    async fn a_client_that_reopened_its_stream_goes_on_without_initialize() {
        // An EventSource does so by itself, also after a restart: its client knows of no new session.
        let server = server().await;
        let list = request(json!(9), "tools/list").to_string();
        for (header, structured) in [(None, false), (Some("2025-06-18"), true), (Some("2099-01-01"), false)] {
            let mut session = Session::open(&server).await;
            let version = header.map(|name| ("mcp-protocol-version", name));
            let headers: Vec<_> = [JSON].into_iter().chain(version).collect();
            assert_eq!(server.send("POST", &session.endpoint, &headers, &list).await.status, 202);
            let answer = session.message().await;
            assert_eq!((&answer["id"], &answer["result"]["tools"][0]["name"]), (&json!(9), &json!("echo")));
            assert_eq!(answer["result"]["tools"][0].get("title").is_some(), structured, "{answer}");
            // It hears of changes again.
            server.catalog.tools_changed();
            assert_eq!(session.message().await["method"], "notifications/tools/list_changed");
        }
        // What opens a conversation opens one here too.
        let mut session = Session::initialized(&server, "2025-03-26").await;
        session.send(&request(json!(1), "ping")).await;
        assert_eq!(session.message().await["id"], 1);
    }

    #[tokio::test]
    async fn wrong_methods_sessions_and_bodies_are_refused() {
        let server = server().await;
        let session = Session::open(&server).await;
        let post = server.send("POST", "/sse", &[JSON], "{}").await;
        assert_eq!((post.status, post.header("allow")), (405, Some("GET")));
        let get = server.send("GET", &session.endpoint, &[], "").await;
        assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
        assert_eq!(server.send("POST", "/message", &[JSON], "{}").await.status, 400);
        assert_eq!(server.send("POST", "/message?sessionId=", &[JSON], "{}").await.status, 400);
        assert_eq!(server.send("POST", "/message?sessionId=x", &[JSON], "{}").await.status, 404);
        let plain = server.send("POST", &session.endpoint, &[("content-type", "text/plain")], "{}").await;
        assert_eq!(plain.status, 415);
        let broken = session.post("{").await;
        assert_refused(&broken, 400, -32700);
        assert_eq!(broken.json().get("id"), None);
        // The sessions of the two transports are closed to each other.
        let client = server.initialize("2025-11-25").await;
        let path = format!("/message?sessionId={}", client.session);
        assert_eq!(server.send("POST", &path, &[JSON], "{}").await.status, 404);
        let id = session.endpoint.split_once('=').unwrap().1;
        let crossed = [JSON, ("mcp-session-id", id)];
        assert_eq!(server.post(&crossed, &request(json!(1), "ping")).await.status, 404);
    }

    #[tokio::test]
    async fn batches_are_taken_where_the_revision_has_them() {
        let server = server().await;
        let batch = json!([request(json!(1), "ping"), request(json!(2), "tools/list")]);
        let mut session = Session::initialized(&server, "2025-03-26").await;
        session.send(&batch).await;
        let mut ids = [session.message().await["id"].as_i64(), session.message().await["id"].as_i64()];
        ids.sort_unstable();
        assert_eq!(ids, [Some(1), Some(2)]);
        for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] {
            let session = Session::initialized(&server, revision).await;
            assert_refused(&session.post(&batch.to_string()).await, 400, -32600);
        }
    }

    #[tokio::test]
    async fn a_batch_and_requests_over_their_limits_are_refused_and_the_session_goes_on() {
        let mut limits = Limits::default();
        (limits.batch, limits.in_flight) = (2, 1);
        let server = with(limits, Duration::from_secs(60)).await;
        let mut session = Session::initialized(&server, "2025-03-26").await;
        let ping = request(json!(1), "ping");
        assert_refused(&session.post(&json!([ping, ping, ping]).to_string()).await, 400, -32600);
        session.send(&call(1, "silent")).await;
        server.catalog.until_running(1).await;
        session.send(&call(2, "echo")).await;
        let refused = session.message().await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(2), &json!(-32600)));
        server.catalog.gate.add_permits(1);
        assert!(session.message().await["result"].is_object());
    }

    #[tokio::test]
    async fn a_change_of_more_resources_than_the_queue_takes_reaches_a_client_that_reads() {
        let mut limits = Limits::default();
        limits.stream_queue = 4;
        let server = with(limits, Duration::from_secs(60)).await;
        let mut session = Session::initialized(&server, "2025-11-25").await;
        let uris: Vec<String> = (0..100).map(|n| format!("gated:///{n}")).collect();
        for uri in &uris {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": uri } });
            session.send(&body).await;
            assert_eq!(session.message().await["id"], 1);
        }
        let change = Changes { updated: uris.clone(), ..Changes::default() };
        server.catalog.change(change);
        let mut told = Vec::new();
        while told.len() < uris.len() {
            told.push(session.message().await["params"]["uri"].as_str().unwrap().to_owned());
        }
        told.sort_by_key(|uri| uris.iter().position(|it| it == uri));
        assert_eq!(told, uris);
    }

    #[tokio::test]
    async fn changes_come_on_the_stream() {
        let server = server().await;
        let mut session = Session::initialized(&server, "2024-11-05").await;
        // The feed opens with the negotiation; a ping after it makes sure that it has.
        loop {
            server.catalog.tools_changed();
            session.send(&request(json!(1), "ping")).await;
            if session.message().await["method"] == "notifications/tools/list_changed" {
                break;
            }
        }
    }

    #[tokio::test]
    async fn the_end_of_the_stream_ends_the_session_and_its_work() {
        let server = server().await;
        let mut session = Session::initialized(&server, "2025-11-25").await;
        session.send(&call(1, "gated")).await;
        assert_eq!(session.message().await["method"], "notifications/progress");
        server.catalog.until_running(1).await;
        let Session { stream, endpoint, .. } = session;
        drop(stream);
        server.catalog.until_running(0).await;
        assert_eq!(server.send("POST", &endpoint, &[JSON], "{}").await.status, 404);
        assert_eq!(server.hub.sessions(), 0);
    }

    #[tokio::test]
    async fn a_cancelled_request_gets_no_answer() {
        let server = server().await;
        let mut session = Session::initialized(&server, "2025-11-25").await;
        session.send(&call(1, "silent")).await;
        server.catalog.until_running(1).await;
        let cancelled = json!({ "requestId": 1 });
        session
            .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }))
            .await;
        server.catalog.until_running(0).await;
        session.send(&request(json!(2), "ping")).await;
        assert_eq!(session.message().await["id"], 2);
    }

    #[tokio::test]
    async fn a_reader_that_stops_loses_its_stream_and_its_session() {
        let mut limits = Limits::default();
        limits.stream_queue = 4;
        let server = with(limits, Duration::from_secs(60)).await;
        let session = Session::initialized(&server, "2025-11-25").await;
        // Nothing is read from here on: sockets fill up, then the queue.
        let text = "x".repeat(100_000);
        let echo = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": "echo", "arguments": { "text": text } } })
        .to_string();
        let mut status = 202;
        for _ in 0..2_000 {
            status = session.post(&echo).await.status;
            if status != 202 {
                break;
            }
        }
        assert_eq!(status, 404);
        assert_eq!(server.hub.sessions(), 0);
    }

    #[tokio::test]
    async fn at_the_drain_what_runs_is_answered_and_the_stream_ends() {
        let server = server().await;
        let mut session = Session::initialized(&server, "2025-11-25").await;
        session.send(&call(1, "silent")).await;
        server.catalog.until_running(1).await;
        server.trigger.drain();
        server.catalog.gate.add_permits(1);
        assert_eq!(session.message().await["id"], 1);
        assert_eq!(session.stream.event().await, None);
    }
}
