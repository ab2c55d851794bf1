//! The questions of one task, asked by its work and answered by `tasks/update`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Tasks;
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::Object;

/// What a task asks its client.
#[derive(Debug)]
pub(in crate::mcp) struct Inputs {
    tasks: Weak<Tasks>,
    id: Arc<str>,
    questions: Mutex<Questions>,
}

#[derive(Debug, Default)]
struct Questions {
    open: BTreeMap<String, (Value, oneshot::Sender<Value>)>,
    asked: u64,
}

impl Inputs {
    pub(super) fn new(tasks: &Arc<Tasks>, id: Arc<str>) -> Self {
        Self { tasks: Arc::downgrade(tasks), id, questions: Mutex::default() }
    }

    /// Asks and waits; the task's own time bounds the wait. A key is used once in a task's life, since clients
    /// take one that they have seen for answered.
    pub(in crate::mcp) async fn ask(&self, key: &str, method: &str, params: &Object) -> Result<Value, Error> {
        let (asker, answer) = oneshot::channel();
        {
            let mut questions = self.lock();
            questions.asked += 1;
            let key = format!("{key}-{}", questions.asked);
            questions.open.insert(key, (json!({ "method": method, "params": params }), asker));
        }
        self.tell();
        answer
            .await
            .map_err(|oneshot::error::RecvError { .. }| Error::new(ErrorKind::NoAnswer, "the task has ended"))
    }

    /// The open questions; none if there are none.
    pub(super) fn open(&self) -> Option<Object> {
        let questions = self.lock();
        let open = || questions.open.iter().filter(|(_, (_, asker))| !asker.is_closed());
        open().next()?;
        Some(open().map(|(key, (request, _))| (key.clone(), request.clone())).collect())
    }

    /// Hands answers to who asked; those to no open question are ignored.
    pub(super) fn answered(&self, answers: Object) {
        let mut questions = self.lock();
        for (key, answer) in answers {
            if let Some((_, asker)) = questions.open.remove(&key) {
                let _ = asker.send(answer);
            }
        }
    }

    fn tell(&self) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.tell(&self.id);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
