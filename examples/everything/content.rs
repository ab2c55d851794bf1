//! Every kind of content, from tools, resources and prompts.

use docquay::mcp::Error;
use docquay::mcp::server::{
    Content, Prompt, PromptArgument, PromptCall, PromptMessage, PromptResult, Resource, ResourceCall,
    ResourceContents, ResourceTemplate, Server, Tool, ToolCall, ToolResult, Value, json,
};

use super::described;

pub(crate) fn add(server: Server) -> Server {
    prompts(resources(tools(server)))
}

fn tools(server: Server) -> Server {
    let pinned = Tool::new("json_schema_2020_12_tool")
        .description("Its schema uses what JSON Schema 2020-12 has.")
        .input_schema(schema_2020_12());
    let mirrored =
        described("test_custom_header", "Its argument is repeated in a header.").input_schema(json!({
            "type": "object",
            "properties": { "value": { "type": "string", "x-mcp-header": "Value" } },
            "required": ["value"],
        }));
    server
        .tool(described("test_simple_text", "Answers with text."), async |_: ToolCall| {
            Ok("This is a simple text response for testing.")
        })
        .tool(described("test_image_content", "Answers with an image."), async |_: ToolCall| {
            Ok(vec![image()])
        })
        .tool(described("test_audio_content", "Answers with sound."), async |_: ToolCall| {
            Ok(vec![Content::audio(WAV, "audio/wav")])
        })
        .tool(described("test_embedded_resource", "Answers with a resource."), async |_: ToolCall| {
            Ok(vec![embedded("test://embedded-resource", "This is an embedded resource content.")])
        })
        .tool(described("test_multiple_content_types", "Answers with several kinds."), async |_: ToolCall| {
            let resource =
                ResourceContents::text("test://mixed-content-resource", r#"{"test":"data","value":123}"#);
            Ok(vec![
                Content::text("Multiple content types test:"),
                image(),
                Content::embedded(resource.mime_type("application/json")),
            ])
        })
        .tool(described("test_error_handling", "Fails."), async |_: ToolCall| {
            Ok(ToolResult::error("This tool intentionally returns an error for testing"))
        })
        .tool(pinned, async |call: ToolCall| Ok(format!("called with {}", Value::Object(call.arguments))))
        .tool(mirrored, async |call: ToolCall| Ok(call.text("value")?.to_owned()))
}

fn resources(server: Server) -> Server {
    let text = Resource::new("test://static-text", "static-text")
        .title("Static text")
        .description("A text that never changes.")
        .mime_type("text/plain");
    let binary = Resource::new("test://static-binary", "static-binary")
        .description("An image that never changes.")
        .mime_type("image/png");
    let watched = Resource::new("test://watched-resource", "watched-resource")
        .description("Said to change every three seconds.")
        .mime_type("text/plain");
    let template = ResourceTemplate::new("test://template/{id}/data", "template")
        .description("Data for an id.")
        .mime_type("application/json");
    server
        .resource(text, async |_: ResourceCall| Ok("This is the content of the static text resource."))
        .resource(binary, async |_: ResourceCall| Ok(PNG.to_vec()))
        .resource(watched, async |_: ResourceCall| Ok("Watched resource content"))
        .template(template, async |call: ResourceCall| {
            let id = call.variable("id");
            Ok(json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") }).to_string())
        })
}

fn prompts(server: Server) -> Server {
    let plain = Prompt::new("test_simple_prompt").description("Has no arguments.");
    let with_arguments = Prompt::new("test_prompt_with_arguments")
        .description("Has two arguments.")
        .argument(PromptArgument::required("arg1").description("First test argument"))
        .argument(PromptArgument::required("arg2").description("Second test argument"));
    let with_resource = Prompt::new("test_prompt_with_embedded_resource")
        .description("Holds a resource.")
        .argument(PromptArgument::required("resourceUri").description("URI of the resource to embed"));
    let with_image = Prompt::new("test_prompt_with_image").description("Holds an image.");
    server
        .prompt(plain, async |_: PromptCall| Ok("This is a simple prompt for testing."))
        .prompt(with_arguments, async |call: PromptCall| {
            let (first, second) = (call.text("arg1"), call.text("arg2"));
            Ok(format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))
        })
        .prompt(with_resource, async |call: PromptCall| {
            said([
                embedded(call.text("resourceUri"), "Embedded resource content for testing."),
                Content::text("Please process the embedded resource above."),
            ])
        })
        .prompt(with_image, async |_: PromptCall| {
            said([image(), Content::text("Please analyze the image above.")])
        })
}

fn said(contents: [Content; 2]) -> Result<PromptResult, Error> {
    Ok(PromptResult::new(contents.map(PromptMessage::user).into()))
}

fn image() -> Content {
    Content::image(PNG, "image/png")
}

fn embedded(uri: &str, text: &str) -> Content {
    Content::embedded(ResourceContents::text(uri, text).mime_type("text/plain"))
}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } }
            }
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" }
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false
    })
}

/// One red pixel.
const PNG: &[u8] = &[
    0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 12, b'I', b'D', b'A', b'T', 0x78, 0xda, 0x63, 0xfc,
    0xcf, 0xc0, 0xf0, 0x1f, 0, 5, 5, 2, 0, 0x5f, 0xc8, 0xf1, 0xd2, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae,
    0x42, 0x60, 0x82,
];

/// A moment of silence: PCM, mono, 8 kHz, no samples.
const WAV: &[u8] =
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0";
