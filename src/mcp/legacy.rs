//! The legacy era: a session's state machine, from `initialize` to its end, for any transport.
//!
//! It decides what a message means and never waits: the transport runs what it is told to run and
//! reports each request that has ended with [`Session::finished`]. Spec: 2025-11-25 basic/lifecycle,
//! basic/utilities/cancellation, server/resources; 2025-03-26 basic (batches).

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::cancel;
use super::dispatch::{Call, Client, Dispatcher, Reply};
use super::error::{Error, ErrorKind};
use super::jsonrpc::{Invalid, Message, Notification, Object, Request, RequestId};
use super::level::Level;
use super::link::Link;
use super::method::{self, Method};
use super::params;
use super::revision::{Revision, Rules};
use crate::metrics::method_label;
use crate::trace::Trace;

/// One legacy session's protocol state: revision, client, subscriptions, in-flight ids.
#[derive(Debug, Default)]
pub struct Session {
    state: State,
    client: Arc<Client>,
    link: Arc<Link>,
    subscriptions: HashSet<String>,
    in_flight: HashSet<RequestId>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    AwaitInitialize,
    AwaitInitialized(&'static Rules),
    Ready(&'static Rules),
}

/// What to do about a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Run it with [`Dispatcher::answer`]; drop the work if its id is cancelled.
    Run(Call),
    /// Answer at once (initialize, ping, subscribe, errors).
    Reply(Reply),
    /// Drop the work of this request: it gets no answer.
    Cancel(RequestId),
    /// Nothing to answer.
    Accepted,
}

impl Session {
    /// A session that awaits `initialize`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one message.
    ///
    /// After [`Action::Run`] the id is in flight until [`Session::finished`] or its cancellation.
    pub fn on(&mut self, message: Message, dispatcher: &Dispatcher) -> Action {
        match message {
            Message::Request(request) => self.on_request(request, dispatcher),
            Message::Notification(notification) => self.on_notification(&notification),
            Message::Response(response) => {
                self.link.answered(response);
                Action::Accepted
            }
        }
    }

    /// Takes up the conversation of a client that initialized a session which is gone: before a message that only such
    /// a client sends, a session that awaits `initialize` becomes ready instead. What the client said of itself and
    /// what it subscribed to are lost.
    pub fn resume_at(&mut self, message: &Message, rules: &'static Rules) {
        let Message::Request(request) = message else { return };
        let opens = [INITIALIZE, PING, DISCOVER].contains(&request.method.as_str());
        if matches!(self.state, State::AwaitInitialize) && !opens {
            self.state = State::Ready(rules);
        }
    }

    /// Takes an array of messages; the replies to all of them go out as one array.
    ///
    /// # Errors
    /// The encoded error when the revision has no batches or the array is too long.
    pub fn on_batch(
        &mut self,
        elements: Vec<Result<Message, Invalid>>,
        dispatcher: &Dispatcher,
    ) -> Result<Vec<Action>, Reply> {
        let limit = dispatcher.limits().batch;
        if !self.batches_allowed() {
            return Err(self.refuse(None, no_batches(self.encoding()), dispatcher));
        }
        if elements.len() > limit {
            let advice = format!("at most {limit} messages in one array; send several");
            return Err(self.refuse(None, Error::new(ErrorKind::InvalidRequest, advice), dispatcher));
        }
        let take = |element| match element {
            Ok(Message::Request(request)) if request.method == INITIALIZE => {
                let advice = "`initialize` must not be part of an array; send it alone, first";
                let error = Error::new(ErrorKind::InvalidRequest, advice);
                Action::Reply(self.refuse(Some(&request.id), error, dispatcher))
            }
            Ok(message) => self.on(message, dispatcher),
            Err(Invalid { id, error }) => Action::Reply(self.refuse(id.as_ref(), error, dispatcher)),
        };
        Ok(elements.into_iter().map(take).collect())
    }

    /// A request that was run has its reply (or is gone): its id may be used again.
    pub fn finished(&mut self, id: &RequestId) {
        self.in_flight.remove(id);
    }

    /// The negotiated revision; none before `initialize`.
    #[must_use]
    pub fn rules(&self) -> Option<&'static Rules> {
        match self.state {
            State::AwaitInitialize => None,
            State::AwaitInitialized(rules) | State::Ready(rules) => Some(rules),
        }
    }

    /// The rules to encode by: those negotiated, before that the newest legacy ones.
    #[must_use]
    pub fn encoding(&self) -> &'static Rules {
        self.rules().unwrap_or_else(|| Revision::NEWEST_LEGACY.rules())
    }

    /// Whether the client has said that it is ready for notifications.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    /// Whether arrays of messages are allowed now.
    #[must_use]
    pub fn batches_allowed(&self) -> bool {
        self.rules().is_some_and(|rules| rules.batches)
    }

    /// What is known of the client.
    #[must_use]
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Whether a request of ours waits for the client's answer.
    #[must_use]
    pub fn awaits_answer(&self) -> bool {
        self.link.awaits()
    }

    /// Completes when a request of ours was sent since the last time: for one waiter. Cancel safe.
    pub async fn asked(&self) {
        self.link.opened().await;
    }

    /// URIs it subscribed to.
    #[must_use]
    pub fn subscriptions(&self) -> &HashSet<String> {
        &self.subscriptions
    }

    fn on_request(&mut self, request: Request, dispatcher: &Dispatcher) -> Action {
        let (id, method) = (request.id.clone(), method_label(&request.method));
        let action = self
            .answer(request, dispatcher)
            .unwrap_or_else(|error| Action::Reply(self.refuse(Some(&id), error, dispatcher)));
        if let Action::Reply(reply) = &action {
            dispatcher.answered(method, self.encoding(), Some(reply));
        }
        action
    }

    fn answer(&mut self, request: Request, dispatcher: &Dispatcher) -> Result<Action, Error> {
        if self.in_flight.contains(&request.id) {
            let advice = "this `id` belongs to a request that is not answered yet; use another";
            return Err(Error::new(ErrorKind::InvalidRequest, advice));
        }
        let Some(rules) = self.rules() else { return self.answer_stranger(&request, dispatcher) };
        match request.method.as_str() {
            INITIALIZE => {
                let advice = format!("this session is initialized already, with MCP {}", rules.name);
                Err(Error::new(ErrorKind::InvalidRequest, advice))
            }
            PING => Ok(Action::Reply(dispatcher.empty(&request.id, rules))),
            "resources/subscribe" | "resources/unsubscribe" => {
                self.subscription(&request, rules, dispatcher)?;
                Ok(Action::Reply(dispatcher.empty(&request.id, rules)))
            }
            "logging/setLevel" if dispatcher.capabilities().logging => {
                let level = request.params.get("level").unwrap_or(&Value::Null);
                self.link.set_level(Level::read(level, "level")?);
                Ok(Action::Reply(dispatcher.empty(&request.id, rules)))
            }
            _ => self.run(request, rules, dispatcher),
        }
    }

    /// Before `initialize` there is nothing but `initialize` and `ping`.
    fn answer_stranger(&mut self, request: &Request, dispatcher: &Dispatcher) -> Result<Action, Error> {
        match request.method.as_str() {
            INITIALIZE => {
                let rules = self.initialize(&request.params)?;
                Ok(Action::Reply(dispatcher.initialize(&request.id, rules)))
            }
            PING => Ok(Action::Reply(dispatcher.empty(&request.id, self.encoding()))),
            // A client that probes for the modern era falls back on this.
            DISCOVER => {
                let advice = "`server/discover` needs `_meta` of MCP 2026-07-28 and a transport that has it; \
                              here, send `initialize`";
                Err(Error::new(ErrorKind::MethodNotFound, advice))
            }
            _ => {
                let advice = "send `initialize` first (or a request with the `_meta` of MCP 2026-07-28)";
                Err(Error::new(ErrorKind::InvalidRequest, advice))
            }
        }
    }

    fn initialize(&mut self, params: &Object) -> Result<&'static Rules, Error> {
        let offered = params::string(params, "protocolVersion")?;
        let capabilities = match params.get("capabilities") {
            // Required by the schema; its absence says nothing else than an empty object.
            None => Object::new(),
            Some(_) => params::object(params, "capabilities")?.clone(),
        };
        let name = params.get("clientInfo").and_then(|info| info.get("name")).and_then(Value::as_str);
        let rules = Rules::legacy()
            .find(|rules| rules.name == offered)
            .unwrap_or_else(|| Revision::NEWEST_LEGACY.rules());
        let link = Some(Arc::clone(&self.link));
        self.client =
            Arc::new(Client { name: name.map(str::to_owned), capabilities, caller: None, link, level: None });
        self.state = State::AwaitInitialized(rules);
        Ok(rules)
    }

    /// Any well-formed name of a resource is taken: whether one exists is not known without waiting,
    /// and it may come to exist.
    fn subscription(
        &mut self,
        request: &Request,
        rules: &Rules,
        dispatcher: &Dispatcher,
    ) -> Result<(), Error> {
        if !dispatcher.capabilities().resources_subscribe {
            return Err(method::not_found(&request.method, rules, dispatcher.capabilities()));
        }
        let uri = params::string(&request.params, "uri")?;
        if request.method == "resources/unsubscribe" {
            self.subscriptions.remove(uri);
            return Ok(());
        }
        let limit = dispatcher.limits().subscriptions;
        if self.subscriptions.len() >= limit && !self.subscriptions.contains(uri) {
            return Err(params::invalid(format!("at most {limit} subscriptions; unsubscribe from some")));
        }
        self.subscriptions.insert(uri.to_owned());
        Ok(())
    }

    /// Requests before `notifications/initialized` are run too: clients are seen to send them.
    fn run(
        &mut self,
        request: Request,
        rules: &'static Rules,
        dispatcher: &Dispatcher,
    ) -> Result<Action, Error> {
        Method::find(&request.method, rules, dispatcher.capabilities())?;
        let limit = dispatcher.limits().in_flight;
        if self.in_flight.len() >= limit {
            let advice = format!("{limit} requests wait for their answers already; send fewer at once");
            return Err(Error::new(ErrorKind::InvalidRequest, advice));
        }
        let Request { id, method, params } = request;
        self.in_flight.insert(id.clone());
        let (client, trace) = (Arc::clone(&self.client), Trace::default());
        Ok(Action::Run(Call { id, method, params, rules, client, trace }))
    }

    fn on_notification(&mut self, notification: &Notification) -> Action {
        if let (State::AwaitInitialized(rules), INITIALIZED) = (self.state, notification.method.as_str()) {
            self.state = State::Ready(rules);
            return Action::Accepted;
        }
        match cancel::requested(notification) {
            Some(id) if self.in_flight.remove(&id) => Action::Cancel(id),
            // Too late, unknown or malformed: the specification says to ignore it.
            _ => Action::Accepted,
        }
    }

    fn refuse(&self, id: Option<&RequestId>, error: Error, dispatcher: &Dispatcher) -> Reply {
        dispatcher.error(id, self.encoding(), &error)
    }
}

/// What an array of messages is in a revision without batches.
#[must_use]
pub fn no_batches(rules: &Rules) -> Error {
    let advice = format!("MCP {} has no arrays of messages; send them one by one", rules.name);
    Error::new(ErrorKind::InvalidRequest, advice)
}

const INITIALIZE: &str = "initialize";
const PING: &str = "ping";
const DISCOVER: &str = "server/discover";
const INITIALIZED: &str = "notifications/initialized";

#[cfg(test)]
mod tests;
