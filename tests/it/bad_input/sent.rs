//! Sends what a row says and brings back what came.

use std::io::{ErrorKind, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::good;
use super::row::{OneOrMore, WireRow, fill, hex};
use crate::harness::record;

const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
/// More than any limit of the server; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// The answer's head and body as text; what the server did not answer is empty.
pub(super) fn send(row: &WireRow, address: &str) -> Result<String, String> {
    let bytes = bytes(row, address);
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    if let Some(times) = row.stall {
        return stall(stream, &bytes, times);
    }
    let done = Arc::new(AtomicBool::new(false));
    let writer = write(stream.try_clone().unwrap(), bytes.clone(), endless(row), &done);
    let answer = read(&mut stream);
    if let Ok(answer) = &answer {
        record::raw(address, &String::from_utf8_lossy(&bytes), answer);
    }
    done.store(true, Ordering::Relaxed);
    let _ = stream.shutdown(Shutdown::Both);
    writer.join().unwrap();
    answer
}

fn bytes(row: &WireRow, address: &str) -> Vec<u8> {
    let Some(raw) = &row.raw else { return request(row, address) };
    let text = fill(&raw.replace("{HOST}", address), &row.fill);
    match text.split_once("{HEX ") {
        None => text.into_bytes(),
        Some((before, rest)) => {
            let (digits, after) = rest.split_once('}').unwrap();
            [before.as_bytes(), &hex(digits), after.as_bytes()].concat()
        }
    }
}

/// The request of a row that is HTTP at all.
fn request(row: &WireRow, address: &str) -> Vec<u8> {
    let body = fill(&row.body, &row.fill).replace("{META}", META);
    let mut fields = vec![
        ("Host".to_owned(), address.to_owned()),
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("Accept".to_owned(), "application/json, text/event-stream".to_owned()),
    ];
    if let Some(method) = &row.modern {
        fields.push(("MCP-Protocol-Version".to_owned(), "2026-07-28".to_owned()));
        fields.push(("Mcp-Method".to_owned(), method.clone()));
    }
    if let Some(session) = &row.session {
        fields.extend(session_fields(session, address));
    }
    for (name, values) in &row.headers {
        fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        fields.extend(headers(name, values, row));
    }
    let framed = match row.chunked.as_deref() {
        None => {
            let length = row.declare.unwrap_or(body.len());
            fields.push(("Content-Length".to_owned(), length.to_string()));
            body
        }
        Some(how) => {
            fields.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
            format!("{:x}\r\n{body}\r\n{}", body.len(), if how == "endless" { "" } else { "0\r\n\r\n" })
        }
    };
    let head: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{} HTTP/1.1\r\n{head}\r\n{framed}", row.request).into_bytes()
}

fn headers(name: &str, values: &OneOrMore, row: &WireRow) -> Vec<(String, String)> {
    let values = values.values().into_iter().filter(|value| value != "-");
    values.map(|value| (name.to_owned(), fill(&value, &row.fill))).collect()
}

/// Opens the session that a row asks for; `ended` and `expired` are over when this returns.
fn session_fields(session: &str, address: &str) -> Vec<(String, String)> {
    let revision = if session.starts_with("20") { session } else { "2025-11-25" };
    let id = good::initialize(address, revision).unwrap();
    match session {
        "ended" => {
            let answer =
                good::exchange(address, &format!("DELETE /mcp HTTP/1.1\r\nMcp-Session-Id: {id}\r\n"), "");
            assert!(answer.unwrap().starts_with("HTTP/1.1 204"));
        }
        "expired" => std::thread::sleep(Duration::from_millis(500)),
        _ => {}
    }
    let mut fields = vec![("Mcp-Session-Id".to_owned(), id)];
    if revision >= "2025-06-18" {
        fields.push(("MCP-Protocol-Version".to_owned(), revision.to_owned()));
    }
    fields
}

fn endless(row: &WireRow) -> Option<String> {
    match row.chunked.as_deref() {
        Some("endless") => Some("1\r\n \r\n".to_owned()),
        _ => row.endless.clone(),
    }
}

/// Writes beside the reader: the server may well answer before everything is sent.
fn write(
    mut stream: TcpStream,
    bytes: Vec<u8>,
    endless: Option<String>,
    done: &Arc<AtomicBool>,
) -> std::thread::JoinHandle<()> {
    let done = Arc::clone(done);
    std::thread::spawn(move || {
        // A server that hangs up makes writing fail; what it answered is judged by the reader.
        if stream.write_all(&bytes).is_err() {
            return;
        }
        let Some(piece) = endless else { return };
        while !done.load(Ordering::Relaxed) && stream.write_all(piece.as_bytes()).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    })
}

/// The first answer, up to its end; nothing if the server hung up without one.
pub(super) fn read(stream: &mut TcpStream) -> Result<String, String> {
    let mut received = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !is_whole(&received) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => {
                let so_far = String::from_utf8_lossy(&received);
                return Err(format!("the server neither answered nor hung up ({error}), so far: {so_far}"));
            }
        }
    }
    Ok(String::from_utf8_lossy(&received).into_owned())
}

/// Whether an HTTP/1 answer is complete as its own framing says.
fn is_whole(received: &[u8]) -> bool {
    let text = String::from_utf8_lossy(received);
    let Some((head, body)) = text.split_once("\r\n\r\n").filter(|_| text.starts_with("HTTP/1.1 ")) else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.ends_with("0\r\n\r\n");
    }
    let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
    body.len() >= length.unwrap_or(usize::MAX)
        || head.starts_with("http/1.1 202")
        || head.starts_with("http/1.1 204")
}

/// Asks `times` over, then reads nothing for longer than the server waits: it must have given up.
fn stall(mut stream: TcpStream, request: &[u8], times: usize) -> Result<String, String> {
    let first = {
        let mut alone = stream.try_clone().unwrap();
        alone.write_all(request).unwrap();
        read(&mut stream)?
    };
    stream.write_all(&request.repeat(times)).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let (mut received, mut buffer, start) = (0, vec![0; 1024 * 1024], Instant::now());
    while start.elapsed() < PATIENCE {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => received += count,
        }
    }
    let whole = first.len() * times;
    if received < whole { Ok(first) } else { Err(format!("it waited with all {whole} bytes")) }
}
