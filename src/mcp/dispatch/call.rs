//! `tools/call`: the deadline, what the model may mend, and calls that go on as tasks.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Caching, Dispatcher, Reply};
use crate::mcp::catalog::{Catalog, ToolResult};
use crate::mcp::context::{Context, Desk};
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::{Object, RequestId};
use crate::mcp::method;
use crate::mcp::params;
use crate::mcp::revision::Rules;
use crate::mcp::wire::{self, Body};

impl Dispatcher {
    pub(super) async fn call_tool(
        &self,
        id: &RequestId,
        name: &str,
        arguments: Object,
        rules: &'static Rules,
        context: &Context,
    ) -> Result<Reply, Error> {
        if context.may_become_task() {
            return self.call_long(id, name, arguments, rules, context).await;
        }
        let work = self.catalog.call_tool(name, arguments, context);
        let outcome = context.own_time(self.limits.tool_time, work).await;
        self.called(id, name, rules, outcome)
    }

    /// The reply to a call that has ended, or ran out of time.
    fn called(
        &self,
        id: &RequestId,
        name: &str,
        rules: &Rules,
        outcome: Option<Result<ToolResult, Error>>,
    ) -> Result<Reply, Error> {
        let result = match outcome {
            Some(Ok(result)) => result,
            Some(Err(error)) => mendable(&*self.catalog, name, error, rules)?,
            // The model can mend it: server/tools reports failed executions as results.
            None => ToolResult::error(self.too_slow()),
        };
        let reply = self.result(id, rules, &result, Caching::Never);
        Ok(Reply { is_tool_error: result.is_error, ..reply })
    }

    /// A call whose handler may begin a task: from then on it runs by itself.
    async fn call_long(
        &self,
        id: &RequestId,
        name: &str,
        arguments: Object,
        rules: &'static Rules,
        context: &Context,
    ) -> Result<Reply, Error> {
        let (catalog, owned_name, owned) = (Arc::clone(&self.catalog), name.to_owned(), context.clone());
        let mut work = Box::pin(async move {
            let outcome = catalog.call_tool(&owned_name, arguments, &owned).await;
            outcome.or_else(|error| mendable(&*catalog, &owned_name, error, rules))
        });
        let task = tokio::select! {
            biased;
            task = context.task_begun() => task,
            outcome = context.own_time(self.limits.tool_time, &mut work) => {
                // Ended at once: nobody knows of the task yet.
                if let Some(task) = context.task() {
                    self.desk.tasks.discard(&task);
                }
                return self.called(id, name, rules, outcome);
            }
        };
        let detail = self.desk.tasks.detail(&task, self.desk.sealer.clock());
        let detail = detail.ok_or_else(|| Error::new(ErrorKind::Internal, "the task is gone already"))?;
        let mut end = End { desk: Arc::clone(&self.desk), task, rules, open: true };
        let server = Arc::clone(&self.server);
        self.desk.tasks.run(&Arc::clone(&end.task), async move {
            end.with(work.await, &server);
        });
        Ok(self.result(id, rules, &wire::TaskCreated(&detail), Caching::Never))
    }
}

/// Tells the end of a task's work, also when the work is stopped.
struct End {
    desk: Arc<Desk>,
    task: Arc<str>,
    rules: &'static Rules,
    open: bool,
}

impl End {
    fn with(&mut self, outcome: Result<ToolResult, Error>, server: &RawValue) {
        self.open = false;
        let told = match outcome {
            Ok(result) => {
                Ok(wire::body(&Body { fields: &result, rules: self.rules, server, freshness: None }))
            }
            Err(error) => Err(self.failure(&error)),
        };
        self.desk.tasks.finish(&self.task, told, self.desk.sealer.clock());
    }

    fn failure(&self, error: &Error) -> (Box<RawValue>, String) {
        (wire::error_object(self.rules, error), error.message().to_owned())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if self.open {
            let error = Error::new(ErrorKind::Internal, "the work was stopped before its end");
            let told = Err(self.failure(&error));
            self.desk.tasks.finish(&self.task, told, self.desk.sealer.clock());
        }
    }
}

/// Bad arguments are for the model to see where the revision says so, a client that does not answer always is; an
/// unknown tool never is.
fn mendable(catalog: &dyn Catalog, name: &str, error: Error, rules: &Rules) -> Result<ToolResult, Error> {
    match error.kind() {
        ErrorKind::InvalidParams => {
            let tools = catalog.tools();
            if !tools.iter().any(|tool| tool.name == name) {
                let known: Vec<&str> =
                    tools.iter().take(KNOWN_TOOLS).map(|tool| tool.name.as_str()).collect();
                let (name, known) = (method::shortened(name), known.join(", "));
                return Err(params::invalid(format!("no tool `{name}`; there are: {known}")));
            }
            if rules.argument_errors_as_results { Ok(ToolResult::error(error.message())) } else { Err(error) }
        }
        ErrorKind::NoAnswer => Ok(ToolResult::error(error.message())),
        // 2026-07-28 has a code for it.
        ErrorKind::MissingClientCapability if rules.handshake => Ok(ToolResult::error(error.message())),
        _ => Err(error),
    }
}

/// Names that an error lists.
const KNOWN_TOOLS: usize = 20;
