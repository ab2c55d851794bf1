//! One tool that answers 2 KB from a map, to be measured beside other servers: `bench_server`, port $PORT or 3000.
//!
//! What it costs is the protocol's, not the search's.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use docquay::mcp::server::{Server, Tool, ToolCall, json};

fn main() -> io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(3000);
    let pages: HashMap<String, String> =
        (0..64).map(|number| (format!("page {number}"), "docquay ".repeat(256))).collect();
    let pages = Arc::new(pages);
    let search = Tool::new("search").description("Searches the pages.").input_schema(json!({
        "type": "object",
        "properties": { "query": { "type": "string" } },
        "required": ["query"],
    }));
    Server::new("bench", "1.0.0")
        .tool(search, move |call: ToolCall| {
            let pages = Arc::clone(&pages);
            async move {
                let query = call.text("query")?;
                let found = pages.get(query).or_else(|| pages.get("page 0")).cloned().unwrap_or_default();
                Ok(found)
            }
        })
        .run(([127, 0, 0, 1], port))
}
