//! A client's message as work: from an action of the session to the replies it will give.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::hub::{Hub, Wire};
use crate::mcp::dispatch::{Call, Outbox, Reply};
use crate::mcp::jsonrpc::{Invalid, Message};
use crate::mcp::session::{Hold, Step};
use crate::trace::Trace;

/// Work on its way; dropping it stops it. It gives no reply if it was cancelled.
pub(super) type Work = Pin<Box<dyn Future<Output = Vec<Reply>> + Send>>;

/// What a message asks for.
pub(super) enum Outcome {
    /// Nothing to answer.
    Accepted,
    /// This answer, at once.
    Reply(Reply),
    /// An answer, later.
    Work(Work),
}

/// A modern call as work.
pub(super) fn of_call(hub: &Hub, call: Call, outbox: Outbox) -> Work {
    let dispatcher = Arc::clone(&hub.dispatcher);
    Box::pin(async move { vec![dispatcher.answer(call, outbox).await] })
}

/// Gives a session one message.
pub(super) fn of_message(
    hub: &Hub,
    hold: &Hold<Wire>,
    message: Message,
    trace: &Trace,
    outbox: Outbox,
) -> Outcome {
    of_step(hub, hold.on(message, &hub.dispatcher), trace, outbox)
}

/// Gives a session a batch; its requests run at once, their replies come in the order they finish.
///
/// # Errors
/// The encoded error when the session takes no batches, or not of that length.
pub(super) fn of_batch(
    hub: &Hub,
    hold: &Hold<Wire>,
    batch: Vec<Result<Message, Invalid>>,
    trace: &Trace,
    outbox: &Outbox,
) -> Result<Outcome, Reply> {
    let mut replies = Vec::new();
    let mut running: JoinSet<Vec<Reply>> = JoinSet::new();
    for step in hold.on_batch(batch, &hub.dispatcher)? {
        match of_step(hub, step, trace, outbox.clone()) {
            Outcome::Accepted => {}
            Outcome::Reply(reply) => replies.push(reply),
            Outcome::Work(work) => drop(running.spawn(work)),
        }
    }
    if replies.is_empty() && running.is_empty() {
        return Ok(Outcome::Accepted);
    }
    Ok(Outcome::Work(Box::pin(async move {
        while let Some(finished) = running.join_next().await {
            replies.extend(finished.unwrap_or_default());
        }
        replies
    })))
}

fn of_step(hub: &Hub, step: Step<Wire>, trace: &Trace, outbox: Outbox) -> Outcome {
    match step {
        Step::Run(call, run) => {
            let dispatcher = Arc::clone(&hub.dispatcher);
            let call = Call { trace: trace.clone(), ..call };
            Outcome::Work(Box::pin(async move {
                run.to_end(dispatcher.answer(call, outbox)).await.into_iter().collect()
            }))
        }
        Step::Reply(reply) => Outcome::Reply(reply),
        Step::Accepted => Outcome::Accepted,
    }
}
