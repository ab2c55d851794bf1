//! What a peer may cost: times and sizes, each with its default.

use std::time::Duration;

/// The limits of one listener and its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// From accept until the first bytes tell HTTP/1 from HTTP/2. Default 10 s.
    pub sniff: Duration,
    /// From a header's first byte to its last. Default 10 s.
    pub header: Duration,
    /// Largest request header, bytes. Default 32 KiB.
    pub header_bytes: usize,
    /// Most header fields in a request. Default 100.
    pub header_fields: usize,
    /// Silence between requests on a kept-alive connection. Default 75 s.
    pub idle: Duration,
    /// From a body's first poll to its end. Default 15 s.
    pub body: Duration,
    /// Largest request body, bytes. Default 256 KiB.
    pub body_bytes: usize,
    /// A response write that makes no progress (a client that stopped reading). Default 30 s.
    pub write_stall: Duration,
    /// Connections at once. Default 10,000.
    pub connections: usize,
    /// Connections at once from one client address; loopback is exempt. Default 256.
    pub connections_per_address: usize,
    /// HTTP/2 streams at once on a connection. Default 128.
    pub h2_streams: u32,
    /// From the drain signal until open connections are cut. Default 10 s.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sniff: Duration::from_secs(10),
            header: Duration::from_secs(10),
            header_bytes: 32 * 1024,
            header_fields: 100,
            idle: Duration::from_secs(75),
            body: Duration::from_secs(15),
            body_bytes: 256 * 1024,
            write_stall: Duration::from_secs(30),
            connections: 10_000,
            connections_per_address: 256,
            h2_streams: 128,
            drain: Duration::from_secs(10),
        }
    }
}
