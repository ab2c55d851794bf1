//! The server of the specification's own examples: its weather tool, its project files, its code review.
//!
//! What the pages show of a list, a call, a read, a prompt and a completion, this catalog answers. Two tools are
//! added for what no example has: one that reports progress, one that never answers.

use std::sync::Arc;

use docquay::mcp::catalog::*;
use docquay::mcp::dispatch::Context;
use docquay::mcp::jsonrpc::Object;
use docquay::mcp::{Error, ErrorKind};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use crate::harness::fake::EVERYTHING;
use crate::harness::raw::in_time;

#[derive(Debug)]
pub(super) struct Example {
    changes: broadcast::Sender<Arc<Changes>>,
    /// How many calls of `wait_for_rain` are at work.
    waiting: watch::Sender<usize>,
}

impl Example {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { changes: broadcast::channel(16).0, waiting: watch::Sender::new(0) })
    }

    pub(super) fn change(&self, changes: Changes) {
        // Nobody may listen.
        let _ = self.changes.send(Arc::new(changes));
    }

    pub(super) async fn until_waiting(&self, calls: usize) {
        let mut waiting = self.waiting.subscribe();
        let _ = in_time(waiting.wait_for(|waiting| *waiting == calls)).await;
    }
}

struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn new(calls: &'a watch::Sender<usize>) -> Self {
        calls.send_modify(|calls| *calls += 1);
        Self(calls)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|calls| *calls -= 1);
    }
}

fn location() -> Value {
    json!({
        "type": "object",
        "properties": { "location": { "type": "string", "description": "City name or zip code" } },
        "required": ["location"],
    })
}

fn measured() -> Value {
    json!({
        "type": "object",
        "properties": {
            "temperature": { "type": "number", "description": "Temperature in celsius" },
            "conditions": { "type": "string", "description": "Weather conditions description" },
            "humidity": { "type": "number", "description": "Humidity percentage" },
        },
        "required": ["temperature", "conditions", "humidity"],
    })
}

fn tool(name: &str, title: &str, description: &str) -> Tool {
    Tool::new(name).title(title).description(description)
}

fn file(path: &str, title: &str, description: &str) -> Resource {
    let uri = format!("file:///project/src/{path}");
    Resource::new(uri, path).title(title).description(description).mime_type("text/x-rust")
}

impl Catalog for Example {
    fn server(&self) -> ServerInfo {
        let mut server = Implementation::new("ExampleServer", "1.0.0");
        server.title = Some("Example Server Display Name".into());
        server.description = Some("An example MCP server providing tools and resources".into());
        server.website_url = Some("https://example.com/server".into());
        ServerInfo {
            implementation: server,
            instructions: Some("Optional instructions for the client".into()),
            capabilities: Capabilities { logging: false, ..EVERYTHING },
        }
    }

    fn tools(&self) -> Vec<Tool> {
        let read_only = ToolAnnotations { read_only: true, ..ToolAnnotations::default() };
        vec![
            tool(
                "get_weather",
                "Weather Information Provider",
                "Get current weather information for a location",
            )
            .input_schema(location())
            .annotations(read_only),
            tool("get_weather_data", "Weather Data Retriever", "Get current weather data for a location")
                .input_schema(location())
                .output_schema(measured()),
            tool("reticulate", "Reticulator", "Reticulates splines and tells how far it is"),
            tool("wait_for_rain", "Rain", "Answers when it rains, which it never does"),
        ]
    }

    fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: Object,
        context: &'a Context,
    ) -> Answer<'a, ToolResult> {
        Box::pin(async move {
            match (name, arguments.get("location").and_then(Value::as_str)) {
                ("get_weather" | "get_weather_data", None) => {
                    Err(Error::new(ErrorKind::InvalidParams, "send `location`: a city name or zip code"))
                }
                ("get_weather", Some(place)) => Ok(ToolResult::text(format!(
                    "Current weather in {place}:\nTemperature: 72°F\nConditions: Partly cloudy"
                ))),
                ("get_weather_data", Some(_)) => Ok(ToolResult::structured(
                    json!({ "temperature": 22.5, "conditions": "Partly cloudy", "humidity": 65 }),
                )),
                ("reticulate", _) => {
                    context.progress(50.0, Some(100.0), Some("Reticulating splines..."));
                    Ok(ToolResult::text("The splines are reticulated."))
                }
                ("wait_for_rain", _) => {
                    let _waiting = Waiting::new(&self.waiting);
                    context.progress(1.0, None, Some("Looking at the sky"));
                    std::future::pending().await
                }
                _ => Err(Error::new(ErrorKind::InvalidParams, "no such tool")),
            }
        })
    }

    fn resources<'a>(&'a self, cursor: Option<&'a str>) -> Answer<'a, Listing<Resource>> {
        Box::pin(async move {
            match cursor {
                None => Ok(Listing {
                    items: vec![file(
                        "main.rs",
                        "Rust Software Application Main File",
                        "Primary application entry point",
                    )],
                    next_cursor: Some("next-page-cursor".into()),
                }),
                Some("next-page-cursor") => {
                    let items = vec![file("lib.rs", "Rust Library File", "What main.rs uses")];
                    Ok(Listing { items, next_cursor: None })
                }
                Some(_) => Err(Error::new(ErrorKind::InvalidParams, "this cursor is not one of ours")),
            }
        })
    }

    fn resource_templates<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<ResourceTemplate>> {
        let template = ResourceTemplate::new("file:///{path}", "Project Files")
            .title("📁 Project Files")
            .description("Access files in the project directory")
            .mime_type("application/octet-stream");
        Box::pin(async { Ok(Listing { items: vec![template], next_cursor: None }) })
    }

    fn read_resource<'a>(&'a self, uri: &'a str, _: &'a Context) -> Answer<'a, Vec<ResourceContents>> {
        Box::pin(async move {
            if uri != "file:///project/src/main.rs" {
                let error = Error::new(ErrorKind::ResourceNotFound, "Resource not found");
                return Err(error.with_data(json!({ "uri": uri })));
            }
            let text = "fn main() {\n    println!(\"Hello world!\");\n}";
            Ok(vec![ResourceContents::text(uri, text).mime_type("text/x-rust")])
        })
    }

    fn prompts<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<Prompt>> {
        let prompt = Prompt::new("code_review")
            .title("Request Code Review")
            .description("Asks the LLM to analyze code quality and suggest improvements")
            .argument(PromptArgument::required("code").description("The code to review"));
        Box::pin(async { Ok(Listing { items: vec![prompt], next_cursor: None }) })
    }

    fn prompt<'a>(&'a self, name: &'a str, arguments: Object, _: &'a Context) -> Answer<'a, PromptResult> {
        Box::pin(async move {
            if name != "code_review" {
                return Err(Error::new(ErrorKind::InvalidParams, "no such prompt; send code_review"));
            }
            let Some(code) = arguments.get("code").and_then(Value::as_str) else {
                return Err(Error::new(ErrorKind::InvalidParams, "send `code`: the code to review"));
            };
            let text = format!("Please review this Python code:\n{code}");
            let message = PromptMessage::user(Content::text(text));
            Ok(PromptResult::new(vec![message]).description("Code review prompt"))
        })
    }

    fn complete<'a>(
        &'a self,
        reference: &'a Reference,
        argument: &'a str,
        value: &'a str,
    ) -> Answer<'a, Completion> {
        Box::pin(async move {
            match (reference, argument, value) {
                (Reference::Prompt(name), "language", "py") if name == "code_review" => Ok(Completion {
                    values: ["python", "pytorch", "pyside"].map(str::to_owned).into(),
                    total: Some(10),
                    has_more: true,
                }),
                (Reference::Prompt(name), ..) if name != "code_review" => {
                    Err(Error::new(ErrorKind::InvalidParams, "no such prompt; send code_review"))
                }
                _ => Ok(Completion::default()),
            }
        })
    }

    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
    }

    fn freshness(&self) -> Freshness {
        Freshness { ttl_ms: 300_000, scope: CacheScope::Public }
    }
}
