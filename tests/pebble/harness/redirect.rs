//! A stand-in for a CDN that forces https: it answers every request for http with a redirect and serves nothing.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A running redirector; gone on drop.
#[derive(Debug)]
pub(crate) struct Redirect {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl Redirect {
    /// Listens on `port` of loopback (the CA's httpPort) and sends everybody to `https://SAME-HOST:https_port/PATH`.
    pub(crate) async fn start(port: u16, https_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = tokio::spawn(serve(listener, https_port, Arc::clone(&asked)));
        Self { address, asked, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The paths it was asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Redirect {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, https_port: u16, asked: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let asked = Arc::clone(&asked);
        let service = service_fn(move |request: Request<Incoming>| {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
            asked.lock().unwrap_or_else(PoisonError::into_inner).push(path.clone());
            let host =
                request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
            let location = format!("https://{}:{https_port}{path}", without_port(host));
            async move { Ok::<_, Infallible>(moved(&location)) }
        });
        connections.spawn(async move {
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
        });
    }
}

fn moved(location: &str) -> Response<Empty<Bytes>> {
    let response = Response::builder().status(StatusCode::MOVED_PERMANENTLY).header("location", location);
    response.body(Empty::new()).unwrap()
}

/// `[2001:db8::1]:80` → `[2001:db8::1]`.
fn without_port(host: &str) -> &str {
    let end = host.rfind(']').unwrap_or(0);
    host[end..].find(':').map_or(host, |colon| &host[..end + colon])
}
