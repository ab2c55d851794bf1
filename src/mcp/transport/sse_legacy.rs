//! `/sse` and `/message`: the HTTP+SSE transport of 2024-11-05, which old clients still speak.
//!
//! One GET opens a session and its stream; POSTs are answered on that stream. The session lives as
//! long as the stream. Spec: 2024-11-05 basic/transports §HTTP with SSE.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::mpsc;

use super::accept;
use super::asked::Asked;
use super::headers::VERSION;
use super::hub::{Hub, Wire};
use super::work::{self, Outcome, Work};
use crate::http::sse::{self, Event, Sender};
use crate::http::{Handler, Request, Response, json, method_not_allowed, stream, text};
use crate::mcp::dispatch::{Dispatcher, Outbox, Reply};
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::{self, Incoming, Message};
use crate::mcp::legacy;
use crate::mcp::revision::{Revision, Rules};
use crate::mcp::session::{Hold, Session, Store};
use crate::trace::Trace;

/// The handler of `/sse`: each GET is a session.
#[derive(Debug)]
pub struct Opening(Arc<Hub>);

/// The handler of `/message`.
#[derive(Debug)]
pub struct Messages(Arc<Hub>);

impl Opening {
    /// A handler whose sessions count to the hub's cap.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    fn open(&self, owner: Option<Arc<str>>) -> Response {
        let hub = &self.0;
        let (sender, body) = sse::channel(hub.dispatcher.limits().stream_queue, hub.options.keep_alive);
        let wire = Wire::HttpSse(Stream(Mutex::new(Some(sender.clone()))));
        let hold = match hub.sessions.open(legacy::Session::new(), wire, owner) {
            Ok(hold) => hold,
            Err(error) => return text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        };
        let endpoint = format!("/message?sessionId={}", hold.id());
        let event = Event { event: Some("endpoint"), data: endpoint.as_bytes(), ..Event::default() };
        // The first event of an empty queue.
        let _ = sender.try_send(event.encode());
        hub.spawn(feed(Arc::clone(&hub.dispatcher), hub.sessions.clone(), Arc::clone(hold.session())));
        stream(body.keeping(Tied { sessions: hub.sessions.clone(), hold }))
    }
}

impl Handler for Opening {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            match *request.method() {
                Method::GET => self.open(request.caller().cloned()),
                // Clients that try Streamable HTTP first fall back on this 405.
                _ => method_not_allowed(&[Method::GET]),
            }
        })
    }
}

impl Messages {
    /// A handler for the sessions that `/sse` opened.
    #[must_use]
    pub fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    async fn post(&self, mut request: Request) -> Response {
        let hub = &self.0;
        let Some(id) = request.query("sessionId").filter(|id| !id.is_empty()) else {
            return text(
                StatusCode::BAD_REQUEST,
                "no sessionId: open /sse and post to the endpoint it names\n",
            );
        };
        if !accept::sends_json(request.headers()) {
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json\n");
        }
        let mut asked = Asked::of(&request);
        let hold = hub.sessions.get(&id, request.caller());
        let Some((hold, sender)) = hold.and_then(|hold| Some((hold.clone(), hold.wire().sender()?))) else {
            return text(StatusCode::NOT_FOUND, "no such session: open /sse anew\n");
        };
        let spoken = spoken(request.headers());
        let body = match request.body().await {
            Ok(body) => body,
            Err(error) => return error.response(),
        };
        match jsonrpc::parse(&body) {
            Ok(incoming) => {
                asked.read(&incoming);
                if let Incoming::Single(message) = &incoming {
                    hold.resume_at(message, spoken);
                }
                let response = take(hub, &hold, sender, &asked.trace, incoming);
                // After it: the revision and the client's name may have come with it.
                asked.held(&hold);
                asked.answered(response)
            }
            Err(invalid) => {
                hub.refuse(StatusCode::BAD_REQUEST, invalid.id.as_ref(), hold.encoding(), &invalid.error)
            }
        }
    }
}

impl Handler for Messages {
    fn handle(self: Arc<Self>, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            match *request.method() {
                Method::POST => self.post(request).await,
                _ => method_not_allowed(&[Method::POST]),
            }
        })
    }
}

/// What a client speaks that does not initialize. An EventSource opens a broken stream again by itself, so that after a
/// restart of the server its client goes on in a new session without knowing; since 2025-06-18 it says its revision.
fn spoken(headers: &HeaderMap) -> &'static Rules {
    let named = headers.get(VERSION).and_then(|value| value.to_str().ok());
    Rules::legacy().find(|rules| Some(rules.name) == named).unwrap_or_else(|| Revision::HTTP_SSE.rules())
}

/// Takes what a POST brought: accepted at once, answered on the stream.
fn take(hub: &Arc<Hub>, hold: &Hold<Wire>, sender: Sender, trace: &Trace, incoming: Incoming) -> Response {
    let (outbox, notes) = Outbox::channel(hub.dispatcher.limits().stream_queue);
    let outcome = match incoming {
        Incoming::Single(message) => match discovery(hub, hold, &message) {
            Some(reply) => Outcome::Reply(reply),
            None => work::of_message(hub, hold, message, trace, outbox),
        },
        Incoming::Batch(batch) => match work::of_batch(hub, hold, batch, trace, &outbox) {
            Ok(outcome) => outcome,
            Err(refusal) => return json(StatusCode::BAD_REQUEST, refusal.message),
        },
    };
    match outcome {
        Outcome::Accepted => {}
        Outcome::Reply(reply) => deliver(hub, hold, &sender, &reply.message),
        Outcome::Work(work) => hub.spawn(answer(Arc::clone(hub), hold.clone(), sender, work, notes)),
    }
    text(StatusCode::ACCEPTED, "Accepted")
}

/// Clients of both eras ask this first, even here: the refusal sends them to `initialize`.
fn discovery(hub: &Hub, hold: &Hold<Wire>, message: &Message) -> Option<Reply> {
    let Message::Request(request) = message else { return None };
    (request.method == "server/discover").then(|| {
        let error =
            Error::new(ErrorKind::MethodNotFound, "this transport is of the older era: send initialize");
        hub.dispatcher.refuse(&request.id, &request.method, hold.encoding(), &error)
    })
}

/// Runs work and puts what it says onto the stream; the session's end cancels it.
async fn answer(
    hub: Arc<Hub>,
    hold: Hold<Wire>,
    sender: Sender,
    mut work: Work,
    mut notes: mpsc::Receiver<Bytes>,
) {
    let replies = loop {
        tokio::select! {
            biased;
            Some(note) = notes.recv() => deliver(&hub, &hold, &sender, &note),
            replies = &mut work => break replies,
        }
    };
    while let Ok(note) = notes.try_recv() {
        deliver(&hub, &hold, &sender, &note);
    }
    for reply in &replies {
        deliver(&hub, &hold, &sender, &reply.message);
    }
}

/// Queues a message; a reader too slow for its stream loses it, and the session with it.
fn deliver(hub: &Hub, hold: &Hold<Wire>, sender: &Sender, message: &[u8]) {
    if sender.try_send(encode(message)).is_err() {
        hub.sessions.end(hold.id());
    }
}

fn encode(message: &[u8]) -> Bytes {
    Event { event: Some("message"), data: message, ..Event::default() }.encode()
}

/// Puts changes onto the stream; closes it when the session ends, and at the drain: what still runs
/// holds a sender of its own and is answered.
async fn feed(dispatcher: Arc<Dispatcher>, sessions: Store<Wire>, session: Arc<Session<Wire>>) {
    let rules = tokio::select! {
        biased;
        () = session.ended() => return session.wire().close(),
        () = dispatcher.shutdown().draining() => return session.wire().close(),
        rules = session.negotiated() => rules,
    };
    let mut feed = dispatcher.feed(rules);
    loop {
        let news = tokio::select! {
            biased;
            () = session.ended() => break,
            news = feed.changed() => news,
        };
        let (Some(news), Some(sender)) = (news, session.wire().sender()) else { break };
        for message in feed.messages(&news, &session.subscriptions()) {
            // One change may be more messages than the queue takes: this waits for room. While a
            // reader is slow, changes are merged; one that stops is cut by its connection.
            let sent = tokio::select! {
                biased;
                () = session.ended() => break,
                sent = sender.send(encode(&message)) => sent,
            };
            if sent.is_err() {
                sessions.end(session.id());
                break;
            }
        }
    }
    session.wire().close();
}

/// The stream of a session; none once it was closed.
#[derive(Debug)]
pub(super) struct Stream(Mutex<Option<Sender>>);

impl Wire {
    /// The sender of a session on `/sse`; none if it is of `/mcp`, or closed.
    fn sender(&self) -> Option<Sender> {
        match self {
            Self::Streamable(_) => None,
            Self::HttpSse(Stream(sender)) => sender.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn close(&self) {
        if let Self::HttpSse(Stream(sender)) = self {
            sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}

/// Ties a session's life to its stream's.
struct Tied {
    sessions: Store<Wire>,
    hold: Hold<Wire>,
}

impl Drop for Tied {
    fn drop(&mut self) {
        self.sessions.end(self.hold.id());
    }
}
