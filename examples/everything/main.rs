//! Every feature of the library once, by the names that the official conformance suite calls:
//!
//!     everything [--port PORT]     http://127.0.0.1:PORT/mcp, else $PORT, else 3000; 0 takes a free one
//!     everything stdio
//!
//! `tests/run conformance` runs the suite on it.

mod asking;
mod content;
mod tasks;

use std::io;
use std::time::Duration;

use docquay::mcp::server::{
    CacheScope, Completing, Freshness, Handle, Level, Prompt, PromptCall, Reference, Server, Tool, ToolCall,
    ToolResult, json,
};
use docquay::shutdown;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> io::Result<()> {
    let server = Server::new("everything", env!("CARGO_PKG_VERSION"))
        .instructions("Every tool here tests one feature of the protocol.")
        .freshness(Freshness { ttl_ms: 60_000, scope: CacheScope::Public })
        .logging();
    let server = tasks::add(asking::add(content::add(add(server))));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["stdio"] => return server.stdio().await,
        ["--port", port] => (*port).to_owned(),
        [] => std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned()),
        _ => return Err(io::Error::other("usage: everything [--port PORT | stdio]")),
    };
    let port: u16 = port.parse().map_err(|_| io::Error::other(format!("there is no port {port}")))?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("http://{}/mcp", listener.local_addr()?);
    let (trigger, shutdown) = shutdown::channel();
    tokio::spawn(async move {
        let mut terminated = signal(SignalKind::terminate())?;
        terminated.recv().await;
        trigger.drain();
        io::Result::Ok(())
    });
    server.serve_on(listener, shutdown).await
}

/// What a handler says while it works, and what changes while the server runs.
fn add(server: Server) -> Server {
    let handle = server.handle();
    let (tools, prompts) = (handle.clone(), handle.clone());
    tokio::spawn(watched(handle));
    server
        .tool(described("test_tool_with_progress", "Reports progress three times."), progress)
        .tool(described("test_tool_with_logging", "Sends three log messages."), logging)
        .tool(described("test_logging_tool", "Sends log messages to those who ask for them."), logging)
        .tool(described("test_reconnection", "Lets its client go and answers when it is back."), reconnection)
        .tool(described("test_trigger_tool_change", "Changes the list of tools."), move |_: ToolCall| {
            let handle = tools.clone();
            async move { toggle_tool(&handle) }
        })
        .tool(described("test_trigger_prompt_change", "Changes the list of prompts."), move |_: ToolCall| {
            let handle = prompts.clone();
            async move { toggle_prompt(&handle) }
        })
        .completion(complete)
}

pub(crate) fn described(name: &str, description: &str) -> Tool {
    Tool::new(name).description(description).input_schema(json!({ "type": "object", "properties": {} }))
}

type Answer = Result<ToolResult, docquay::mcp::Error>;

async fn progress(call: ToolCall) -> Answer {
    for step in [0, 50, 100] {
        let message = format!("Completed step {step} of 100");
        call.context.progress(f64::from(step), Some(100.0), Some(&message));
        sleep(Duration::from_millis(50)).await;
    }
    Ok("Progress was reported.".into())
}

async fn logging(call: ToolCall) -> Answer {
    for said in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        call.context.log(Level::Info, Some("everything"), &json!(said));
        sleep(Duration::from_millis(50)).await;
    }
    Ok("Tool with logging executed successfully".into())
}

async fn reconnection(call: ToolCall) -> Answer {
    call.context.release();
    sleep(Duration::from_millis(100)).await;
    Ok("Reconnection test completed successfully.".into())
}

fn toggle_tool(handle: &Handle) -> Answer {
    if !handle.remove_tool("test_dynamic_tool") {
        let tool = described("test_dynamic_tool", "Comes and goes.");
        // Two calls at once may both add it; the second finds it there.
        let _ = handle.add_tool(tool, async |_: ToolCall| Ok("here"));
    }
    Ok("The list of tools changed.".into())
}

fn toggle_prompt(handle: &Handle) -> Answer {
    if !handle.remove_prompt("test_dynamic_prompt") {
        let prompt = Prompt::new("test_dynamic_prompt").description("Comes and goes.");
        let _ = handle.add_prompt(prompt, async |_: PromptCall| Ok("here"));
    }
    Ok("The list of prompts changed.".into())
}

async fn watched(handle: Handle) {
    loop {
        sleep(Duration::from_secs(3)).await;
        handle.updated("test://watched-resource");
    }
}

async fn complete(asked: Completing) -> Result<Vec<String>, docquay::mcp::Error> {
    let known = match asked.reference {
        Reference::Prompt(_) => ["paris", "park", "party"],
        Reference::Resource(_) => ["1", "12", "123"],
    };
    Ok(known.iter().filter(|known| known.starts_with(&asked.value)).map(ToString::to_string).collect())
}
