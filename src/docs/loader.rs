//! The thread that reads and indexes, one for each library.
//!
//! Not tokio's pool: glibc keeps what a thread frees in an arena of that thread, so that over a pool each
//! reload would fill another arena. One thread uses the memory of the reload before.

use std::sync::mpsc;

use tokio::sync::oneshot;

use super::source::SourceError;

/// Takes work to its thread; the thread ends with it.
#[derive(Debug)]
pub(super) struct Loader(mpsc::Sender<Job>);

type Job = Box<dyn FnOnce() + Send>;

impl Loader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(super) fn start() -> Result<Self, SourceError> {
        // Its length is bounded by the library: one reload at a time, and a reload waits for each job.
        let (sender, jobs) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("docquay-load".to_owned());
        match thread.spawn(move || jobs.into_iter().for_each(|job| job())) {
            Ok(_ends_with_its_sender) => Ok(Self(sender)),
            Err(error) => Err(failed(error.to_string(), "raise the limit of threads or processes")),
        }
    }

    /// Runs work on the thread. A caller that goes away does not stop it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let (sender, receiver) = oneshot::channel();
        let sent = self.0.send(Box::new(move || {
            // Nobody waits any more at the drain.
            let _ = sender.send(work());
        }));
        let ended = || {
            let help =
                "this is a defect of docquay: report it with the source, if you may, and start it anew";
            failed("the loading thread has ended".to_owned(), help)
        };
        sent.map_err(|mpsc::SendError(_)| ended())?;
        receiver.await.unwrap_or_else(|_ended| Err(ended()))
    }
}

fn failed(cause: String, help: &str) -> SourceError {
    SourceError { what: "cannot load the sources".to_owned(), cause, help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_work_runs_on_one_thread() {
        let loader = Loader::start().unwrap();
        let first = loader.run(|| Ok(std::thread::current().id())).await.unwrap();
        let second = loader.run(|| Ok(std::thread::current().id())).await.unwrap();
        assert_eq!(first, second);
        assert_ne!(first, std::thread::current().id());
    }

    #[tokio::test]
    async fn a_thread_that_ended_is_an_error() {
        let loader = Loader::start().unwrap();
        assert!(loader.run(|| -> Result<(), SourceError> { panic!("on purpose") }).await.is_err());
        assert!(loader.run(|| Ok(())).await.is_err());
    }
}
