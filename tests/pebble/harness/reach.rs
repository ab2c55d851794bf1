//! How the tests reach a server's own interfaces: straight, or from inside its network namespace.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::process::command;
use super::wire::{self, Answer, Failure};

/// Where a server runs.
#[derive(Clone, Debug, Default)]
pub(crate) enum Reach {
    /// In the network of the tests.
    #[default]
    Direct,
    /// Behind this prefix of a command line (`ip netns exec NAME`): openssl and bash carry the bytes, since a thread
    /// cannot enter a namespace without unsafe code.
    Within(Vec<String>),
}

impl Reach {
    /// What a command line starts with to run there.
    pub(crate) fn prefix(&self) -> &[String] {
        match self {
            Self::Direct => &[],
            Self::Within(prefix) => prefix,
        }
    }

    /// GET over HTTPS, from a server whose certificate is for `name` and leads to a root of `root_file`.
    pub(crate) async fn get_https(
        &self,
        address: SocketAddr,
        name: &str,
        path: &str,
        root_file: &Path,
    ) -> Result<Answer, Failure> {
        match self {
            Self::Direct => {
                let roots = std::fs::read_to_string(root_file).unwrap();
                wire::get(address, name, path, &roots).await
            }
            Self::Within(prefix) => {
                let request = format!("GET {path} HTTP/1.0\r\nhost: {name}:{}\r\n\r\n", address.port());
                let mut openssl = command(prefix, "openssl");
                openssl.args(["s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-connect"]);
                openssl.arg(address.to_string()).args([
                    "-servername",
                    name,
                    "-verify_hostname",
                    name,
                    "-CAfile",
                ]);
                openssl.arg(root_file);
                carry(openssl, request).await
            }
        }
    }

    /// POST over plain HTTP.
    pub(crate) async fn post(&self, address: SocketAddr, path: &str, body: &str) -> Result<Answer, Failure> {
        match self {
            Self::Direct => {
                let request = wire::request("POST", &address.to_string(), path, body);
                wire::exchange(wire::connect_tcp(address).await?, request).await
            }
            Self::Within(prefix) => {
                let length = body.len();
                let request = format!(
                    "POST {path} HTTP/1.0\r\nhost: {address}\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                let mut bash = command(prefix, "bash");
                bash.args(["-c", "exec 3<>/dev/tcp/$0/$1 && cat >&3 && cat <&3"]);
                bash.args([address.ip().to_string(), address.port().to_string()]);
                carry(bash, request).await
            }
        }
    }
}

/// Runs a command that sends its stdin to a server and writes what comes back.
async fn carry(mut command: std::process::Command, request: String) -> Result<Answer, Failure> {
    let work = tokio::task::spawn_blocking(move || {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        child.stdin.take().unwrap().write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        parse(&output.stdout)
            .ok_or_else(|| format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
    });
    tokio::time::timeout(wire::PATIENCE, work).await.map_err(|_| "no answer".to_owned())?.unwrap()
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse::<u16>().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        headers.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.trim()).ok()?);
    }
    Some(Answer {
        status: StatusCode::from_u16(status).ok()?,
        headers,
        body: bytes::Bytes::copy_from_slice(&answer[end + 4..]),
    })
}
