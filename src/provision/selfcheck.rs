//! Whether our own listener answers a challenge, asked before the CA is: a failed validation that is spared.
//!
//! It can tell that the listener is stuck or that another program has taken its place, not whether the internet
//! reaches it: that the CA finds out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::challenges::{OURSELVES, PREFIX};
use crate::names::Identifier;

/// Asks the listener at `address` for `token`, as a CA would.
///
/// # Errors
/// When it does not answer in time, or with anything but the key authorization.
pub(super) async fn http_01(
    address: SocketAddr,
    name: &Identifier,
    token: &str,
    key_authorization: &str,
) -> io::Result<()> {
    let addresses = reachable(address);
    let asked = ask(&addresses, name, token);
    let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(io::Error::from)??;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200 ") && body == key_authorization {
        return Ok(());
    }
    let status = head.lines().next().unwrap_or_default();
    Err(io::Error::other(format!("it answered {status:?} and not with the key authorization")))
}

async fn ask(addresses: &[SocketAddr], name: &Identifier, token: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(addresses).await?;
    let host = name.host();
    let request = format!(
        "GET {PREFIX}{token} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {OURSELVES}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where a listener on every address is reached, the first that can be connected to. One on `[::]` takes IPv4 too,
/// and on a machine without IPv6 nothing else.
fn reachable(address: SocketAddr) -> Vec<SocketAddr> {
    let ips: &[IpAddr] = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
        IpAddr::V6(ip) if ip.is_unspecified() => {
            &[IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]
        }
        _ => return vec![address],
    };
    ips.iter().map(|ip| SocketAddr::new(*ip, address.port())).collect()
}

const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;

    use super::*;
    use crate::http::{self, HostPolicy, Plain, Router};
    use crate::provision::Challenges;
    use crate::shutdown;

    #[tokio::test]
    async fn a_listener_that_has_the_challenge_passes_and_any_other_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let challenges = Challenges::new();
        let router = Arc::new(Router::new(vec![challenges.route()], HostPolicy::default()));
        let (_trigger, shutdown) = shutdown::channel();
        tokio::spawn(http::serve(listener, Plain, router, http::Limits::default(), shutdown));
        let name = Identifier::parse("docs.example.com").unwrap();
        let error = http_01(address, &name, "token", "token.print").await.unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
        let presented = challenges.present("token", "token.print");
        http_01(address, &name, "token", "token.print").await.unwrap();
        assert!(http_01(address, &name, "token", "another").await.is_err());
        drop(presented);
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(http_01(closed, &name, "token", "token.print").await.is_err());
    }

    #[test]
    fn a_listener_on_every_address_is_asked_at_loopback() {
        for (bound, asked) in [
            ("0.0.0.0:80", &["127.0.0.1:80"][..]),
            ("[::]:80", &["[::1]:80", "127.0.0.1:80"]),
            ("192.0.2.1:81", &["192.0.2.1:81"]),
        ] {
            let asked: Vec<SocketAddr> = asked.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(reachable(bound.parse().unwrap()), asked);
        }
    }
}
