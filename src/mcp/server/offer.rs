//! What was registered, as a [`Catalog`].
//!
//! Lists keep the order of registration. A call takes its function out of the lock before it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::json;
use tokio::sync::broadcast;

use super::Fault;
use super::call::{Completing, Function, PromptCall, ResourceCall, ToolCall, invalid};
use super::template::Template;
use crate::mcp::catalog::{
    Answer, CacheScope, Capabilities, Catalog, Changes, Completion, Freshness, Implementation, Listing,
    ParameterHeader, Prompt, PromptResult, Reference, Resource, ResourceBody, ResourceContents,
    ResourceTemplate, ServerInfo, TaskSupport, Tool, ToolResult,
};
use crate::mcp::dispatch::Context;
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::Object;

pub(super) struct Offer {
    about: Mutex<About>,
    items: RwLock<Items>,
    changes: broadcast::Sender<Arc<Changes>>,
}

/// What a server says of itself.
pub(super) struct About {
    implementation: Implementation,
    pub(super) instructions: Option<String>,
    pub(super) completion: Option<Function<Completing, Completion>>,
    pub(super) logging: bool,
    pub(super) freshness: Freshness,
}

#[derive(Default)]
struct Items {
    tools: Vec<Arc<ToolEntry>>,
    resources: Vec<Arc<ResourceEntry>>,
    templates: Vec<Arc<TemplateEntry>>,
    prompts: Vec<Arc<PromptEntry>>,
}

struct ToolEntry {
    tool: Tool,
    headers: Option<Arc<[ParameterHeader]>>,
    function: Function<ToolCall, ToolResult>,
}

struct ResourceEntry {
    resource: Resource,
    function: Function<ResourceCall, ResourceBody>,
}

struct TemplateEntry {
    template: ResourceTemplate,
    parts: Template,
    function: Function<ResourceCall, ResourceBody>,
}

struct PromptEntry {
    prompt: Prompt,
    function: Function<PromptCall, PromptResult>,
}

impl Offer {
    pub(super) fn new(implementation: Implementation) -> Self {
        let freshness = Freshness { ttl_ms: 0, scope: CacheScope::Private };
        let about = About { implementation, instructions: None, completion: None, logging: false, freshness };
        Self { about: Mutex::new(about), items: RwLock::default(), changes: broadcast::channel(CHANGES).0 }
    }

    pub(super) fn about(&self) -> MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, changes: Changes) {
        // Nobody may listen.
        let _ = self.changes.send(Arc::new(changes));
    }

    pub(super) fn add_tool(&self, tool: Tool, function: Function<ToolCall, ToolResult>) -> Result<(), Fault> {
        let headers = ParameterHeader::of(&tool.input_schema)
            .map_err(|fault| Fault(format!("the tool `{}`: {fault}", tool.name)))?;
        let headers = (!headers.is_empty()).then(|| headers.into());
        let tools = &mut self.write().tools;
        if tools.iter().any(|entry| entry.tool.name == tool.name) {
            return Err(twice("tool", &tool.name));
        }
        tools.push(Arc::new(ToolEntry { tool, headers, function }));
        Ok(())
    }

    pub(super) fn remove_tool(&self, name: &str) -> bool {
        remove(&mut self.write().tools, |entry| entry.tool.name == name)
    }

    pub(super) fn add_resource(
        &self,
        resource: Resource,
        function: Function<ResourceCall, ResourceBody>,
    ) -> Result<(), Fault> {
        let resources = &mut self.write().resources;
        if resources.iter().any(|entry| entry.resource.uri == resource.uri) {
            return Err(twice("resource", &resource.uri));
        }
        resources.push(Arc::new(ResourceEntry { resource, function }));
        Ok(())
    }

    pub(super) fn remove_resource(&self, uri: &str) -> bool {
        remove(&mut self.write().resources, |entry| entry.resource.uri == uri)
    }

    pub(super) fn add_template(
        &self,
        template: ResourceTemplate,
        function: Function<ResourceCall, ResourceBody>,
    ) -> Result<(), Fault> {
        let parts = Template::parse(&template.uri_template).ok_or_else(|| {
            Fault(format!(
                "the template `{}` needs variables of the form {{name}} or {{+name}} with text between them",
                template.uri_template
            ))
        })?;
        let templates = &mut self.write().templates;
        if templates.iter().any(|entry| entry.template.uri_template == template.uri_template) {
            return Err(twice("template", &template.uri_template));
        }
        templates.push(Arc::new(TemplateEntry { template, parts, function }));
        Ok(())
    }

    pub(super) fn add_prompt(
        &self,
        prompt: Prompt,
        function: Function<PromptCall, PromptResult>,
    ) -> Result<(), Fault> {
        let prompts = &mut self.write().prompts;
        if prompts.iter().any(|entry| entry.prompt.name == prompt.name) {
            return Err(twice("prompt", &prompt.name));
        }
        prompts.push(Arc::new(PromptEntry { prompt, function }));
        Ok(())
    }

    pub(super) fn remove_prompt(&self, name: &str) -> bool {
        remove(&mut self.write().prompts, |entry| entry.prompt.name == name)
    }

    fn found_tool(&self, name: &str) -> Option<Arc<ToolEntry>> {
        self.read().tools.iter().find(|entry| entry.tool.name == name).cloned()
    }

    /// How a resource is read: its function, the variables, the MIME type.
    fn found_resource(&self, uri: &str) -> Option<Found> {
        let items = self.read();
        if let Some(entry) = items.resources.iter().find(|entry| entry.resource.uri == uri) {
            let mime_type = entry.resource.mime_type.clone();
            return Some(Found { function: Arc::clone(&entry.function), variables: Vec::new(), mime_type });
        }
        items.templates.iter().find_map(|entry| {
            let variables = entry.parts.matches(uri)?;
            let mime_type = entry.template.mime_type.clone();
            Some(Found { function: Arc::clone(&entry.function), variables, mime_type })
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, Items> {
        self.items.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Items> {
        self.items.write().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Found {
    function: Function<ResourceCall, ResourceBody>,
    variables: Vec<(String, String)>,
    mime_type: Option<String>,
}

impl Catalog for Offer {
    fn server(&self) -> ServerInfo {
        let (about, items) = (self.about(), self.read());
        let resources = !items.resources.is_empty() || !items.templates.is_empty();
        let capabilities = Capabilities {
            tools: !items.tools.is_empty(),
            tools_list_changed: !items.tools.is_empty(),
            resources,
            resources_list_changed: resources,
            resources_subscribe: resources,
            prompts: !items.prompts.is_empty(),
            prompts_list_changed: !items.prompts.is_empty(),
            completions: about.completion.is_some(),
            logging: about.logging,
            tasks: items.tools.iter().any(|entry| entry.tool.tasks != TaskSupport::Never),
        };
        let (implementation, instructions) = (about.implementation.clone(), about.instructions.clone());
        ServerInfo { implementation, instructions, capabilities }
    }

    fn tools(&self) -> Vec<Tool> {
        self.read().tools.iter().map(|entry| entry.tool.clone()).collect()
    }

    fn call_tool<'a>(
        &'a self,
        name: &'a str,
        arguments: Object,
        context: &'a Context,
    ) -> Answer<'a, ToolResult> {
        match self.found_tool(name) {
            Some(entry) => (entry.function)(ToolCall { arguments, context: context.clone() }),
            None => Box::pin(async { Err(invalid("no such tool".to_owned())) }),
        }
    }

    fn asks(&self) -> bool {
        true
    }

    fn task_support(&self, name: &str) -> TaskSupport {
        self.found_tool(name).map_or(TaskSupport::Never, |entry| entry.tool.tasks)
    }

    fn parameter_headers(&self, name: &str) -> Option<Arc<[ParameterHeader]>> {
        self.found_tool(name)?.headers.clone()
    }

    fn resources<'a>(&'a self, cursor: Option<&'a str>) -> Answer<'a, Listing<Resource>> {
        let items = self.read().resources.iter().map(|entry| entry.resource.clone()).collect();
        Box::pin(whole(cursor, items))
    }

    fn resource_templates<'a>(&'a self, cursor: Option<&'a str>) -> Answer<'a, Listing<ResourceTemplate>> {
        let items = self.read().templates.iter().map(|entry| entry.template.clone()).collect();
        Box::pin(whole(cursor, items))
    }

    fn read_resource<'a>(&'a self, uri: &'a str, context: &'a Context) -> Answer<'a, Vec<ResourceContents>> {
        Box::pin(async move {
            let found = self.found_resource(uri).ok_or_else(|| unknown_resource(uri))?;
            let call =
                ResourceCall { uri: uri.to_owned(), context: context.clone(), variables: found.variables };
            let body = (found.function)(call).await?;
            let mut contents = ResourceContents::text(uri, "");
            contents.body = body;
            contents.mime_type = found.mime_type;
            Ok(vec![contents])
        })
    }

    fn prompts<'a>(&'a self, cursor: Option<&'a str>) -> Answer<'a, Listing<Prompt>> {
        let items = self.read().prompts.iter().map(|entry| entry.prompt.clone()).collect();
        Box::pin(whole(cursor, items))
    }

    fn prompt<'a>(
        &'a self,
        name: &'a str,
        arguments: Object,
        context: &'a Context,
    ) -> Answer<'a, PromptResult> {
        let entry = self.read().prompts.iter().find(|entry| entry.prompt.name == name).cloned();
        Box::pin(async move {
            let entry = entry.ok_or_else(|| invalid("no such prompt; prompts/list names them".to_owned()))?;
            let mut required = entry.prompt.arguments.iter().filter(|argument| argument.required);
            if let Some(argument) = required.find(|argument| !arguments.contains_key(&argument.name)) {
                return Err(invalid(format!("the argument `{}` is missing; send a string", argument.name)));
            }
            (entry.function)(PromptCall { arguments, context: context.clone() }).await
        })
    }

    fn complete<'a>(
        &'a self,
        reference: &'a Reference,
        argument: &'a str,
        value: &'a str,
    ) -> Answer<'a, Completion> {
        let function = self.about().completion.clone();
        let (reference, argument, value) = (reference.clone(), argument.to_owned(), value.to_owned());
        Box::pin(async move {
            match function {
                Some(function) => function(Completing { reference, argument, value }).await,
                None => Ok(Completion::default()),
            }
        })
    }

    fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
    }

    fn freshness(&self) -> Freshness {
        self.about().freshness
    }
}

/// All on one page: no cursor was ever given out.
async fn whole<T>(cursor: Option<&str>, items: Vec<T>) -> Result<Listing<T>, Error> {
    match cursor {
        None => Ok(Listing { items, next_cursor: None }),
        Some(_) => Err(invalid("there is one page alone: send no `cursor`".to_owned())),
    }
}

fn remove<T>(entries: &mut Vec<T>, is_it: impl Fn(&T) -> bool) -> bool {
    let found = entries.iter().position(is_it);
    found.is_some_and(|at| {
        entries.remove(at);
        true
    })
}

fn twice(kind: &str, name: &str) -> Fault {
    Fault(format!("there are two {kind}s `{name}`: give each its own"))
}

fn unknown_resource(uri: &str) -> Error {
    Error::new(ErrorKind::ResourceNotFound, "no such resource; resources/list names them")
        .with_data(json!({ "uri": uri }))
}

/// Changes that a stream may lag behind; after more it takes everything as changed.
const CHANGES: usize = 64;
