//! Change notifications: the modern `subscriptions/listen` stream and the legacy session's feed.
//!
//! Spec: 2026-07-28 basic/patterns/subscriptions; 2025-11-25 server/resources.
//!
//! The end of a listen stream: basic/patterns/cancellation says that a server which tears one down
//! MUST send `notifications/cancelled`, basic/patterns/subscriptions that it SHOULD send the result
//! of the request, and the schema (the source of truth) says of that result that it "is sent only
//! when the server tears the subscription down". Both cannot follow each other: a cancelled request
//! gets no further message, and a cancellation may only name a request without an answer. So the
//! result is sent, alone: it is what the page on subscriptions and the schema agree on, and it
//! tells a client the graceful end from a lost connection.

mod tasks;

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::catalog::{Capabilities, Changes};
use super::dispatch::{Call, Dispatcher};
use super::error::Error;
use super::jsonrpc::{Object, RequestId};
use super::params::{self, invalid};
use super::task::{self, Detail};
use super::wire::{self, List};
use crate::shutdown::Shutdown;
use tasks::Watched;

/// The method that opens a stream instead of giving one answer.
pub const LISTEN: &str = "subscriptions/listen";

/// One `subscriptions/listen`: what to send, in order, until its end.
#[derive(Debug)]
pub struct Listen {
    id: RequestId,
    honoured: Filter,
    source: Source,
    tasks: Option<Watched>,
    server: Arc<RawValue>,
    waiting: VecDeque<Bytes>,
    ended: bool,
}

impl Listen {
    pub(super) fn open(
        call: &Call,
        dispatcher: &Dispatcher,
        changes: broadcast::Receiver<Arc<Changes>>,
        server: Arc<RawValue>,
    ) -> Result<Self, Error> {
        let asked = Filter::read(&call.params, dispatcher.limits().subscriptions)?;
        if asked.task_ids.is_some() {
            task::check(&call.client)?;
        }
        let mut honoured = asked.supported_by(dispatcher.capabilities());
        let tasks = honoured.task_ids.take().map(|ids| Watched::new(dispatcher.desk(), ids));
        honoured.task_ids = tasks.as_ref().map(|tasks| tasks.ids().to_vec());
        let id = call.id.clone();
        let mut waiting = VecDeque::from([wire::acknowledged(&id, &honoured)]);
        let standing = tasks.iter().flat_map(Watched::all);
        waiting.extend(standing.map(|detail| wire::task_changed(&detail, &id)));
        let source = Source { changes, shutdown: dispatcher.shutdown().clone() };
        Ok(Self { id, honoured, source, tasks, server, waiting, ended: false })
    }

    /// The next encoded message: first the acknowledgement, then what was asked for, at the drain
    /// the graceful result, then none. Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return Some(message);
            }
            if self.ended {
                return None;
            }
            let Self { id, honoured, source, tasks, waiting, .. } = self;
            tokio::select! {
                biased;
                news = source.next() => match news {
                    Some(news) => waiting.extend(honoured.messages(&news, id)),
                    None => {
                        self.ended = true;
                        self.waiting.push_back(wire::listen_result(&self.id, &self.server));
                    }
                },
                details = changed(tasks) => {
                    waiting.extend(details.iter().map(|detail| wire::task_changed(detail, id)));
                }
            }
        }
    }
}

async fn changed(tasks: &mut Option<Watched>) -> Vec<Detail> {
    match tasks {
        Some(tasks) => tasks.next().await,
        None => std::future::pending().await,
    }
}

/// The changes for one legacy session.
#[derive(Debug)]
pub struct Feed {
    capabilities: Capabilities,
    source: Source,
}

impl Feed {
    pub(super) fn open(
        capabilities: Capabilities,
        changes: broadcast::Receiver<Arc<Changes>>,
        shutdown: Shutdown,
    ) -> Self {
        Self { capabilities, source: Source { changes, shutdown } }
    }

    /// The next encoded notifications (`…/list_changed`, `resources/updated` for `uris` alone);
    /// none at the drain. Cancel safe.
    pub async fn next(&mut self, uris: &HashSet<String>) -> Option<Vec<Bytes>> {
        loop {
            let news = self.changed().await?;
            let messages = self.messages(&news, uris);
            if !messages.is_empty() {
                return Some(messages);
            }
        }
    }

    /// The next change, for a transport that must not hold the session while it waits; none at the
    /// drain. Cancel safe.
    pub async fn changed(&mut self) -> Option<News> {
        self.source.next().await
    }

    /// A change as notifications to a session that subscribed to `uris`.
    #[must_use]
    pub fn messages(&self, news: &News, uris: &HashSet<String>) -> Vec<Bytes> {
        let declared = &self.capabilities;
        let lists = [
            (List::Tools, news.tools && declared.tools_list_changed),
            (List::Prompts, news.prompts && declared.prompts_list_changed),
            (List::Resources, news.resources && declared.resources_list_changed),
        ];
        let lists = lists.into_iter().filter(|(_, told)| *told).map(|(list, _)| wire::list_changed(list));
        lists.chain(news.updated_among(uris).map(wire::updated)).collect()
    }
}

/// What changed since the last look; what came while nobody looked is merged into one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    tools: bool,
    prompts: bool,
    resources: bool,
    updated: Updated,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Updated {
    These(BTreeSet<String>),
    /// Changes were missed: anything may have changed.
    Anything,
}

impl Default for Updated {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl News {
    fn anything() -> Self {
        Self { tools: true, prompts: true, resources: true, updated: Updated::Anything }
    }

    fn add(&mut self, changes: &Changes) {
        self.tools |= changes.tools;
        self.prompts |= changes.prompts;
        self.resources |= changes.resources;
        if let Updated::These(uris) = &mut self.updated {
            uris.extend(changes.updated.iter().cloned());
        }
    }

    /// Those of `wanted` that changed.
    fn updated_among<'a>(
        &'a self,
        wanted: impl IntoIterator<Item = &'a String>,
    ) -> impl Iterator<Item = &'a str> {
        wanted.into_iter().map(String::as_str).filter(|uri| match &self.updated {
            Updated::These(uris) => uris.contains(*uri),
            Updated::Anything => true,
        })
    }
}

#[derive(Debug)]
struct Source {
    changes: broadcast::Receiver<Arc<Changes>>,
    shutdown: Shutdown,
}

impl Source {
    /// The next change merged with those that wait behind it; none at the drain. Cancel safe.
    async fn next(&mut self) -> Option<News> {
        let mut news = News::default();
        tokio::select! {
            biased;
            () = self.shutdown.draining() => return None,
            received = self.changes.recv() => match received {
                Ok(changes) => news.add(&changes),
                Err(RecvError::Lagged(_)) => news = News::anything(),
                // The catalog tells of no more changes; the stream stays open all the same.
                Err(RecvError::Closed) => {
                    self.shutdown.draining().await;
                    return None;
                }
            },
        }
        loop {
            match self.changes.try_recv() {
                Ok(changes) => news.add(&changes),
                Err(TryRecvError::Lagged(_)) => news = News::anything(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Some(news),
            }
        }
    }
}

/// What a listen stream is asked to tell of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tools_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    prompts_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resources_list_changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_subscriptions: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_ids: Option<Vec<String>>,
}

impl Filter {
    fn read(params: &Object, limit: usize) -> Result<Self, Error> {
        let filter = params::object(params, "notifications")?;
        let flag = |name: &str| match filter.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(wanted)) => Ok(*wanted),
            Some(_) => Err(invalid(format!("`notifications.{name}` must be true or false"))),
        };
        Ok(Self {
            tools_list_changed: flag("toolsListChanged")?,
            prompts_list_changed: flag("promptsListChanged")?,
            resources_list_changed: flag("resourcesListChanged")?,
            resource_subscriptions: Self::read_names(filter, "resourceSubscriptions", limit)?,
            task_ids: Self::read_names(filter, "taskIds", limit)?,
        })
    }

    fn read_names(filter: &Object, member: &str, limit: usize) -> Result<Option<Vec<String>>, Error> {
        let refusal = || invalid(format!("`notifications.{member}` must be an array of strings"));
        let names = match filter.get(member) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Array(names)) if names.len() > limit => {
                return Err(invalid(format!("at most {limit} `{member}` in one stream")));
            }
            Some(Value::Array(names)) => names,
            Some(_) => return Err(refusal()),
        };
        names
            .iter()
            .map(|name| name.as_str().map(str::to_owned).ok_or_else(refusal))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    fn supported_by(self, declared: &Capabilities) -> Self {
        Self {
            tools_list_changed: self.tools_list_changed && declared.tools_list_changed,
            prompts_list_changed: self.prompts_list_changed && declared.prompts_list_changed,
            resources_list_changed: self.resources_list_changed && declared.resources_list_changed,
            resource_subscriptions: self.resource_subscriptions.filter(|_| declared.resources_subscribe),
            task_ids: self.task_ids.filter(|_| declared.tasks),
        }
    }

    fn messages(&self, news: &News, subscription: &RequestId) -> Vec<Bytes> {
        let lists = [
            (List::Tools, news.tools && self.tools_list_changed),
            (List::Prompts, news.prompts && self.prompts_list_changed),
            (List::Resources, news.resources && self.resources_list_changed),
        ];
        let lists = lists
            .into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(list, _)| wire::list_changed_for(list, subscription));
        let uris = self.resource_subscriptions.iter().flatten();
        lists.chain(news.updated_among(uris).map(|uri| wire::updated_for(uri, subscription))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mcp::dispatch::Client;
    use crate::mcp::fake;
    use crate::mcp::limits::Limits;
    use crate::mcp::revision::Revision;
    use crate::trace::Trace;

    fn listen(dispatcher: &Dispatcher, id: RequestId, filter: &Value) -> Result<Listen, i64> {
        let Value::Object(params) = json!({ "notifications": filter }) else { unreachable!() };
        let (rules, client) = (Revision::MODERN.rules(), Arc::new(Client::default()));
        let trace = Trace::default();
        let call = Call { id, method: LISTEN.into(), params, rules, client, trace };
        dispatcher.listen(&call).map_err(|reply| decoded(&reply.message)["error"]["code"].as_i64().unwrap())
    }

    fn decoded(message: &Bytes) -> Value {
        serde_json::from_slice(message).unwrap()
    }

    async fn told(stream: &mut Listen) -> Value {
        decoded(&stream.next().await.expect("a message"))
    }

    fn anything() -> Value {
        json!({
            "toolsListChanged": true,
            "promptsListChanged": true,
            "resourcesListChanged": true,
            "resourceSubscriptions": ["fake:///a"],
        })
    }

    #[tokio::test]
    async fn the_acknowledgement_names_only_what_the_server_declares() {
        for (declared, honoured) in [
            (Capabilities::default(), json!({})),
            (
                Capabilities { tools: true, tools_list_changed: true, ..Capabilities::default() },
                json!({ "toolsListChanged": true }),
            ),
            (fake::EVERYTHING, anything()),
        ] {
            let (dispatcher, _, _trigger) = fake::with(declared, Limits::default());
            let mut stream = listen(&dispatcher, RequestId::Number(7), &anything()).unwrap();
            let first = told(&mut stream).await;
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
            assert_eq!(first["params"]["notifications"], honoured);
            assert_eq!(first["params"]["_meta"], json!({ "io.modelcontextprotocol/subscriptionId": 7 }));
        }
    }

    #[tokio::test]
    async fn nothing_that_was_not_asked_for_is_told() {
        let (dispatcher, fake, trigger) = fake::dispatcher();
        let filter = json!({ "promptsListChanged": true, "toolsListChanged": false });
        let mut stream = listen(&dispatcher, RequestId::String("x".into()), &filter).unwrap();
        assert_eq!(told(&mut stream).await["params"]["notifications"], json!({ "promptsListChanged": true }));
        let updated = vec!["fake:///a".into()];
        fake.change(Changes { tools: true, prompts: false, resources: true, updated });
        fake.change(Changes { prompts: true, ..Changes::default() });
        let message = told(&mut stream).await;
        assert_eq!(message["method"], "notifications/prompts/list_changed");
        assert_eq!(message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "x");
        trigger.drain();
        assert_eq!(told(&mut stream).await["id"], "x");
        assert_eq!(stream.next().await, None);
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test]
    async fn a_stream_that_lags_takes_everything_it_asked_for_as_changed() {
        let (dispatcher, fake, _trigger) = fake::dispatcher();
        let mut stream = listen(&dispatcher, RequestId::Number(1), &anything()).unwrap();
        let mut feed = dispatcher.feed(Revision::NEWEST_LEGACY.rules());
        for _ in 0..20 {
            fake.change(Changes::default());
        }
        told(&mut stream).await;
        let mut methods = Vec::new();
        for _ in 0..4 {
            methods.push(told(&mut stream).await["method"].as_str().unwrap().to_owned());
        }
        assert_eq!(
            methods,
            [
                "notifications/tools/list_changed",
                "notifications/prompts/list_changed",
                "notifications/resources/list_changed",
                "notifications/resources/updated"
            ]
        );
        let uris = HashSet::from(["fake:///a".to_owned()]);
        assert_eq!(feed.next(&uris).await.unwrap().len(), 4);
    }

    #[tokio::test]
    async fn changes_that_wait_together_are_told_once() {
        let (dispatcher, fake, trigger) = fake::dispatcher();
        let mut feed = dispatcher.feed(Revision::NEWEST_LEGACY.rules());
        let uris = HashSet::from(["fake:///a".to_owned()]);
        for uri in ["fake:///a", "fake:///b", "fake:///a"] {
            fake.change(Changes { resources: true, updated: vec![uri.into()], ..Changes::default() });
        }
        let messages: Vec<Value> = feed.next(&uris).await.unwrap().iter().map(decoded).collect();
        assert_eq!(
            messages,
            [
                json!({ "jsonrpc": "2.0", "method": "notifications/resources/list_changed" }),
                json!({
                    "jsonrpc": "2.0",
                    "method": "notifications/resources/updated",
                    "params": { "uri": "fake:///a" }
                }),
            ]
        );
        trigger.drain();
        assert_eq!(feed.next(&uris).await, None);
    }

    #[tokio::test]
    async fn too_many_resources_in_one_stream_are_refused() {
        let (dispatcher, _, _trigger) =
            fake::with(fake::EVERYTHING, Limits { subscriptions: 1, ..Limits::default() });
        let filter = json!({ "resourceSubscriptions": ["fake:///a", "fake:///b"] });
        assert_eq!(listen(&dispatcher, RequestId::Number(1), &filter).unwrap_err(), -32602);
    }
}
