//! TLS in front of an HTTP listener.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::http::{Accept, Scheme};
use crate::tls::{Acceptor, Stream};

impl Accept for Acceptor {
    type Stream = Stream;

    const SCHEME: Scheme = Scheme::Https;

    async fn accept(&self, socket: TcpStream, peer: SocketAddr) -> Option<Stream> {
        // The acceptor's own method, which keeps the deadline.
        Self::accept(self, socket, peer).await
    }
}
