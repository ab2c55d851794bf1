//! The tasks extension of the modern era.

use std::time::Duration;

use docquay::mcp::server::{Limits, Server, TaskSupport, Tool, ToolCall, ToolResult, Value, json};
use docquay::mcp::{Error, ErrorKind};
use tokio::time::sleep;

use super::{Served, accepted, greet, name_form, serve, server, text};

fn declared() -> Value {
    json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } })
}

fn task(name: &str) -> Tool {
    Tool::new(name).tasks(TaskSupport::Optional)
}

fn jobs() -> Server {
    server()
        .tool(Tool::new("greet"), greet)
        .tool(task("slow"), async |call: ToolCall| {
            call.context.begin_task("at work").await?;
            sleep(Duration::from_millis(300)).await;
            Ok("done")
        })
        .tool(task("forever"), async |call: ToolCall| -> Result<String, Error> {
            call.context.begin_task("").await?;
            std::future::pending().await
        })
        .tool(task("failing"), async |call: ToolCall| {
            call.context.begin_task("").await?;
            Ok(ToolResult::error("it did not work"))
        })
        .tool(task("broken"), async |call: ToolCall| -> Result<String, Error> {
            call.context.begin_task("").await?;
            Err(Error::new(ErrorKind::Internal, "it broke"))
        })
        .tool(task("panicking"), async |call: ToolCall| -> Result<String, Error> {
            call.context.begin_task("").await?;
            panic!("on purpose")
        })
        .tool(task("asking"), async |call: ToolCall| {
            call.context.begin_task("").await?;
            let (one, two) =
                tokio::join!(call.context.ask("one", name_form()), call.context.ask("two", name_form()));
            let (one, two) = (one?, two?);
            Ok(format!("{} and {}", one.text("name").unwrap_or("-"), two.text("name").unwrap_or("-")))
        })
        .tool(Tool::new("only").tasks(TaskSupport::Required), async |_: ToolCall| Ok("at once"))
}

async fn created(served: &Served, tool: &str) -> String {
    let result = served.result("tools/call", json!({ "name": tool }), declared()).await;
    assert_eq!(result["resultType"], "task", "{result}");
    assert!(result.get("result").is_none() && result.get("requestState").is_none(), "{result}");
    result["taskId"].as_str().unwrap().to_owned()
}

async fn get(served: &Served, id: &str) -> Value {
    let task = served.result("tasks/get", json!({ "taskId": id }), declared()).await;
    assert_eq!(task["resultType"], "complete");
    task
}

/// The task, once it has that status.
async fn with_status(served: &Served, id: &str, status: &str) -> Value {
    for _ in 0..400 {
        let task = get(served, id).await;
        if task["status"] == status {
            return task;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("the task is never {status}: {}", get(served, id).await);
}

#[tokio::test]
async fn a_call_that_becomes_a_task_is_answered_at_once_and_its_result_fetched() {
    let served = serve(jobs()).await;
    let id = created(&served, "slow").await;
    let working = get(&served, &id).await;
    assert_eq!((&working["status"], &working["statusMessage"]), (&json!("working"), &json!("at work")));
    assert!(working["ttlMs"].is_u64() && working["pollIntervalMs"].is_u64());
    let done = with_status(&served, &id, "completed").await;
    assert_eq!(text(&done["result"]), "done");
}

#[tokio::test]
async fn a_failed_tool_is_a_completed_task_and_a_failed_server_a_failed_one() {
    let served = serve(jobs()).await;
    let failing = with_status(&served, &created(&served, "failing").await, "completed").await;
    assert_eq!((&failing["result"]["isError"], text(&failing["result"])), (&json!(true), "it did not work"));
    for (tool, message) in [("broken", "it broke"), ("panicking", "the work was stopped before its end")] {
        let broken = with_status(&served, &created(&served, tool).await, "failed").await;
        assert_eq!(broken["error"], json!({ "code": -32603, "message": message }));
        assert!(broken.get("result").is_none());
    }
}

#[tokio::test]
async fn a_cancelled_task_stops_and_stays_cancelled() {
    let served = serve(jobs()).await;
    let id = created(&served, "forever").await;
    for _ in 0..2 {
        let acknowledged = served.result("tasks/cancel", json!({ "taskId": id }), declared()).await;
        assert_eq!(acknowledged["resultType"], "complete");
        assert_eq!(get(&served, &id).await["status"], "cancelled");
    }
    let done = created(&served, "failing").await;
    with_status(&served, &done, "completed").await;
    served.result("tasks/cancel", json!({ "taskId": done }), declared()).await;
    assert_eq!(get(&served, &done).await["status"], "completed");
}

#[tokio::test]
async fn a_task_asks_through_its_status_and_goes_on_with_each_answer() {
    let served = serve(jobs()).await;
    let id = created(&served, "asking").await;
    let asking = with_status(&served, &id, "input_required").await;
    let keys: Vec<&String> = asking["inputRequests"].as_object().unwrap().keys().collect();
    let [one, two] = keys.as_slice() else { panic!("two questions: {asking}") };
    assert!(one.starts_with("one") && two.starts_with("two"));
    let update = async |answers: Value| {
        let params = json!({ "taskId": id, "inputResponses": answers });
        served.result("tasks/update", params, declared()).await
    };
    update(json!({ one.as_str(): accepted("Ada"), "never asked": 1 })).await;
    let rest = get(&served, &id).await;
    assert_eq!(rest["status"], "input_required");
    assert_eq!(rest["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), [*two]);

    // What is no answer is asked for again, under another key.
    update(json!({ two.as_str(): 12345 })).await;
    let again = with_status(&served, &id, "input_required").await;
    let keys: Vec<&String> = again["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 1);
    assert_ne!(keys[0], *two);
    update(json!({ keys[0].as_str(): accepted("Grace") })).await;
    let done = with_status(&served, &id, "completed").await;
    assert_eq!(text(&done["result"]), "Ada and Grace");
}

#[tokio::test]
async fn a_client_without_tasks_waits_for_the_result_or_is_refused() {
    let served = serve(jobs()).await;
    let capabilities = json!({ "elicitation": {} });
    let result = served.result("tools/call", json!({ "name": "slow" }), capabilities.clone()).await;
    assert_eq!((&result["resultType"], text(&result)), (&json!("complete"), "done"));
    let required = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    for (method, params) in [
        ("tools/call", json!({ "name": "only" })),
        ("tasks/get", json!({ "taskId": "x" })),
        ("tasks/update", json!({ "taskId": "x", "inputResponses": {} })),
        ("tasks/cancel", json!({ "taskId": "x" })),
        ("subscriptions/listen", json!({ "notifications": { "taskIds": ["x"] } })),
    ] {
        let (status, error) = served.refusal(method, params, capabilities.clone()).await;
        assert_eq!((status, &error["code"]), (400, &json!(-32021)), "{method}");
        assert_eq!(error["data"]["requiredCapabilities"], required);
    }
    // In the legacy era there are no tasks: the call runs to its end.
    let session = served.session("2025-11-25", json!({})).await;
    assert_eq!(text(&session.call(1, "slow").await.whole().await.json()["result"]), "done");
    assert_eq!(session.request(2, "tasks/get", json!({ "taskId": "x" })).await.whole().await.code(), -32601);
}

#[tokio::test]
async fn a_required_task_that_ends_at_once_is_answered_at_once() {
    let served = serve(jobs()).await;
    let result = served.result("tools/call", json!({ "name": "only" }), declared()).await;
    assert_eq!((&result["resultType"], text(&result)), (&json!("complete"), "at once"));
}

#[tokio::test]
async fn unknown_tasks_and_wrong_headers_are_refused() {
    let served = serve(jobs()).await;
    for (method, params) in [
        ("tasks/get", json!({ "taskId": "unknown" })),
        ("tasks/update", json!({ "taskId": "unknown", "inputResponses": {} })),
        ("tasks/cancel", json!({ "taskId": "unknown" })),
    ] {
        assert_eq!(served.refusal(method, params, declared()).await.1["code"], -32602, "{method}");
    }
    for method in ["tasks/list", "tasks/result"] {
        assert_eq!(served.refusal(method, json!({ "taskId": "x" }), declared()).await.1["code"], -32601);
    }
    let discovered = served.result("server/discover", json!({}), json!({})).await;
    assert!(discovered["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_object());
    let wrong =
        served.modern_with(&[("mcp-name", "other")], "tasks/get", json!({ "taskId": "x" }), declared()).await;
    assert_eq!(wrong.whole().await.code(), -32020);
}

#[tokio::test]
async fn tasks_are_bounded_in_number_and_in_time() {
    let mut limits = Limits::default();
    limits.tasks = 2;
    limits.task_ttl = Duration::from_millis(400);
    let served = serve(jobs().limits(limits)).await;
    let (first, second) = (created(&served, "forever").await, created(&served, "failing").await);
    with_status(&served, &second, "completed").await;
    // The one that has ended makes room; then there is none.
    let third = created(&served, "forever").await;
    assert_eq!(served.refusal("tasks/get", json!({ "taskId": second }), declared()).await.1["code"], -32602);
    let (_, full) = served.refusal("tools/call", json!({ "name": "forever" }), declared()).await;
    assert!(full["message"].as_str().unwrap().contains("too many tasks"), "{full}");
    sleep(Duration::from_millis(600)).await;
    for id in [first, third] {
        assert_eq!(served.refusal("tasks/get", json!({ "taskId": id }), declared()).await.1["code"], -32602);
    }
    created(&served, "forever").await;
}

#[tokio::test]
async fn a_listen_stream_tells_of_its_tasks_until_their_end() {
    let served = serve(jobs()).await;
    let (mine, other) = (created(&served, "asking").await, created(&served, "slow").await);
    let filter = json!({ "notifications": { "taskIds": [mine, "unknown"] } });
    let mut stream = served.modern("subscriptions/listen", filter, declared()).await;
    let acknowledged = stream.event().await.unwrap().json();
    assert_eq!(acknowledged["params"]["notifications"], json!({ "taskIds": [mine] }));
    let mut next = async || {
        let event = stream.event().await.unwrap().json();
        assert_eq!(event["method"], "notifications/tasks");
        assert_eq!(event["params"]["taskId"], json!(mine));
        assert_eq!(event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
        event["params"].clone()
    };
    let mut standing = next().await;
    while standing["inputRequests"].as_object().is_none_or(|requests| requests.len() < 2) {
        standing = next().await;
    }
    let keys: Vec<String> = standing["inputRequests"].as_object().unwrap().keys().cloned().collect();
    let answers: serde_json::Map<String, Value> =
        keys.into_iter().map(|key| (key, accepted("Ada"))).collect();
    served.result("tasks/update", json!({ "taskId": mine, "inputResponses": answers }), declared()).await;
    let mut told = next().await;
    while told["status"] != "completed" {
        told = next().await;
    }
    assert_eq!(text(&told["result"]), "Ada and Ada");
    with_status(&served, &other, "completed").await;
}
