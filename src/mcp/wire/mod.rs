//! The only serialiser: writes the newest superset down to what a revision has.
//!
//! It writes JSON text straight into a buffer and builds no tree in between. It never decides what
//! is answered, only how it looks. Sources: `schema/<revision>/schema.ts`.

mod content;
mod definition;
mod notification;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::ser::{Serialize, SerializeMap, SerializeSeq as _, Serializer};
use serde_json::value::RawValue;

use super::catalog::{CacheScope, Completion, Freshness, Listing};
use super::error::Error;
use super::jsonrpc::{Object, RequestId};
use super::revision::Rules;
use super::task::Detail;

pub(super) use content::{Messages, Read};
pub(super) use definition::{Discovered, Initialized};
pub(super) use notification::*;

/// The members of a `result`, in a revision.
pub(super) trait Fields {
    /// Writes them into the open object.
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error>;

    /// The `resultType` (2026-07-28).
    const TYPE: &'static str = "complete";

    /// The result's own `_meta`.
    fn meta(&self) -> Option<&Object> {
        None
    }
}

/// A value as a revision writes it.
#[derive(Clone, Copy)]
struct At<'a, T: ?Sized>(&'a T, &'a Rules);

impl<'a, T> Serialize for At<'a, [T]>
where
    At<'a, T>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut items = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            items.serialize_element(&At(item, self.1))?;
        }
        items.end()
    }
}

/// A `result` object: its own members, then those that the revision adds to every result.
pub(super) struct Body<'a, F> {
    pub(super) fields: &'a F,
    pub(super) rules: &'a Rules,
    /// `_meta…/serverInfo`, encoded.
    pub(super) server: &'a RawValue,
    /// Only for the six cacheable methods (2026-07-28 server/utilities/caching).
    pub(super) freshness: Option<Freshness>,
}

impl<F: Fields> Serialize for Body<'_, F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.fields.fields(self.rules, &mut map)?;
        if self.rules.result_type {
            map.serialize_entry("resultType", F::TYPE)?;
            if let Some(freshness) = self.freshness {
                map.serialize_entry("ttlMs", &freshness.ttl_ms)?;
                let scope = match freshness.scope {
                    CacheScope::Public => "public",
                    CacheScope::Private => "private",
                };
                map.serialize_entry("cacheScope", scope)?;
            }
            map.serialize_entry("_meta", &Meta { own: self.fields.meta(), server: self.server })?;
        } else {
            optional(&mut map, "_meta", self.fields.meta())?;
        }
        map.end()
    }
}

/// A result's `_meta`: its own members, and who answers.
struct Meta<'a> {
    own: Option<&'a Object>,
    server: &'a RawValue,
}

impl Serialize for Meta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let own = self.own.into_iter().flatten().filter(|(key, _)| *key != SERVER_INFO);
        own.into_iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
        map.serialize_entry(SERVER_INFO, self.server)?;
        map.end()
    }
}

const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// A result without members of its own: the answer to `ping` and `resources/subscribe`.
pub(super) struct Empty;

impl Fields for Empty {
    fn fields<M: SerializeMap>(&self, _rules: &Rules, _map: &mut M) -> Result<(), M::Error> {
        Ok(())
    }
}

/// A call that goes on with its client's answers (2026-07-28).
pub(super) struct InputRequired<'a> {
    pub(super) requests: &'a Object,
    pub(super) state: &'a str,
}

impl Fields for InputRequired<'_> {
    const TYPE: &'static str = "input_required";

    fn fields<M: SerializeMap>(&self, _rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        if !self.requests.is_empty() {
            map.serialize_entry("inputRequests", self.requests)?;
        }
        map.serialize_entry("requestState", self.state)
    }
}

/// The result of `tasks/get`.
pub(super) struct TaskDetail<'a>(pub(super) &'a Detail);

impl Fields for TaskDetail<'_> {
    fn fields<M: SerializeMap>(&self, _rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        self.0.fields(map)
    }
}

/// The answer to a call that goes on as a task.
pub(super) struct TaskCreated<'a>(pub(super) &'a Detail);

impl Fields for TaskCreated<'_> {
    const TYPE: &'static str = "task";

    fn fields<M: SerializeMap>(&self, _rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        self.0.seed(map)
    }
}

/// One page of a list under its key.
pub(super) struct Page<'a, T>(pub(super) &'static str, pub(super) &'a Listing<T>);

impl<T> Fields for Page<'_, T>
where
    for<'a> At<'a, T>: Serialize,
{
    fn fields<M: SerializeMap>(&self, rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry(self.0, &At(self.1.items.as_slice(), rules))?;
        optional(map, "nextCursor", self.1.next_cursor.as_ref())
    }
}

impl Fields for Completion {
    fn fields<M: SerializeMap>(&self, _rules: &Rules, map: &mut M) -> Result<(), M::Error> {
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire<'a> {
            values: &'a [String],
            #[serde(skip_serializing_if = "Option::is_none")]
            total: Option<usize>,
            has_more: bool,
        }
        let values = self.values.get(..COMPLETIONS).unwrap_or(&self.values);
        let has_more = self.has_more || values.len() < self.values.len();
        map.serialize_entry("completion", &Wire { values, total: self.total, has_more })
    }
}

/// server/utilities/completion: at most 100 items per answer.
const COMPLETIONS: usize = 100;

/// A successful response.
pub(super) fn success<R: Serialize + ?Sized>(id: &RequestId, result: &R) -> Bytes {
    #[derive(serde::Serialize)]
    struct Wire<'a, R: ?Sized> {
        jsonrpc: &'static str,
        id: &'a RequestId,
        result: &'a R,
    }
    encode(&Wire { jsonrpc: "2.0", id, result })
}

/// An error response; what stands for an id that could not be read depends on the revision.
pub(super) fn failure(id: Option<&RequestId>, rules: &Rules, error: &Error) -> Bytes {
    #[derive(serde::Serialize)]
    struct Wire<'a> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Option<&'a RequestId>>,
        error: At<'a, Error>,
    }
    let id = if id.is_none() && rules.nameless_errors { None } else { Some(id) };
    encode(&Wire { jsonrpc: "2.0", id, error: At(error, rules) })
}

/// The `error` of an error response, for a task that failed.
pub(super) fn error_object(rules: &Rules, error: &Error) -> Box<RawValue> {
    raw(&At(error, rules))
}

impl Serialize for At<'_, Error> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(error, rules) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", &error.code(rules))?;
        map.serialize_entry("message", error.message())?;
        optional(&mut map, "data", error.data())?;
        map.end()
    }
}

/// A `result` body for the shelf, to be used in many responses.
pub(super) fn body<F: Fields>(body: &Body<'_, F>) -> Box<RawValue> {
    raw(body)
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    #[expect(clippy::expect_used, reason = "writing to memory cannot fail and every key is a string")]
    serde_json::value::to_raw_value(value).expect("JSON in memory")
}

fn encode(value: &impl Serialize) -> Bytes {
    let mut buffer = BytesMut::with_capacity(256).writer();
    #[expect(clippy::expect_used, reason = "writing to memory cannot fail and every key is a string")]
    serde_json::to_writer(&mut buffer, value).expect("JSON in memory");
    buffer.into_inner().freeze()
}

/// Several responses as one array (2025-03-26).
pub(super) fn array(messages: &[Bytes]) -> Bytes {
    let length: usize = messages.iter().map(|message| message.len() + 1).sum();
    let mut buffer = BytesMut::with_capacity(length + 1);
    for (index, message) in messages.iter().enumerate() {
        buffer.put_u8(if index == 0 { b'[' } else { b',' });
        buffer.put_slice(message);
    }
    buffer.put_u8(b']');
    buffer.freeze()
}

fn optional<M: SerializeMap>(
    map: &mut M,
    key: &'static str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

#[cfg(test)]
mod tests;
