//! Accepting connections: bounds, backoff on errors, the drain.
//!
//! Owns the tasks of all connections: they end before [`serve`] returns. Never reads a byte: how a socket
//! becomes the stream that HTTP is spoken over, an [`Accept`] decides inside the connection's task.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::accept::Accept;
use super::connection::{self, Context};
use super::limits::Limits;
use super::router::Router;
use super::terms::Terms;
use super::throttle::Throttle;
use crate::metrics::{self, Bound};
use crate::names::Network;
use crate::shutdown::Shutdown;

/// Serves `listener` until `shutdown` drains and every connection has ended (or the drain limit
/// cuts it). HTTP/1.1 and HTTP/2, told apart by their first bytes.
///
/// `accept` turns a socket into a stream: [`Plain`](super::Plain), or TLS.
pub async fn serve<A: Accept>(
    listener: TcpListener,
    accept: A,
    router: Arc<Router>,
    limits: Limits,
    shutdown: Shutdown,
) {
    // The sender may go: the terms stay as they are.
    let (_, terms) = watch::channel(Arc::new(Terms { router, limits }));
    serve_on_terms(listener, accept, terms, shutdown).await;
}

/// Like [`serve`], on terms that may change meanwhile: a request is answered by the router of its moment, a
/// connection keeps the limits with which it was accepted.
pub async fn serve_on_terms<A: Accept>(
    listener: TcpListener,
    accept: A,
    terms: watch::Receiver<Arc<Terms>>,
    shutdown: Shutdown,
) {
    let service = Arc::new(Service { accept, terms: terms.clone(), shutdown: shutdown.clone() });
    let mut open = Open::default();
    let mut backoff = Backoff::default();
    loop {
        tokio::select! {
            accepted = listener.accept(), if !backoff.waits() => match accepted {
                Ok((stream, peer)) => {
                    backoff = Backoff::default();
                    open.admit(stream, canonical(peer), &service);
                }
                Err(error) => backoff.failed(&error),
            },
            Some(ended) = open.tasks.join_next_with_id() => open.forget(ended),
            () = backoff.over(), if backoff.waits() => backoff.resume(),
            () = shutdown.draining() => break,
        }
    }
    open.take_waiting(listener, &service);
    let limit = terms.borrow().limits.drain;
    open.drain(limit).await;
}

/// What the connections of a listener have in common.
struct Service<A> {
    accept: A,
    terms: watch::Receiver<Arc<Terms>>,
    shutdown: Shutdown,
}

impl<A: Accept> Service<A> {
    /// One connection from its socket to its end. A drain leaves a handshake in progress some time: whoever got
    /// through to this listener is answered, though the next would go elsewhere.
    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        limits: Limits,
        _open: OpenConnection,
    ) {
        let accepted = tokio::select! {
            accepted = self.accept.accept(socket, peer) => accepted,
            () = self.shutdown.drained_for(connection::FIRST_REQUEST) => return,
        };
        let Some(stream) = accepted else { return };
        let (terms, shutdown) = (self.terms.clone(), self.shutdown.clone());
        let context = Context { terms, limits, scheme: A::SCHEME, shutdown };
        connection::serve(stream, peer, Arc::new(context)).await;
    }
}

/// The connections that are open.
#[derive(Debug, Default)]
struct Open {
    tasks: JoinSet<()>,
    addresses: HashMap<Id, Network>,
    per_address: HashMap<Network, usize>,
    refusals: Throttle,
}

impl Open {
    /// Starts a connection, or closes it at once if a bound is reached.
    fn admit<A: Accept>(&mut self, stream: TcpStream, peer: SocketAddr, service: &Arc<Service<A>>) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
        let terms = service.terms.borrow().clone();
        let address = client(peer.ip(), &terms.router);
        let limits = terms.limits.clone();
        if let Some(bound) = self.bound_reached(address, &limits) {
            terms.router.metrics().refuse(bound);
            if let Some(unreported) = self.refusals.admit() {
                let bound = bound.as_str();
                tracing::warn!(%peer, bound, unreported, "connection refused: too many are open");
            }
            return;
        }
        // A small answer must not wait for the acknowledgement of the one before it. Failing means
        // that the peer has gone; the first read will tell.
        let _ = stream.set_nodelay(true);
        let counted = OpenConnection::of(terms.router.metrics());
        let id = self.tasks.spawn(Arc::clone(service).connection(stream, peer, limits, counted)).id();
        if let Some(address) = address {
            self.addresses.insert(id, address);
            *self.per_address.entry(address).or_default() += 1;
        }
    }

    /// Takes those whom the kernel has let in already, as far as they came before this, and closes the listener:
    /// whoever connects from then on is told so by the kernel.
    fn take_waiting<A: Accept>(&mut self, listener: TcpListener, service: &Arc<Service<A>>) {
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..service.terms.borrow().limits.connections {
            // It does not block. An error ends it too: there is no later time.
            let Ok((stream, peer)) = listener.accept() else { return };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.admit(stream, canonical(peer), service);
            }
        }
    }

    /// The limit that stands in the way.
    fn bound_reached(&self, address: Option<Network>, limits: &Limits) -> Option<Bound> {
        let from_address = address.and_then(|address| self.per_address.get(&address)).copied().unwrap_or(0);
        if self.tasks.len() >= limits.connections {
            Some(Bound::Connections)
        } else if from_address >= limits.connections_per_address {
            Some(Bound::PerAddress)
        } else {
            None
        }
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        let Some(address) = self.addresses.remove(&id) else { return };
        if let Some(count) = self.per_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&address);
            }
        }
    }

    /// Lets every connection end by itself, then cuts the rest.
    async fn drain(mut self, limit: Duration) {
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(limit, ended).await.is_err() {
            tracing::info!(connections = self.tasks.len(), "drain limit reached, closing the rest");
            self.tasks.shutdown().await;
        }
    }
}

/// A connection, counted as open until this is dropped.
#[derive(Debug)]
struct OpenConnection(Arc<metrics::Http>);

impl OpenConnection {
    fn of(metrics: &Arc<metrics::Http>) -> Self {
        metrics.accepted.increment();
        metrics.connections.increment();
        Self(Arc::clone(metrics))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections.decrement();
    }
}

/// An IPv4 peer of a dual-stack socket is known, and logged, by its own address.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Whom a connection is counted for. Nobody: this machine itself, and a proxy, which connects for many.
fn client(address: IpAddr, router: &Router) -> Option<Network> {
    let exempt = address.to_canonical().is_loopback() || router.is_proxy(address);
    (!exempt).then(|| Network::of_client(address))
}

/// The pause after an accept that failed for want of descriptors or memory: such an error stays
/// until something else is closed, and trying again at once would spin.
#[derive(Debug, Default)]
struct Backoff {
    until: Option<Instant>,
    pause: Duration,
}

impl Backoff {
    fn failed(&mut self, error: &io::Error) {
        // The peer's fault, gone with it (accept(2)).
        let peer = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::Interrupted];
        if peer.contains(&error.kind()) {
            return;
        }
        self.pause = (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        self.until = Some(Instant::now() + self.pause);
        tracing::warn!(%error, retry_in = ?self.pause, "accepting a connection failed");
    }

    fn waits(&self) -> bool {
        self.until.is_some()
    }

    async fn over(&self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
        }
    }

    fn resume(&mut self) {
        self.until = None;
    }
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;

    use crate::http::{Caller, Forwarded, Guard, HostPolicy, Request, Response};

    /// Knows one proxy, and lets everybody in.
    struct OneProxy;

    impl Guard for OneProxy {
        fn is_proxy(&self, peer: IpAddr) -> bool {
            peer == IpAddr::from([192, 0, 2, 80])
        }

        fn forwarded(&self, _: IpAddr, _: &::http::HeaderMap) -> Option<Forwarded> {
            None
        }

        fn meter(&self, _: &Request) -> Result<(), Box<Response>> {
            Ok(())
        }

        fn admit(&self, _: &Request) -> Result<Option<Caller>, Box<Response>> {
            Ok(None)
        }

        fn barred(&self, _: &Caller) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(std::future::pending())
        }
    }

    fn of(address: &str) -> Option<Network> {
        let router = Router::new(Vec::new(), HostPolicy::default()).with_guard(Arc::new(OneProxy));
        client(address.parse().unwrap(), &router)
    }

    #[test]
    fn loopback_and_proxies_are_not_counted_and_an_ipv6_network_is_one_client() {
        for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "192.0.2.80"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }

    #[tokio::test]
    async fn an_address_at_its_bound_is_refused_until_one_of_its_connections_ends() {
        let address = of("192.0.2.1");
        let limits = Limits { connections_per_address: 2, ..Limits::default() };
        let mut open = Open::default();
        for _ in 0..2 {
            assert_eq!(open.bound_reached(address, &limits), None);
            let id = open.tasks.spawn(async {}).id();
            open.addresses.insert(id, address.unwrap());
            *open.per_address.entry(address.unwrap()).or_default() += 1;
        }
        assert_eq!(open.bound_reached(address, &limits), Some(Bound::PerAddress));
        assert_eq!(open.bound_reached(of("192.0.2.2"), &limits), None);
        assert_eq!(open.bound_reached(None, &limits), None);
        let ended = open.tasks.join_next_with_id().await.unwrap();
        open.forget(ended);
        assert_eq!(open.bound_reached(address, &limits), None);
        let ended = open.tasks.join_next_with_id().await.unwrap();
        open.forget(ended);
        assert!(open.per_address.is_empty() && open.addresses.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn errors_of_the_machine_pause_the_accepting_and_errors_of_a_peer_do_not() {
        let mut backoff = Backoff::default();
        backoff.failed(&ErrorKind::ConnectionAborted.into());
        assert!(!backoff.waits());
        let descriptors = io::Error::from_raw_os_error(24);
        for expected in [50, 100, 200, 400, 800, 1000, 1000] {
            backoff.failed(&descriptors);
            assert_eq!(backoff.pause.as_millis(), expected);
        }
        backoff.over().await;
        backoff.resume();
        assert!(!backoff.waits());
    }
}
