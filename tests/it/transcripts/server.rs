//! The server that the transcripts talk to: time stands still, and every session id is known beforehand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use docquay::clock::Clock;
use docquay::entropy::{Entropy, EntropyError};
use docquay::http;
use docquay::mcp::Limits;
use docquay::mcp::catalog::Changes;
use docquay::mcp::dispatch::Dispatcher;
use docquay::mcp::transport::{Hub, Options};
use docquay::shutdown::{self, Shutdown, Trigger};
use tokio::net::TcpListener;

use super::catalog::Example;
use crate::harness::server::router;

/// One server's parts, over HTTP or stdio.
pub(super) struct Server {
    catalog: Arc<Example>,
    clock: Stopped,
    trigger: Trigger,
    pub(super) shutdown: Shutdown,
    pub(super) dispatcher: Arc<Dispatcher>,
}

impl Server {
    pub(super) fn new() -> Self {
        let (trigger, shutdown) = shutdown::channel();
        let catalog = Example::new();
        let dispatcher =
            Arc::new(Dispatcher::new(Arc::<Example>::clone(&catalog), Limits::default(), shutdown.clone()));
        Self { catalog, clock: Stopped::new(), trigger, shutdown, dispatcher }
    }

    /// Listens on a free port of 127.0.0.1.
    pub(super) async fn listen(&self) -> SocketAddr {
        let mut options = Options::default();
        // No answer becomes a stream because the machine is slow, and no stream has a comment in between.
        (options.patience, options.keep_alive) = (Duration::from_secs(60), None);
        let (clock, entropy) = (Arc::new(self.clock.clone()), Arc::new(Counting::default()));
        let hub = Arc::new(Hub::new(Arc::clone(&self.dispatcher), options, clock, entropy));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = http::Limits::default();
        tokio::spawn(http::serve(listener, http::Plain, router(&hub), limits, self.shutdown.clone()));
        address
    }

    /// What a line that begins with `*` says.
    pub(super) async fn happens(&self, event: &str) -> Result<(), String> {
        let words: Vec<&str> = event.split(' ').collect();
        match words[..] {
            ["the", "tools", "change"] => {
                self.catalog.change(Changes { tools: true, ..Changes::default() });
            }
            ["the", "resources", "change"] => {
                self.catalog.change(Changes { resources: true, ..Changes::default() });
            }
            [uri, "changes"] => {
                self.catalog.change(Changes { updated: vec![uri.to_owned()], ..Changes::default() });
            }
            ["calls", "at", "work:", count] => {
                let count = count.parse().map_err(|_| event.to_owned())?;
                self.catalog.until_waiting(count).await;
            }
            [minutes, "minutes", "pass"] => {
                let minutes: u64 = minutes.parse().map_err(|_| event.to_owned())?;
                self.clock.go_on(Duration::from_secs(60 * minutes));
            }
            ["the", "server", "shuts", "down"] => self.trigger.drain(),
            _ => return Err(format!("there is no event `{event}`")),
        }
        Ok(())
    }
}

/// A clock that goes on when it is told to.
#[derive(Clone, Debug)]
struct Stopped {
    begin: Instant,
    gone: Arc<Mutex<Duration>>,
}

impl Stopped {
    fn new() -> Self {
        Self { begin: Instant::now(), gone: Arc::default() }
    }

    fn go_on(&self, time: Duration) {
        *self.gone.lock().unwrap() += time;
    }
}

impl Clock for Stopped {
    fn now(&self) -> Instant {
        self.begin + *self.gone.lock().unwrap()
    }

    fn system(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + *self.gone.lock().unwrap()
    }
}

/// 0, 1, 2, …: the first session is `AAECAwQFBgcICQoLDA0ODw`, the second `EBESExQVFhcYGRobHB0eHw`.
#[derive(Debug, Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}
