//! Whether a name leads here, asked before the CA is: a name that does not resolve costs it nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::time::Duration;

use crate::names::{DomainName, Identifier};
use crate::outbound;

/// Resolves names to addresses, A and AAAA.
pub trait Lookup: std::fmt::Debug + Send + Sync + 'static {
    /// Every address of a name.
    ///
    /// # Errors
    /// When it has none, or the resolver does not answer.
    fn addresses<'a>(
        &'a self,
        name: &'a DomainName,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;
}

/// The system's resolver; `localhost` without it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses<'a>(
        &'a self,
        name: &'a DomainName,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async move {
            // Without a final dot: /etc/hosts would not be found with it.
            let asked = outbound::lookup(name.as_str());
            let found = tokio::time::timeout(PATIENCE, asked).await.map_err(io::Error::from)??;
            let mut addresses: Vec<IpAddr> =
                found.iter().map(|address| address.ip().to_canonical()).collect();
            addresses.sort_unstable();
            addresses.dedup();
            Ok(addresses)
        })
    }
}

/// The addresses of an identifier: its own, or those of its name.
///
/// # Errors
/// As for [`Lookup::addresses`]; none at all is an error too.
pub(super) async fn addresses(lookup: &dyn Lookup, identifier: &Identifier) -> io::Result<Vec<IpAddr>> {
    match identifier {
        Identifier::Ip(address) => Ok(vec![*address]),
        Identifier::Dns(name) => {
            let found = lookup.addresses(name).await?;
            if found.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    "it has neither an A nor an AAAA record",
                ));
            }
            Ok(found)
        }
    }
}

/// Whether an address is one of this machine's own. Sends nothing: connecting a datagram socket only asks the
/// kernel for the source address it would use, and towards one's own address that is the address itself.
#[must_use]
pub fn is_ours(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let source = || {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(SocketAddr::new(address, 9))?;
        socket.local_addr()
    };
    source().is_ok_and(|source| source.ip() == address)
}

const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_address_is_ours_and_a_documentation_address_is_not() {
        assert!(is_ours(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_ours("192.0.2.1".parse().unwrap()));
    }

    #[derive(Debug)]
    struct Nothing;

    impl Lookup for Nothing {
        fn addresses<'a>(
            &'a self,
            _: &'a DomainName,
        ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    #[tokio::test]
    async fn an_address_is_its_own_and_a_name_without_records_is_an_error() {
        let address = Identifier::parse("192.0.2.1").unwrap();
        assert_eq!(addresses(&Nothing, &address).await.unwrap(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        let name = Identifier::parse("a.example").unwrap();
        assert_eq!(addresses(&Nothing, &name).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
