//! Tasks: calls that go on after their answer, until somebody asks how they fare.
//!
//! A bounded table of tasks by unguessable id; an id is all it takes to see a task, so that it is never logged. A task
//! ends with its work, with `tasks/cancel`, or with its time to live, after which it is forgotten. Spec: the extension
//! `io.modelcontextprotocol/tasks` of 2026-07-28.

mod inputs;
mod timestamp;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::ser::SerializeMap;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::{AbortHandle, JoinSet};

use super::ask;
use super::context::Client;
use super::error::{Error, ErrorKind};
use super::jsonrpc::Object;
use super::limits::Limits;
use super::params::{self, invalid};
use crate::clock::Clock;
pub(super) use inputs::Inputs;

/// The extension's name, in capabilities.
pub(super) const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Whether a client takes tasks.
///
/// # Errors
/// [`ErrorKind::MissingClientCapability`] if it did not say so.
pub(super) fn check(client: &Client) -> Result<(), Error> {
    let missing = json!({ "extensions": { EXTENSION: {} } });
    if is_declared(client) { Ok(()) } else { Err(ask::missing_capability("tasks", missing)) }
}

pub(super) fn is_declared(client: &Client) -> bool {
    let extensions = client.capabilities.get("extensions").and_then(Value::as_object);
    extensions.is_some_and(|extensions| ask::has(extensions, EXTENSION))
}

/// Every task of the process.
#[derive(Debug)]
pub(super) struct Tasks {
    most: usize,
    ttl: Duration,
    table: Mutex<Table>,
    /// Tells the ids of tasks that have changed.
    changed: broadcast::Sender<Arc<str>>,
}

#[derive(Debug, Default)]
struct Table {
    tasks: HashMap<Arc<str>, Task>,
    /// All live equally long, so that the oldest goes first.
    order: VecDeque<Arc<str>>,
    running: JoinSet<()>,
}

#[derive(Debug)]
struct Task {
    until: Instant,
    created: SystemTime,
    updated: SystemTime,
    message: Option<String>,
    state: State,
    inputs: Arc<Inputs>,
    work: Option<AbortHandle>,
}

#[derive(Debug)]
enum State {
    /// Or `input_required`, while a question is open.
    Working,
    Completed(Box<RawValue>),
    Failed(Box<RawValue>, String),
    Cancelled,
}

impl Tasks {
    pub(super) fn new(limits: &Limits) -> Self {
        let changed = broadcast::channel(CHANGES).0;
        Self { most: limits.tasks, ttl: limits.task_ttl, table: Mutex::default(), changed }
    }

    /// A new task, found by its id from now on.
    ///
    /// # Errors
    /// When there are as many as there may be, and none has ended.
    pub(super) fn create(
        self: &Arc<Self>,
        id: String,
        message: Option<String>,
        clock: &dyn Clock,
    ) -> Result<(Arc<str>, Arc<Inputs>), Error> {
        let id: Arc<str> = id.into();
        let mut table = self.swept(clock);
        if table.tasks.len() >= self.most && !table.forget_ended() {
            return Err(Error::new(ErrorKind::Internal, "too many tasks run already; try again later"));
        }
        let (now, inputs) = (clock.system(), Arc::new(Inputs::new(self, Arc::clone(&id))));
        let task = Task {
            until: clock.now() + self.ttl,
            created: now,
            updated: now,
            message,
            state: State::Working,
            inputs: Arc::clone(&inputs),
            work: None,
        };
        table.tasks.insert(Arc::clone(&id), task);
        table.order.push_back(Arc::clone(&id));
        Ok((id, inputs))
    }

    /// Runs a task's work, which reports its own end; none outlives its time.
    pub(super) fn run(&self, id: &str, work: impl Future<Output = ()> + Send + 'static) {
        let ttl = self.ttl;
        let mut table = self.lock();
        while table.running.try_join_next().is_some() {}
        let handle = table.running.spawn(async move {
            let _in_time = tokio::time::timeout(ttl, work).await;
        });
        match table.tasks.get_mut(id) {
            Some(task) => task.work = Some(handle),
            None => handle.abort(),
        }
    }

    /// A task whose work ended before anybody was told of the task.
    pub(super) fn discard(&self, id: &str) {
        let mut table = self.lock();
        table.tasks.remove(id);
        table.order.retain(|other| &**other != id);
    }

    /// The end of a task's work: the result's body, or the error object and its message.
    pub(super) fn finish(
        &self,
        id: &str,
        outcome: Result<Box<RawValue>, (Box<RawValue>, String)>,
        clock: &dyn Clock,
    ) {
        self.change(id, clock, |task| {
            task.state = match outcome {
                Ok(result) => State::Completed(result),
                Err((error, message)) => State::Failed(error, message),
            };
        });
    }

    /// `tasks/cancel`: a task that has ended stays as it is.
    ///
    /// # Errors
    /// An unknown id.
    pub(super) fn cancel(&self, params: &Object, clock: &dyn Clock) -> Result<(), Error> {
        let id = params::string(params, "taskId")?;
        drop(self.swept(clock));
        let known = self.change(id, clock, |task| {
            if let Some(work) = task.work.take() {
                work.abort();
            }
            task.state = State::Cancelled;
        });
        if known { Ok(()) } else { Err(unknown()) }
    }

    /// `tasks/update`: answers to open questions; others are ignored.
    ///
    /// # Errors
    /// An unknown id, answers that are no object.
    pub(super) fn update(&self, params: &mut Object, clock: &dyn Clock) -> Result<(), Error> {
        let Some(Value::Object(answers)) = params.remove("inputResponses") else {
            return Err(invalid("`inputResponses` is missing; send an object of answers by key"));
        };
        let id = params::string(params, "taskId")?;
        let mut table = self.swept(clock);
        let task = table.tasks.get_mut(id).ok_or_else(unknown)?;
        task.updated = clock.system();
        let inputs = Arc::clone(&task.inputs);
        drop(table);
        inputs.answered(answers);
        self.tell(id);
        Ok(())
    }

    /// `tasks/get`.
    ///
    /// # Errors
    /// An unknown id.
    pub(super) fn get(&self, params: &Object, clock: &dyn Clock) -> Result<Detail, Error> {
        self.detail(params::string(params, "taskId")?, clock).ok_or_else(unknown)
    }

    /// A task as it stands; none if it is unknown.
    pub(super) fn detail(&self, id: &str, clock: &dyn Clock) -> Option<Detail> {
        let table = self.swept(clock);
        table.tasks.get(id).map(|task| Detail::of(id, task, self.ttl))
    }

    /// What changes from now on.
    pub(super) fn changes(&self) -> broadcast::Receiver<Arc<str>> {
        self.changed.subscribe()
    }

    /// Changes a task that has not ended; false if there is none of that id.
    fn change(&self, id: &str, clock: &dyn Clock, change: impl FnOnce(&mut Task)) -> bool {
        let mut table = self.lock();
        let Some(task) = table.tasks.get_mut(id) else { return false };
        if matches!(task.state, State::Working) {
            task.updated = clock.system();
            change(task);
            drop(table);
            self.tell(id);
        }
        true
    }

    fn tell(&self, id: &str) {
        // Nobody may listen.
        let _ = self.changed.send(id.into());
    }

    fn swept(&self, clock: &dyn Clock) -> MutexGuard<'_, Table> {
        let (now, mut table) = (clock.now(), self.lock());
        while let Some(id) = table.order.front().cloned() {
            if table.tasks.get(&id).is_some_and(|task| task.until > now) {
                break;
            }
            table.order.pop_front();
            if let Some(work) = table.tasks.remove(&id).and_then(|task| task.work) {
                work.abort();
            }
        }
        table
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Makes room: the oldest task that has ended goes.
    fn forget_ended(&mut self) -> bool {
        let ended =
            |id: &Arc<str>| self.tasks.get(id).is_none_or(|task| !matches!(task.state, State::Working));
        let Some(at) = self.order.iter().position(ended) else { return false };
        self.order.remove(at).is_some_and(|id| self.tasks.remove(&id).is_some())
    }
}

/// A task as `tasks/get` tells of it.
#[derive(Debug)]
pub(super) struct Detail {
    id: String,
    status: &'static str,
    message: Option<String>,
    created: String,
    updated: String,
    ttl_ms: u64,
    result: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
    requests: Option<Object>,
}

impl Detail {
    fn of(id: &str, task: &Task, ttl: Duration) -> Self {
        let mut detail = Self {
            id: id.to_owned(),
            status: "working",
            message: task.message.clone(),
            created: timestamp::utc(task.created),
            updated: timestamp::utc(task.updated),
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
            result: None,
            error: None,
            requests: None,
        };
        match &task.state {
            State::Working => {
                detail.requests = task.inputs.open();
                if detail.requests.is_some() {
                    detail.status = "input_required";
                }
            }
            State::Completed(result) => {
                detail.status = "completed";
                detail.result = Some(result.clone());
            }
            State::Failed(error, message) => {
                detail.status = "failed";
                detail.message = Some(message.clone());
                detail.error = Some(error.clone());
            }
            State::Cancelled => detail.status = "cancelled",
        }
        detail
    }

    /// What the answer to a call says of the task that it became.
    pub(super) fn seed<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("taskId", &self.id)?;
        map.serialize_entry("status", self.status)?;
        if let Some(message) = &self.message {
            map.serialize_entry("statusMessage", message)?;
        }
        map.serialize_entry("createdAt", &self.created)?;
        map.serialize_entry("lastUpdatedAt", &self.updated)?;
        map.serialize_entry("ttlMs", &self.ttl_ms)?;
        map.serialize_entry("pollIntervalMs", &POLL_MS)
    }

    /// All that is known of it.
    pub(super) fn fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.seed(map)?;
        if let Some(result) = &self.result {
            map.serialize_entry("result", result)?;
        }
        if let Some(error) = &self.error {
            map.serialize_entry("error", error)?;
        }
        if let Some(requests) = &self.requests {
            map.serialize_entry("inputRequests", requests)?;
        }
        Ok(())
    }
}

fn unknown() -> Error {
    invalid("no such task: its id is wrong, or its time to live is over")
}

/// How often a client should ask.
const POLL_MS: u64 = 1_000;
/// Changes that a listen stream may lag behind; after more it looks at all its tasks.
const CHANGES: usize = 256;
