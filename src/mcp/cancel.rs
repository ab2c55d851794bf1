//! What a client asks to stop.
//!
//! Spec: basic/patterns/cancellation. The work of a request is a future; dropping it is all there
//! is to cancelling, so that a transport needs no more than the id.

use super::jsonrpc::{Notification, RequestId};

/// The request that a `notifications/cancelled` names; none for any other notification and for a
/// malformed one, which the specification says to ignore.
#[must_use]
pub(in crate::mcp) fn requested(notification: &Notification) -> Option<RequestId> {
    (notification.method == "notifications/cancelled")
        .then(|| notification.params.get("requestId"))
        .flatten()
        .and_then(RequestId::read)
}
