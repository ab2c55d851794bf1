//! The library as others embed it: a server of functions, spoken to over real sockets in both eras.

mod legacy;
mod offer;
mod rounds;
mod tasks;

use std::net::SocketAddr;

use docquay::mcp::server::{Ask, Error, Server, Tool, ToolCall, Value, json};
use docquay::shutdown::{self, Trigger};
use tokio::net::TcpListener;

use crate::harness::peer::{self, Reply, Whole};
use crate::harness::server::{BOTH, JSON, STREAM};

/// A server on a socket of its own; it drains when this is dropped.
pub(crate) struct Served {
    address: SocketAddr,
    _trigger: Trigger,
}

pub(crate) async fn serve(server: Server) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = shutdown::channel();
    tokio::spawn(server.serve_on(listener, shutdown));
    Served { address, _trigger: trigger }
}

pub(crate) fn server() -> Server {
    Server::new("embedded", "1.0.0")
}

/// Asks for a name and greets it.
pub(crate) fn asks_a_name() -> Server {
    server().tool(Tool::new("greet"), greet)
}

pub(crate) async fn greet(call: ToolCall) -> Result<String, Error> {
    let given = call.context.ask("name", name_form()).await?;
    Ok(format!("Hello, {}!", given.text("name").unwrap_or("stranger")))
}

pub(crate) fn name_form() -> Ask<docquay::mcp::server::Elicited> {
    let properties = json!({ "name": { "type": "string" } });
    Ask::form("Your name?", json!({ "type": "object", "properties": properties, "required": ["name"] }))
}

pub(crate) fn accepted(name: &str) -> Value {
    json!({ "action": "accept", "content": { "name": name } })
}

/// The one text of a result.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}

impl Served {
    /// A modern request of a client that declares `capabilities`.
    pub(crate) async fn modern(&self, method: &str, params: Value, capabilities: Value) -> Reply {
        self.modern_with(&[], method, params, capabilities).await
    }

    pub(crate) async fn modern_with(
        &self,
        more: &[(&str, &str)],
        method: &str,
        mut params: Value,
        capabilities: Value,
    ) -> Reply {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities;
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut headers = vec![JSON, BOTH, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        let name = ["name", "uri", "taskId"].iter().find_map(|key| params[key].as_str()).map(str::to_owned);
        if let Some(name) = name.as_ref().filter(|_| !more.iter().any(|(known, _)| *known == "mcp-name")) {
            headers.push(("mcp-name", name));
        }
        headers.extend_from_slice(more);
        peer::send(self.address, "POST", "/mcp", &headers, &body.to_string()).await
    }

    /// The result of a modern request.
    pub(crate) async fn result(&self, method: &str, params: Value, capabilities: Value) -> Value {
        let answer = self.modern(method, params, capabilities).await.whole().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut answer = answer.json();
        assert!(answer["error"].is_null(), "{answer}");
        answer["result"].take()
    }

    /// The error of a modern request.
    pub(crate) async fn refusal(&self, method: &str, params: Value, capabilities: Value) -> (u16, Value) {
        let answer = self.modern(method, params, capabilities).await.whole().await;
        let error = answer.json()["error"].take();
        assert!(error.is_object(), "{answer:?}");
        (answer.status, error)
    }

    /// A legacy session of a client that declares `capabilities`.
    pub(crate) async fn session(&self, revision: &str, capabilities: Value) -> Session<'_> {
        let client = json!({ "name": "test", "version": "1" });
        let params =
            json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": client });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let answer = peer::send(self.address, "POST", "/mcp", &[JSON, BOTH], &body.to_string()).await;
        let id = answer.header("mcp-session-id").unwrap().to_owned();
        assert_eq!(answer.whole().await.json()["result"]["protocolVersion"], revision);
        Session { served: self, id }
    }
}

/// A legacy session on `/mcp`.
pub(crate) struct Session<'a> {
    served: &'a Served,
    id: String,
}

impl Session<'_> {
    pub(crate) async fn post(&self, accept: (&str, &str), body: &Value) -> Reply {
        let headers = [JSON, accept, ("mcp-session-id", self.id.as_str())];
        peer::send(self.served.address, "POST", "/mcp", &headers, &body.to_string()).await
    }

    pub(crate) async fn request(&self, id: i64, method: &str, params: Value) -> Reply {
        self.post(BOTH, &json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await
    }

    pub(crate) async fn call(&self, id: i64, tool: &str) -> Reply {
        self.request(id, "tools/call", json!({ "name": tool, "arguments": {} })).await
    }

    /// Answers a request of the server's.
    pub(crate) async fn answer(&self, id: &Value, result: Value) -> Whole {
        self.post(BOTH, &json!({ "jsonrpc": "2.0", "id": id, "result": result })).await.whole().await
    }

    pub(crate) async fn get(&self, last_event: &str) -> Reply {
        let headers = [STREAM, ("mcp-session-id", self.id.as_str()), ("last-event-id", last_event)];
        peer::send(self.served.address, "GET", "/mcp", &headers, "").await
    }
}
