//! Clients that never pause: whether a certificate can be renewed without anybody noticing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use super::client::{Target, result_of};
use super::wire::{self, Answer, Failure};

/// Tasks that send MCP requests one after the other until [`Load::stop`].
#[derive(Debug)]
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    report: Arc<Mutex<Report>>,
}

/// What the tasks met with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Answered with a result.
    pub(crate) answered: usize,
    /// New connections, each with a full handshake.
    pub(crate) connections: usize,
    /// Each cause with how often it was met.
    pub(crate) failures: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connections {
    /// One for as long as it lasts.
    Kept,
    /// One for each request.
    Fresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Load {
    /// Starts `kept` tasks that keep their connection and `fresh` ones that open one for each request.
    pub(crate) fn on(target: &Target, kept: usize, fresh: usize) -> Self {
        Self::start(target, Protocol::Http1, kept, fresh)
    }

    /// The same over HTTP/2.
    pub(crate) fn on_http2(target: &Target, kept: usize, fresh: usize) -> Self {
        Self::start(&target.clone().offering(&["h2"]), Protocol::Http2, kept, fresh)
    }

    fn start(target: &Target, protocol: Protocol, kept: usize, fresh: usize) -> Self {
        let (stop, stopped) = watch::channel(false);
        let report = Arc::new(Mutex::new(Report::default()));
        let mut tasks = JoinSet::new();
        let kinds = std::iter::repeat_n(Connections::Kept, kept)
            .chain(std::iter::repeat_n(Connections::Fresh, fresh));
        for kind in kinds {
            tasks.spawn(run(target.clone(), protocol, kind, Arc::clone(&report), stopped.clone()));
        }
        Self { stop, tasks, report }
    }

    /// What happened so far.
    pub(crate) fn report(&self) -> Report {
        lock(&self.report).clone()
    }

    /// Waits until `count` more requests were answered from now.
    pub(crate) async fn wait_for_answers(&self, count: usize, limit: Duration) {
        let (goal, deadline) = (self.report().answered + count, Instant::now() + limit);
        while self.report().answered < goal {
            assert!(Instant::now() < deadline, "no {count} answers within {limit:?}: {:?}", self.report());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets each task finish its request and says what happened.
    pub(crate) async fn stop(mut self) -> Report {
        self.stop.send_replace(true);
        while let Some(task) = self.tasks.join_next().await {
            task.unwrap();
        }
        self.report()
    }
}

impl Report {
    /// A failure unless every request was answered, and some were.
    pub(crate) fn assert_clean(&self) {
        assert!(self.answered > 0 && self.failures.is_empty(), "{self:?}");
    }
}

async fn run(
    target: Target,
    protocol: Protocol,
    kind: Connections,
    report: Arc<Mutex<Report>>,
    stopped: watch::Receiver<bool>,
) {
    while !*stopped.borrow() {
        if let Err(failure) = connection(&target, protocol, kind, &report, &stopped).await {
            *lock(&report).failures.entry(failure).or_default() += 1;
            // Not to spin on a server that is gone.
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One connection: as many requests as its kind allows.
async fn connection(
    target: &Target,
    protocol: Protocol,
    kind: Connections,
    report: &Mutex<Report>,
    stopped: &watch::Receiver<bool>,
) -> Result<(), Failure> {
    let (mut sender, driver) = Sender::open(target, protocol).await?;
    lock(report).connections += 1;
    let outcome = loop {
        let answer = sender.ask(target.mcp_request("tools/list")).await;
        match answer.and_then(|answer| result_of(&answer).map(|_| answer)) {
            Err(failure) => break Err(failure),
            Ok(answer) => {
                lock(report).answered += 1;
                let closes = answer.header("connection") == Some("close");
                if kind == Connections::Fresh || closes || *stopped.borrow() {
                    break Ok(());
                }
            }
        }
    };
    driver.abort();
    outcome
}

impl Sender {
    /// A new connection, and the task that drives it.
    async fn open(target: &Target, protocol: Protocol) -> Result<(Self, JoinHandle<()>), Failure> {
        let stream = TokioIo::new(target.connect().await?);
        let failed = |error: hyper::Error| wire::describe("http", &error);
        match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.map_err(failed)?;
                Ok((Self::Http1(sender), tokio::spawn(async { drop(connection.await) })))
            }
            Protocol::Http2 => {
                let opened = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, connection) = opened.map_err(failed)?;
                Ok((Self::Http2(sender), tokio::spawn(async { drop(connection.await) })))
            }
        }
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        match self {
            Self::Http1(sender) => wire::ask(sender, request).await,
            Self::Http2(sender) => wire::ask_http2(sender, request).await,
        }
    }
}

fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}
