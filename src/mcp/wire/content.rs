//! Content on the wire: tool results, resources that were read, the messages of a prompt.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::{At, Fields, optional};
use crate::mcp::catalog::{
    Content, PromptMessage, PromptResult, Resource, ResourceBody, ResourceContents, Role, ToolResult,
};
use crate::mcp::revision::Rules;

impl Fields for ToolResult {
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("content", &At(self.content.as_slice(), rules))?;
        if rules.structured {
            let fits = |value: &&Value| rules.structured_of_any_type || value.is_object();
            optional(map, "structuredContent", self.structured.as_ref().filter(fits))?;
        }
        if self.is_error {
            map.serialize_entry("isError", &true)?;
        }
        Ok(())
    }
}

/// The result of `resources/read`.
pub(in crate::mcp) struct Read<'a>(pub(in crate::mcp) &'a [ResourceContents]);

impl Fields for Read<'_> {
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("contents", &At(self.0, rules))
    }
}

/// The result of `prompts/get`.
pub(in crate::mcp) struct Messages<'a>(pub(in crate::mcp) &'a PromptResult);

impl Fields for Messages<'_> {
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        optional(map, "description", self.0.description.as_ref())?;
        map.serialize_entry("messages", &At(self.0.messages.as_slice(), rules))
    }
}

impl Serialize for At<'_, PromptMessage> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let role = match self.0.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", role)?;
        map.serialize_entry("content", &At(&self.0.content, self.1))?;
        map.end()
    }
}

impl Serialize for At<'_, ResourceContents> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("uri", &self.0.uri)?;
        optional(&mut map, "mimeType", self.0.mime_type.as_ref())?;
        match &self.0.body {
            ResourceBody::Text(text) => map.serialize_entry("text", text)?,
            ResourceBody::Blob(blob) => map.serialize_entry("blob", blob)?,
        }
        map.end()
    }
}

impl Serialize for At<'_, Content> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(content, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        match content {
            Content::Text(text) => text_item(&mut map, text)?,
            Content::Image { data, mime_type } => media(&mut map, "image", data, mime_type)?,
            Content::Audio { data, mime_type } if rules.annotations => {
                media(&mut map, "audio", data, mime_type)?;
            }
            Content::Audio { mime_type, .. } => {
                text_item(&mut map, &format!("[sound, {mime_type}: left out, MCP {} has none]", rules.name))?;
            }
            Content::Link(resource) if rules.structured => {
                map.serialize_entry("type", "resource_link")?;
                resource.fields(rules, &mut map)?;
            }
            Content::Link(resource) => text_item(&mut map, &link_note(resource))?,
            Content::Embedded(contents) => {
                map.serialize_entry("type", "resource")?;
                map.serialize_entry("resource", &At(contents, rules))?;
            }
        }
        map.end()
    }
}

fn text_item<M: SerializeMap>(map: &mut M, text: &str) -> Result<(), M::Error> {
    map.serialize_entry("type", "text")?;
    map.serialize_entry("text", text)
}

fn media<M: SerializeMap>(map: &mut M, kind: &str, data: &str, mime_type: &str) -> Result<(), M::Error> {
    map.serialize_entry("type", kind)?;
    map.serialize_entry("data", data)?;
    map.serialize_entry("mimeType", mime_type)
}

fn link_note(resource: &Resource) -> String {
    let name = resource.title.as_ref().unwrap_or(&resource.name);
    match &resource.description {
        Some(description) => format!("{name}: {} ({description})", resource.uri),
        None => format!("{name}: {}", resource.uri),
    }
}
