//! The handshake: who speaks TLS here, for which purpose, and how long it may take.
//!
//! A validation of TLS-ALPN-01 is told from a client by its ClientHello, before either configuration is chosen:
//! the one for clients knows neither `acme-tls/1` nor a challenge, the other knows nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::ClientHello;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};
use tracing::{debug, info};

use super::config::{self, ACME_TLS};
use super::{Challenges, Error, Limits, Resolver, Stream};

/// Accepts TLS connections. A clone is the same acceptor.
#[derive(Clone, Debug)]
pub struct Acceptor {
    normal: Arc<ServerConfig>,
    challenge: Arc<ServerConfig>,
    challenges: Arc<Challenges>,
    limits: Limits,
}

impl Acceptor {
    /// Clients get what `resolver` gives, validations what `challenges` has.
    ///
    /// # Errors
    /// When the system has no randomness for the tickets' key.
    pub fn new(resolver: Arc<Resolver>, challenges: Arc<Challenges>, limits: Limits) -> Result<Self, Error> {
        let normal = config::normal(resolver)?;
        let challenge = config::challenge(Arc::clone(&challenges))?;
        Ok(Self { normal, challenge, challenges, limits })
    }

    /// Does the handshake. None: there is no client to serve, because it was a validation, spoke plain HTTP,
    /// failed, left, or took longer than the limit; the log says which. Dropping the future closes the socket.
    pub async fn accept(&self, socket: TcpStream, peer: SocketAddr) -> Option<Stream> {
        let Ok(accepted) = timeout(self.limits.handshake, self.handshake(socket, peer)).await else {
            debug!(%peer, limit = ?self.limits.handshake, "TLS handshake took too long");
            return None;
        };
        accepted
    }

    async fn handshake(&self, socket: TcpStream, peer: SocketAddr) -> Option<Stream> {
        let mut first = [0];
        let [first] = match socket.peek(&mut first).await {
            Ok(1..) => first,
            _ => return None,
        };
        if first != HANDSHAKE {
            debug!(%peer, first, "no TLS");
            if first.is_ascii_uppercase() {
                answer_plain_http(socket).await;
            }
            return None;
        }
        let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await;
        let hello = hello.inspect_err(|error| debug!(%peer, %error, "no ClientHello")).ok()?;
        if offers_acme_tls(&hello.client_hello()) {
            self.answer_validation(hello, peer).await;
            return None;
        }
        let stream = hello.into_stream(Arc::clone(&self.normal)).await;
        stream.inspect_err(|error| debug!(%peer, %error, "TLS handshake failed")).ok().map(Stream::new)
    }

    /// RFC 8737 §3: after the handshake the connection is closed, no data is exchanged.
    async fn answer_validation(&self, hello: StartHandshake<TcpStream>, peer: SocketAddr) {
        let name = hello.client_hello().server_name().unwrap_or_default().to_owned();
        match hello.into_stream(Arc::clone(&self.challenge)).await {
            Ok(mut stream) => {
                self.challenges.answered(&name);
                info!(name, %peer, "TLS-ALPN-01 answered");
                // The peer may have hung up already: it has what it came for.
                let _ = stream.shutdown().await;
            }
            Err(error) => debug!(name, %peer, %error, "TLS-ALPN-01 refused"),
        }
    }
}

/// Whatever else is offered: such a hello is never a client's.
fn offers_acme_tls(hello: &ClientHello<'_>) -> bool {
    hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == ACME_TLS))
}

/// Tells whoever wrote `http://` what to write; a bare close would say nothing.
async fn answer_plain_http(mut socket: TcpStream) {
    if socket.write_all(PLAIN_HTTP).await.is_err() || socket.shutdown().await.is_err() {
        return;
    }
    // Closing a socket with unread bytes resets it, and the reset destroys the answer (RFC 9112 §9.6).
    let mut sink = tokio::io::sink();
    let mut rest = socket.take(FAREWELL_BYTES);
    let _ = timeout(FAREWELL, tokio::io::copy(&mut rest, &mut sink)).await;
}

/// The content type of every first record (RFC 8446 §5.1). No method of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;

const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n\
    content-length: 56\r\n\r\nhttps is spoken on this port: begin the URL with https:\n";

/// How long and how much a plain client's request is read away.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plain_http_has_the_length_that_it_says() {
        let text = std::str::from_utf8(PLAIN_HTTP).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
    }
}
