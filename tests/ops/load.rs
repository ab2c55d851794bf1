//! Clients that never pause, and look closely: 200 requests a second, and open streams of every kind.
//!
//! What counts as a fault: a response that began and has no end; a request without one byte of a response. A
//! connection that was refused is counted by itself.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::daemon::{Stream, Target};
use super::raw::{Client, PATIENCE, in_time};

/// Of each kind: kept-alive connections, and connections for one request.
const CLIENTS: usize = 10;
/// With 20 clients: 200 requests a second.
const EVERY: Duration = Duration::from_millis(100);

/// What the clients met with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) answered: usize,
    /// Answers that said `Connection: close`.
    pub(crate) last: usize,
    pub(crate) refused: usize,
    /// Each fault with how often it was met.
    pub(crate) faults: BTreeMap<String, usize>,
}

pub(crate) struct Load {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    report: Arc<Mutex<Report>>,
}

impl Load {
    /// 200 requests a second on `target`.
    pub(crate) fn on(target: &Target) -> Self {
        let (stop, stopped) = watch::channel(false);
        let report = Arc::new(Mutex::new(Report::default()));
        let mut tasks = JoinSet::new();
        for client in 0..2 * CLIENTS {
            let keeps = client % 2 == 0;
            tasks.spawn(ask_on(target.clone(), keeps, Arc::clone(&report), stopped.clone()));
        }
        Self { stop, tasks, report }
    }

    pub(crate) fn report(&self) -> Report {
        lock(&self.report).clone()
    }

    pub(crate) async fn answers(&self, count: usize) {
        let goal = self.report().answered + count;
        in_time(async {
            while self.report().answered < goal {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Lets each client finish its request.
    pub(crate) async fn stop(mut self) -> Report {
        self.stop.send_replace(true);
        while let Some(task) = self.tasks.join_next().await {
            task.unwrap();
        }
        self.report()
    }
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ask_on(target: Target, keeps: bool, report: Arc<Mutex<Report>>, stopped: watch::Receiver<bool>) {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept = None;
    while !*stopped.borrow() {
        tick.tick().await;
        let fresh = kept.is_none();
        let connection = match kept.take() {
            Some(connection) => connection,
            None => match connect(&target).await {
                Ok(connection) => connection,
                Err(Fault::Refused) => {
                    lock(&report).refused += 1;
                    continue;
                }
                Err(Fault::Other(fault)) => {
                    *lock(&report).faults.entry(fault).or_default() += 1;
                    continue;
                }
            },
        };
        let asked = timeout(PATIENCE, ask(connection)).await;
        let mut report = lock(&report);
        match asked.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok((connection, last)) => {
                report.answered += 1;
                report.last += usize::from(last);
                kept = Some(connection).filter(|_| keeps && !last);
            }
            Err(fault) => {
                let fault = format!("{fault} on a {} connection", if fresh { "fresh" } else { "kept" });
                *report.faults.entry(fault).or_default() += 1;
            }
        }
    }
}

enum Fault {
    Refused,
    Other(String),
}

type Connection = Box<dyn Stream>;

async fn connect(target: &Target) -> Result<Connection, Fault> {
    match timeout(PATIENCE, target.open()).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Err(Fault::Refused),
        Ok(Err(error)) => Err(Fault::Other(format!("no connection: {error}"))),
        Err(_) => Err(Fault::Other("no connection in time".to_owned())),
    }
}

/// One search; whether its answer was announced to be the last.
async fn ask(mut stream: Connection) -> Result<(Connection, bool), String> {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "search", "arguments": { "query": "rotate key" }, "_meta": meta() } })
    .to_string();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: application/json\r\n\
         mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: search\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.map_err(|error| format!("the request broke off ({error})"))?;
    stream.flush().await.map_err(|error| format!("the request broke off ({error})"))?;
    let mut read = Vec::new();
    loop {
        if let Some((head, body)) = split(&read) {
            let length = field(&head, "content-length").unwrap().parse::<usize>().unwrap();
            if body.len() >= length {
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                let answer: Value = serde_json::from_slice(body).unwrap();
                assert_eq!(
                    answer["result"]["structuredContent"]["results"][0]["id"], "keys#keys",
                    "{answer}"
                );
                let last = field(&head, "connection").is_some_and(|value| value == "close");
                return Ok((stream, last));
            }
        }
        let more = stream.read_buf(&mut read).await;
        if !matches!(more, Ok(1..)) {
            let what = if read.is_empty() { "no response" } else { "a response was cut" };
            return Err(format!("{what} ({more:?})"));
        }
    }
}

fn split(read: &[u8]) -> Option<(String, &[u8])> {
    let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((
        String::from_utf8_lossy(&read[..end]).to_ascii_lowercase().replace("http/1.1", "HTTP/1.1"),
        &read[end + 4..],
    ))
}

fn field(head: &str, name: &str) -> Option<String> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).next()
}

pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// An open stream, past its first event.
pub(crate) struct Open {
    kind: Kind,
    client: Client<Box<dyn Stream>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `subscriptions/listen` of 2026-07-28.
    Listen,
    /// GET of a session, 2025-11-25.
    Session,
    /// `/sse`, 2024-11-05.
    Sse,
}

/// Opens that many streams, of every kind.
pub(crate) async fn streams(target: &Target, count: usize) -> Vec<Open> {
    let mut open = Vec::new();
    for number in 0..count {
        let kind = [Kind::Listen, Kind::Session, Kind::Sse][number % 3];
        open.push(Open { kind, client: opened(target, kind).await });
    }
    open
}

async fn opened(target: &Target, kind: Kind) -> Client<Box<dyn Stream>> {
    let mut client = target.connect().await.unwrap();
    let stream = ("accept", "text/event-stream");
    match kind {
        Kind::Listen => {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {
                "notifications": { "resourcesListChanged": true }, "_meta": meta() } });
            let fields = [
                ("content-type", "application/json"),
                stream,
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "subscriptions/listen"),
            ];
            client.ask("POST", "/mcp", &fields, &body.to_string()).await;
        }
        Kind::Session => {
            let both = ("accept", "application/json, text/event-stream");
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "load", "version": "1" } } });
            let json = ("content-type", "application/json");
            let answer = client.request("POST", "/mcp", &[json, both], &body.to_string()).await;
            let session = ("mcp-session-id", answer.header("mcp-session-id").unwrap());
            let told = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            client.request("POST", "/mcp", &[json, both, session], &told.to_string()).await;
            client.ask("GET", "/mcp", &[stream, session], "").await;
        }
        Kind::Sse => client.ask("GET", "/sse", &[stream], "").await,
    }
    let head = client.head().await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{kind:?}");
    match kind {
        Kind::Listen => assert!(client.event().await.unwrap().data.contains("acknowledged")),
        Kind::Sse => assert_eq!(client.event().await.unwrap().event, "endpoint"),
        Kind::Session => {}
    }
    client
}

impl Open {
    /// Reads to the end; a failure unless that is the end its protocol knows.
    pub(crate) async fn ends_properly(mut self) {
        let mut last = None;
        while let Some(event) = self.client.event().await {
            last = Some(event);
        }
        assert!(self.client.is_whole(), "{:?} was cut", self.kind);
        if self.kind == Kind::Listen {
            let last: Value = serde_json::from_str(&last.expect("a result").data).unwrap();
            assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!(1), &json!("complete")));
        }
    }
}
