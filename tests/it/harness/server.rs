//! A server in this process, on a real socket, over the gated catalog.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use docquay::clock::SystemClock;
use docquay::entropy::SystemEntropy;
use docquay::http::{self, Access, Checks, Handler, HostPolicy, Path, Request, Response, Route, Router};
use docquay::mcp::Limits;
use docquay::mcp::dispatch::Dispatcher;
use docquay::mcp::transport::{Hub, Options, sse_legacy, streamable};
use docquay::shutdown::{self, Trigger};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::gated::Gated;
use super::peer::{self, Reply, Whole};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) catalog: Arc<Gated>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) trigger: Trigger,
}

pub(crate) async fn server() -> Server {
    with(Limits::default(), Duration::from_secs(60)).await
}

/// `patience`: how long an answer may take before it becomes a stream.
pub(crate) async fn with(limits: Limits, patience: Duration) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    on(listener, limits, patience)
}

/// With limits of connections too.
pub(crate) async fn with_both(limits: Limits, connections: http::Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    on_both(listener, limits, connections, Duration::from_secs(60))
}

pub(crate) fn on(listener: TcpListener, limits: Limits, patience: Duration) -> Server {
    on_both(listener, limits, http::Limits::default(), patience)
}

fn on_both(listener: TcpListener, limits: Limits, connections: http::Limits, patience: Duration) -> Server {
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    let catalog = Gated::new();
    let dispatcher = Arc::new(Dispatcher::new(Arc::<Gated>::clone(&catalog), limits, shutdown));
    let hub = serve(listener, dispatcher, connections, patience);
    Server { address, catalog, hub, trigger }
}

/// Serves whatever the dispatcher dispatches to.
pub(crate) fn serve(
    listener: TcpListener,
    dispatcher: Arc<Dispatcher>,
    connections: http::Limits,
    patience: Duration,
) -> Arc<Hub> {
    let shutdown = dispatcher.shutdown().clone();
    let mut options = Options::default();
    options.patience = patience;
    let hub = Hub::new(dispatcher, options, Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
    let hub = Arc::new(hub);
    let sweeper = Arc::clone(&hub);
    tokio::spawn(async move { sweeper.run().await });
    tokio::spawn(http::serve(listener, http::Plain, router(&hub), connections, shutdown));
    hub
}

/// `/mcp` with a page for people, `/sse`, `/message`.
pub(crate) fn router(hub: &Arc<Hub>) -> Arc<Router> {
    let endpoint = streamable::Endpoint::new(Arc::clone(hub)).with_page(Arc::new(Page));
    let routes = vec![
        route("/mcp", Arc::new(endpoint)),
        route("/sse", Arc::new(sse_legacy::Opening::new(Arc::clone(hub)))),
        route("/message", Arc::new(sse_legacy::Messages::new(Arc::clone(hub)))),
    ];
    Arc::new(Router::new(routes, HostPolicy::default()))
}

fn route(path: &'static str, handler: Arc<dyn Handler>) -> Route {
    Route { path: Path::Exact(path), access: Access::Documents, checks: Checks::HostAndOrigin, handler }
}

struct Page;

impl Handler for Page {
    fn handle(self: Arc<Self>, _: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async { http::text(::http::StatusCode::OK, "for people") })
    }
}

pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");
pub(crate) const BOTH: (&str, &str) = ("accept", "application/json, text/event-stream");
pub(crate) const STREAM: (&str, &str) = ("accept", "text/event-stream");

impl Server {
    /// A second listener over the same sessions, which the drain of the first does not close.
    pub(crate) async fn undrained(&self) -> (SocketAddr, Trigger) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (trigger, shutdown) = shutdown::channel();
        tokio::spawn(http::serve(
            listener,
            http::Plain,
            router(&self.hub),
            http::Limits::default(),
            shutdown,
        ));
        (address, trigger)
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        peer::send(self.address, method, path, headers, body).await
    }

    /// POST /mcp with these headers and no others.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send("POST", "/mcp", headers, &body.to_string()).await
    }

    /// A well-formed modern request.
    pub(crate) async fn modern(&self, id: Value, method: &str, params: Value) -> Reply {
        self.modern_as(BOTH.1, id, method, params).await
    }

    pub(crate) async fn modern_as(&self, accept: &str, id: Value, method: &str, params: Value) -> Reply {
        let body = modern_body(id, method, params);
        let mut headers =
            vec![JSON, ("accept", accept), ("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        let name = ["name", "uri"].iter().find_map(|key| body["params"][key].as_str()).map(str::to_owned);
        if let Some(name) = &name {
            headers.push(("mcp-name", name));
        }
        self.post(&headers, &body).await
    }

    /// A legacy session of a revision.
    pub(crate) async fn initialize(&self, revision: &str) -> Client<'_> {
        let answer = self.post(&[JSON, BOTH], &initialize(revision)).await.whole().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["result"]["protocolVersion"], revision);
        let session = answer.header("mcp-session-id").unwrap().to_owned();
        Client { server: self, session, revision: revision.to_owned() }
    }
}

pub(crate) fn modern_body(id: Value, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "progressToken": "p",
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub(crate) fn initialize(revision: &str) -> Value {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
}

/// A legacy session on `/mcp`.
pub(crate) struct Client<'a> {
    pub(crate) server: &'a Server,
    pub(crate) session: String,
    pub(crate) revision: String,
}

impl Client<'_> {
    pub(crate) async fn post(&self, accept: (&str, &str), body: &Value) -> Reply {
        let session = ("mcp-session-id", self.session.as_str());
        let version = ("mcp-protocol-version", self.revision.as_str());
        self.server.post(&[JSON, accept, session, version], body).await
    }

    pub(crate) async fn request(&self, id: Value, method: &str, params: Value) -> Reply {
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.post(BOTH, &body).await
    }

    pub(crate) async fn call(&self, id: Value, tool: &str) -> Reply {
        let params = json!({ "name": tool, "arguments": {}, "_meta": { "progressToken": "p" } });
        self.request(id, "tools/call", params).await
    }

    pub(crate) async fn notify(&self, method: &str, params: Value) -> Whole {
        let body = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.post(BOTH, &body).await.whole().await
    }

    pub(crate) async fn get(&self, last_event: Option<&str>) -> Reply {
        let mut headers = vec![STREAM, ("mcp-session-id", self.session.as_str())];
        headers.extend(last_event.map(|id| ("last-event-id", id)));
        self.server.send("GET", "/mcp", &headers, "").await
    }

    pub(crate) async fn delete(&self) -> Whole {
        let headers = [("mcp-session-id", self.session.as_str())];
        self.server.send("DELETE", "/mcp", &headers, "").await.whole().await
    }
}
