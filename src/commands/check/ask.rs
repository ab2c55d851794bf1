//! One plain HTTP request to one address, as a CA would send it, and whose answer it looks like.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    head: String,
    pub(super) body: String,
}

/// Asks `address` for `path` as `host`.
///
/// # Errors
/// When nobody is there, or says nothing in time.
pub(super) async fn get(address: SocketAddr, host: &str, path: &str) -> io::Result<Answer> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: docquay (checking)\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LARGEST).read_to_end(&mut answer).await?;
        io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(io::Error::from)??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok(Answer { head: head.to_owned(), body: body.to_owned() })
}

impl Answer {
    /// Whether a docquay says so: to a token that it does not know, to plain HTTP on its port for https, or of its
    /// health.
    pub(super) fn is_docquays(&self) -> bool {
        self.body == "no such token\n"
            || self.body.starts_with("https is spoken on this port")
            || (self.status() == "200" && self.body == "ok\n")
    }

    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        line.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// Where it sends its client on, if it does.
    pub(super) fn location(&self) -> Option<&str> {
        self.header("location").filter(|_| self.status().starts_with('3'))
    }

    /// `"HTTP/1.1 404 Not Found" from nginx/1.22.1`.
    pub(super) fn shown(&self) -> String {
        let line: String = self.head.lines().next().unwrap_or_default().chars().take(80).collect();
        if line.is_empty() {
            return "without a word of HTTP".to_owned();
        }
        match self.header("server") {
            Some(server) => format!("with {line:?}, by its own words {server:?}"),
            None => format!("with {line:?}"),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_shown_by_its_first_line_and_its_server() {
        let answer = |head: &str, body: &str| Answer { head: head.to_owned(), body: body.to_owned() };
        let nginx = answer("HTTP/1.1 404 Not Found\r\nServer: nginx/1.22.1", "x");
        assert_eq!(nginx.shown(), "with \"HTTP/1.1 404 Not Found\", by its own words \"nginx/1.22.1\"");
        assert!(!nginx.is_docquays());
        assert!(answer("HTTP/1.1 200 OK", "ok\n").is_docquays());
        assert_eq!(answer("", "").shown(), "without a word of HTTP");
        let moved = answer("HTTP/1.1 301 Moved\r\nLocation: https://a.example/", "");
        assert_eq!(moved.location(), Some("https://a.example/"));
        assert_eq!(answer("HTTP/1.1 201 Created\r\nLocation: /a", "").location(), None);
    }
}
