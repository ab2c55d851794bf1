//! What a request over HTTP says of itself beside its message: its trace, and whether a line is logged of it.

use std::sync::Arc;

use super::hub::Wire;
use crate::http::{Note, Request, Response};
use crate::mcp::dispatch::Call;
use crate::mcp::jsonrpc::{Incoming, Message, Object};
use crate::mcp::record;
use crate::mcp::session::Hold;
use crate::metrics::method_label;
use crate::trace::Trace;

/// What a request says beside its message.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) trace: Trace,
    caller: Option<Arc<str>>,
    /// None if no line is logged.
    note: Option<Note>,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        let caller = request.caller().cloned();
        Self { trace: request.trace().clone(), caller, note: request.is_logged().then(Note::default) }
    }

    /// Notes what was sent: one method, or an array of messages.
    pub(super) fn read(&mut self, incoming: &Incoming) {
        let Some(note) = &mut self.note else { return };
        let (method, params): (_, Option<&Object>) = match incoming {
            Incoming::Single(Message::Request(request)) => {
                (method_label(&request.method), Some(&request.params))
            }
            Incoming::Single(Message::Notification(sent)) => ("notification", Some(&sent.params)),
            Incoming::Single(Message::Response(_)) => ("response", None),
            Incoming::Batch(_) => ("batch", None),
        };
        note.rpc_method = method;
        note.parent = params.and_then(record::parent);
    }

    /// A modern call, with what its request said of it.
    pub(super) fn complete(&self, mut call: Call) -> Call {
        call.trace = self.trace.clone();
        if self.caller.is_some() {
            Arc::make_mut(&mut call.client).caller = self.caller.clone();
        }
        call
    }

    /// Notes who sent a modern call.
    pub(super) fn called(&mut self, call: &Call) {
        let Some(note) = &mut self.note else { return };
        note.revision = Some(call.rules.name);
        note.client = call.client.short_name().map(str::to_owned);
    }

    /// Notes whose session it is.
    pub(super) fn held(&mut self, hold: &Hold<Wire>) {
        let Some(note) = &mut self.note else { return };
        note.revision = hold.rules().map(|rules| rules.name);
        note.client = hold.client().short_name().map(str::to_owned);
    }

    /// Leaves what was noted with the answer.
    pub(super) fn answered(self, mut response: Response) -> Response {
        if let Some(note) = self.note.filter(|note| !note.rpc_method.is_empty()) {
            response.extensions_mut().insert(note);
        }
        response
    }
}
