//! Questions to the DNS that the system's resolver does not ask: CAA records.
//!
//! Owns the way to a nameserver (RFC 1035 §4.2) and the climb from a name towards the root (RFC 8659 §3). What the
//! records mean is [`caa`]'s, their bytes `message`'s. Addresses are the system resolver's: nothing here reads A
//! or AAAA.

pub mod caa;
mod message;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use crate::entropy::Entropy;
use crate::names::DomainName;
use caa::Caa;
pub use message::{Malformed, Reply};

/// Asks nameservers.
#[derive(Clone, Debug)]
pub struct Resolver {
    servers: Vec<SocketAddr>,
    entropy: Arc<dyn Entropy>,
}

/// The CAA records that decide for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relevant {
    /// The name that has them: the one asked for, or one above it.
    pub at: String,
    /// Never empty.
    pub records: Vec<Caa>,
}

/// Why there is no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// No nameserver is known.
    NoServer,
    /// None of them answered in time; the last one's failure.
    Silent {
        /// Which was asked last.
        server: SocketAddr,
        /// What came of it.
        source: io::Error,
    },
    /// The nameservers cannot tell: SERVFAIL, REFUSED and the like. A CA issues nothing then.
    Failed {
        /// The name asked about.
        name: String,
        /// RFC 6895 §2.3: 2 is SERVFAIL, 5 is REFUSED.
        code: u8,
    },
}

impl Resolver {
    /// Asks these servers, one after the other.
    #[must_use]
    pub fn new(servers: Vec<SocketAddr>, entropy: Arc<dyn Entropy>) -> Self {
        Self { servers, entropy }
    }

    /// The records that decide who may issue for `name`: its own, else those of the nearest name above it that has
    /// any; none: anybody may. Cancel safe.
    ///
    /// # Errors
    /// When a name on the way cannot be asked about: then a CA cannot either.
    pub async fn caa(&self, name: &DomainName) -> Result<Option<Relevant>, Error> {
        let mut at = name.as_str();
        loop {
            let records = match self.ask(at).await {
                Ok(records) => records,
                // Resolvers on a machine may refuse to ask about a name of one label; a CA's do not, and no such name
                // is known to have records.
                Err(_) if at != name.as_str() && !at.contains('.') => return Ok(None),
                Err(error) => return Err(error),
            };
            if !records.is_empty() {
                return Ok(Some(Relevant { at: at.to_owned(), records }));
            }
            match at.split_once('.') {
                Some((_, above)) => at = above,
                None => return Ok(None),
            }
        }
    }

    async fn ask(&self, name: &str) -> Result<Vec<Caa>, Error> {
        let mut last = Error::NoServer;
        for server in self.servers.iter().chain(&self.servers) {
            match self.ask_server(*server, name).await {
                Ok(reply) if matches!(reply.code, NO_ERROR | NO_SUCH_NAME) => return Ok(reply.caa),
                Ok(reply) => last = Error::Failed { name: name.to_owned(), code: reply.code },
                Err(source) => last = Error::Silent { server: *server, source },
            }
        }
        Err(last)
    }

    async fn ask_server(&self, server: SocketAddr, name: &str) -> io::Result<Reply> {
        let mut id = [0; 2];
        self.entropy.fill(&mut id).map_err(io::Error::other)?;
        let query = message::query(id, name).ok_or(io::ErrorKind::InvalidInput)?;
        let asked = async {
            let reply = by_datagram(server, &query).await?;
            if reply.is_cut { by_stream(server, &query).await } else { Ok(reply) }
        };
        tokio::time::timeout(PATIENCE, asked).await.map_err(io::Error::from)?
    }
}

async fn by_datagram(server: SocketAddr, query: &[u8]) -> io::Result<Reply> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut buffer = vec![0; LARGEST];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Anybody can send a datagram with this source; one that is no answer to the question is passed over.
        if let Ok(reply) = Reply::parse(buffer.get(..length).unwrap_or_default(), query) {
            return Ok(reply);
        }
    }
}

/// RFC 1035 §4.2.2: two bytes of length before each message.
async fn by_stream(server: SocketAddr, query: &[u8]) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), query].concat()).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Reply::parse(&answer, query).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The nameservers of a resolv.conf(5), port 53; without any, this machine, as the system's resolver does it.
#[must_use]
pub fn nameservers(resolv_conf: &str) -> Vec<SocketAddr> {
    let mut servers = Vec::new();
    for line in resolv_conf.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver")
            && let Some(address) = words.next().and_then(address)
        {
            servers.push(address);
        }
    }
    if servers.is_empty() {
        servers.push(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    }
    servers
}

/// `192.0.2.1`, `2001:db8::1`, `fe80::1%2`; an interface's name in place of its number is passed over.
fn address(text: &str) -> Option<SocketAddr> {
    match text.parse::<IpAddr>() {
        Ok(address) => Some(SocketAddr::new(address, PORT)),
        Err(_) => format!("[{text}]:{PORT}").parse().ok(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer => formatter.write_str("no nameserver is known"),
            Self::Silent { server, source } => {
                write!(formatter, "the nameserver {} gave no answer: {source}", server.ip())
            }
            Self::Failed { name, code } => {
                let word = match code {
                    1 => "FORMERR",
                    2 => "SERVFAIL",
                    4 => "NOTIMP",
                    5 => "REFUSED",
                    _ => "an error",
                };
                write!(formatter, "asked for the CAA records of {name}, the nameserver says {word} ({code})")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Silent { source, .. } => Some(source),
            Self::NoServer | Self::Failed { .. } => None,
        }
    }
}

const PORT: u16 = 53;
const PATIENCE: Duration = Duration::from_secs(3);
const LARGEST: usize = 4096;
const NO_ERROR: u8 = 0;
const NO_SUCH_NAME: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nameservers_are_those_of_the_file_or_this_machine() {
        let shown = |text: &str| nameservers(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            shown("# a\nsearch b\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # c\n"),
            ["192.0.2.1:53", "[2001:db8::1]:53"]
        );
        assert_eq!(shown("nameserver fe80::1%2\nnameserver fe80::1%eth0\n"), ["[fe80::1%2]:53"]);
        assert_eq!(shown("nameserver\noptions x"), ["127.0.0.1:53"]);
    }
}
