//! How a socket becomes the stream that HTTP is spoken over.
//!
//! Owns the seam that TLS stands in; knows nothing of TLS. The permit of the connection is taken before, and
//! what happens here counts against it.

use std::future::Future;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What a request came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS.
    Https,
}

/// Turns an accepted socket into a stream, inside the connection's own task.
pub trait Accept: Send + Sync + 'static {
    /// The stream.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// What [`Request::scheme`](super::Request::scheme) says of the requests that come over it.
    const SCHEME: Scheme;

    /// The stream; none if there is nothing to serve, whatever the reason. Dropped when the drain begins.
    ///
    /// It waits for a peer, so it keeps a deadline of its own.
    fn accept(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = Option<Self::Stream>> + Send;
}

/// HTTP over the socket as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Accept for Plain {
    type Stream = TcpStream;

    const SCHEME: Scheme = Scheme::Http;

    async fn accept(&self, socket: TcpStream, _: SocketAddr) -> Option<TcpStream> {
        Some(socket)
    }
}
