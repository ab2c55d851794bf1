//! Tools that ask their client. Each is written once: in the legacy era its questions are requests to the client, in
//! the modern one rounds of `input_required`.

use docquay::mcp::Error;
use docquay::mcp::server::{
    Ask, Elicited, Prompt, PromptCall, Sampled, Server, Tool, ToolCall, ToolResult, Value, json,
};

use super::described;

type Answer = Result<ToolResult, Error>;

pub(crate) fn add(server: Server) -> Server {
    let prompt = Prompt::new("test_input_required_result_prompt").description("Asks for its context.");
    rounds(requests(server)).prompt(prompt, async |call: PromptCall| {
        let ask = Ask::form("What context should the prompt use?", fields(&[("context", "string")]));
        let given = call.context.ask("user_context", ask).await?;
        Ok(format!("Prompt with context: {}", given.text("context").unwrap_or("none")))
    })
}

/// Those that the suite calls in the legacy era.
fn requests(server: Server) -> Server {
    let defaults = described("test_elicitation_sep1034_defaults", "Asks by a form with defaults.");
    let enums = described("test_elicitation_sep1330_enums", "Asks by a form with choices.");
    server
        .tool(with_text("test_sampling", "Asks the client's model.", "prompt"), sampling)
        .tool(with_text("test_elicitation", "Asks the person.", "message"), async |call: ToolCall| {
            let message = call.text("message")?;
            form(&call, message, fields(&[("username", "string"), ("email", "string")])).await
        })
        .tool(defaults, async |call: ToolCall| {
            form(&call, "Please review and update the form fields with defaults", with_defaults()).await
        })
        .tool(enums, async |call: ToolCall| {
            form(&call, "Please select options from the enum fields", with_choices()).await
        })
        .tool(described("test_elicitation_url", "Sends the person to a URL."), async |call: ToolCall| {
            let ask = Ask::url("Please agree on our page", "https://example.com/agree");
            Ok(told(&call.context.ask("agree", ask).await?))
        })
}

async fn sampling(call: ToolCall) -> Answer {
    let said = call.context.ask("answer", Ask::sample(call.text("prompt")?, 100)).await?;
    Ok(format!("LLM response: {}", said.text().unwrap_or("No response")).into())
}

async fn form(call: &ToolCall, message: &str, schema: Value) -> Answer {
    Ok(told(&call.context.ask("form", Ask::form(message, schema)).await?))
}

fn told(given: &Elicited) -> ToolResult {
    match given {
        Elicited::Accepted(values) => {
            format!("User response: action=accept, content={}", Value::Object(values.clone())).into()
        }
        Elicited::Declined => "User response: action=decline".into(),
        Elicited::Cancelled => "User response: action=cancel".into(),
    }
}

/// Those that it calls in the modern one.
fn rounds(server: Server) -> Server {
    server
        .tool(asking("elicitation", "Asks for a name."), name)
        .tool(described("test_streaming_elicitation", "Reports progress, then asks for a name."), name)
        .tool(asking("sampling", "Asks the client's model."), capital)
        .tool(described("test_missing_capability", "Needs the client's model."), capital)
        .tool(asking("list_roots", "Asks for the client's folders."), async |call: ToolCall| {
            let roots = call.context.ask("client_roots", Ask::roots()).await?;
            Ok(format!("Found {} root(s)", roots.len()))
        })
        .tool(asking("request_state", "Asks for a confirmation."), confirm)
        .tool(asking("tampered_state", "Asks for a confirmation."), confirm)
        .tool(asking("multiple_inputs", "Asks three things in one go."), several)
        .tool(asking("multi_round", "Asks one thing after the other."), async |call: ToolCall| {
            let ask = Ask::form("Step 1: What is your name?", fields(&[("name", "string")]));
            let first = call.context.ask("step1", ask).await?;
            let ask = Ask::form("Step 2: What is your favorite color?", fields(&[("color", "string")]));
            let second = call.context.ask("step2", ask).await?;
            let (name, color) = (first.text("name"), second.text("color"));
            Ok(format!("{} likes {}", name.unwrap_or("Somebody"), color.unwrap_or("no color")))
        })
        .tool(asking("capabilities", "Asks what its client can answer."), async |call: ToolCall| {
            if call.context.client().capabilities.contains_key("elicitation") {
                name(call).await
            } else {
                capital(call).await
            }
        })
}

async fn name(call: ToolCall) -> Answer {
    call.context.progress(1.0, Some(2.0), Some("asking"));
    let given =
        call.context.ask("user_name", Ask::form("What is your name?", fields(&[("name", "string")]))).await?;
    Ok(format!("Hello, {}!", given.text("name").unwrap_or("stranger")).into())
}

async fn capital(call: ToolCall) -> Answer {
    let said: Sampled =
        call.context.ask("capital_question", Ask::sample("What is the capital of France?", 100)).await?;
    Ok(said.text().unwrap_or("No response").into())
}

async fn confirm(call: ToolCall) -> Answer {
    let given =
        call.context.ask("confirm", Ask::form("Please confirm", fields(&[("ok", "boolean")]))).await?;
    Ok(format!("state-ok: {:?}", given.get("ok")).into())
}

async fn several(call: ToolCall) -> Answer {
    let context = &call.context;
    let (name, greeting, roots) = tokio::join!(
        context.ask("user_name", Ask::form("What is your name?", fields(&[("name", "string")]))),
        context.ask("greeting", Ask::sample("Generate a greeting", 50)),
        context.ask("client_roots", Ask::roots()),
    );
    let (name, greeting, roots) = (name?, greeting?, roots?);
    let (name, greeting) = (name.text("name").unwrap_or("nobody"), greeting.text().unwrap_or("nothing"));
    Ok(format!("Name: {name}; Greeting: {greeting}; Roots: {}", roots.len()).into())
}

fn asking(name: &str, description: &str) -> Tool {
    described(&format!("test_input_required_result_{name}"), description)
}

fn with_text(name: &str, description: &str, argument: &str) -> Tool {
    described(name, description).input_schema(fields(&[(argument, "string")]))
}

/// A schema of plain properties, all required.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Value {
    let properties: serde_json::Map<String, Value> =
        fields.iter().map(|(name, kind)| ((*name).to_owned(), json!({ "type": kind }))).collect();
    let required: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

fn with_defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "description": "User name", "default": "John Doe" },
            "age": { "type": "integer", "description": "User age", "default": 30 },
            "score": { "type": "number", "description": "User score", "default": 95.5 },
            "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
            "verified": { "type": "boolean", "description": "Verification status", "default": true }
        },
        "required": []
    })
}

fn with_choices() -> Value {
    let titled = |titles: [&str; 3]| -> Vec<Value> {
        titles
            .iter()
            .enumerate()
            .map(|(at, title)| json!({ "const": format!("value{}", at + 1), "title": title }))
            .collect()
    };
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": { "type": "string", "enum": ["option1", "option2", "option3"] },
            "titledSingle": { "type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"]) },
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"]
            },
            "untitledMulti": {
                "type": "array",
                "minItems": 1,
                "maxItems": 3,
                "items": { "type": "string", "enum": ["option1", "option2", "option3"] }
            },
            "titledMulti": {
                "type": "array",
                "minItems": 1,
                "maxItems": 3,
                "items": { "anyOf": titled(["First Choice", "Second Choice", "Third Choice"]) }
            }
        },
        "required": []
    })
}
