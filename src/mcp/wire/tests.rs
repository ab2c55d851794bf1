use serde_json::{Value, json};

use super::*;
use crate::mcp::catalog::{Content, PromptMessage, PromptResult, Resource, Role, Tool, ToolResult};
use crate::mcp::error::ErrorKind;
use crate::mcp::fake;
use crate::mcp::revision::Revision;

fn every_revision() -> impl Iterator<Item = &'static Rules> {
    Rules::legacy().chain([Revision::MODERN.rules()])
}

fn written<F: Fields>(fields: &F, rules: &Rules) -> Value {
    let server = RawValue::from_string(r#"{"name":"fake","version":"1"}"#.to_owned()).unwrap();
    let freshness = Some(Freshness { ttl_ms: 5, scope: CacheScope::Private });
    let text = body(&Body { fields, rules, server: &server, freshness });
    serde_json::from_str(text.get()).unwrap()
}

fn plain(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn link() -> Resource {
    Resource { uri: "fake:///a".into(), name: "a".into(), title: Some("A".into()), ..Resource::default() }
}

#[test]
fn a_result_has_its_type_and_its_server_in_the_modern_era_alone() {
    for rules in every_revision() {
        let result = written(&Empty, rules);
        if rules.handshake {
            assert_eq!(result, json!({}));
        } else {
            let server = json!({ "name": "fake", "version": "1" });
            assert_eq!(
                result,
                json!({
                    "resultType": "complete",
                    "ttlMs": 5,
                    "cacheScope": "private",
                    "_meta": { "io.modelcontextprotocol/serverInfo": server },
                })
            );
        }
    }
}

#[test]
fn a_tool_has_what_its_revision_knows() {
    let tool = Tool {
        name: "a".into(),
        title: Some("A".into()),
        input_schema: Value::Null,
        output_schema: Some(json!({ "type": "object" })),
        annotations: Some(crate::mcp::catalog::ToolAnnotations::default()),
        ..Tool::default()
    };
    for (rules, members) in every_revision().zip([
        vec!["inputSchema", "name"],
        vec!["annotations", "inputSchema", "name"],
        vec!["annotations", "inputSchema", "name", "outputSchema", "title"],
        vec!["annotations", "inputSchema", "name", "outputSchema", "title"],
        vec!["annotations", "inputSchema", "name", "outputSchema", "title"],
    ]) {
        let tool = plain(At(&tool, rules));
        let mut written: Vec<_> = tool.as_object().unwrap().keys().map(String::as_str).collect();
        written.sort_unstable();
        assert_eq!(written, members, "{}", rules.name);
        assert_eq!(tool["inputSchema"], json!({ "type": "object" }));
    }
}

#[test]
fn a_schema_or_value_that_is_no_object_needs_the_newest_revision() {
    let tool = Tool { output_schema: Some(json!({ "type": "array" })), ..Tool::default() };
    let result = ToolResult { structured: Some(json!([1])), ..ToolResult::default() };
    for rules in every_revision() {
        assert_eq!(plain(At(&tool, rules)).get("outputSchema").is_some(), !rules.handshake);
        assert_eq!(written(&result, rules).get("structuredContent").is_some(), !rules.handshake);
    }
}

#[test]
fn content_that_a_revision_lacks_becomes_a_text_note() {
    let sound = Content::audio("hi", "audio/wav");
    let link = Content::link(link());
    for (rules, (sound_type, link_type)) in every_revision().zip([
        ("text", "text"),
        ("audio", "text"),
        ("audio", "resource_link"),
        ("audio", "resource_link"),
        ("audio", "resource_link"),
    ]) {
        let (sound, link) = (plain(At(&sound, rules)), plain(At(&link, rules)));
        assert_eq!(sound["type"], sound_type, "{}", rules.name);
        assert_eq!(link["type"], link_type, "{}", rules.name);
        if link_type == "text" {
            assert_eq!(link["text"], "A: fake:///a");
        }
        if sound_type == "text" {
            assert!(sound["text"].as_str().unwrap().contains("audio/wav"));
        }
    }
}

#[test]
fn a_prompt_says_who_speaks() {
    let message = |role| PromptMessage { role, content: Content::text("hi") };
    let messages = vec![message(Role::User), message(Role::Assistant)];
    let prompt = PromptResult { description: None, messages };
    let result = written(&Messages(&prompt), Revision::V2024_11_05.rules());
    let roles: Vec<_> = result["messages"].as_array().unwrap().iter().map(|each| &each["role"]).collect();
    assert_eq!(roles, ["user", "assistant"]);
}

#[test]
fn the_server_presents_itself_as_the_revision_allows() {
    use crate::mcp::catalog::Catalog as _;
    let server = fake::Fake::new(fake::EVERYTHING).server();
    for rules in Rules::legacy() {
        let result = written(&Initialized(&server), rules);
        assert_eq!(result["protocolVersion"], rules.name);
        assert_eq!(result["instructions"], "Call echo.");
        assert_eq!(result["serverInfo"].get("title").is_some(), rules.structured);
        assert_eq!(result["serverInfo"].get("websiteUrl").is_some(), rules.icons);
        assert_eq!(result["capabilities"].get("completions").is_some(), rules.completions_capability);
        assert_eq!(result["capabilities"]["resources"], json!({ "subscribe": true, "listChanged": true }));
    }
}

#[test]
fn at_most_a_hundred_completions_are_given() {
    let completion = Completion {
        values: (0..101).map(|number: u32| number.to_string()).collect(),
        total: None,
        has_more: false,
    };
    let result = written(&completion, Revision::MODERN.rules());
    assert_eq!(result["completion"]["values"].as_array().unwrap().len(), 100);
    assert_eq!(result["completion"]["hasMore"], true);
}

#[test]
fn an_error_without_an_id_has_null_until_2025_06_18_and_none_since() {
    let error = Error::new(ErrorKind::Parse, "not JSON");
    for rules in every_revision() {
        let message: Value = serde_json::from_slice(&failure(None, rules, &error)).unwrap();
        assert_eq!(message.get("id"), (!rules.nameless_errors).then_some(&Value::Null));
        let message: Value =
            serde_json::from_slice(&failure(Some(&RequestId::String("1".into())), rules, &error)).unwrap();
        assert_eq!(message["id"], "1");
        assert_eq!(message["error"], json!({ "code": -32700, "message": "not JSON" }));
    }
}

#[test]
fn no_message_holds_a_raw_newline() {
    let message = success(&RequestId::String("a\nb".into()), &json!({ "text": "c\r\nd\u{2028}" }));
    assert!(!message.contains(&b'\n') && !message.contains(&b'\r'));
}

#[test]
fn responses_together_are_one_array() {
    let one = Bytes::from_static(b"{}");
    assert_eq!(array(&[one.clone(), one]), "[{},{}]");
}
