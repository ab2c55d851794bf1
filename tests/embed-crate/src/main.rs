//! A server with one tool, and nothing but docquay to write it with.

use docquay::mcp::server::{Ask, Server, Tool, ToolCall, json};

fn main() -> std::io::Result<()> {
    let port: u16 = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8080);
    let greet = Tool::new("greet").description("Greets somebody, whose name it asks for.").input_schema(json!({
        "type": "object",
        "properties": { "greeting": { "type": "string" } },
        "required": ["greeting"],
    }));
    let form = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    Server::new("embed-crate", "0.0.0")
        .tool(greet, move |call: ToolCall| {
            let form = form.clone();
            async move {
                let given = call.context.ask("name", Ask::form("Your name?", form)).await?;
                Ok(format!("{}, {}!", call.text("greeting")?, given.text("name").unwrap_or("stranger")))
            }
        })
        .run(([127, 0, 0, 1], port))
}
