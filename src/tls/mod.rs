//! TLS on the serving port: which certificate for whom, the swap while connections are open, TLS-ALPN-01.
//!
//! Owns everything between a TCP stream and a decrypted one: the [`Acceptor`] with its deadline, the
//! [`Resolver`] that new handshakes ask, the [`Challenges`] that a CA's validation asks, the certificate that
//! stands in until there is one, and the operator's own [`PairFiles`]. Never obtains, stores or renews a
//! certificate, and never sees HTTP but to say that it is not spoken here. RFC 8446, RFC 5246, RFC 7301 (ALPN),
//! RFC 8737 and RFC 8738 (the challenge).

mod acceptor;
mod challenge;
mod config;
mod error;
mod files;
mod resolver;
mod self_signed;
mod stream;

use std::time::Duration;

pub use acceptor::Acceptor;
pub use challenge::{Challenges, Presented};
pub use error::{Error, ErrorKind};
pub use files::{FilesError, PairFiles};
pub use resolver::Resolver;
pub use self_signed::self_signed;
pub use stream::Stream;

/// What a peer may cost before its first request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// From accept to the end of the handshake. Default 10 s.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(10) }
    }
}
