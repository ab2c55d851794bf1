//! A server of one's own, in twenty lines: `cargo run --example embed`, then point a client at
//! http://127.0.0.1:8080/mcp.

use docquay::mcp::server::{Server, Tool, ToolCall, json};

fn main() -> std::io::Result<()> {
    let greet = Tool::new("greet").description("Greets somebody by name.").input_schema(json!({
        "type": "object",
        "properties": { "name": { "type": "string", "description": "Whom to greet" } },
        "required": ["name"],
    }));
    Server::new("greeter", "1.0.0")
        .instructions("Call greet to greet somebody.")
        .tool(greet, async |call: ToolCall| {
            let name = call.text("name")?;
            call.context.progress(1.0, Some(1.0), Some("greeting"));
            Ok(format!("Hello, {name}!"))
        })
        .run(([127, 0, 0, 1], 8080))
}
