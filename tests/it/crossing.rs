//! A thousand pairs of clients, all waiting for an answer at once, each pair with one JSON-RPC id: whatever the transport,
//! each gets its own answer and no other (CVE-2026-25536).
//!
//! HTTP/2 carries a hundred of them on a connection, so that two thousand fit the usual bound of open files.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::raw::in_time;
use crate::harness::server::{BOTH, JSON, STREAM, Server, initialize, modern_body, server};

const CLIENTS: usize = 2_000;
const PER_CONNECTION: usize = 100;

#[tokio::test]
async fn a_thousand_pairs_at_once_get_each_its_own_answer_without_sessions() {
    let server = server().await;
    let crowd = Crowd::connect(server.address).await;
    let calls = each(|client| {
        let crowd = Arc::clone(&crowd);
        async move {
            let body = modern_body(id(client), "tools/call", question(client));
            let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), HELD];
            whole(crowd.post(client, "/mcp", &headers, &body).await).await
        }
    });
    answer_all_at_once(&server, calls).await;
}

#[tokio::test]
async fn a_thousand_pairs_at_once_get_each_its_own_answer_in_sessions() {
    let server = server().await;
    let crowd = Crowd::connect(server.address).await;
    let calls = each(|client| {
        let crowd = Arc::clone(&crowd);
        async move {
            let opened = crowd.post(client, "/mcp", &[], &initialize("2025-11-25")).await;
            let session = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
            let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
            whole(crowd.post(client, "/mcp", &headers, &call(client)).await).await
        }
    });
    answer_all_at_once(&server, calls).await;
    assert_eq!(server.hub.sessions(), CLIENTS);
}

#[tokio::test]
async fn a_thousand_pairs_at_once_get_each_its_own_answer_on_its_own_stream() {
    let server = server().await;
    let crowd = Crowd::connect(server.address).await;
    let calls = each(|client| {
        let crowd = Arc::clone(&crowd);
        async move {
            let mut stream = Events::over(crowd.send(client, "GET", "/sse", &[STREAM], String::new()).await);
            let endpoint = stream.data().await;
            for message in [initialize("2024-11-05"), call(client)] {
                assert_eq!(crowd.post(client, &endpoint, &[], &message).await.status(), 202);
            }
            assert!(stream.data().await.contains("2024-11-05"));
            serde_json::from_str(&stream.data().await).unwrap()
        }
    });
    answer_all_at_once(&server, calls).await;
}

const HELD: (&str, &str) = ("mcp-name", "held");

/// The two of a pair have one id.
fn id(client: usize) -> Value {
    json!(client / 2)
}

fn question(client: usize) -> Value {
    json!({ "name": "held", "arguments": { "from": format!("client {client}.") } })
}

fn call(client: usize) -> Value {
    json!({ "jsonrpc": "2.0", "id": id(client), "method": "tools/call", "params": question(client) })
}

/// Starts the conversation of every client.
fn each<F>(conversation: impl Fn(usize) -> F) -> JoinSet<(usize, Value)>
where
    F: Future<Output = Value> + Send + 'static,
{
    let mut calls = JoinSet::new();
    for client in 0..CLIENTS {
        let answer = conversation(client);
        calls.spawn(async move { (client, answer.await) });
    }
    calls
}

/// Once the calls of all clients are under way, and not before, lets all of them end.
async fn answer_all_at_once(server: &Server, calls: JoinSet<(usize, Value)>) {
    server.catalog.until_running(CLIENTS).await;
    server.catalog.gate.add_permits(CLIENTS);
    let answers = in_time(calls.join_all()).await;
    assert_eq!(answers.len(), CLIENTS);
    for (client, answer) in answers {
        assert_eq!(answer["id"], id(client));
        let echoed = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(echoed, question(client)["arguments"].to_string());
    }
}

/// The connections of all clients.
struct Crowd {
    address: SocketAddr,
    connections: Vec<SendRequest<Full<Bytes>>>,
}

impl Crowd {
    async fn connect(address: SocketAddr) -> Arc<Self> {
        let mut connections = Vec::new();
        while connections.len() < CLIENTS / PER_CONNECTION {
            let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
            let (sender, connection) = in_time(handshake(TokioExecutor::new(), io)).await.unwrap();
            tokio::spawn(connection);
            connections.push(sender);
        }
        Arc::new(Self { address, connections })
    }

    async fn post(
        &self,
        client: usize,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> http::Response<Incoming> {
        let headers = [&[JSON, BOTH], headers].concat();
        self.send(client, "POST", path, &headers, body.to_string()).await
    }

    async fn send(
        &self,
        client: usize,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> http::Response<Incoming> {
        let mut request =
            http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut sender = self.connections[client / PER_CONNECTION].clone();
        sender.send_request(request.body(Full::from(body)).unwrap()).await.unwrap()
    }
}

async fn whole(answer: http::Response<Incoming>) -> Value {
    serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

/// The data of a stream's events.
struct Events {
    body: Incoming,
    pending: String,
}

impl Events {
    fn over(answer: http::Response<Incoming>) -> Self {
        Self { body: answer.into_body(), pending: String::new() }
    }

    async fn data(&mut self) -> String {
        loop {
            while let Some((line, rest)) = self.pending.split_once('\n') {
                let data = line.strip_prefix("data: ").map(str::to_owned);
                self.pending = rest.to_owned();
                if let Some(data) = data {
                    return data;
                }
            }
            let frame = self.body.frame().await.unwrap().unwrap();
            self.pending.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}
