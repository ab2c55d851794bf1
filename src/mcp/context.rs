//! What a handler may ask of its caller while it works: who calls, and a way to report progress.
//!
//! Spec: basic/patterns/progress. Progress grows, goes to its own request alone, and ends before
//! the reply: the dispatcher closes the context when the handler has returned.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::jsonrpc::{Object, RequestId};
use super::revision::{Revision, Rules};
use super::wire;
use crate::trace::Trace;

/// What a client said of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Client {
    /// `clientInfo.name`, for logs.
    pub name: Option<String>,
    /// Its declared capabilities, verbatim.
    pub capabilities: Object,
}

impl Client {
    /// Its name, cut to 64 characters: it is the client's to choose.
    #[must_use]
    pub fn short_name(&self) -> Option<&str> {
        let name = self.name.as_deref()?;
        let end = name.char_indices().nth(64).map_or(name.len(), |(end, _)| end);
        name.get(..end)
    }
}

/// Where a running call's own notifications (progress) go, encoded, until its reply.
#[derive(Clone, Debug)]
pub struct Outbox(Option<mpsc::Sender<Bytes>>);

impl Outbox {
    /// An outbox that a transport drains.
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<Bytes>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (Self(Some(sender)), receiver)
    }

    /// An outbox into a queue that the transport has already.
    #[must_use]
    pub fn into_queue(queue: mpsc::Sender<Bytes>) -> Self {
        Self(Some(queue))
    }

    /// An outbox that drops everything: the transport has no way to send notifications.
    #[must_use]
    pub fn closed() -> Self {
        Self(None)
    }
}

/// What a handler may ask of its caller while it works.
#[derive(Clone, Debug)]
pub struct Context {
    client: Arc<Client>,
    trace: Trace,
    reporter: Option<Arc<Reporter>>,
}

#[derive(Debug)]
struct Reporter {
    rules: &'static Rules,
    token: RequestId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: f64,
    queue: Option<mpsc::Sender<Bytes>>,
}

impl Context {
    pub(super) fn new(rules: &'static Rules, client: Arc<Client>, params: &Object, outbox: Outbox) -> Self {
        let token = params.get("_meta").and_then(|meta| meta.get("progressToken")).and_then(RequestId::read);
        let reporter = token.zip(outbox.0).map(|(token, queue)| {
            let state = Mutex::new(State { last: f64::NEG_INFINITY, queue: Some(queue) });
            Arc::new(Reporter { rules, token, state })
        });
        Self { client, trace: Trace::default(), reporter }
    }

    pub(super) fn with_trace(self, trace: Trace) -> Self {
        Self { trace, ..self }
    }

    /// Which request the call came by, and the caller's span.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What is known of the caller.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reports progress, if the caller asked for it; dropped if the stream is full, if it has not
    /// grown since the last report, and after the reply.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        let Some(reporter) = &self.reporter else { return };
        let mut state = reporter.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !progress.is_finite() || progress <= state.last {
            return;
        }
        let Some(queue) = &state.queue else { return };
        let total = total.filter(|total| total.is_finite());
        let sent = queue.try_send(wire::progress(reporter.rules, &reporter.token, progress, total, message));
        if sent.is_ok() {
            state.last = progress;
        }
    }

    /// Nothing is sent from now on, whoever still holds a clone.
    pub(super) fn close(&self) {
        if let Some(reporter) = &self.reporter {
            reporter.state.lock().unwrap_or_else(PoisonError::into_inner).queue = None;
        }
    }
}

impl Default for Context {
    /// Nobody asks: progress goes nowhere.
    fn default() -> Self {
        let rules = Revision::MODERN.rules();
        Self::new(rules, Arc::default(), &Object::new(), Outbox::closed())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn context(revision: Revision, token: &Value) -> (Context, mpsc::Receiver<Bytes>) {
        let params = json!({ "_meta": { "progressToken": token } });
        let (outbox, receiver) = Outbox::channel(8);
        let params = params.as_object().unwrap();
        (Context::new(revision.rules(), Arc::default(), params, outbox), receiver)
    }

    fn sent(receiver: &mut mpsc::Receiver<Bytes>) -> Vec<Value> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .map(|message| serde_json::from_slice::<Value>(&message).unwrap()["params"].clone())
            .collect()
    }

    #[test]
    fn progress_carries_the_token_with_its_type_and_only_grows() {
        for token in [json!(7), json!("seven")] {
            let (context, mut receiver) = context(Revision::MODERN, &token);
            context.progress(0.0, Some(100.0), Some("begun"));
            context.progress(0.0, None, None);
            context.progress(f64::NAN, None, None);
            context.progress(50.0, None, None);
            assert_eq!(
                sent(&mut receiver),
                [
                    json!({ "progressToken": token, "progress": 0.0, "total": 100.0, "message": "begun" }),
                    json!({ "progressToken": token, "progress": 50.0 }),
                ]
            );
        }
    }

    #[test]
    fn progress_has_no_message_in_the_first_revision() {
        let (context, mut receiver) = context(Revision::V2024_11_05, &json!(1));
        context.progress(1.0, None, Some("left out"));
        assert_eq!(sent(&mut receiver), [json!({ "progressToken": 1, "progress": 1.0 })]);
    }

    #[test]
    fn nothing_is_sent_without_a_token_or_after_the_reply() {
        let (silent, mut receiver) = context(Revision::MODERN, &Value::Null);
        silent.progress(1.0, None, None);
        assert!(sent(&mut receiver).is_empty());

        let (context, mut receiver) = context(Revision::MODERN, &json!(1));
        let clone = context.clone();
        context.close();
        clone.progress(1.0, None, None);
        assert!(sent(&mut receiver).is_empty());
    }
}
