//! A client's message as work: from an action of the session to the replies it will give.

use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::hub::{Hub, Wire};
use crate::mcp::dispatch::{Call, Outbox, Reply};
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::{Invalid, Message};
use crate::mcp::legacy::Action;
use crate::mcp::session::{Hold, StartError};

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
pub(super) fn of_message(hub: &Hub, hold: &Hold<Wire>, message: Message, outbox: Outbox) -> Outcome {
    let id = match &message {
        Message::Request(request) => Some(request.id.clone()),
        Message::Notification(_) | Message::Response(_) => None,
    };
    match hold.on(message, &hub.dispatcher) {
        Action::Run(call) => match hold.start(call.id.clone()) {
            Ok(run) => {
                let dispatcher = Arc::clone(&hub.dispatcher);
                let work = async move { run.to_end(dispatcher.answer(call, outbox)).await };
                Outcome::Work(Box::pin(async move { work.await.into_iter().collect() }))
            }
            Err(refusal) => Outcome::Reply(hub.error_reply(hold, id.as_ref(), &start_error(refusal))),
        },
        Action::Reply(reply) => Outcome::Reply(reply),
        Action::Cancel(_) | Action::Accepted => Outcome::Accepted,
    }
}

/// Gives a session a batch; its requests run at once, their replies come in the order they finish.
pub(super) fn of_batch(
    hub: &Hub,
    hold: &Hold<Wire>,
    batch: Vec<Result<Message, Invalid>>,
    outbox: &Outbox,
) -> Outcome {
    let mut replies = Vec::new();
    let mut running = Vec::new();
    for element in batch {
        let outcome = match element {
            Ok(message) => of_message(hub, hold, message, outbox.clone()),
            Err(Invalid { id, error }) => Outcome::Reply(hub.error_reply(hold, id.as_ref(), &error)),
        };
        match outcome {
            Outcome::Accepted => {}
            Outcome::Reply(reply) => replies.push(reply),
            Outcome::Work(work) => running.push(work),
        }
    }
    if replies.is_empty() && running.is_empty() {
        return Outcome::Accepted;
    }
    Outcome::Work(Box::pin(async move {
        let mut tasks: JoinSet<Vec<Reply>> = running.into_iter().collect();
        while let Some(finished) = tasks.join_next().await {
            replies.extend(finished.unwrap_or_default());
        }
        replies
    }))
}

/// The replies of a batch as one JSON array.
pub(super) fn array(replies: &[Reply]) -> bytes::Bytes {
    let mut out = vec![b'['];
    for (index, reply) in replies.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&reply.message);
    }
    out.push(b']');
    out.into()
}

fn start_error(refusal: StartError) -> Error {
    match refusal {
        StartError::DuplicateId => Error::new(
            ErrorKind::InvalidRequest,
            "a request with this id is still running in this session: use a new id",
        ),
        StartError::Busy => Error::new(
            ErrorKind::InvalidRequest,
            "too many requests are running in this session: wait for one of them",
        ),
    }
}
