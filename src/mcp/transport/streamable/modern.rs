//! A POST of the modern era: no session, every request on its own.
//!
//! Spec: 2026-07-28 basic/transports/streamable-http, basic/patterns/subscriptions.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::http::sse::{self, Event};
use crate::http::{Response, empty, json, stream};
use crate::mcp::dispatch::Call;
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::{Incoming, Message, Request};
use crate::mcp::modern;
use crate::mcp::revision::Revision;
use crate::mcp::transport::accept;
use crate::mcp::transport::asked::Asked;
use crate::mcp::transport::headers;
use crate::mcp::transport::hub::Hub;
use crate::mcp::transport::respond::{self, Answer, Era, Shape};
use crate::mcp::transport::work;
use crate::metrics::method_label;

pub(super) async fn post(
    hub: &Arc<Hub>,
    asked: &mut Asked,
    headers: &HeaderMap,
    incoming: Incoming,
) -> Response {
    let refuse = |error| hub.refuse_unread(StatusCode::BAD_REQUEST, None, &error);
    let request = match incoming {
        Incoming::Single(Message::Request(request)) => request,
        // None has a meaning here (a cancellation is the end of a stream), and none is owed more.
        Incoming::Single(Message::Notification(_)) => return empty(StatusCode::ACCEPTED),
        Incoming::Single(Message::Response(_)) => {
            return refuse(invalid("this protocol version has no requests by the server: send no responses"));
        }
        Incoming::Batch(_) => {
            return refuse(invalid("this protocol version has no batches: send one message per POST"));
        }
    };
    let (id, method) = (request.id.clone(), method_label(&request.method));
    let call = read(hub, headers, request).map(|call| asked.complete(call));
    if let Ok(call) = &call {
        asked.called(call);
    }
    match call {
        Ok(call) if call.method == LISTEN => listen(hub, &call),
        Ok(call) => {
            let form = accept::form(headers);
            let (outbox, notes) = respond::outbox(hub, form);
            let work = work::of_call(hub, call, outbox);
            let answer = Answer { hub: Arc::clone(hub), era: Era::Modern, form, shape: Shape::Single };
            answer.run(work, notes).await
        }
        Err(error) => {
            let reply = hub.dispatcher.refuse(&id, method, Revision::MODERN.rules(), &error);
            json(StatusCode::BAD_REQUEST, reply.message)
        }
    }
}

/// The revision is settled before anything is asked of its headers: a client of another one learns
/// first that it is not served.
fn read(hub: &Hub, headers: &HeaderMap, request: Request) -> Result<Call, Error> {
    headers::check_version(headers, &request.params)?;
    let call = modern::call(request)?;
    headers::check_mirrors(headers, &call.method, &call.params)?;
    let tool = call.params.get("name").and_then(Value::as_str).filter(|_| call.method == "tools/call");
    if let Some(declared) = tool.and_then(|tool| hub.dispatcher.parameter_headers(tool)) {
        headers::check_parameters(headers, &declared, &call.params)?;
    }
    Ok(call)
}

/// The one method that is answered by a stream whatever `Accept` says: it has no other answer.
fn listen(hub: &Arc<Hub>, call: &Call) -> Response {
    let mut listen = match hub.dispatcher.listen(call) {
        Ok(listen) => listen,
        Err(reply) => {
            let status = reply.error.map_or(StatusCode::OK, respond::modern_status);
            return json(status, reply.message);
        }
    };
    let (sender, body) = sse::channel(hub.dispatcher.limits().stream_queue, hub.options.keep_alive);
    hub.spawn(async move {
        loop {
            let message = tokio::select! {
                biased;
                () = sender.closed() => return,
                message = listen.next() => message,
            };
            let Some(message) = message else { return };
            let event = Event { data: &message, ..Event::default() }.encode();
            // One change may be more messages than the queue takes. While a reader is slow, changes
            // are merged; one that stops is cut by its connection.
            if sender.send(event).await.is_err() {
                return;
            }
        }
    });
    stream(body)
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

const LISTEN: &str = "subscriptions/listen";
