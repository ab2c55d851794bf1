//! How a server is served: an address, a listener, a router for a listener of somebody else's, a pair of pipes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{Fault, Server};
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::http::{self, Access, Checks, Handler, Path, Plain, Route, Router};
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::transport::{Hub, Options, sse_legacy, stdio, streamable};
use crate::names::HostName;
use crate::shutdown::{self, Shutdown};

/// A server that is put together, for those who serve it themselves.
#[derive(Debug)]
pub struct Embedded {
    dispatcher: Arc<Dispatcher>,
    hub: Arc<Hub>,
}

impl Embedded {
    /// The routes `/mcp`, `/sse` and `/message`, to stand in a [`Router`] beside others. [`run`](Self::run) must run
    /// meanwhile.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        let hub = || Arc::clone(&self.hub);
        [
            ("/mcp", Arc::new(streamable::Endpoint::new(hub())) as Arc<dyn Handler>),
            ("/sse", Arc::new(sse_legacy::Opening::new(hub()))),
            ("/message", Arc::new(sse_legacy::Messages::new(hub()))),
        ]
        .map(|(path, handler)| Route {
            path: Path::Exact(path),
            access: Access::Documents,
            checks: Checks::HostAndOrigin,
            handler,
        })
        .into()
    }

    /// What both its transports ask: for tests and for transports of one's own.
    #[must_use]
    pub fn dispatcher(&self) -> &Arc<Dispatcher> {
        &self.dispatcher
    }

    /// Ends idle sessions until the drain.
    pub async fn run(&self) {
        self.hub.run().await;
    }
}

impl Server {
    /// Puts the server together, to be drained by `shutdown`.
    ///
    /// # Errors
    /// What is wrong with what was registered.
    pub fn build(self, shutdown: Shutdown) -> Result<Embedded, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
        let dispatcher = Dispatcher::new(self.offer, self.limits, shutdown);
        let dispatcher =
            Arc::new(dispatcher.with(clock.clone(), entropy.clone(), self.state_secret.as_deref()));
        let hub = Arc::new(Hub::new(Arc::clone(&dispatcher), Options::default(), clock, entropy));
        Ok(Embedded { dispatcher, hub })
    }

    /// Serves at `address`, in a runtime of its own, for as long as the process lives.
    ///
    /// # Errors
    /// An address that cannot be bound; a [`Fault`] as [`io::ErrorKind::InvalidInput`].
    pub fn run(self, address: impl Into<SocketAddr>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve(address))
    }

    /// Serves at `address` for as long as it is polled: `/mcp` for every revision, `/sse` and `/message` for clients
    /// of 2024-11-05.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub async fn serve(self, address: impl Into<SocketAddr>) -> io::Result<()> {
        // Dropped with the future: nobody else could drain it.
        let (_trigger, shutdown) = shutdown::channel();
        let listener = TcpListener::bind(address.into()).await?;
        self.serve_on(listener, shutdown).await
    }

    /// Serves on a listener that is bound already, until `shutdown` drains and every request has ended.
    ///
    /// # Errors
    /// A [`Fault`] as [`io::ErrorKind::InvalidInput`].
    pub async fn serve_on(self, listener: TcpListener, shutdown: Shutdown) -> io::Result<()> {
        let mut policy = self.policy.clone();
        let address = listener.local_addr()?.ip();
        if !address.is_unspecified() {
            policy.hosts.push(HostName::Address(address));
        }
        let embedded = self.build(shutdown.clone()).map_err(invalid_input)?;
        let router = Arc::new(Router::new(embedded.routes(), policy));
        let serving = http::serve(listener, Plain, router, http::Limits::default(), shutdown);
        tokio::join!(serving, embedded.run());
        Ok(())
    }

    /// Serves one client over stdin and stdout, until its end. Nothing else may be written to stdout.
    ///
    /// # Errors
    /// A pipe that fails; a [`Fault`] as [`io::ErrorKind::InvalidInput`].
    pub async fn stdio(self) -> io::Result<()> {
        let (_trigger, shutdown) = shutdown::channel();
        let embedded = self.build(shutdown.clone()).map_err(invalid_input)?;
        stdio::serve(embedded.dispatcher, tokio::io::stdin(), tokio::io::stdout(), shutdown).await
    }
}

fn invalid_input(fault: Fault) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, fault)
}
