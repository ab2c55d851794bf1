//! A raw HTTP/1.1 client over a socket or what lies on it: sends the bytes that it is given, reads what comes.
//!
//! Every read has a deadline, so that a server that says nothing fails a test instead of hanging it.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long any answer may take, on a loaded machine too.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub struct Client<S = TcpStream> {
    stream: S,
    /// Read and not yet used.
    buffer: Vec<u8>,
    /// The decoded body of a stream, not yet cut into events.
    events: Vec<u8>,
    /// How the body of the last head is framed.
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
    Ended,
}

/// An answer; `body` is empty where only the head was read.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An event of an SSE stream. Comments are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Empty where the stream names none.
    pub event: String,
    pub id: Option<String>,
    pub retry: Option<u64>,
    pub data: String,
}

impl Answer {
    /// The first field of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = in_time(TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// A client over a stream that is there already.
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), events: Vec::new(), framing: Framing::Ended }
    }

    /// Sends bytes as they are. Panics if the server has closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        in_time(self.stream.write_all(bytes.as_ref())).await.unwrap();
        in_time(self.stream.flush()).await.unwrap();
    }

    /// Sends bytes; false if the server has closed.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        in_time(self.stream.write_all(bytes.as_ref())).await.is_ok()
    }

    /// Sends a request with `Host: localhost`, the fields given, and the body's length if it has one.
    pub async fn ask(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str("host: localhost\r\n");
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        self.send(format!("{head}\r\n{body}")).await;
    }

    /// [`ask`](Self::ask), then the whole answer.
    pub async fn request(&mut self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        self.ask(method, path, fields, body).await;
        if method == "HEAD" {
            return self.head().await;
        }
        self.answer().await
    }

    /// The next answer with its whole body.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        while let Some(piece) = self.piece().await {
            answer.body.extend(piece);
        }
        answer
    }

    /// The head of the next answer; its body is then read by [`event`](Self::event).
    pub async fn head(&mut self) -> Answer {
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => assert!(self.fill().await, "closed before a head: {:?}", self.buffer),
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let answer = Answer { status, headers, body: Vec::new() };
        self.framing = match (answer.header("content-length"), answer.header("transfer-encoding")) {
            _ if matches!(status, 100..=199 | 204 | 304) => Framing::Ended,
            (Some(length), _) => Framing::Length(length.parse().unwrap()),
            (_, Some("chunked")) => Framing::Chunked,
            _ => Framing::UntilClose,
        };
        answer
    }

    /// The next event of a stream; none at its end.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = find(&self.events, b"\n\n") {
                let block = String::from_utf8(self.events.drain(..end + 2).collect()).unwrap();
                if let Some(event) = parse_event(&block) {
                    return Some(event);
                }
            }
            let piece = self.piece().await?;
            self.events.extend(piece);
        }
    }

    /// The next piece of a body as it comes, comments and all; none at its end.
    pub async fn piece(&mut self) -> Option<Vec<u8>> {
        match self.framing {
            Framing::Ended | Framing::Length(0) => None,
            Framing::Length(left) => {
                while self.buffer.is_empty() {
                    assert!(self.fill().await, "closed with {left} bytes of a body missing");
                }
                let length = left.min(self.buffer.len());
                self.framing = Framing::Length(left - length);
                Some(self.buffer.drain(..length).collect())
            }
            Framing::UntilClose => {
                if self.buffer.is_empty() && !self.fill().await {
                    return None;
                }
                Some(std::mem::take(&mut self.buffer))
            }
            Framing::Chunked => self.chunk().await,
        }
    }

    async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let size = std::str::from_utf8(&self.buffer[..end]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                let whole = end + 2 + size + 2;
                if self.buffer.len() >= whole {
                    let chunk = self.buffer.drain(..whole).skip(end + 2).take(size).collect();
                    if size == 0 {
                        self.framing = Framing::Ended;
                        return None;
                    }
                    return Some(chunk);
                }
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Whether the answer that was read last had its end, and was not cut.
    pub fn is_whole(&self) -> bool {
        matches!(self.framing, Framing::Ended | Framing::Length(0))
    }

    /// Whether the server closes without another byte (a reset is a close too).
    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill().await
    }

    /// How the connection ends, if nothing more is sent: the first error of reading, or none for an end that
    /// the protocol below knows.
    pub async fn end(&mut self) -> std::io::Result<()> {
        assert_eq!(String::from_utf8_lossy(&self.buffer), "");
        match in_time(self.stream.read_buf(&mut self.buffer)).await {
            Ok(0) => Ok(()),
            Ok(_) => panic!("more came: {:?}", String::from_utf8_lossy(&self.buffer)),
            Err(error) => Err(error),
        }
    }

    /// Forgets what was read and not used.
    pub fn discard(&mut self) {
        self.buffer.clear();
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> bool {
        matches!(in_time(self.stream.read_buf(&mut self.buffer)).await, Ok(1..))
    }
}

/// The future's output, in time.
pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("no answer in time")
}

fn parse_event(block: &str) -> Option<Event> {
    let mut event = Event::default();
    let mut data: Option<String> = None;
    let mut any = false;
    for line in block.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        any |= !name.is_empty();
        match name {
            "event" => event.event = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "retry" => event.retry = value.parse().ok(),
            "data" => data = Some(data.map_or_else(|| value.to_owned(), |data| data + "\n" + value)),
            _ => {}
        }
    }
    event.data = data.unwrap_or_default();
    any.then_some(event)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
