//! The legacy era: a session's state machine, from `initialize` to its end, for any transport.
//!
//! Spec: 2025-11-25 basic/lifecycle.

use std::collections::HashSet;

use super::dispatch::{Call, Dispatcher, Reply};
use super::jsonrpc::Message;
use super::revision::Rules;

/// One legacy session's protocol state: revision, client, subscriptions, in-flight ids.
#[derive(Debug, Default)]
pub struct Session {}

/// What to do about a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Run it with [`Dispatcher::answer`]; drop the work if its id is cancelled.
    Run(Call),
    /// Answer at once (initialize, ping, subscribe, setLevel, errors).
    Reply(Reply),
    /// Drop the work of this request: it gets no answer.
    Cancel(super::jsonrpc::RequestId),
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
    pub fn on(&mut self, _message: Message, _dispatcher: &Dispatcher) -> Action {
        unimplemented!("core helper")
    }

    /// The negotiated revision; none before `initialize`.
    #[must_use]
    pub fn rules(&self) -> Option<&'static Rules> {
        unimplemented!("core helper")
    }

    /// URIs it subscribed to.
    #[must_use]
    pub fn subscriptions(&self) -> &HashSet<String> {
        unimplemented!("core helper")
    }
}
