//! The good client: what must go on working whatever another one sends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::sent;
use crate::harness::record;

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
const PATIENCE: Duration = Duration::from_secs(20);

/// One request on a connection of its own; `head` without Host and the length.
pub(super) fn exchange(address: &str, head: &str, body: &str) -> Result<String, String> {
    let mut stream = connect(address);
    let length = body.len();
    let text = format!(
        "{head}Host: {address}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let answer = sent::read(&mut stream)?;
    record::raw(address, &text, &answer);
    Ok(answer)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn modern(method: &str, name: &str) -> String {
    format!("POST /mcp HTTP/1.1\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}")
}

/// The server answers discovery.
pub(super) fn answers(address: &str) -> Result<(), String> {
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{{"_meta":{META}}}}}"#);
    let answer = exchange(address, &modern("server/discover", ""), &body)?;
    if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(format!("discovery fails: {answer}")) }
}

/// A modern search finds the one page that has the word.
pub(super) fn searches(address: &str, word: &str) -> Result<(), String> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"good","method":"tools/call","params":{{"name":"search","arguments":{{"query":"{word}"}},"_meta":{META}}}}}"#
    );
    let answer = exchange(address, &modern("tools/call", "Mcp-Name: search\r\n"), &body)?;
    let good =
        answer.starts_with("HTTP/1.1 200") && answer.contains(r#""id":"good""#) && answer.contains(word);
    if good && !answer.contains(r#""results":[]"#) {
        Ok(())
    } else {
        Err(format!("afterwards a good search fails: {answer}"))
    }
}

/// The id of a new legacy session.
pub(super) fn initialize(address: &str, revision: &str) -> Result<String, String> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{}},"clientInfo":{{"name":"good","version":"1"}}}}}}"#
    );
    let answer = exchange(address, "POST /mcp HTTP/1.1\r\n", &body)?;
    let id = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
    let id = id.ok_or_else(|| format!("afterwards no session opens: {answer}"))?.to_owned();
    let head = format!("POST /mcp HTTP/1.1\r\nMcp-Session-Id: {id}\r\n");
    let told = exchange(address, &head, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)?;
    if told.starts_with("HTTP/1.1 202") { Ok(id) } else { Err(format!("initialized was refused: {told}")) }
}

/// A legacy client gets a session and an answer in it.
pub(super) fn opens_a_session(address: &str) -> Result<(), String> {
    let id = initialize(address, "2025-11-25")?;
    let head = format!("POST /mcp HTTP/1.1\r\nMcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-11-25\r\n");
    let answer = exchange(address, &head, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)?;
    if answer.starts_with("HTTP/1.1 200") {
        Ok(())
    } else {
        Err(format!("afterwards a ping fails: {answer}"))
    }
}

/// A modern client that listens all the while.
pub(super) struct Listening {
    stream: TcpStream,
}

impl Listening {
    pub(super) fn open(address: &str) -> Self {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"ear","method":"subscriptions/listen","params":{{"notifications":{{"resourcesListChanged":true}},"_meta":{META}}}}}"#
        );
        let mut stream = connect(address);
        let head = modern("subscriptions/listen", "Accept: text/event-stream, application/json\r\n");
        let length = body.len();
        let fields =
            format!("Host: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
        stream.write_all(format!("{head}{fields}\r\n{body}").as_bytes()).unwrap();
        let mut opened = String::new();
        while !opened.contains("subscriptions/acknowledged") {
            opened.push_str(&next(&mut stream));
        }
        Self { stream }
    }

    /// A comment that was not here before arrives, and nothing else has come.
    pub(super) fn is_alive(&mut self) -> Result<(), String> {
        let mut old = vec![0; 1024 * 1024];
        self.stream.set_nonblocking(true).unwrap();
        let waiting = self.stream.read(&mut old);
        self.stream.set_nonblocking(false).unwrap();
        if matches!(waiting, Ok(0)) {
            return Err("the good client's stream has ended".to_owned());
        }
        match self.stream.read(&mut old) {
            Ok(count) if count > 0 => Ok(()),
            other => Err(format!("the good client's stream is dead: {other:?}")),
        }
    }
}

fn next(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).unwrap();
    assert!(count > 0, "the stream ended");
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

/// A client of the oldest transport: a stream, and POSTs beside it.
pub(super) struct Sse {
    address: String,
    endpoint: String,
    stream: TcpStream,
    received: String,
}

impl Sse {
    /// Opens the stream and the session.
    pub(super) fn open(address: &str) -> Self {
        let mut stream = connect(address);
        let get = format!("GET /sse HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(get.as_bytes()).unwrap();
        let mut sse =
            Self { address: address.to_owned(), endpoint: String::new(), stream, received: String::new() };
        sse.endpoint = sse.line_with("/message?");
        sse.post(
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"old","version":"1"}}}"#,
        );
        assert!(sse.answer(0).contains("2024-11-05"));
        sse.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        sse
    }

    /// Sends a search, without waiting for its answer.
    pub(super) fn ask(&mut self, id: u32, query: &str) {
        self.post(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"search","arguments":{{"query":"{query}"}}}}}}"#
        ));
    }

    /// The answer with that id, taken off the stream.
    pub(super) fn answer(&mut self, id: u32) -> String {
        self.line_with(&format!(r#""id":{id},"#))
    }

    fn post(&self, body: &str) {
        let answer = exchange(&self.address, &format!("POST {} HTTP/1.1\r\n", self.endpoint), body).unwrap();
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }

    /// The data of the next event that has this text.
    fn line_with(&mut self, text: &str) -> String {
        loop {
            while let Some((line, rest)) = self.received.split_once('\n') {
                let (line, rest) = (line.trim_end().to_owned(), rest.to_owned());
                self.received = rest;
                if let Some(data) = line.strip_prefix("data: ").filter(|data| data.contains(text)) {
                    return data.to_owned();
                }
            }
            let more = next(&mut self.stream);
            self.received.push_str(&more);
        }
    }
}
