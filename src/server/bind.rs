//! Binding the listener, early and with words for what can go wrong.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::Error;

/// A listener at `address`; `[::]` takes IPv4 too, and where there is no IPv6 it is 0.0.0.0.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = match listen(address) {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && no_ipv6(&error) => {
            tracing::warn!("this machine has no IPv6; listening on 0.0.0.0");
            listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()))
        }
        other => other,
    };
    bound.map_err(|error| explain(address, &error))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the old connections' TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// EAFNOSUPPORT or EADDRNOTAVAIL: the kernel has no IPv6, or no address of it.
fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(97)
}

fn explain(address: SocketAddr, error: &io::Error) -> Error {
    let port = address.port();
    let (cause, help) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            format!("another program listens on port {port}"),
            format!(
                "see which one with: ss -ltnp 'sport = :{port}'\nor choose another port: --port {}",
                if port == u16::MAX { 8080 } else { port + 1 }
            ),
        ),
        io::ErrorKind::PermissionDenied => {
            (format!("this user may not open port {port}"), "choose a port from 1024: --port 8080".to_owned())
        }
        io::ErrorKind::AddrNotAvailable => (
            format!("this machine has no address {}", address.ip()),
            "list its addresses with: ip addr\nor listen on all of them: --bind '[::]'".to_owned(),
        ),
        _ => (error.to_string(), "choose another address or port: --bind, --port".to_owned()),
    };
    Error::Run { what: format!("cannot listen on {address}"), cause, help }
}

const BACKLOG: i32 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_way_to_its_user() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let Err(Error::Run { what, cause, help }) = bind(address) else { panic!("bound twice") };
        let port = address.port();
        assert_eq!(what, format!("cannot listen on {address}"));
        assert_eq!(cause, format!("another program listens on port {port}"));
        assert!(help.contains(&format!("ss -ltnp 'sport = :{port}'")) && help.contains("--port"), "{help}");
    }

    #[tokio::test]
    async fn the_unspecified_address_takes_ipv4_too() {
        let listener = bind("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_explained() {
        let Err(Error::Run { cause, .. }) = bind("192.0.2.1:0".parse().unwrap()) else { panic!("bound") };
        assert_eq!(cause, "this machine has no address 192.0.2.1");
    }
}
