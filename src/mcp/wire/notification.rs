//! What goes to a client unasked: progress, log messages, changes, the life of a listen stream, and requests of ours.

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{encode, success};
use crate::mcp::jsonrpc::{Object, RequestId};
use crate::mcp::level::Level;
use crate::mcp::revision::Rules;
use crate::mcp::task::Detail;

/// A list of which a change is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mcp) enum List {
    Tools,
    Prompts,
    Resources,
}

/// `…/list_changed` on a legacy session's stream: encoded once, for everyone.
pub(in crate::mcp) fn list_changed(list: List) -> Bytes {
    Bytes::from_static(match list {
        List::Tools => br#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
        List::Prompts => br#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#,
        List::Resources => br#"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#,
    })
}

/// `resources/updated` on a legacy session's stream.
pub(in crate::mcp) fn updated(uri: &str) -> Bytes {
    #[derive(serde::Serialize)]
    struct Params<'a> {
        uri: &'a str,
    }
    notification("notifications/resources/updated", &Params { uri })
}

/// `…/list_changed` on a listen stream.
pub(in crate::mcp) fn list_changed_for(list: List, subscription: &RequestId) -> Bytes {
    #[derive(serde::Serialize)]
    struct Params<'a> {
        #[serde(rename = "_meta")]
        meta: SubscriptionMeta<'a>,
    }
    let method = match list {
        List::Tools => "notifications/tools/list_changed",
        List::Prompts => "notifications/prompts/list_changed",
        List::Resources => "notifications/resources/list_changed",
    };
    notification(method, &Params { meta: SubscriptionMeta { subscription } })
}

/// `resources/updated` on a listen stream.
pub(in crate::mcp) fn updated_for(uri: &str, subscription: &RequestId) -> Bytes {
    #[derive(serde::Serialize)]
    struct Params<'a> {
        #[serde(rename = "_meta")]
        meta: SubscriptionMeta<'a>,
        uri: &'a str,
    }
    notification("notifications/resources/updated", &Params { meta: SubscriptionMeta { subscription }, uri })
}

/// The first message of a listen stream: what is honoured.
pub(in crate::mcp) fn acknowledged(subscription: &RequestId, honoured: &impl Serialize) -> Bytes {
    #[derive(serde::Serialize)]
    struct Params<'a, F> {
        #[serde(rename = "_meta")]
        meta: SubscriptionMeta<'a>,
        notifications: &'a F,
    }
    let params = Params { meta: SubscriptionMeta { subscription }, notifications: honoured };
    notification("notifications/subscriptions/acknowledged", &params)
}

/// `notifications/tasks` on a listen stream.
pub(in crate::mcp) fn task_changed(detail: &Detail, subscription: &RequestId) -> Bytes {
    struct Params<'a>(&'a Detail, &'a RequestId);
    impl Serialize for Params<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("_meta", &SubscriptionMeta { subscription: self.1 })?;
            self.0.fields(&mut map)?;
            map.end()
        }
    }
    notification("notifications/tasks", &Params(detail, subscription))
}

/// The last message of a listen stream: its graceful end.
pub(in crate::mcp) fn listen_result(subscription: &RequestId, server: &RawValue) -> Bytes {
    #[derive(serde::Serialize)]
    struct Meta<'a> {
        #[serde(rename = "io.modelcontextprotocol/subscriptionId")]
        subscription: &'a RequestId,
        #[serde(rename = "io.modelcontextprotocol/serverInfo")]
        server: &'a RawValue,
    }
    #[derive(serde::Serialize)]
    struct Body<'a> {
        #[serde(rename = "resultType")]
        result_type: &'static str,
        #[serde(rename = "_meta")]
        meta: Meta<'a>,
    }
    success(subscription, &Body { result_type: "complete", meta: Meta { subscription, server } })
}

/// `notifications/progress`; the `message` only where the revision has one.
pub(in crate::mcp) fn progress(
    rules: &Rules,
    token: &RequestId,
    progress: f64,
    total: Option<f64>,
    message: Option<&str>,
) -> Bytes {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        progress_token: &'a RequestId,
        progress: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    }
    let message = message.filter(|_| rules.annotations);
    notification("notifications/progress", &Params { progress_token: token, progress, total, message })
}

/// `notifications/message`.
pub(in crate::mcp) fn log(level: Level, logger: Option<&str>, data: &Value) -> Bytes {
    #[derive(serde::Serialize)]
    struct Params<'a> {
        level: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        logger: Option<&'a str>,
        data: &'a Value,
    }
    notification("notifications/message", &Params { level: level.name(), logger, data })
}

/// A request of ours (legacy era).
pub(in crate::mcp) fn request(id: i64, method: &str, params: &Object) -> Bytes {
    #[derive(serde::Serialize)]
    struct Wire<'a> {
        jsonrpc: &'static str,
        id: i64,
        method: &'a str,
        params: &'a Object,
    }
    encode(&Wire { jsonrpc: "2.0", id, method, params })
}

/// A request of ours is given up.
pub(in crate::mcp) fn cancelled(id: i64) -> Bytes {
    #[derive(serde::Serialize)]
    struct Params {
        #[serde(rename = "requestId")]
        id: i64,
        reason: &'static str,
    }
    notification("notifications/cancelled", &Params { id, reason: "the answer is not needed any more" })
}

fn notification(method: &str, params: &impl Serialize) -> Bytes {
    #[derive(serde::Serialize)]
    struct Wire<'a, P> {
        jsonrpc: &'static str,
        method: &'a str,
        params: &'a P,
    }
    encode(&Wire { jsonrpc: "2.0", method, params })
}

#[derive(serde::Serialize)]
struct SubscriptionMeta<'a> {
    #[serde(rename = "io.modelcontextprotocol/subscriptionId")]
    subscription: &'a RequestId,
}
