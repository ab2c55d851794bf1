//! Replaying a transcript over HTTP, on real sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;

use super::script::{Connection, Step, equal};
use super::server::Server;
use crate::harness::raw::{Answer, Client};
use crate::harness::record;

/// A conversation: the connections that are open, and the names that were given to event ids.
pub(super) struct Conversation<'a> {
    server: &'a Server,
    address: SocketAddr,
    scope: &'a str,
    open: BTreeMap<Connection, Open>,
    names: BTreeMap<String, String>,
}

struct Open {
    client: Client,
    request: record::Request,
    /// The head of the answer, once it was read.
    head: Option<Answer>,
    /// Of the body of an event stream, what is not compared yet.
    rest: String,
}

impl<'a> Conversation<'a> {
    pub(super) async fn new(server: &'a Server, scope: &'a str) -> Self {
        let address = server.listen().await;
        Self { server, address, scope, open: BTreeMap::new(), names: BTreeMap::new() }
    }

    pub(super) async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Event(event) => self.server.happens(event).await,
            Step::Sent(name, lines) if lines == &["(close)"] => {
                let open = self.open.remove(name).ok_or("there is no such connection")?;
                self.record(&open);
                Ok(())
            }
            Step::Sent(name, lines) => self.send(*name, lines).await,
            Step::Came(name, lines) => {
                let mut open = self.open.remove(name).ok_or("nothing was asked on this connection")?;
                let compared = self.compare(&mut open, lines, name.is_some()).await;
                if name.is_some() {
                    self.open.insert(*name, open);
                } else {
                    self.record(&open);
                }
                compared
            }
        }
    }

    /// What is still open ends with the transcript.
    pub(super) fn finish(self) {
        self.open.values().for_each(|open| self.record(open));
    }

    fn record(&self, open: &Open) {
        if let Some(head) = &open.head {
            record::http(self.scope, &open.request, head);
        }
    }

    async fn send(&mut self, name: Connection, lines: &[String]) -> Result<(), String> {
        let end = lines.iter().position(String::is_empty).unwrap_or(lines.len());
        let body = lines.get(end + 1..).unwrap_or_default().join("\n");
        let (first, fields) = lines[..end].split_first().ok_or("an empty request")?;
        let (method, path) = first.split_once(' ').ok_or("no method and path")?;
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !fields.iter().any(|field| field.to_ascii_lowercase().starts_with("host:")) {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for field in fields {
            head.push_str(&format!("{}\r\n", self.filled(field)));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let mut client = Client::connect(self.address).await;
        client.send(format!("{head}\r\n{body}")).await;
        let fields = fields.iter().filter_map(|field| field.split_once(": "));
        let headers = fields.map(|(key, value)| (key.to_ascii_lowercase(), self.filled(value))).collect();
        let request = record::Request { method: method.into(), path: path.into(), headers, body };
        self.open.insert(name, Open { client, request, head: None, rest: String::new() });
        Ok(())
    }

    async fn compare(&mut self, open: &mut Open, lines: &[String], goes_on: bool) -> Result<(), String> {
        let mut lines = lines;
        if open.head.is_none() {
            let end = lines.iter().position(String::is_empty).unwrap_or(lines.len());
            let answer = open.client.head().await;
            let compared = same_head(&lines[..end], &answer);
            open.head = Some(answer);
            lines = lines.get(end + 1..).unwrap_or_default();
            compared?;
        }
        let streams =
            open.head.as_ref().and_then(|head| head.header("content-type")) == Some("text/event-stream");
        if streams {
            return self.same_events(open, lines, goes_on).await;
        }
        let body = rest_of(open).await;
        same_body(&lines.join("\n"), &body)
    }

    async fn same_events(&mut self, open: &mut Open, lines: &[String], goes_on: bool) -> Result<(), String> {
        let mut ends = !goes_on;
        for event in lines.split(String::is_empty).filter(|event| !event.is_empty()) {
            if event == ["(end)"] {
                ends = true;
                continue;
            }
            let got = next_event(open).await.ok_or_else(|| format!("the stream ended before {event:#?}"))?;
            self.same_event(event, &got)?;
        }
        match ends {
            true => next_event(open).await.map_or(Ok(()), |more| Err(format!("more came: {more:#?}"))),
            false => Ok(()),
        }
    }

    /// The data by its value, every other field to the letter; an id that stands in braces gets that name.
    fn same_event(&mut self, expected: &[String], got: &[String]) -> Result<(), String> {
        let different = || format!("expected the event {expected:#?}, got {got:#?}");
        if expected.len() != got.len() {
            return Err(different());
        }
        for (expected, got) in expected.iter().zip(got) {
            let same = match (expected.strip_prefix("data: "), got.strip_prefix("data: ")) {
                (Some(expected), Some(got)) => same_body(expected, got).is_ok(),
                _ => self.same_field(expected, got),
            };
            if !same {
                return Err(different());
            }
        }
        Ok(())
    }

    fn same_field(&mut self, expected: &str, got: &str) -> bool {
        let name = expected.strip_prefix("id: {").and_then(|rest| rest.strip_suffix('}'));
        match (name, got.strip_prefix("id: ")) {
            (Some(name), Some(id)) if !self.names.contains_key(name) => {
                let fresh = !self.names.values().any(|known| known == id);
                self.names.insert(name.to_owned(), id.to_owned());
                fresh && !id.is_empty()
            }
            _ => self.filled(expected) == got,
        }
    }

    /// With each name in braces replaced by the event id that it was given to.
    fn filled(&self, text: &str) -> String {
        let replace = |text: String, (name, id): (&String, &String)| text.replace(&format!("{{{name}}}"), id);
        self.names.iter().fold(text.to_owned(), replace)
    }
}

/// Status and headers, whatever their order. `date` and `x-request-id`, each of its moment, are left out; the client has read the body by its framing
/// (`content-length`, `transfer-encoding`) already.
fn same_head(expected: &[String], got: &Answer) -> Result<(), String> {
    let (status, fields) = expected.split_first().ok_or("no status is expected")?;
    let mut expected: Vec<String> = fields.to_vec();
    expected.sort_unstable();
    let left_out = ["date", "x-request-id", "content-length", "transfer-encoding"];
    let shown = got.headers.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
    let mut fields: Vec<String> = shown.map(|(name, value)| format!("{name}: {value}")).collect();
    fields.sort_unstable();
    if status == &got.status.to_string() && expected == fields {
        return Ok(());
    }
    Err(format!("expected {status} {expected:#?}, got {} {fields:#?}", got.status))
}

fn same_body(expected: &str, got: &str) -> Result<(), String> {
    let (wanted, came) = (serde_json::from_str::<Value>(expected), serde_json::from_str::<Value>(got));
    let same = match (&wanted, &came) {
        (Ok(wanted), Ok(came)) => equal(wanted, came),
        _ => expected == got.trim_end_matches('\n'),
    };
    if same { Ok(()) } else { Err(format!("expected the body\n{expected}\ngot\n{got}")) }
}

async fn rest_of(open: &mut Open) -> String {
    let mut body = Vec::new();
    while let Some(piece) = open.client.piece().await {
        body.extend(piece);
    }
    if let Some(head) = &mut open.head {
        head.body.extend(&body);
    }
    String::from_utf8(body).unwrap()
}

/// The lines of the next event; comments and priming events carry nothing and are passed over.
async fn next_event(open: &mut Open) -> Option<Vec<String>> {
    loop {
        while let Some((block, rest)) = open.rest.split_once("\n\n") {
            let lines: Vec<String> = block.lines().map(str::to_owned).collect();
            open.rest = rest.to_owned();
            let carries =
                |line: &String| line.strip_prefix("data:").is_some_and(|data| !data.trim().is_empty());
            if lines.iter().any(carries) {
                return Some(lines);
            }
        }
        let piece = open.client.piece().await?;
        if let Some(head) = &mut open.head {
            head.body.extend(&piece);
        }
        open.rest.push_str(std::str::from_utf8(&piece).ok()?);
    }
}
