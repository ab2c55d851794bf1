//! Content on the wire: tool results, resources that were read, the messages of a prompt.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::{At, Fields, optional};
use crate::mcp::catalog::{
    Annotations, Content, ContentBody, PromptMessage, PromptResult, Resource, ResourceBody, ResourceContents,
    ToolResult,
};
use crate::mcp::jsonrpc::Object;
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

    fn meta(&self) -> Option<&Object> {
        self.meta.as_ref()
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
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", self.0.role.name())?;
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
        if self.1.structured {
            optional(&mut map, "_meta", self.0.meta.as_ref())?;
        }
        map.end()
    }
}

impl Serialize for At<'_, Content> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(content, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        match &content.body {
            ContentBody::Text(text) => text_item(&mut map, text)?,
            ContentBody::Image { data, mime_type } => media(&mut map, "image", data, mime_type)?,
            ContentBody::Audio { data, mime_type } if rules.annotations => {
                media(&mut map, "audio", data, mime_type)?;
            }
            ContentBody::Audio { mime_type, .. } => {
                text_item(&mut map, &format!("[sound, {mime_type}: left out, MCP {} has none]", rules.name))?;
            }
            ContentBody::Link(resource) if rules.structured => {
                map.serialize_entry("type", "resource_link")?;
                return link(resource, content, rules, map);
            }
            ContentBody::Link(resource) => text_item(&mut map, &link_note(resource))?,
            ContentBody::Embedded(contents) => {
                map.serialize_entry("type", "resource")?;
                map.serialize_entry("resource", &At(contents, rules))?;
            }
        }
        optional(&mut map, "annotations", content.annotations.as_ref().map(|it| At(it, rules)))?;
        if rules.structured {
            optional(&mut map, "_meta", content.meta.as_ref())?;
        }
        map.end()
    }
}

/// A link is its resource; what the piece of content says of itself counts before what the resource does.
fn link<M: SerializeMap>(
    resource: &Resource,
    content: &Content,
    rules: &Rules,
    mut map: M,
) -> Result<M::Ok, M::Error> {
    let mut resource = resource.clone();
    resource.annotations = content.annotations.clone().or(resource.annotations);
    resource.meta = content.meta.clone().or(resource.meta);
    resource.fields(rules, &mut map)?;
    map.end()
}

impl Serialize for At<'_, Annotations> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(annotations, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        if !annotations.audience.is_empty() {
            let names: Vec<&str> = annotations.audience.iter().map(|role| role.name()).collect();
            map.serialize_entry("audience", &names)?;
        }
        let priority = annotations.priority.filter(|priority| priority.is_finite());
        optional(&mut map, "priority", priority.map(|priority| priority.clamp(0.0, 1.0)))?;
        if rules.structured {
            optional(&mut map, "lastModified", annotations.last_modified.as_ref())?;
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
