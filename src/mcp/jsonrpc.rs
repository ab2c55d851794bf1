//! JSON-RPC 2.0 messages, parsed once at the edge.
//!
//! <https://www.jsonrpc.org/specification>, narrowed as MCP does: ids are strings or integers and
//! never null, params are objects. Tolerated: a byte order mark, `"params": null`, members that no
//! specification names. Of a member that stands twice in an object the last counts (RFC 8259 §4
//! leaves it open; both reference SDKs read it so).

use serde_json::{Map, Value};

use super::error::{Error, ErrorKind};

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

impl RequestId {
    /// The id that a value is; none for null, fractions, objects and integers beyond 64 bits.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::String(text.clone())),
            Value::Number(number) => number.as_i64().map(Self::Number),
            _ => None,
        }
    }
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
    /// The id we gave; none in an error about a message whose id the client could not read.
    pub id: Option<RequestId>,
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
    /// -32700, -32600 or -32602, with a message that says what to send.
    pub error: Error,
}

/// Parses a body (HTTP) or a line (stdio). Never panics, whatever the bytes.
///
/// # Errors
/// Not UTF-8, not JSON, nested deeper than 127, an empty array, not a JSON-RPC message.
pub fn parse(body: &[u8]) -> Result<Incoming, Invalid> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    match serde_json::from_slice(body) {
        Err(error) => Err(unreadable(&error)),
        Ok(Value::Array(elements)) => batch(elements),
        Ok(value) => message(value).map(Incoming::Single),
    }
}

fn batch(elements: Vec<Value>) -> Result<Incoming, Invalid> {
    if elements.is_empty() {
        return Err(refuse(None, "an empty array asks for nothing; send one JSON-RPC message"));
    }
    if elements.len() > BATCH_CEILING {
        return Err(refuse(None, "too many messages in one array; send them one by one"));
    }
    Ok(Incoming::Batch(elements.into_iter().map(message).collect()))
}

fn message(value: Value) -> Result<Message, Invalid> {
    let Value::Object(mut members) = value else {
        return Err(refuse(None, "a message is a JSON object: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":…}"));
    };
    let id = match members.remove("id") {
        None => Id::Absent,
        Some(value) => RequestId::read(&value).map_or(Id::Unreadable, Id::Read),
    };
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(refuse(id.readable(), "`jsonrpc` must be the string \"2.0\""));
    }
    match members.remove("method") {
        Some(method) => call(id, method, members),
        None => response(id, members),
    }
}

fn call(id: Id, method: Value, mut members: Object) -> Result<Message, Invalid> {
    let Value::String(method) = method else {
        return Err(refuse(id.readable(), "`method` must be a string, for example \"tools/list\""));
    };
    if members.contains_key("result") || members.contains_key("error") {
        let advice = "a message has either `method` (a request) or `result`/`error` (a response), not both";
        return Err(refuse(id.readable(), advice));
    }
    let params = match members.remove("params") {
        None | Some(Value::Null) => Object::new(),
        Some(Value::Object(params)) => params,
        Some(_) => {
            let advice = "`params` must be an object of named members, not a list or a bare value";
            return Err(Invalid { id: id.readable(), error: Error::new(ErrorKind::InvalidParams, advice) });
        }
    };
    match id {
        Id::Read(id) => Ok(Message::Request(Request { id, method, params })),
        Id::Absent => Ok(Message::Notification(Notification { method, params })),
        Id::Unreadable => Err(refuse(
            None,
            "`id` must be a string or an integer (64 bits), never null; leave it out of a notification",
        )),
    }
}

fn response(id: Id, mut members: Object) -> Result<Message, Invalid> {
    let outcome = match (members.remove("result"), members.remove("error")) {
        (Some(result), None) => Ok(result),
        (None, Some(error)) => Err(error),
        (None, None) => {
            let advice = "`method` is missing; send {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":…}";
            return Err(refuse(id.readable(), advice));
        }
        (Some(_), Some(_)) => {
            return Err(refuse(id.readable(), "a response has either `result` or `error`, not both"));
        }
    };
    match (id.readable(), &outcome) {
        (None, Ok(_)) => Err(refuse(None, "a response with a `result` needs the `id` of its request")),
        // An answer to an id-less error would be answered in turn, without end.
        (id, _) => Ok(Message::Response(Response { id, outcome })),
    }
}

enum Id {
    Absent,
    Read(RequestId),
    Unreadable,
}

impl Id {
    fn readable(self) -> Option<RequestId> {
        match self {
            Self::Read(id) => Some(id),
            Self::Absent | Self::Unreadable => None,
        }
    }
}

fn refuse(id: Option<RequestId>, advice: &'static str) -> Invalid {
    Invalid { id, error: Error::new(ErrorKind::InvalidRequest, advice) }
}

/// The parser's own words name the line and column, never the text.
fn unreadable(error: &serde_json::Error) -> Invalid {
    Invalid { id: None, error: Error::new(ErrorKind::Parse, format!("not JSON: {error}")) }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Beyond any transport's own limit; here it keeps `[0,0,0,…]` from growing in memory.
const BATCH_CEILING: usize = 1_024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn invalid(text: &str) -> (Option<RequestId>, ErrorKind) {
        let invalid = parse(text.as_bytes()).expect_err(text);
        assert!(!invalid.error.message().is_empty());
        (invalid.id, invalid.error.kind())
    }

    fn single(text: &str) -> Message {
        match parse(text.as_bytes()) {
            Ok(Incoming::Single(message)) => message,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_id_if_one_is_readable() {
        let seven = Some(RequestId::Number(7));
        for (text, id, kind) in [
            ("", None, ErrorKind::Parse),
            ("{", None, ErrorKind::Parse),
            ("nonsense", None, ErrorKind::Parse),
            ("[]", None, ErrorKind::InvalidRequest),
            ("null", None, ErrorKind::InvalidRequest),
            ("\"text\"", None, ErrorKind::InvalidRequest),
            ("{}", None, ErrorKind::InvalidRequest),
            (r#"{"id":7,"method":"ping"}"#, seven.clone(), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":2.0,"id":7,"method":"ping"}"#, seven.clone(), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, seven.clone(), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":"2.0","id":7}"#, seven.clone(), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":"2.0","id":7,"method":1}"#, seven.clone(), ErrorKind::InvalidRequest),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"a","result":{}}"#,
                seven.clone(),
                ErrorKind::InvalidRequest,
            ),
            (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, seven.clone(), ErrorKind::InvalidRequest),
            (r#"{"jsonrpc":"2.0","id":7,"method":"a","params":[1]}"#, seven, ErrorKind::InvalidParams),
            (r#"{"jsonrpc":"2.0","method":"a","params":"text"}"#, None, ErrorKind::InvalidParams),
            (r#"{"jsonrpc":"2.0","result":{}}"#, None, ErrorKind::InvalidRequest),
        ] {
            assert_eq!(invalid(text), (id, kind), "{text}");
        }
    }

    #[test]
    fn an_id_is_a_string_or_an_integer() {
        for id in ["null", "1.5", "1.0", "true", "{}", "[1]", "9223372036854775808"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(invalid(&text), (None, ErrorKind::InvalidRequest), "{text}");
        }
    }

    #[test]
    fn nesting_beyond_the_limit_is_not_json() {
        let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(invalid(&text), (None, ErrorKind::Parse));
    }

    #[test]
    fn a_long_array_is_refused_whole() {
        let text = format!("[{}0]", "0,".repeat(BATCH_CEILING));
        assert_eq!(invalid(&text), (None, ErrorKind::InvalidRequest));
    }

    #[test]
    fn the_three_kinds_are_told_apart() {
        let text = "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"tools/list\",\"extra\":1}";
        assert_eq!(
            single(text),
            Message::Request(Request {
                id: RequestId::String("a".into()),
                method: "tools/list".into(),
                params: Object::new()
            })
        );
        assert!(matches!(
            single(r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":null}"#),
            Message::Notification(_)
        ));
        assert_eq!(
            single(r#"{"jsonrpc":"2.0","id":3,"error":{"code":1}}"#),
            Message::Response(Response { id: Some(RequestId::Number(3)), outcome: Err(json!({"code": 1})) })
        );
        assert!(matches!(
            single(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#),
            Message::Response(Response { id: None, .. })
        ));
    }

    #[test]
    fn a_member_that_stands_twice_counts_as_written_last() {
        let Message::Request(request) = single(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#) else {
            panic!("a request")
        };
        assert_eq!(request.id, RequestId::Number(2));
    }

    #[test]
    fn each_element_of_a_batch_is_judged_on_its_own() {
        let Ok(Incoming::Batch(elements)) = parse(br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},1]"#) else {
            panic!("a batch")
        };
        assert!(elements[0].is_ok());
        assert!(elements[1].is_err());
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(Value::from("2.0")),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let key = prop_oneof![
                ".{0,4}",
                Just("id".to_owned()),
                Just("jsonrpc".to_owned()),
                Just("method".to_owned()),
                Just("params".to_owned()),
                Just("result".to_owned()),
                Just("error".to_owned()),
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((key, inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn parsing_never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn parsing_never_panics_on_any_json(value in any_json()) {
            let _ = parse(value.to_string().as_bytes());
        }

        #[test]
        fn an_id_survives_the_round_trip(id in prop_oneof![
            any::<i64>().prop_map(RequestId::Number),
            any::<String>().prop_map(RequestId::String),
        ]) {
            let text = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string();
            let Message::Request(request) = single(&text) else { panic!("a request") };
            prop_assert_eq!(serde_json::to_string(&request.id).unwrap(), serde_json::to_string(&id).unwrap());
            prop_assert_eq!(request.id, id);
        }
    }
}
