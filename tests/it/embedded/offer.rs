//! What a server of functions offers, and how it changes.

use docquay::mcp::server::{
    Annotations, Completing, Content, Icon, Prompt, PromptArgument, PromptCall, Resource, ResourceCall,
    ResourceTemplate, Role, Server, Tool, ToolCall, Value, json,
};
use docquay::shutdown;

use super::{Served, serve, server, text};
use crate::harness::peer;

fn with_header() -> Tool {
    Tool::new("query").input_schema(json!({
        "type": "object",
        "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "count": { "type": "integer", "x-mcp-header": "Count" },
            "dry": { "type": "boolean", "x-mcp-header": "Dry" },
        },
    }))
}

#[tokio::test]
async fn arguments_that_are_repeated_in_headers_must_agree_with_them() {
    let served = serve(server().tool(with_header(), async |_: ToolCall| Ok("queried"))).await;
    for (arguments, headers, taken) in [
        (json!({ "region": "us" }), vec![("mcp-param-region", "us")], true),
        (json!({ "region": "us" }), vec![("Mcp-Param-Region", "=?base64?dXM=?=")], true),
        (json!({ "region": "us" }), vec![], false),
        (json!({ "region": "us" }), vec![("mcp-param-region", "US")], false),
        (json!({ "region": "us" }), vec![("mcp-param-region", "=?base64?!?=")], false),
        (json!({ "region": "us" }), vec![("mcp-param-region", "us"), ("mcp-param-region", "us")], false),
        (json!({ "region": 7 }), vec![("mcp-param-region", "7")], true),
        (json!({ "region": null }), vec![], true),
        (json!({}), vec![], true),
        (json!({}), vec![("mcp-param-region", "us")], false),
        (json!({ "count": 42 }), vec![("mcp-param-count", "42.0")], true),
        (json!({ "count": 42 }), vec![("mcp-param-count", "43")], false),
        (json!({ "count": 9_007_199_254_740_993_i64 }), vec![("mcp-param-count", "9007199254740992")], false),
        (json!({ "dry": true }), vec![("mcp-param-dry", "true")], true),
        (json!({ "dry": true }), vec![("mcp-param-dry", "True")], false),
        (json!({ "dry": [1] }), vec![("mcp-param-dry", "[1]")], false),
        (json!({}), vec![("mcp-param-unknown", "x")], true),
    ] {
        let params = json!({ "name": "query", "arguments": arguments });
        let answer = served.modern_with(&headers, "tools/call", params, json!({})).await.whole().await;
        let case = format!("{arguments} {headers:?}: {answer:?}");
        assert_eq!(answer.status, if taken { 200 } else { 400 }, "{case}");
        if !taken {
            assert_eq!(answer.code(), -32020, "{case}");
        }
    }
    // The legacy era has no such headers.
    let session = served.session("2025-11-25", json!({})).await;
    let params = json!({ "name": "query", "arguments": { "region": "us" } });
    let answer = session.request(1, "tools/call", params).await.whole().await.json();
    assert_eq!(text(&answer["result"]), "queried");
}

async fn names(served: &Served) -> Vec<String> {
    let listed = served.result("tools/list", json!({}), json!({})).await;
    let tools = listed["tools"].as_array().unwrap();
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_added_and_removed_is_told_and_listed() {
    let building = server().tool(Tool::new("first"), async |_: ToolCall| Ok("first"));
    let building = building.resource(Resource::new("test://a", "a"), async |_: ResourceCall| Ok("text"));
    let handle = building.handle();
    let served = serve(building).await;
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": ["test://a"] });
    let mut stream =
        served.modern("subscriptions/listen", json!({ "notifications": filter }), json!({})).await;
    assert_eq!(stream.event().await.unwrap().json()["params"]["notifications"], filter);
    assert_eq!(names(&served).await, ["first"]);

    handle.add_tool(Tool::new("second"), async |_: ToolCall| Ok("second")).unwrap();
    assert!(handle.add_tool(Tool::new("second"), async |_: ToolCall| Ok("twice")).is_err());
    assert_eq!(stream.event().await.unwrap().json()["method"], "notifications/tools/list_changed");
    assert_eq!(names(&served).await, ["first", "second"]);
    assert_eq!(text(&served.result("tools/call", json!({ "name": "second" }), json!({})).await), "second");

    assert!(handle.remove_tool("first") && !handle.remove_tool("first"));
    assert_eq!(stream.event().await.unwrap().json()["method"], "notifications/tools/list_changed");
    assert_eq!(names(&served).await, ["second"]);
    let (_, gone) = served.refusal("tools/call", json!({ "name": "first" }), json!({})).await;
    assert!(gone["message"].as_str().unwrap().contains("second"), "{gone}");

    handle.updated("test://a");
    assert_eq!(stream.event().await.unwrap().json()["params"]["uri"], "test://a");
}

#[tokio::test]
async fn bad_arguments_are_told_to_the_model_and_the_server_goes_on() {
    let served = serve(server().tool(Tool::new("add"), async |call: ToolCall| {
        let note = if call.boolean("loud")? { "!" } else { "" };
        Ok(format!("{} {}{note}", call.integer("a")?, call.number("b")?))
    }))
    .await;
    for (arguments, said) in [
        (json!({ "loud": true }), "`a` must be an integer"),
        (json!({ "loud": true, "a": "1" }), "`a` must be an integer"),
        (json!({ "loud": true, "a": 1, "b": null }), "`b` must be a number"),
        (json!({ "a": 1 }), "`loud` must be true or false"),
        (json!({ "loud": false, "a": 1, "b": 0.5 }), "1 0.5"),
    ] {
        let params = json!({ "name": "add", "arguments": arguments });
        assert_eq!(text(&served.result("tools/call", params, json!({})).await), said);
    }
}

#[tokio::test]
async fn resources_templates_prompts_and_completions_answer_by_their_functions() {
    let served = serve(
        server()
            .resource(Resource::new("test://logo", "logo").mime_type("image/png"), async |_: ResourceCall| {
                Ok(b"png".to_vec())
            })
            .template(ResourceTemplate::new("test://{kind}/{+path}", "files"), async |call: ResourceCall| {
                Ok(format!("{} {}", call.variable("kind"), call.variable("path")))
            })
            .prompt(
                Prompt::new("review")
                    .argument(PromptArgument::required("code"))
                    .argument(PromptArgument::optional("tone")),
                async |call: PromptCall| Ok(format!("{} {:?}", call.text("code"), call.text("tone"))),
            )
            .completion(async |asked: Completing| Ok(vec![format!("{}…", asked.value)])),
    )
    .await;
    let read = async |uri: &str| served.result("resources/read", json!({ "uri": uri }), json!({})).await;
    let logo = json!({ "uri": "test://logo", "mimeType": "image/png", "blob": "cG5n" });
    assert_eq!(read("test://logo").await["contents"][0], logo);
    assert_eq!(read("test://notes/a/b%20c").await["contents"][0]["text"], "notes a/b%20c");
    let (_, unknown) = served.refusal("resources/read", json!({ "uri": "other://x" }), json!({})).await;
    assert_eq!((&unknown["code"], &unknown["data"]["uri"]), (&json!(-32602), &json!("other://x")));

    let prompt = json!({ "name": "review", "arguments": { "code": "1+1" } });
    let filled = served.result("prompts/get", prompt, json!({})).await;
    assert_eq!(filled["messages"][0]["content"]["text"], "1+1 \"\"");
    let (_, missing) = served.refusal("prompts/get", json!({ "name": "review" }), json!({})).await;
    assert!(missing["message"].as_str().unwrap().contains("`code`"), "{missing}");

    let asked = json!({ "ref": { "type": "ref/prompt", "name": "review" }, "argument": { "name": "tone", "value": "k" } });
    let completed = served.result("completion/complete", asked, json!({})).await;
    assert_eq!(completed["completion"], json!({ "values": ["k…"], "total": 1, "hasMore": false }));
}

#[tokio::test]
async fn icons_annotations_and_meta_are_written_where_the_revision_has_them() {
    let mut icon = Icon::new("https://example.com/icon.png");
    icon.sizes = vec!["48x48".to_owned()];
    let mut tool = Tool::new("plain").icon(icon);
    tool.meta = Some(json!({ "example.com/team": "docs" }).as_object().unwrap().clone());
    let served = serve(server().tool(tool, async |_: ToolCall| {
        let for_user = Annotations::default().audience(Role::User).priority(0.5);
        Ok(vec![Content::text("for you").annotated(for_user)])
    }))
    .await;
    let expected = json!([{ "src": "https://example.com/icon.png", "sizes": ["48x48"] }]);
    let listed = served.result("tools/list", json!({}), json!({})).await["tools"][0].clone();
    assert_eq!((&listed["icons"], &listed["_meta"]), (&expected, &json!({ "example.com/team": "docs" })));
    for (revision, icons, meta) in
        [("2025-03-26", false, false), ("2025-06-18", false, true), ("2025-11-25", true, true)]
    {
        let session = served.session(revision, json!({})).await;
        let listed = session.request(1, "tools/list", json!({})).await.whole().await.json();
        let tool = &listed["result"]["tools"][0];
        assert_eq!((tool.get("icons").is_some(), tool.get("_meta").is_some()), (icons, meta), "{revision}");
        let called = session.call(2, "plain").await.whole().await.json();
        let annotations = &called["result"]["content"][0]["annotations"];
        assert_eq!(annotations, &json!({ "audience": ["user"], "priority": 0.5 }), "{revision}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_told_when_the_server_is_built() {
    let tool = |name: &str| Tool::new(name);
    let function = async |_: ToolCall| Ok("x");
    let header =
        json!({ "type": "object", "properties": { "a": { "type": "number", "x-mcp-header": "A" } } });
    let read = async |_: ResourceCall| Ok("x");
    let fill = async |_: PromptCall| Ok("x");
    let faults: [(Server, &str); 6] = [
        (server().tool(tool("a"), function).tool(tool("a"), function), "two tools `a`"),
        (server().tool(tool("a").input_schema(header), function), "x-mcp-header"),
        (server().template(ResourceTemplate::new("test://{?q}", "q"), read), "test://{?q}"),
        (
            server().resource(Resource::new("u", "a"), read).resource(Resource::new("u", "b"), read),
            "two resources `u`",
        ),
        (server().prompt(Prompt::new("p"), fill).prompt(Prompt::new("p"), fill), "two prompts `p`"),
        (server().allow_host("not a host"), "allow_host"),
    ];
    for (server, said) in faults {
        let (_trigger, shutdown) = shutdown::channel();
        let fault = server.build(shutdown).unwrap_err().to_string();
        assert!(fault.contains(said), "{fault}");
    }
}

#[tokio::test]
async fn a_browser_is_told_that_there_is_nothing_to_see_and_a_foreign_page_is_refused() {
    let served = serve(server().tool(Tool::new("a"), async |_: ToolCall| Ok("x"))).await;
    let get = peer::send(served.address, "GET", "/mcp", &[("accept", "text/html,*/*;q=0.8")], "").await;
    assert_eq!(get.status, 405);
    let evil = [("origin", "https://evil.example"), ("content-type", "application/json")];
    assert_eq!(peer::send(served.address, "POST", "/mcp", &evil, "{}").await.status, 403);
}

#[tokio::test]
async fn a_server_declares_what_it_has() {
    let some = serve(server().tool(Tool::new("a"), async |_: ToolCall| Ok("x"))).await;
    let discovered = some.result("server/discover", json!({}), json!({})).await;
    assert_eq!(discovered["capabilities"], json!({ "tools": { "listChanged": true } }));
    let (status, error) = some.refusal("prompts/list", json!({}), json!({})).await;
    assert_eq!((status, &error["code"]), (404, &json!(-32601)));
    let info: &Value = &discovered["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!((&info["name"], &info["version"]), (&json!("embedded"), &json!("1.0.0")));
}
