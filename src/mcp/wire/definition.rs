//! Definitions on the wire: the server itself, tools, resources, templates, prompts.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{At, Fields, optional, raw};
use crate::mcp::catalog::{
    Capabilities, Icon, Implementation, Prompt, PromptArgument, Resource, ResourceTemplate, ServerInfo,
    Theme, Tool, ToolAnnotations,
};
use crate::mcp::jsonrpc::Object;
use crate::mcp::revision::Rules;
use crate::mcp::task::EXTENSION;

/// The result of `initialize`.
pub(in crate::mcp) struct Initialized<'a>(pub(in crate::mcp) &'a ServerInfo);

impl Fields for Initialized<'_> {
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("protocolVersion", rules.name)?;
        map.serialize_entry("capabilities", &At(&self.0.capabilities, rules))?;
        map.serialize_entry("serverInfo", &At(&self.0.implementation, rules))?;
        optional(map, "instructions", self.0.instructions.as_ref())
    }
}

/// The result of `server/discover`.
pub(in crate::mcp) struct Discovered<'a>(pub(in crate::mcp) &'a ServerInfo);

impl Fields for Discovered<'_> {
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("supportedVersions", &[rules.name])?;
        map.serialize_entry("capabilities", &At(&self.0.capabilities, rules))?;
        optional(map, "instructions", self.0.instructions.as_ref())
    }
}

impl Implementation {
    /// Encoded for `_meta…/serverInfo`.
    pub(in crate::mcp) fn encoded(&self, rules: &Rules) -> Box<RawValue> {
        raw(&At(self, rules))
    }
}

impl Serialize for At<'_, Implementation> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(implementation, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &implementation.name)?;
        if rules.structured {
            optional(&mut map, "title", implementation.title.as_ref())?;
        }
        map.serialize_entry("version", &implementation.version)?;
        if rules.icons {
            optional(&mut map, "description", implementation.description.as_ref())?;
            optional(&mut map, "websiteUrl", implementation.website_url.as_ref())?;
        }
        icons(&mut map, &implementation.icons, rules)?;
        map.end()
    }
}

impl Serialize for At<'_, Capabilities> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            #[serde(skip_serializing_if = "is_false")]
            subscribe: bool,
            #[serde(skip_serializing_if = "is_false")]
            list_changed: bool,
        }
        let Self(has, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        if has.tools {
            map.serialize_entry("tools", &Wire { subscribe: false, list_changed: has.tools_list_changed })?;
        }
        if has.resources {
            let (subscribe, list_changed) = (has.resources_subscribe, has.resources_list_changed);
            map.serialize_entry("resources", &Wire { subscribe, list_changed })?;
        }
        if has.prompts {
            let list_changed = has.prompts_list_changed;
            map.serialize_entry("prompts", &Wire { subscribe: false, list_changed })?;
        }
        if has.completions && rules.completions_capability {
            map.serialize_entry("completions", &json!({}))?;
        }
        if has.logging {
            map.serialize_entry("logging", &json!({}))?;
        }
        if has.tasks && rules.tasks {
            map.serialize_entry("extensions", &json!({ EXTENSION: {} }))?;
        }
        map.end()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Serialize for At<'_, Tool> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(tool, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &tool.name)?;
        if rules.structured {
            optional(&mut map, "title", tool.title.as_ref())?;
        }
        optional(&mut map, "description", tool.description.as_ref())?;
        match &tool.input_schema {
            schema @ Value::Object(_) => map.serialize_entry("inputSchema", schema)?,
            // The schema of a tool without arguments; null is not schema-valid.
            _ => map.serialize_entry("inputSchema", &json!({ "type": "object" }))?,
        }
        if rules.structured {
            let fits = |schema: &&Value| rules.structured_of_any_type || schema["type"] == "object";
            optional(&mut map, "outputSchema", tool.output_schema.as_ref().filter(fits))?;
        }
        if rules.annotations {
            optional(&mut map, "annotations", tool.annotations.as_ref().map(annotations))?;
        }
        icons(&mut map, &tool.icons, rules)?;
        meta(&mut map, tool.meta.as_ref(), rules)?;
        map.end()
    }
}

fn annotations(hints: &ToolAnnotations) -> impl Serialize {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(clippy::struct_excessive_bools, reason = "the four hints of the specification")]
    struct Wire<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        read_only_hint: bool,
        destructive_hint: bool,
        idempotent_hint: bool,
        open_world_hint: bool,
    }
    Wire {
        title: hints.title.as_deref(),
        read_only_hint: hints.read_only,
        destructive_hint: hints.destructive,
        idempotent_hint: hints.idempotent,
        open_world_hint: hints.open_world,
    }
}

impl Fields for Resource {
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("uri", &self.uri)?;
        map.serialize_entry("name", &self.name)?;
        if rules.structured {
            optional(map, "title", self.title.as_ref())?;
        }
        optional(map, "description", self.description.as_ref())?;
        optional(map, "mimeType", self.mime_type.as_ref())?;
        optional(map, "size", self.size)?;
        optional(map, "annotations", self.annotations.as_ref().map(|it| At(it, rules)))?;
        icons(map, &self.icons, rules)?;
        meta(map, self.meta.as_ref(), rules)
    }
}

impl Serialize for At<'_, Resource> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.fields(self.1, &mut map)?;
        map.end()
    }
}

impl Serialize for At<'_, ResourceTemplate> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(template, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("uriTemplate", &template.uri_template)?;
        map.serialize_entry("name", &template.name)?;
        if rules.structured {
            optional(&mut map, "title", template.title.as_ref())?;
        }
        optional(&mut map, "description", template.description.as_ref())?;
        optional(&mut map, "mimeType", template.mime_type.as_ref())?;
        optional(&mut map, "annotations", template.annotations.as_ref().map(|it| At(it, rules)))?;
        icons(&mut map, &template.icons, rules)?;
        meta(&mut map, template.meta.as_ref(), rules)?;
        map.end()
    }
}

impl Serialize for At<'_, Prompt> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(prompt, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &prompt.name)?;
        if rules.structured {
            optional(&mut map, "title", prompt.title.as_ref())?;
        }
        optional(&mut map, "description", prompt.description.as_ref())?;
        if !prompt.arguments.is_empty() {
            map.serialize_entry("arguments", &At(prompt.arguments.as_slice(), rules))?;
        }
        icons(&mut map, &prompt.icons, rules)?;
        meta(&mut map, prompt.meta.as_ref(), rules)?;
        map.end()
    }
}

impl Serialize for At<'_, PromptArgument> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.0.name)?;
        if self.1.structured {
            optional(&mut map, "title", self.0.title.as_ref())?;
        }
        optional(&mut map, "description", self.0.description.as_ref())?;
        map.serialize_entry("required", &self.0.required)?;
        map.end()
    }
}

fn icons<M: SerializeMap>(map: &mut M, icons: &[Icon], rules: &Rules) -> Result<(), M::Error> {
    if icons.is_empty() || !rules.icons {
        return Ok(());
    }
    map.serialize_entry("icons", &At(icons, rules))
}

fn meta<M: SerializeMap>(map: &mut M, meta: Option<&Object>, rules: &Rules) -> Result<(), M::Error> {
    optional(map, "_meta", meta.filter(|_| rules.structured))
}

impl Serialize for At<'_, Icon> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(icon, _) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("src", &icon.src)?;
        optional(&mut map, "mimeType", icon.mime_type.as_ref())?;
        if !icon.sizes.is_empty() {
            map.serialize_entry("sizes", &icon.sizes)?;
        }
        let theme = icon.theme.map(|theme| match theme {
            Theme::Light => "light",
            Theme::Dark => "dark",
        });
        optional(&mut map, "theme", theme)?;
        map.end()
    }
}
