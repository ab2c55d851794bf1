//! Questions in the modern era: rounds of `input_required`, sealed states, log messages on demand.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ::http::HeaderMap;
use docquay::http::{Caller, Forwarded, Guard, HostPolicy, Request, Response, Router};
use docquay::mcp::server::{
    Ask, Level, Limits, Prompt, PromptCall, Resource, ResourceCall, Server, Tool, ToolCall, Value, json,
};
use docquay::shutdown;
use http_body_util::BodyExt as _;

use super::{Served, accepted, asks_a_name, name_form, serve, server, text};

fn everything() -> Value {
    json!({ "elicitation": {}, "sampling": {}, "roots": {} })
}

/// Asks a name, then a color.
fn two_rounds() -> Server {
    server().tool(Tool::new("profile"), async |call: ToolCall| {
        let name = call.context.ask("name", name_form()).await?;
        let properties = json!({ "color": { "type": "string" } });
        let color = call
            .context
            .ask("color", Ask::form("Your color?", json!({ "type": "object", "properties": properties })));
        let color = color.await?;
        Ok(format!("{} likes {}", name.text("name").unwrap_or("-"), color.text("color").unwrap_or("-")))
    })
}

fn call(tool: &str) -> Value {
    json!({ "name": tool, "arguments": { "a": 1 } })
}

async fn round(served: &Served, tool: &str, state: Option<&Value>, answers: Value) -> Value {
    let mut params = call(tool);
    params["inputResponses"] = answers;
    if let Some(state) = state {
        params["requestState"] = state.clone();
    }
    served.result("tools/call", params, everything()).await
}

#[tokio::test]
async fn a_call_ends_with_its_question_and_comes_again_with_the_answers_so_far() {
    let served = serve(two_rounds()).await;
    let first = served.result("tools/call", call("profile"), everything()).await;
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(first["inputRequests"]["name"]["method"], "elicitation/create");
    assert!(first.get("content").is_none() && first.get("ttlMs").is_none());

    let second =
        round(&served, "profile", Some(&first["requestState"]), json!({ "name": accepted("Ada") })).await;
    assert_eq!(second["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["color"]);
    assert_ne!(first["requestState"], second["requestState"]);

    // The name travels in the state; another one sent with the last round does not count any more.
    let color = json!({ "action": "accept", "content": { "color": "blue" } });
    let answers = json!({ "color": color, "name": accepted("Mallory") });
    let third = round(&served, "profile", Some(&second["requestState"]), answers).await;
    assert_eq!((&third["resultType"], text(&third)), (&json!("complete"), "Ada likes blue"));
}

#[tokio::test]
async fn missing_and_malformed_answers_are_asked_for_again_and_strange_ones_ignored() {
    let served = serve(asks_a_name()).await;
    for answers in [
        json!({}),
        json!({ "other": accepted("Ada") }),
        json!({ "name": 12345 }),
        json!({ "name": { "action": "accept", "content": {} } }),
        json!({ "name": { "action": "shrug" } }),
    ] {
        let asked = round(&served, "greet", None, answers.clone()).await;
        assert_eq!(asked["resultType"], "input_required", "{answers}");
    }
    let done = round(&served, "greet", None, json!({ "name": accepted("Ada"), "other": 1 })).await;
    assert_eq!(text(&done), "Hello, Ada!");
    let declined = round(&served, "greet", None, json!({ "name": { "action": "decline" } })).await;
    assert_eq!(text(&declined), "Hello, stranger!");
}

#[tokio::test]
async fn a_state_that_was_changed_or_is_of_another_call_is_refused() {
    let served = serve(two_rounds().tool(Tool::new("greet"), super::greet)).await;
    let asked = served.result("tools/call", call("profile"), everything()).await;
    let state = asked["requestState"].as_str().unwrap();
    let other_arguments = json!({ "name": "profile", "arguments": { "a": 2 } });
    for (mut params, state) in [
        (call("profile"), format!("{state}-TAMPERED")),
        (call("profile"), state.chars().rev().collect()),
        (call("greet"), state.to_owned()),
        (other_arguments, state.to_owned()),
    ] {
        params["requestState"] = json!(state);
        let (status, error) = served.refusal("tools/call", params.clone(), everything()).await;
        assert_eq!((status, &error["code"]), (200, &json!(-32602)), "{params}");
    }
}

#[tokio::test]
async fn a_state_expires_and_another_instance_takes_it_only_with_the_shared_secret() {
    let mut limits = Limits::default();
    limits.answer_time = Duration::ZERO;
    let expired = serve(two_rounds().limits(limits)).await;
    let asked = expired.result("tools/call", call("profile"), everything()).await;
    let mut params = call("profile");
    params["requestState"] = asked["requestState"].clone();
    assert_eq!(expired.refusal("tools/call", params, everything()).await.1["code"], -32602);

    let (one, two) = (
        serve(two_rounds().state_secret(b"shared")).await,
        serve(two_rounds().state_secret(b"shared")).await,
    );
    let alone = serve(two_rounds()).await;
    let asked = one.result("tools/call", call("profile"), everything()).await;
    let state = Some(&asked["requestState"]);
    let next = round(&two, "profile", state, json!({ "name": accepted("Ada") })).await;
    assert!(next["inputRequests"]["color"].is_object());
    let mut params = call("profile");
    params["requestState"] = asked["requestState"].clone();
    assert_eq!(alone.refusal("tools/call", params, everything()).await.1["code"], -32602);
}

#[tokio::test]
async fn several_questions_are_asked_in_one_round() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let served = serve(server().tool(Tool::new("all"), move |call: ToolCall| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let (name, said, roots) = tokio::join!(
                call.context.ask("name", name_form()),
                call.context
                    .ask("said", Ask::sample("Say something", 50).with("systemPrompt", json!("Be brief."))),
                call.context.ask("roots", Ask::roots()),
            );
            let (name, said, roots) = (name?, said?, roots?);
            let folders: Vec<&str> = roots.iter().map(|root| root.uri.as_str()).collect();
            Ok(format!(
                "{} {} {}",
                name.text("name").unwrap_or("-"),
                said.text().unwrap_or("-"),
                folders.join(" ")
            ))
        }
    }))
    .await;
    let asked = served.result("tools/call", call("all"), everything()).await;
    let requests = &asked["inputRequests"];
    assert_eq!(requests["said"]["params"]["systemPrompt"], "Be brief.");
    assert_eq!(requests["said"]["params"]["maxTokens"], 50);
    assert_eq!(requests["roots"], json!({ "method": "roots/list", "params": {} }));
    // Two of three: only the third is asked for again.
    let said = json!({ "role": "assistant", "content": { "type": "text", "text": "hi" }, "model": "m" });
    let some =
        round(&served, "all", Some(&asked["requestState"]), json!({ "name": accepted("Ada"), "said": said }))
            .await;
    assert_eq!(some["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["roots"]);
    let roots = json!({ "roots": [{ "uri": "file:///a", "name": "A" }, { "uri": "file:///b" }] });
    let done = round(&served, "all", Some(&some["requestState"]), json!({ "roots": roots })).await;
    assert_eq!(text(&done), "Ada hi file:///a file:///b");
    assert_eq!(runs.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn what_the_client_did_not_declare_is_not_asked_but_named() {
    let visit = async |call: ToolCall| {
        call.context.ask("visit", Ask::url("Please agree", "https://example.com")).await.map(|_| "agreed")
    };
    let sample = async |call: ToolCall| call.context.ask("said", Ask::sample("Say", 1)).await.map(|_| "said");
    let using_tools = async |call: ToolCall| {
        let ask = Ask::sample("Say", 1).with("tools", json!([]));
        call.context.ask("said", ask).await.map(|_| "said")
    };
    let roots = async |call: ToolCall| call.context.ask("roots", Ask::roots()).await.map(|_| "found");
    let served = serve(
        asks_a_name()
            .tool(Tool::new("visit"), visit)
            .tool(Tool::new("sample"), sample)
            .tool(Tool::new("using_tools"), using_tools)
            .tool(Tool::new("roots"), roots),
    )
    .await;
    let forms = json!({ "elicitation": {} });
    for (tool, declared, required) in [
        ("greet", json!({}), json!({ "elicitation": { "form": {} } })),
        ("greet", json!({ "elicitation": { "url": {} } }), json!({ "elicitation": { "form": {} } })),
        ("visit", forms, json!({ "elicitation": { "url": {} } })),
        ("sample", json!({ "roots": {} }), json!({ "sampling": {} })),
        ("using_tools", json!({ "sampling": {} }), json!({ "sampling": { "tools": {} } })),
        ("roots", json!({ "sampling": {} }), json!({ "roots": {} })),
    ] {
        let (status, error) = served.refusal("tools/call", call(tool), declared).await;
        assert_eq!((status, &error["code"]), (400, &json!(-32021)), "{tool}");
        assert_eq!(error["data"]["requiredCapabilities"], required, "{tool}");
    }
    let asked = served.result("tools/call", call("visit"), json!({ "elicitation": { "url": {} } })).await;
    let params = &asked["inputRequests"]["visit"]["params"];
    assert_eq!(params, &json!({ "mode": "url", "message": "Please agree", "url": "https://example.com" }));
}

#[tokio::test]
async fn prompts_and_resources_ask_too_and_lists_never() {
    let served = serve(
        server()
            .prompt(Prompt::new("greeting"), async |call: PromptCall| {
                let name = call.context.ask("name", name_form()).await?;
                Ok(format!("Greet {}", name.text("name").unwrap_or("-")))
            })
            .resource(Resource::new("test://card", "card"), async |call: ResourceCall| {
                let name = call.context.ask("name", name_form()).await?;
                Ok(format!("Card of {}", name.text("name").unwrap_or("-")))
            }),
    )
    .await;
    for (method, params, member, said) in [
        ("prompts/get", json!({ "name": "greeting" }), "/messages/0/content/text", "Greet Ada"),
        ("resources/read", json!({ "uri": "test://card" }), "/contents/0/text", "Card of Ada"),
    ] {
        let asked = served.result(method, params.clone(), everything()).await;
        assert_eq!(asked["resultType"], "input_required");
        let mut params = params;
        params["requestState"] = asked["requestState"].clone();
        params["inputResponses"] = json!({ "name": accepted("Ada") });
        let done = served.result(method, params, everything()).await;
        assert_eq!(done.pointer(member), Some(&json!(said)), "{done}");
    }
    let listed =
        served.result("prompts/list", json!({ "requestState": 1, "inputResponses": 1 }), everything()).await;
    assert_eq!(listed["resultType"], "complete");
}

#[tokio::test]
async fn log_messages_go_to_the_request_that_asked_for_them_and_to_no_other() {
    let served = serve(
        server()
            .tool(Tool::new("log"), async |call: ToolCall| {
                call.context.log(Level::Info, None, &json!("little"));
                call.context.log(Level::Error, None, &json!("much"));
                Ok("logged")
            })
            .logging(),
    )
    .await;
    for (level, told) in
        [(None, vec![]), (Some("error"), vec!["much"]), (Some("debug"), vec!["little", "much"])]
    {
        let mut params = call("log");
        if let Some(level) = level {
            params["_meta"]["io.modelcontextprotocol/logLevel"] = json!(level);
        }
        let mut answer = served.modern("tools/call", params, json!({})).await;
        if told.is_empty() {
            assert!(!answer.is_stream());
            continue;
        }
        for data in told {
            let message = answer.event().await.unwrap();
            assert_eq!((message.id.as_ref(), &message.json()["params"]["data"]), (None, &json!(data)));
        }
        assert_eq!(text(&answer.event().await.unwrap().json()["result"]), "logged");
    }
}

/// Admits whoever names themselves.
struct ByName;

impl Guard for ByName {
    fn is_proxy(&self, _: IpAddr) -> bool {
        false
    }

    fn forwarded(&self, _: IpAddr, _: &HeaderMap) -> Option<Forwarded> {
        None
    }

    fn meter(&self, _: &Request) -> Result<(), Box<Response>> {
        Ok(())
    }

    fn admit(&self, request: &Request) -> Result<Option<Caller>, Box<Response>> {
        Ok(request.header("x-name").map(|name| Caller { name: name.into(), key: [0; 32] }))
    }

    fn barred(&self, _: &Caller) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_state_counts_for_the_caller_it_was_given_to_alone() {
    let (_trigger, shutdown) = shutdown::channel();
    let embedded = two_rounds().build(shutdown).unwrap();
    let router = Router::new(embedded.routes(), HostPolicy::default()).with_guard(Arc::new(ByName));
    let ask = async |name: &str, state: Option<&Value>| {
        let mut params = call("profile");
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": everything(),
        });
        if let Some(state) = state {
            params["requestState"] = state.clone();
            params["inputResponses"] = json!({ "name": accepted("Ada") });
        }
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let head = ::http::Request::post("/mcp").header("host", "localhost").header("x-name", name);
        let head = head.header("content-type", "application/json").header("accept", "application/json");
        let head = head.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call");
        let (head, ()) = head.header("mcp-name", "profile").body(()).unwrap().into_parts();
        let request = Request::whole(head, message.to_string().into(), ([127, 0, 0, 1], 1).into());
        let body = router.answer(request).await.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&body).unwrap()
    };
    let first = ask("ana", None).await;
    let state = &first["result"]["requestState"];
    assert_eq!(ask("ana", Some(state)).await["result"]["resultType"], "input_required");
    assert_eq!(ask("ben", Some(state)).await["error"]["code"], -32602);
}
