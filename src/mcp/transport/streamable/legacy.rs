//! `/mcp` in the legacy era: sessions, the server's own stream, resumption.
//!
//! Spec: basic/transports of 2025-03-26, 2025-06-18, 2025-11-25. A version header that names another
//! legacy revision than the session's is let pass: the session's own counts.

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use super::no_stream;
use crate::http::{Request, Response, empty, json, stream};
use crate::mcp::dispatch::Dispatcher;
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::{Incoming, Message, RequestId};
use crate::mcp::legacy;
use crate::mcp::session::{Hold, OpenError, Session};
use crate::mcp::transport::accept;
use crate::mcp::transport::asked::Asked;
use crate::mcp::transport::headers;
use crate::mcp::transport::hub::{Hub, Wire};
use crate::mcp::transport::replay::Purpose;
use crate::mcp::transport::respond::{self, Answer, Era, Shape};
use crate::mcp::transport::work::{self, Outcome};

pub(super) async fn post(
    hub: &Arc<Hub>,
    asked: &mut Asked,
    request: &Request,
    incoming: Incoming,
) -> Response {
    let id = match &incoming {
        Incoming::Single(Message::Request(request)) => Some(request.id.clone()),
        Incoming::Single(_) | Incoming::Batch(_) => None,
    };
    let incoming = match incoming {
        Incoming::Single(message) if is_initialize(&message) => {
            return initialize(hub, asked, request, message);
        }
        other => other,
    };
    let hold = match session(hub, request, id.as_ref()) {
        Ok(hold) => hold,
        Err(refusal) => return *refusal,
    };
    asked.held(&hold);
    let trace = &asked.trace;
    let form = accept::form(request.headers());
    let (outbox, notes) = respond::outbox(hub, form);
    let (outcome, shape) = match incoming {
        Incoming::Single(message) => (work::of_message(hub, &hold, message, trace, outbox), Shape::Single),
        Incoming::Batch(_) if !hold.encoding().batches => {
            let error = legacy::no_batches(hold.encoding());
            return hub.refuse_unread(StatusCode::BAD_REQUEST, None, &error);
        }
        Incoming::Batch(batch) => match work::of_batch(hub, &hold, batch, trace, &outbox) {
            Ok(outcome) => (outcome, Shape::Batch),
            Err(refusal) => return json(StatusCode::BAD_REQUEST, refusal.message),
        },
    };
    let answer = Answer { hub: Arc::clone(hub), era: Era::Legacy(hold), form, shape };
    match outcome {
        Outcome::Accepted => empty(StatusCode::ACCEPTED),
        Outcome::Reply(reply) => answer.at_once(vec![reply]),
        Outcome::Work(work) => answer.run(work, notes).await,
    }
}

/// A new session, whatever session the request names: a client that lost its own starts so.
fn initialize(hub: &Arc<Hub>, asked: &mut Asked, request: &Request, message: Message) -> Response {
    let mut protocol = legacy::Session::new();
    let legacy::Action::Reply(reply) = protocol.on(message, &hub.dispatcher) else {
        return empty(StatusCode::ACCEPTED);
    };
    let session = if reply.error.is_none() {
        let streams = hub.streams(protocol.encoding());
        match hub.sessions.open(protocol, Wire::Streamable(streams), request.caller().cloned()) {
            Ok(hold) => hold,
            Err(error) => return unavailable(hub, error),
        }
    } else {
        return json(StatusCode::BAD_REQUEST, reply.message);
    };
    asked.held(&session);
    let id = HeaderValue::from_str(session.id());
    let (era, form) = (Era::Legacy(session), accept::form(request.headers()));
    let answer = Answer { hub: Arc::clone(hub), era, form, shape: Shape::Single };
    let mut response = answer.at_once(vec![reply]);
    if let Ok(id) = id {
        response.headers_mut().insert(headers::SESSION, id);
    }
    response
}

/// GET: the server's own stream, or the rest of one that broke.
pub(super) fn get(hub: &Arc<Hub>, request: &Request) -> Response {
    let headers = request.headers();
    if !headers.contains_key(headers::SESSION) || !accept::wants_stream(headers) {
        return no_stream();
    }
    let hold = match session(hub, request, None) {
        Ok(hold) => hold,
        Err(refusal) => return *refusal,
    };
    let Some(streams) = hold.wire().streams() else { return no_stream() };
    if streams.take_feed() {
        hub.spawn(feed(Arc::clone(&hub.dispatcher), Arc::clone(hold.session())));
    }
    let last_event = request.header(headers::LAST_EVENT).and_then(|id| streams.resume(id));
    let body = last_event.unwrap_or_else(|| streams.open(Purpose::Server).1);
    stream(body.keeping(hold))
}

/// DELETE: the client is done with its session.
pub(super) fn delete(hub: &Hub, request: &Request) -> Response {
    if !request.headers().contains_key(headers::SESSION) {
        return no_stream();
    }
    match session(hub, request, None) {
        Ok(hold) => {
            hub.sessions.end(hold.id());
            empty(StatusCode::NO_CONTENT)
        }
        Err(refusal) => *refusal,
    }
}

/// The session that a request belongs to, or why it has none.
fn session(hub: &Hub, request: &Request, id: Option<&RequestId>) -> Result<Hold<Wire>, Box<Response>> {
    // Without a session there is no revision either: what has no id to echo gets an error without one.
    let refuse = |status, message| {
        let error = Error::new(ErrorKind::InvalidRequest, message);
        Err(Box::new(hub.refuse_unread(status, id, &error)))
    };
    let Some(session) = request.header(headers::SESSION) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "no session: send initialize first, then its Mcp-Session-Id header with every request",
        );
    };
    // The sessions of /sse are not open to /mcp.
    match hub.sessions.get(session, request.caller()).filter(|hold| hold.wire().streams().is_some()) {
        Some(hold) => Ok(hold),
        None => {
            refuse(StatusCode::NOT_FOUND, "this session has ended: send initialize without Mcp-Session-Id")
        }
    }
}

fn unavailable(hub: &Hub, error: OpenError) -> Response {
    let error = Error::new(ErrorKind::Internal, error.to_string());
    hub.refuse_unread(StatusCode::SERVICE_UNAVAILABLE, None, &error)
}

/// Puts changes onto the session's streams until it ends.
async fn feed(dispatcher: Arc<Dispatcher>, session: Arc<Session<Wire>>) {
    let (Some(rules), Some(streams)) = (session.rules(), session.wire().streams()) else { return };
    let mut feed = dispatcher.feed(rules);
    loop {
        let news = tokio::select! {
            biased;
            () = session.ended() => return streams.cut(),
            news = feed.changed() => news,
        };
        let Some(news) = news else { return streams.end_server() };
        for message in &feed.messages(&news, &session.subscriptions()) {
            streams.push_server(message);
        }
    }
}

fn is_initialize(message: &Message) -> bool {
    matches!(message, Message::Request(request) if request.method == "initialize")
}
