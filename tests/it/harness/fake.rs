//! A catalog for tests: every kind of content, and changes on demand. The crate's unit tests
//! include this file too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use docquay::mcp::catalog::*;
use docquay::mcp::dispatch::{Context, Dispatcher};
use docquay::mcp::jsonrpc::Object;
use docquay::mcp::{Error, ErrorKind, Limits};
use docquay::shutdown::{self, Trigger};

#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) changes: broadcast::Sender<Arc<Changes>>,
    pub(crate) capabilities: Capabilities,
    /// How many times the tools were asked for.
    pub(crate) listed: AtomicUsize,
}

pub(crate) const EVERYTHING: Capabilities = Capabilities {
    tools: true,
    tools_list_changed: true,
    resources: true,
    resources_list_changed: true,
    resources_subscribe: true,
    prompts: true,
    prompts_list_changed: true,
    completions: true,
    logging: true,
    tasks: false,
};

impl Fake {
    pub(crate) fn new(capabilities: Capabilities) -> Arc<Self> {
        Arc::new(Self { changes: broadcast::channel(4).0, capabilities, listed: AtomicUsize::new(0) })
    }

    pub(crate) fn change(&self, changes: Changes) {
        let _ = self.changes.send(Arc::new(changes));
    }
}

/// A dispatcher over a fake that has everything.
pub(crate) fn dispatcher() -> (Arc<Dispatcher>, Arc<Fake>, Trigger) {
    let mut limits = Limits::default();
    limits.tool_time = Duration::from_millis(50);
    with(EVERYTHING, limits)
}

pub(crate) fn with(capabilities: Capabilities, limits: Limits) -> (Arc<Dispatcher>, Arc<Fake>, Trigger) {
    let (trigger, shutdown) = shutdown::channel();
    let fake = Fake::new(capabilities);
    (Arc::new(Dispatcher::new(Arc::<Fake>::clone(&fake), limits, shutdown)), fake, trigger)
}

fn resource(name: &str) -> Resource {
    let mut resource = Resource::new(format!("fake:///{name}"), name);
    resource.size = Some(5);
    resource.title("Title").description("described").mime_type("text/plain")
}

fn contents(uri: &str) -> ResourceContents {
    ResourceContents::text(uri, "hello").mime_type("text/plain")
}

impl Catalog for Fake {
    fn server(&self) -> ServerInfo {
        let mut implementation = Implementation::new("fake", "1.0.0");
        implementation.title = Some("Fake".into());
        implementation.description = Some("for tests".into());
        implementation.website_url = Some("https://example.com".into());
        ServerInfo {
            implementation,
            instructions: Some("Call echo.".into()),
            capabilities: self.capabilities,
        }
    }

    fn tools(&self) -> Vec<Tool> {
        self.listed.fetch_add(1, Ordering::Relaxed);
        let tool = |name: &str| {
            Tool::new(name)
                .title("Title")
                .description("described")
                .input_schema(json!({ "type": "object", "additionalProperties": false }))
                .output_schema(json!({ "type": "object" }))
                .annotations(ToolAnnotations { read_only: true, ..ToolAnnotations::default() })
        };
        ["echo", "everything", "progress", "stuck", "picky"].map(tool).into()
    }

    fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: Object,
        context: &'a Context,
    ) -> Answer<'a, ToolResult> {
        Box::pin(async move {
            match name {
                "echo" => Ok(ToolResult::structured(Value::Object(arguments))),
                "everything" => {
                    let mut result = ToolResult::new(vec![
                        Content::text("line\nbreak"),
                        Content::image("hi", "image/png"),
                        Content::audio("hi", "audio/wav"),
                        Content::link(resource("one")),
                        Content::embedded(contents("fake:///one")),
                    ]);
                    result.structured = Some(json!([1]));
                    Ok(result)
                }
                "progress" => {
                    context.progress(0.0, Some(2.0), Some("begun"));
                    context.progress(1.0, Some(2.0), None);
                    Ok(ToolResult::text("done"))
                }
                "stuck" => std::future::pending().await,
                "picky" => Err(Error::new(ErrorKind::InvalidParams, "send `depth`: an integer")),
                _ => Err(Error::new(ErrorKind::InvalidParams, "no such tool")),
            }
        })
    }

    fn resources<'a>(&'a self, cursor: Option<&'a str>) -> Answer<'a, Listing<Resource>> {
        Box::pin(async move {
            match cursor {
                None => Ok(Listing { items: vec![resource("one")], next_cursor: Some("next".into()) }),
                Some("next") => Ok(Listing { items: vec![resource("two")], next_cursor: None }),
                Some(_) => Err(Error::new(ErrorKind::InvalidParams, "no such cursor")),
            }
        })
    }

    fn resource_templates<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<ResourceTemplate>> {
        let template = ResourceTemplate::new("fake:///{+id}", "page").title("Title").mime_type("text/plain");
        Box::pin(async { Ok(Listing { items: vec![template], next_cursor: None }) })
    }

    fn read_resource<'a>(&'a self, uri: &'a str, _: &'a Context) -> Answer<'a, Vec<ResourceContents>> {
        Box::pin(async move {
            if uri == "fake:///one" {
                return Ok(vec![contents(uri)]);
            }
            Err(Error::new(ErrorKind::ResourceNotFound, "no such resource").with_data(json!({ "uri": uri })))
        })
    }

    fn prompts<'a>(&'a self, _cursor: Option<&'a str>) -> Answer<'a, Listing<Prompt>> {
        let prompt = Prompt::new("ask").argument(PromptArgument::required("topic"));
        Box::pin(async { Ok(Listing { items: vec![prompt], next_cursor: None }) })
    }

    fn prompt<'a>(&'a self, _: &'a str, arguments: Object, _: &'a Context) -> Answer<'a, PromptResult> {
        Box::pin(async move {
            let text = Content::text(Value::Object(arguments).to_string());
            let audio = Content::audio("hi", "audio/wav");
            let messages = vec![PromptMessage::user(text), PromptMessage::assistant(audio)];
            Ok(PromptResult::new(messages).description("described"))
        })
    }

    fn complete<'a>(&'a self, _: &'a Reference, _: &'a str, value: &'a str) -> Answer<'a, Completion> {
        let values = (0..150).map(|number| format!("{value}{number}")).collect();
        Box::pin(async { Ok(Completion { values, total: Some(150), has_more: false }) })
    }

    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
    }

    fn freshness(&self) -> Freshness {
        Freshness { ttl_ms: 60_000, scope: CacheScope::Public }
    }
}
