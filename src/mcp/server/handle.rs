//! What changes a server while it runs.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};

use super::call::{self, PromptCall, ResourceCall, ToolCall};
use super::offer::Offer;
use super::{Error, Fault, Prompt, PromptResult, Resource, ResourceBody, Tool, ToolResult};
use crate::mcp::catalog::Changes;

/// Changes a server while it runs, and tells its clients. Without the server it changes nothing, so that its functions
/// may keep one. Capabilities are settled when the server is built: a server that began without tools has none.
#[derive(Clone)]
pub struct Handle(Weak<Offer>);

impl Handle {
    pub(super) fn new(offer: &Arc<Offer>) -> Self {
        Self(Arc::downgrade(offer))
    }

    /// Adds a tool and tells that the list changed.
    ///
    /// # Errors
    /// When there is one of that name, or a header that cannot be.
    pub fn add_tool<F, A, R>(&self, tool: Tool, function: F) -> Result<(), Fault>
    where
        F: Fn(ToolCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<ToolResult>,
    {
        self.with(|offer| offer.add_tool(tool, call::tool(function)))?;
        self.tools_changed();
        Ok(())
    }

    /// Removes a tool and tells that the list changed; false if there is none of that name.
    #[must_use = "whether there was one"]
    pub fn remove_tool(&self, name: &str) -> bool {
        let removed = self.0.upgrade().is_some_and(|offer| offer.remove_tool(name));
        if removed {
            self.tools_changed();
        }
        removed
    }

    /// Adds a resource and tells that the list changed.
    ///
    /// # Errors
    /// When there is one of that URI.
    pub fn add_resource<F, A, R>(&self, resource: Resource, function: F) -> Result<(), Fault>
    where
        F: Fn(ResourceCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<ResourceBody>,
    {
        self.with(|offer| offer.add_resource(resource, call::resource(function)))?;
        self.resources_changed();
        Ok(())
    }

    /// Removes a resource and tells that the list changed; false if there is none of that URI.
    #[must_use = "whether there was one"]
    pub fn remove_resource(&self, uri: &str) -> bool {
        let removed = self.0.upgrade().is_some_and(|offer| offer.remove_resource(uri));
        if removed {
            self.resources_changed();
        }
        removed
    }

    /// Adds a prompt and tells that the list changed.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn add_prompt<F, A, R>(&self, prompt: Prompt, function: F) -> Result<(), Fault>
    where
        F: Fn(PromptCall) -> A + Send + Sync + 'static,
        A: Future<Output = Result<R, Error>> + Send + 'static,
        R: Into<PromptResult>,
    {
        self.with(|offer| offer.add_prompt(prompt, call::prompt(function)))?;
        self.prompts_changed();
        Ok(())
    }

    /// Removes a prompt and tells that the list changed; false if there is none of that name.
    #[must_use = "whether there was one"]
    pub fn remove_prompt(&self, name: &str) -> bool {
        let removed = self.0.upgrade().is_some_and(|offer| offer.remove_prompt(name));
        if removed {
            self.prompts_changed();
        }
        removed
    }

    /// Tells that the list of tools changed.
    pub fn tools_changed(&self) {
        self.tell(Changes { tools: true, ..Changes::default() });
    }

    /// Tells that the list of prompts changed.
    pub fn prompts_changed(&self) {
        self.tell(Changes { prompts: true, ..Changes::default() });
    }

    /// Tells that the list of resources changed.
    pub fn resources_changed(&self) {
        self.tell(Changes { resources: true, ..Changes::default() });
    }

    /// Tells those who subscribed to a resource that it changed.
    pub fn updated(&self, uri: impl Into<String>) {
        self.tell(Changes { updated: vec![uri.into()], ..Changes::default() });
    }

    fn tell(&self, changes: Changes) {
        if let Some(offer) = self.0.upgrade() {
            offer.tell(changes);
        }
    }

    fn with(&self, change: impl FnOnce(&Offer) -> Result<(), Fault>) -> Result<(), Fault> {
        self.0.upgrade().map_or(Ok(()), |offer| change(&offer))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handle").finish_non_exhaustive()
    }
}
