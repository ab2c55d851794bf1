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
    Tool {
        name: name.into(),
        title: Some(title.into()),
        description: Some(description.into()),
        ..Tool::default()
    }
}

fn file(path: &str, title: &str, description: &str) -> Resource {
    Resource {
        uri: format!("file:///project/src/{path}"),
        name: path.into(),
        title: Some(title.into()),
        description: Some(description.into()),
        mime_type: Some("text/x-rust".into()),
        size: None,
    }
}

impl Catalog for Example {
    fn server(&self) -> ServerInfo {
        ServerInfo {
            implementation: Implementation {
                name: "ExampleServer".into(),
                title: Some("Example Server Display Name".into()),
                version: "1.0.0".into(),
                description: Some("An example MCP server providing tools and resources".into()),
                website_url: Some("https://example.com/server".into()),
            },
            instructions: Some("Optional instructions for the client".into()),
            capabilities: EVERYTHING,
        }
    }

    fn tools(&self) -> Vec<Tool> {
        vec![
            Tool {
                input_schema: location(),
                annotations: Some(ToolAnnotations { read_only: true, ..ToolAnnotations::default() }),
                ..tool(
                    "get_weather",
                    "Weather Information Provider",
                    "Get current weather information for a location",
                )
            },
            Tool {
                input_schema: location(),
                output_schema: Some(measured()),
                ..tool(
                    "get_weather_data",
                    "Weather Data Retriever",
                    "Get current weather data for a location",
                )
            },
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
        let template = ResourceTemplate {
            uri_template: "file:///{path}".into(),
            name: "Project Files".into(),
            title: Some("📁 Project Files".into()),
            description: Some("Access files in the project directory".into()),
            mime_type: Some("application/octet-stream".into()),
        };
        Box::pin(async { Ok(Listing { items: vec![template], next_cursor: None }) })
    }

    fn read_resource<'a>(&'a self, uri: &'a str, _: &'a Context) -> Answer<'a, Vec<ResourceContents>> {
        Box::pin(async move {
            if uri != "file:///project/src/main.rs" {
                let error = Error::new(ErrorKind::ResourceNotFound, "Resource not found");
                return Err(error.with_data(json!({ "uri": uri })));
            }
            let body = ResourceBody::Text("fn main() {\n    println!(\"Hello world!\");\n}".into());
            Ok(vec![ResourceContents { uri: uri.into(), mime_type: Some("text/x-rust".into()), body }])
        })
    }

    fn prompts<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<Prompt>> {
        let prompt = Prompt {
            name: "code_review".into(),
            title: Some("Request Code Review".into()),
            description: Some("Asks the LLM to analyze code quality and suggest improvements".into()),
            arguments: vec![PromptArgument {
                name: "code".into(),
                description: Some("The code to review".into()),
                required: true,
            }],
        };
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
            let message = PromptMessage { role: Role::User, content: Content::Text(text) };
            Ok(PromptResult { description: Some("Code review prompt".into()), messages: vec![message] })
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
