//! A server with one tool, and nothing but docquay to write it with: `embed-crate PORT` or `embed-crate stdio`.

use docquay::mcp::server::{Ask, Server, Tool, ToolCall, json};

fn main() -> std::io::Result<()> {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "8080".to_owned());
    let greet = Tool::new("greet").description("Greets somebody, whose name it asks for.").input_schema(json!({
        "type": "object",
        "properties": { "greeting": { "type": "string" } },
        "required": ["greeting"],
    }));
    let form = json!({ "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] });
    let server = Server::new("embed-crate", "0.0.0").tool(greet, move |call: ToolCall| {
        let form = form.clone();
        async move {
            let given = call.context.ask("name", Ask::form("Your name?", form)).await?;
            Ok(format!("{}, {}!", call.text("greeting")?, given.text("name").unwrap_or("stranger")))
        }
    });
    match argument.parse::<u16>() {
        Ok(port) => server.run(([127, 0, 0, 1], port)),
        Err(_) => server.run_stdio(),
    }
}
