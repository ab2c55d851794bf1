//! A raw HTTP/1.1 client: it sends what it is told, and reads an event stream as it comes.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::raw::Answer;
use super::record;

/// How long a test waits for what must come: generous, for a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The head of a response; its body is read next.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    stream: BufReader<TcpStream>,
    pending: String,
    ended: bool,
    record: Record,
}

/// What is kept of an exchange when its reply is dropped: a stream has said all that it will say then.
#[derive(Debug)]
struct Record {
    scope: String,
    request: record::Request,
    answer: Answer,
}

impl Drop for Record {
    fn drop(&mut self) {
        record::http(&self.scope, &self.request, &self.answer);
    }
}

/// A response, read whole.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: Vec<(String, String)>,
}

/// One event of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) event: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Event {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

/// Sends one request on a connection of its own and reads the head of the response.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    sent: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in sent {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let status = line(&mut stream).await;
    let status = status.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {status:?}")).parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let field = line(&mut stream).await;
        let Some((name, value)) = field.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let record = Record {
        scope: address.to_string(),
        request: record::Request::new(method, path, sent, body),
        answer: Answer { status, headers: headers.clone(), body: Vec::new() },
    };
    Reply { status, headers, stream, pending: String::new(), ended: false, record }
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    tokio::time::timeout(PATIENCE, stream.read_line(&mut line)).await.expect("a line in time").unwrap();
    line.trim_end().to_owned()
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }

    /// Reads the body to its end.
    pub(crate) async fn whole(mut self) -> Whole {
        while self.more().await {}
        Whole { status: self.status, body: self.pending, headers: self.headers }
    }

    /// The next event with data; none at the end of the stream. A priming event has none.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let mut event = Event::default();
            let mut data = Vec::new();
            for line in block.lines() {
                match line.split_once(": ").unwrap_or((line, "")) {
                    ("event", value) => event.event = Some(value.to_owned()),
                    ("id", value) => event.id = Some(value.to_owned()),
                    ("data", value) => data.push(value),
                    _ => {}
                }
            }
            if data.iter().any(|line| !line.is_empty()) {
                event.data = data.join("\n");
                return Some(event);
            }
        }
    }

    /// The next block of the stream, comments too.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.pending.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.pending = rest;
                return Some(block);
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads some of the body; false at its end.
    async fn more(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let chunked = self.header("transfer-encoding") == Some("chunked");
        let length = match self.header("content-length") {
            Some(length) => length.parse().unwrap(),
            None if chunked => usize::from_str_radix(&line(&mut self.stream).await, 16).unwrap_or(0),
            None => 0,
        };
        self.ended = length == 0 || !chunked;
        let mut bytes = vec![0; length];
        let read = self.stream.read_exact(&mut bytes);
        if tokio::time::timeout(PATIENCE, read).await.expect("a body in time").is_err() {
            self.ended = true;
            return false;
        }
        self.pending.push_str(std::str::from_utf8(&bytes).unwrap());
        self.record.answer.body.extend(&bytes);
        if chunked {
            line(&mut self.stream).await;
        }
        length > 0
    }
}

impl Whole {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The code of the JSON-RPC error.
    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"))
    }
}
