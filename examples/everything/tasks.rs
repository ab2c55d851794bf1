//! Tools whose calls go on as tasks, for clients that know these; others wait for the result.

use std::time::Duration;

use docquay::mcp::server::{Ask, Server, TaskSupport, ToolCall, ToolResult, json};
use docquay::mcp::{Error, ErrorKind};
use tokio::time::sleep;

use super::asking::fields;
use super::described;

type Answer = Result<ToolResult, Error>;

pub(crate) fn add(server: Server) -> Server {
    let slow =
        described("slow_compute", "Sleeps, then answers.").tasks(TaskSupport::Optional).input_schema(json!({
            "type": "object",
            "properties": { "seconds": { "type": "integer" }, "label": { "type": "string" } },
            "required": ["seconds"],
        }));
    let greet = described("greet", "Greets somebody at once.").input_schema(fields(&[("name", "string")]));
    let failing = described("failing_job", "Fails as a tool does.").tasks(TaskSupport::Required);
    let broken = described("protocol_error_job", "Fails as a server does.").tasks(TaskSupport::Optional);
    let confirm = described("confirm_delete", "Asks before it deletes.")
        .tasks(TaskSupport::Optional)
        .input_schema(fields(&[("filename", "string")]));
    let several = described("multi_input", "Asks two things in one go.").tasks(TaskSupport::Optional);
    let both =
        described("test_tool_with_task", "Asks first, then goes on as a task.").tasks(TaskSupport::Required);
    server
        .tool(greet, async |call: ToolCall| Ok(format!("Hello, {}!", call.text("name")?)))
        .tool(slow, slow_compute)
        .tool(failing, async |call: ToolCall| {
            call.context.begin_task("failing").await?;
            sleep(Duration::from_millis(200)).await;
            Ok(ToolResult::error("The job failed."))
        })
        .tool(broken, async |call: ToolCall| -> Answer {
            call.context.begin_task("breaking").await?;
            sleep(Duration::from_millis(200)).await;
            Err(Error::new(ErrorKind::Internal, "the job broke"))
        })
        .tool(confirm, confirm_delete)
        .tool(several, multi_input)
        .tool(both, async |call: ToolCall| {
            let ask = Ask::form("What is your name?", fields(&[("name", "string")]));
            let given = call.context.ask("user_name", ask).await?;
            call.context.begin_task("greeting").await?;
            sleep(Duration::from_millis(200)).await;
            Ok(format!("Hello, {}!", given.text("name").unwrap_or("stranger")))
        })
}

async fn slow_compute(call: ToolCall) -> Answer {
    let seconds = u64::try_from(call.integer("seconds")?).unwrap_or(0);
    if seconds > 0 {
        call.context.begin_task("computing").await?;
    }
    sleep(Duration::from_secs(seconds)).await;
    let label = call.get("label").and_then(|label| label.as_str()).unwrap_or("nothing");
    Ok(format!("Computed {label} in {seconds} s").into())
}

async fn confirm_delete(call: ToolCall) -> Answer {
    let name = call.text("filename")?;
    call.context.begin_task("waiting for a confirmation").await?;
    let ask = Ask::form(format!("Delete {name}?"), fields(&[("confirm", "boolean")]));
    let given = call.context.ask("confirm", ask).await?;
    let yes = given.get("confirm").and_then(docquay::mcp::server::Value::as_bool) == Some(true);
    Ok(if yes { format!("Deleted {name}") } else { format!("Kept {name}") }.into())
}

async fn multi_input(call: ToolCall) -> Answer {
    call.context.begin_task("waiting for two answers").await?;
    let ask = |message: &str| Ask::form(message, fields(&[("name", "string")]));
    let (first, second) = tokio::join!(
        call.context.ask("first", ask("The first name?")),
        call.context.ask("second", ask("The second name?")),
    );
    let (first, second) = (first?, second?);
    Ok(format!("{} and {}", first.text("name").unwrap_or("-"), second.text("name").unwrap_or("-")).into())
}
