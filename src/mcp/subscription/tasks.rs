//! The tasks that a listen stream tells of (the extension `io.modelcontextprotocol/tasks`).

use std::sync::Arc;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::mcp::context::Desk;
use crate::mcp::task::Detail;

/// Tasks by id, and what changes of them.
#[derive(Debug)]
pub(super) struct Watched {
    desk: Arc<Desk>,
    ids: Vec<String>,
    changes: broadcast::Receiver<Arc<str>>,
}

impl Watched {
    /// Watches those of `ids` that are tasks.
    pub(super) fn new(desk: &Arc<Desk>, mut ids: Vec<String>) -> Self {
        let (desk, changes) = (Arc::clone(desk), desk.tasks.changes());
        ids.retain(|id| desk.tasks.detail(id, desk.sealer.clock()).is_some());
        Self { desk, ids, changes }
    }

    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Every task as it stands. Told first, so that no end before the stream began is missed.
    pub(super) fn all(&self) -> Vec<Detail> {
        self.ids.iter().filter_map(|id| self.detail(id)).collect()
    }

    /// The tasks that changed, as they stand. Cancel safe.
    pub(super) async fn next(&mut self) -> Vec<Detail> {
        loop {
            match self.changes.recv().await {
                Ok(id) if self.ids.iter().any(|watched| **watched == *id) => {
                    return self.detail(&id).into_iter().collect();
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return self.all(),
                // The tasks live as long as the desk.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    fn detail(&self, id: &str) -> Option<Detail> {
        self.desk.tasks.detail(id, self.desk.sealer.clock())
    }
}
