//! The requests at work on one channel, each a task of its own, by the id that cancels it.

use std::collections::HashMap;

use tokio::task::{AbortHandle, JoinSet};

use crate::mcp::jsonrpc::RequestId;

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Ends with its one answer, within `tool_time`.
    Answer,
    /// Tells of changes until it is cancelled.
    Listen,
}

#[derive(Debug, Default)]
pub(super) struct Work {
    tasks: JoinSet<()>,
    running: HashMap<RequestId, (Kind, AbortHandle)>,
}

impl Work {
    pub(super) fn start(
        &mut self,
        id: RequestId,
        kind: Kind,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task);
        self.running.insert(id, (kind, handle));
    }

    /// A task that nobody can cancel, for it ends with those it waits for.
    pub(super) fn start_nameless(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    pub(super) fn contains(&self, id: &RequestId) -> bool {
        self.running.contains_key(id)
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.running.values().filter(|(each, _)| *each == kind).count()
    }

    pub(super) fn cancel(&mut self, id: &RequestId) {
        if let Some((_, handle)) = self.running.remove(id) {
            handle.abort();
        }
    }

    pub(super) fn cancel_all(&mut self, kind: Kind) {
        self.running.retain(|_, (each, handle)| {
            if *each == kind {
                handle.abort();
            }
            *each != kind
        });
    }

    /// The next request that has ended by itself; none if nothing is at work. Cancel safe.
    pub(super) async fn ended(&mut self) -> Option<RequestId> {
        loop {
            let task = match self.tasks.join_next_with_id().await? {
                Ok((task, ())) => task,
                Err(error) => error.id(),
            };
            // A cancelled id may be in use again already: by another task.
            let id =
                self.running.iter().find(|(_, (_, handle))| handle.id() == task).map(|(id, _)| id.clone());
            if let Some(id) = id {
                self.running.remove(&id);
                return Some(id);
            }
        }
    }

    /// Ends whatever still runs, and waits for that.
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}
