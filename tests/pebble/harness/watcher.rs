//! Handshake after handshake: which certificates are served, in which order, and whether there is a gap.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::client::Target;

/// Makes full handshakes without pause until it is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

/// What the handshakes showed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) handshakes: usize,
    /// The leaves' serials in order, each once for as long as it was served without another between.
    pub(crate) serials: Vec<String>,
    /// In order, each once for as long as nothing else came between.
    pub(crate) failures: Vec<String>,
}

impl Watcher {
    pub(crate) fn of(target: &Target) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let task = tokio::spawn(watch(target.clone(), Arc::clone(&seen)));
        Self { seen, task }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` certificates were seen, and returns their serials.
    pub(crate) async fn wait_for_serials(&self, count: usize, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        loop {
            let seen = self.seen();
            if seen.serials.len() >= count {
                return seen.serials;
            }
            assert!(Instant::now() < deadline, "not {count} certificates within {limit:?}: {seen:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(target: Target, seen: Arc<Mutex<Seen>>) {
    loop {
        let outcome = target.handshake().await;
        let failed = outcome.is_err();
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.handshakes += usize::from(!failed);
            let (list, entry) = match outcome {
                Ok(served) => (&mut seen.serials, served.serial),
                Err(failure) => (&mut seen.failures, failure),
            };
            if list.last() != Some(&entry) {
                list.push(entry);
            }
        }
        // A breath, so that a server which is gone is not hammered and one which is there has the cores too.
        sleep(Duration::from_millis(if failed { 20 } else { 5 })).await;
    }
}
