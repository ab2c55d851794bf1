//! Binding the listeners, early and with words for what can go wrong.
//!
//! Each falls back to IPv4 by itself where there is no IPv6.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::Error;
use crate::platform;

/// The listeners of a server.
#[derive(Debug)]
pub(super) struct Listeners {
    pub(super) serving: TcpListener,
    /// For HTTP-01 and redirects, if it is there already.
    pub(super) acme: Option<TcpListener>,
    /// For `/metrics`, if it is there already.
    pub(super) metrics: Option<TcpListener>,
}

impl Listeners {
    /// The serving one alone: what else is wanted is bound later.
    pub(super) fn of(serving: TcpListener) -> Self {
        Self { serving, acme: None, metrics: None }
    }
}

/// What a listener is for: it decides what helps when it cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Serving,
    Acme,
    Metrics,
}

/// The serving listener at `address`; `[::]` takes IPv4 too, and where there is no IPv6 it is 0.0.0.0.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    bind_for(address, Purpose::Serving)
}

/// The listener for HTTP-01 and the redirect to https, port 80. Without it the server still serves: the error is
/// for a warning that TLS-ALPN-01 is left alone.
pub(crate) fn bind_acme(address: SocketAddr) -> Result<TcpListener, Error> {
    bind_for(address, Purpose::Acme)
}

/// The listener for `/metrics`.
pub(crate) fn bind_metrics(address: SocketAddr) -> Result<TcpListener, Error> {
    bind_for(address, Purpose::Metrics)
}

fn bind_for(address: SocketAddr, purpose: Purpose) -> Result<TcpListener, Error> {
    let bound = match listen(address) {
        Err(error) if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && no_ipv6(&error) => {
            tracing::warn!(port = address.port(), "this machine has no IPv6; listening on 0.0.0.0");
            listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()))
        }
        other => other,
    };
    bound.map_err(|error| explain(address, purpose, &error))
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

/// The kernel has no IPv6, or no address of it.
fn no_ipv6(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || platform::is_unknown_family(error)
}

fn explain(address: SocketAddr, purpose: Purpose, error: &io::Error) -> Error {
    let port = address.port();
    let cause = match error.kind() {
        io::ErrorKind::AddrInUse => format!("another program listens on port {port}"),
        io::ErrorKind::PermissionDenied => format!("this user may not open port {port}"),
        io::ErrorKind::AddrNotAvailable => format!("this machine has no address {}", address.ip()),
        _ => error.to_string(),
    };
    let find_it = format!("see which one with: ss -ltnp 'sport = :{port}'");
    let listen_on_all =
        "list its addresses with: ip addr\nor listen on all of them: --bind '[::]'".to_owned();
    let help = match (error.kind(), purpose) {
        (io::ErrorKind::AddrInUse, Purpose::Serving) => {
            let other = if port == u16::MAX { 8080 } else { port + 1 };
            format!("{find_it}\nor choose another port: --port {other}")
        }
        (io::ErrorKind::AddrInUse, Purpose::Acme) => format!("{find_it}\n{WITHOUT_HTTP_01}"),
        (io::ErrorKind::PermissionDenied, Purpose::Serving) => {
            format!("choose a port from 1024: --port 8080\nor {ALLOW_IT}")
        }
        (io::ErrorKind::PermissionDenied, Purpose::Acme) => {
            format!("{ALLOW_IT}\nor forward port 80 to one from 1024: --acme-port 8080\n{WITHOUT_HTTP_01}")
        }
        (io::ErrorKind::AddrInUse, Purpose::Metrics) => format!("{find_it}\n{OTHER_METRICS}"),
        (_, Purpose::Metrics) => OTHER_METRICS.to_owned(),
        (io::ErrorKind::AddrNotAvailable, _) => listen_on_all,
        (_, Purpose::Serving) => "choose another address or port: --bind, --port".to_owned(),
        (_, Purpose::Acme) => {
            format!("choose another address or port: --bind, --acme-port\n{WITHOUT_HTTP_01}")
        }
    };
    Error::Run { what: format!("cannot listen on {address}"), cause, help }
}

const ALLOW_IT: &str = "allow it with: setcap cap_net_bind_service=+ep \"$(command -v docquay)\" \
    (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE; \
    a container: --sysctl net.ipv4.ip_unprivileged_port_start=0)";
const WITHOUT_HTTP_01: &str = "or do without it: --acme-challenge tls-alpn-01";

const OTHER_METRICS: &str =
    "choose another address for them: --metrics-bind 127.0.0.1:9464\nor do without: leave metrics_bind out";

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
    async fn the_acme_port_in_use_is_explained_with_the_way_to_do_without_it() {
        let first = bind_acme("[::]:0".parse().unwrap()).unwrap();
        let address = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), first.local_addr().unwrap().port());
        let Err(Error::Run { help, .. }) = bind_acme(address) else { panic!("bound twice") };
        assert!(help.contains("ss -ltnp") && help.contains("--acme-challenge tls-alpn-01"), "{help}");
        assert!(!help.contains("--port"), "{help}");
    }

    #[tokio::test]
    async fn metrics_that_cannot_be_served_are_explained_with_their_own_option() {
        let first = bind_metrics("127.0.0.1:0".parse().unwrap()).unwrap();
        for address in [first.local_addr().unwrap(), "192.0.2.1:0".parse().unwrap()] {
            let Err(Error::Run { help, .. }) = bind_metrics(address) else { panic!("bound {address}") };
            assert!(help.contains("--metrics-bind") && !help.contains("--port"), "{help}");
        }
    }

    #[test]
    fn a_port_that_may_not_be_opened_is_explained_for_each_purpose() {
        let error = io::ErrorKind::PermissionDenied.into();
        for (purpose, option) in [(Purpose::Serving, "--port 8080"), (Purpose::Acme, "--acme-port 8080")] {
            let explained = explain("[::]:80".parse().unwrap(), purpose, &error);
            let Error::Run { cause, help, .. } = explained else { panic!("{explained}") };
            assert_eq!(cause, "this user may not open port 80");
            assert!(help.contains(option), "{help}");
        }
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
