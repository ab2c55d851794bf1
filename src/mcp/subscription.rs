//! Change notifications: the modern `subscriptions/listen` stream and the legacy session's feed.
//!
//! Spec: 2026-07-28 basic/patterns/subscriptions; 2025-11-25 server/resources.

use std::collections::HashSet;

use bytes::Bytes;

/// One `subscriptions/listen`: what to send, in order, until its end.
#[derive(Debug)]
pub struct Listen {}

impl Listen {
    /// The next encoded message: first the acknowledgement, then what was asked for, at the drain
    /// the graceful result, then none. Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        unimplemented!("core helper")
    }
}

/// The changes for one legacy session.
#[derive(Debug)]
pub struct Feed {}

impl Feed {
    /// The next encoded notifications (`…/list_changed`, `resources/updated` for `uris` alone);
    /// none at the drain. Cancel safe.
    pub async fn next(&mut self, _uris: &HashSet<String>) -> Option<Vec<Bytes>> {
        unimplemented!("core helper")
    }
}
