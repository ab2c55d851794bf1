//! JSON-RPC 2.0 messages, parsed once at the edge.
//!
//! <https://www.jsonrpc.org/specification>, narrowed as MCP does: ids are strings or integers and
//! never null, params are objects.

use serde_json::{Map, Value};

use super::error::Error;

/// A JSON object.
pub type Object = Map<String, Value>;

/// The id of a request; its type survives the round trip.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(untagged)]
pub enum RequestId {
    /// An integer.
    Number(i64),
    /// A string.
    String(String),
}

/// A call that wants an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Echoed in the answer.
    pub id: RequestId,
    /// `tools/call`.
    pub method: String,
    /// Absent params are an empty object.
    pub params: Object,
}

/// A call that wants none.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// `notifications/cancelled`.
    pub method: String,
    /// Absent params are an empty object.
    pub params: Object,
}

/// A client's answer to a request of ours (legacy era).
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The id we gave.
    pub id: RequestId,
    /// `result`, or the `error` object.
    pub outcome: Result<Value, Value>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Is one.
    Response(Response),
}

/// A body: one message, or a batch where the revision has batches.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// An object.
    Single(Message),
    /// A non-empty array; each element judged on its own.
    Batch(Vec<Result<Message, Invalid>>),
}

/// A message that is none: what to answer, and to which id if one could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Invalid {
    /// The id, if it was readable.
    pub id: Option<RequestId>,
    /// -32700 or -32600, with a message that says where.
    pub error: Error,
}

/// Parses a body (HTTP) or a line (stdio). Never panics, whatever the bytes.
///
/// # Errors
/// Not UTF-8, not JSON, nested deeper than 128, an empty array, not a JSON-RPC message.
pub fn parse(_body: &[u8]) -> Result<Incoming, Invalid> {
    unimplemented!("core helper")
}
