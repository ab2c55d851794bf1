//! A catalog whose work waits for the test: nothing in a test of transports depends on time.

use std::sync::Arc;

use docquay::mcp::catalog::*;
use docquay::mcp::dispatch::Context;
use docquay::mcp::jsonrpc::Object;
use docquay::mcp::{Error, ErrorKind};
use serde_json::json;
use tokio::sync::{Semaphore, broadcast, watch};

#[derive(Debug)]
pub(crate) struct Gated {
    changes: broadcast::Sender<Arc<Changes>>,
    /// One permit lets one call of `gated`, `silent` or `held` end.
    pub(crate) gate: Semaphore,
    /// How many of these calls run.
    running: watch::Sender<usize>,
}

impl Gated {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            changes: broadcast::channel(16).0,
            gate: Semaphore::new(0),
            running: watch::Sender::new(0),
        })
    }

    pub(crate) fn change(&self, changes: Changes) {
        let _ = self.changes.send(Arc::new(changes));
    }

    pub(crate) fn tools_changed(&self) {
        self.change(Changes { tools: true, ..Changes::default() });
    }

    /// Waits until that many calls run.
    pub(crate) async fn until_running(&self, calls: usize) {
        let mut running = self.running.subscribe();
        let wait = running.wait_for(|running| *running == calls);
        tokio::time::timeout(super::peer::PATIENCE, wait).await.expect("calls running").unwrap();
    }
}

const ENCODED: &str = "gated:///%C3%A9%C3%A9n";

struct Running<'a>(&'a watch::Sender<usize>);

impl<'a> Running<'a> {
    fn new(running: &'a watch::Sender<usize>) -> Self {
        running.send_modify(|running| *running += 1);
        Self(running)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

impl Catalog for Gated {
    fn server(&self) -> ServerInfo {
        let mut capabilities = super::fake::EVERYTHING;
        capabilities.completions = false;
        ServerInfo { implementation: Implementation::new("gated", "1.0.0"), instructions: None, capabilities }
    }

    fn tools(&self) -> Vec<Tool> {
        let tool = |name: &str| {
            let tool = Tool::new(name).title("For tests").description("for tests");
            tool.input_schema(json!({ "type": "object" }))
        };
        ["echo", "gated", "silent", "held", "chatty"].map(tool).into()
    }

    fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: Object,
        context: &'a Context,
    ) -> Answer<'a, ToolResult> {
        Box::pin(async move {
            match name {
                "echo" => Ok(ToolResult::text(serde_json::Value::Object(arguments).to_string())),
                // Two notifications before the answer, in one go.
                "chatty" => {
                    context.progress(1.0, Some(2.0), None);
                    context.progress(2.0, Some(2.0), None);
                    Ok(ToolResult::text("chatted"))
                }
                // What `echo` says, but only through the gate.
                "held" => {
                    let _running = Running::new(&self.running);
                    self.gate.acquire().await.unwrap().forget();
                    Ok(ToolResult::text(serde_json::Value::Object(arguments).to_string()))
                }
                "gated" | "silent" => {
                    let _running = Running::new(&self.running);
                    if name == "gated" {
                        context.progress(1.0, None, Some("waiting"));
                    }
                    self.gate.acquire().await.unwrap().forget();
                    if name == "gated" {
                        context.progress(2.0, None, Some("through"));
                    }
                    Ok(ToolResult::text("through the gate"))
                }
                _ => Err(Error::new(ErrorKind::InvalidParams, "no such tool")),
            }
        })
    }

    fn resources<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<Resource>> {
        let resource = Resource::new(ENCODED, "één");
        Box::pin(async { Ok(Listing { items: vec![resource], next_cursor: None }) })
    }

    fn read_resource<'a>(&'a self, uri: &'a str, _: &'a Context) -> Answer<'a, Vec<ResourceContents>> {
        // What a client wrote in letters that no URI has is still a URI in the answer.
        let uri = if uri.is_ascii() { uri } else { ENCODED };
        Box::pin(async move { Ok(vec![ResourceContents::text(uri, "text")]) })
    }

    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
    }
}
