//! A client of any revision over any transport, raw: what it sends and reads is the wire's own JSON.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use docquay::mcp::Limits;
use docquay::mcp::dispatch::Dispatcher;
use docquay::mcp::transport::{Hub, stdio};
use docquay::shutdown::Trigger;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex, split};
use tokio::io::{Lines, ReadHalf, WriteHalf};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::fake::{self, Fake};
use super::peer::{self, PATIENCE, Reply};
use super::raw::in_time;
use super::server::{self, BOTH, JSON, STREAM, initialize, modern_body};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Mcp,
    Sse,
    Stdio,
}

impl Transport {
    pub(crate) const NAMED: [(Self, &str); 3] =
        [(Self::Mcp, "/mcp"), (Self::Sse, "/sse"), (Self::Stdio, "stdio")];
}

/// One dispatcher on every transport.
pub(crate) struct Site {
    pub(crate) fake: Arc<Fake>,
    pub(crate) hub: Arc<Hub>,
    dispatcher: Arc<Dispatcher>,
    address: SocketAddr,
    _trigger: Trigger,
}

impl Site {
    pub(crate) async fn serve() -> Self {
        let (dispatcher, fake, trigger) = fake::with(fake::EVERYTHING, Limits::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_secs(60);
        let hub = server::serve(listener, Arc::clone(&dispatcher), Default::default(), patience);
        Self { fake, hub, dispatcher, address, _trigger: trigger }
    }

    /// Opens a conversation; panics unless it is of that revision.
    pub(crate) async fn open(&self, revision: &'static str, transport: Transport) -> Client {
        let wire = match transport {
            Transport::Mcp => Wire::Mcp { session: None, stream: None, last_event: None },
            Transport::Sse => {
                let mut stream = peer::send(self.address, "GET", "/sse", &[STREAM], "").await;
                let endpoint = stream.event().await.unwrap().data;
                Wire::Sse { stream: Some(stream), endpoint }
            }
            Transport::Stdio => {
                let (ours, theirs) = duplex(1 << 20);
                let (input, output) = split(theirs);
                let shutdown = self.dispatcher.shutdown().clone();
                let served =
                    tokio::spawn(stdio::serve(Arc::clone(&self.dispatcher), input, output, shutdown));
                let (output, input) = split(ours);
                Wire::Stdio { input, output: BufReader::new(output).lines(), served }
            }
        };
        let mut client = Client { address: self.address, revision, wire, asked: 0 };
        client.open().await;
        client
    }
}

enum Wire {
    Mcp { session: Option<String>, stream: Option<Reply>, last_event: Option<String> },
    Sse { stream: Option<Reply>, endpoint: String },
    Stdio { input: WriteHalf<DuplexStream>, output: Lines<BufReader<ReadHalf<DuplexStream>>>, served: Served },
}

type Served = JoinHandle<std::io::Result<()>>;

pub(crate) struct Client {
    address: SocketAddr,
    revision: &'static str,
    wire: Wire,
    asked: u64,
}

impl Client {
    fn is_modern(&self) -> bool {
        self.revision == "2026-07-28"
    }

    async fn open(&mut self) {
        if self.is_modern() {
            let found = self.ask("server/discover", json!({})).await;
            assert_eq!(found["result"]["supportedVersions"], json!([self.revision]));
            return;
        }
        let opening = initialize(self.revision);
        let answer = if let Wire::Mcp { session, .. } = &mut self.wire {
            let answer = peer::send(self.address, "POST", "/mcp", &[JSON, BOTH], &opening.to_string()).await;
            *session = answer.header("mcp-session-id").map(str::to_owned);
            answer.whole().await.json()
        } else {
            self.say(&opening).await;
            self.next().await
        };
        assert_eq!(answer["result"]["protocolVersion"], self.revision);
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    /// The answer to a request; panics if anything came before it.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        let (told, answer) = self.exchange(method, params).await;
        assert_eq!(told, Vec::<Value>::new());
        answer
    }

    /// The same for a request of the modern era, whatever this client's is.
    pub(crate) async fn ask_modern(&mut self, method: &str) -> Value {
        self.asked += 1;
        let body = modern_body(json!(self.asked), method, json!({}));
        self.converse(&body, method).await.1
    }

    /// What was told before the answer to a request, and the answer.
    pub(crate) async fn exchange(&mut self, method: &str, params: Value) -> (Vec<Value>, Value) {
        self.asked += 1;
        let body = match self.is_modern() {
            true => modern_body(json!(self.asked), method, params),
            false => json!({ "jsonrpc": "2.0", "id": self.asked, "method": method, "params": params }),
        };
        self.converse(&body, method).await
    }

    async fn converse(&mut self, body: &Value, method: &str) -> (Vec<Value>, Value) {
        let mut told = Vec::new();
        let mut stream = match self.wire {
            Wire::Mcp { .. } => {
                let answer = self.post(body, method).await;
                if !answer.is_stream() {
                    return (told, answer.whole().await.json());
                }
                Some(answer)
            }
            _ => {
                self.say(body).await;
                None
            }
        };
        loop {
            let message = match &mut stream {
                Some(stream) => stream.event().await.unwrap().json(),
                None => self.next().await,
            };
            if message["id"] == body["id"] {
                return (told, message);
            }
            told.push(message);
        }
    }

    /// Sends requests as one array, with the ids 0, 1, …, and gives what answers it: arrays in pieces as one.
    pub(crate) async fn batch(&mut self, methods: &[&str]) -> Value {
        let requests = methods.iter().enumerate().map(|(id, method)| match self.is_modern() {
            true => modern_body(json!(id), method, json!({})),
            false => json!({ "jsonrpc": "2.0", "id": id, "method": method }),
        });
        let body = Value::from_iter(requests);
        match &self.wire {
            Wire::Mcp { .. } => self.post(&body, "").await.whole().await.json(),
            Wire::Sse { endpoint, .. } => {
                let posted = peer::send(self.address, "POST", endpoint, &[JSON], &body.to_string()).await;
                if posted.status != 202 {
                    return posted.whole().await.json();
                }
                // Here each answer is a message of its own.
                Value::from(vec![self.next().await, self.next().await])
            }
            Wire::Stdio { .. } => {
                self.say(&body).await;
                self.next().await
            }
        }
    }

    /// Opens the stream on which changes are told, where it is not open anyway.
    pub(crate) async fn listen(&mut self, filter: Value) {
        if self.is_modern() {
            self.asked += 1;
            let params = json!({ "notifications": filter });
            let body = modern_body(json!(self.asked), "subscriptions/listen", params);
            if let Wire::Mcp { .. } = self.wire {
                let opened = self.post(&body, "subscriptions/listen").await;
                self.keep(opened);
            } else {
                self.say(&body).await;
            }
            assert_eq!(self.told().await["method"], "notifications/subscriptions/acknowledged");
        } else if let Wire::Mcp { .. } = self.wire {
            self.resume().await;
        } else {
            // What was sent before the ping has been taken when it is answered.
            self.ask("ping", json!({})).await;
        }
    }

    /// The next message that answers nothing.
    pub(crate) async fn told(&mut self) -> Value {
        if let Wire::Mcp { stream, last_event, .. } = &mut self.wire {
            let event = stream.as_mut().unwrap().event().await.unwrap();
            last_event.clone_from(&event.id);
            return event.json();
        }
        self.next().await
    }

    pub(crate) fn lose_stream(&mut self) {
        let (Wire::Mcp { stream, .. } | Wire::Sse { stream, .. }) = &mut self.wire else {
            panic!("no stream")
        };
        *stream = None;
    }

    /// Opens the session's stream, after the last event of the one that was lost.
    pub(crate) async fn resume(&mut self) {
        let opened = self.get().await;
        assert!(opened.is_stream(), "{opened:?}");
        self.keep(opened);
    }

    /// Whether there is a stream that could be resumed.
    pub(crate) async fn can_resume(&self) -> bool {
        matches!(self.wire, Wire::Mcp { .. }) && self.get().await.status != 405
    }

    pub(crate) fn has_session(&self) -> bool {
        !matches!(&self.wire, Wire::Mcp { session: None, .. })
    }

    /// Leaves, as this transport has it.
    pub(crate) async fn end(&mut self) {
        match &mut self.wire {
            Wire::Mcp { session, .. } => {
                let headers: Vec<_> =
                    session.as_deref().map(|id| ("mcp-session-id", id)).into_iter().collect();
                let answer = peer::send(self.address, "DELETE", "/mcp", &headers, "").await;
                assert_eq!(answer.status, if session.is_some() { 204 } else { 405 });
            }
            Wire::Sse { .. } => self.lose_stream(),
            Wire::Stdio { input, served, .. } => {
                input.shutdown().await.unwrap();
                in_time(served).await.unwrap().unwrap();
            }
        }
    }

    async fn get(&self) -> Reply {
        let Wire::Mcp { session, last_event, .. } = &self.wire else { panic!("no GET") };
        let mut headers = vec![STREAM];
        headers.extend(session.as_deref().map(|id| ("mcp-session-id", id)));
        headers.extend(last_event.as_deref().map(|id| ("last-event-id", id)));
        peer::send(self.address, "GET", "/mcp", &headers, "").await
    }

    fn keep(&mut self, opened: Reply) {
        let Wire::Mcp { stream, .. } = &mut self.wire else { panic!("no stream to keep") };
        *stream = Some(opened);
    }

    async fn post(&self, body: &Value, method: &str) -> Reply {
        let Wire::Mcp { session, .. } = &self.wire else { panic!("no POST") };
        let mut headers = vec![JSON, BOTH];
        headers.extend(session.as_deref().map(|id| ("mcp-session-id", id)));
        let name = ["name", "uri"].iter().find_map(|key| body["params"][key].as_str());
        if self.is_modern() {
            headers.extend([("mcp-protocol-version", self.revision), ("mcp-method", method)]);
            headers.extend(name.map(|name| ("mcp-name", name)));
        }
        peer::send(self.address, "POST", "/mcp", &headers, &body.to_string()).await
    }

    /// Sends a message whose answer, if there is one, comes by itself.
    async fn say(&mut self, message: &Value) {
        match &mut self.wire {
            Wire::Mcp { .. } => assert_eq!(self.post(message, "").await.status, 202),
            Wire::Sse { endpoint, .. } => {
                let posted = peer::send(self.address, "POST", endpoint, &[JSON], &message.to_string()).await;
                assert_eq!(posted.status, 202);
            }
            Wire::Stdio { input, .. } => {
                in_time(input.write_all(format!("{message}\n").as_bytes())).await.unwrap();
            }
        }
    }

    /// The next message on a channel that carries all of them.
    async fn next(&mut self) -> Value {
        match &mut self.wire {
            Wire::Mcp { .. } => panic!("no channel"),
            Wire::Sse { stream, .. } => stream.as_mut().unwrap().event().await.unwrap().json(),
            Wire::Stdio { output, .. } => {
                let line = tokio::time::timeout(PATIENCE, output.next_line()).await.expect("in time");
                serde_json::from_str(&line.unwrap().expect("a message")).unwrap()
            }
        }
    }
}
