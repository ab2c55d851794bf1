//! Events a second to 1, 100 and 1,000 subscribers over real loopback connections.
//!
//! A broadcaster hands one shared event to every subscriber's queue, round by round, through our
//! listener, router and `SseBody`; clients on a thread of their own read the bytes and count. The
//! same goes through bare hyper with a queue for a body (`ceiling`): the ratio is what our clocks,
//! checks and keep-alives cost. In `x16` each subscriber has 16 events waiting, which we join into
//! one frame and which the ceiling is given already joined.
//!
//! `cargo bench --bench sse` takes about a minute and ends with a table. 1,000 connections with both
//! their ends in this process need 2,000 descriptors: `ulimit -n 4096`.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};
use docquay::http::{
    Access, Checks, Handler, HostPolicy, Limits, Path, Plain, Request, Response, Route, Router, serve, sse,
    stream,
};
use docquay::shutdown;
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

/// Holds [`MARK`] once.
const DATA: &[u8] =
    br#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"~","progress":50}}"#;
const MARK: u8 = b'~';
const JOINED: u64 = 16;

/// A subscriber's queue, ours or the ceiling's.
#[derive(Clone)]
enum Queue {
    Ours(sse::Sender),
    Bare(mpsc::Sender<Bytes>),
}

impl Queue {
    async fn send(&self, event: Bytes) {
        match self {
            Self::Ours(sender) => sender.send(event).await.unwrap(),
            Self::Bare(sender) => sender.send(event).await.unwrap(),
        }
    }
}

type Queues = Arc<Mutex<Vec<Queue>>>;

/// Ours: a route that opens a stream.
struct Subscribe(Queues);

impl Handler for Subscribe {
    fn handle(self: Arc<Self>, _: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async move {
            let (sender, body) = sse::channel(32, Some(Duration::from_secs(15)));
            self.0.lock().unwrap().push(Queue::Ours(sender));
            stream(body)
        })
    }
}

async fn ours(listener: TcpListener, queues: Queues) {
    let route = Route {
        path: Path::Exact("/events"),
        access: Access::Documents,
        checks: Checks::HostAndOrigin,
        handler: Arc::new(Subscribe(queues)),
    };
    let router = Arc::new(Router::new(vec![route], HostPolicy::default()));
    let (_trigger, shutdown) = shutdown::channel();
    serve(listener, Plain, router, Limits::default(), shutdown).await;
}

/// Bare hyper: what is possible here.
async fn ceiling(listener: TcpListener, queues: Queues) {
    struct Chan(mpsc::Receiver<Bytes>);
    impl hyper::body::Body for Chan {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
        }
    }
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        let queues = Arc::clone(&queues);
        let service = hyper::service::service_fn(move |_| {
            let (sender, receiver) = mpsc::channel(32);
            queues.lock().unwrap().push(Queue::Bare(sender));
            let response = hyper::Response::builder()
                .header("content-type", "text/event-stream")
                .header("cache-control", "no-store, no-transform")
                .body(Chan(receiver));
            std::future::ready(response)
        });
        tokio::spawn(async move {
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

/// What all clients have counted together.
#[derive(Default)]
struct Count {
    seen: AtomicU64,
    target: AtomicU64,
    reached: Notify,
}

impl Count {
    fn add(&self, events: u64) {
        let before = self.seen.fetch_add(events, Ordering::SeqCst);
        let target = self.target.load(Ordering::SeqCst);
        if (before..before + events).contains(&(target.wrapping_sub(1))) {
            self.reached.notify_one();
        }
    }
}

async fn client(address: SocketAddr, count: Arc<Count>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = socket.read(&mut buffer).await {
        let events = buffer[..length].iter().filter(|byte| **byte == MARK).count();
        if events > 0 {
            count.add(events as u64);
        }
    }
}

/// A server on a thread of its own, and its subscribers.
struct Bench {
    server: Handle,
    _stop: oneshot::Sender<()>,
    queues: Queues,
    count: Arc<Count>,
}

impl Bench {
    fn start<F, S>(subscribers: usize, clients: &Runtime, serve: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: FnOnce(TcpListener, Queues) -> F,
    {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.handle().clone();
        let queues = Queues::default();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve(listener, Arc::clone(&queues));
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(serving);
                let _ = stopped.await;
            });
        });
        let count = Arc::new(Count::default());
        for _ in 0..subscribers {
            clients.spawn(client(address, Arc::clone(&count)));
        }
        while queues.lock().unwrap().len() < subscribers {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { server, _stop: stop, queues, count }
    }

    /// How long `rounds` take: `sends` times `event`, which holds `events`, for each subscriber.
    async fn rounds(&self, rounds: u64, event: Bytes, sends: u64, events: u64) -> Duration {
        let queues = self.queues.lock().unwrap().clone();
        let count = Arc::clone(&self.count);
        let total = rounds * sends * events * queues.len() as u64;
        count.target.store(count.seen.load(Ordering::SeqCst) + total, Ordering::SeqCst);
        let broadcast = async move {
            let start = Instant::now();
            for _ in 0..rounds {
                for queue in &queues {
                    for _ in 0..sends {
                        queue.send(event.clone()).await;
                    }
                }
                tokio::task::yield_now().await;
            }
            count.reached.notified().await;
            start.elapsed()
        };
        self.server.spawn(broadcast).await.unwrap()
    }
}

fn main() {
    if let Some(limit) = descriptors().filter(|limit| *limit < 4096) {
        eprintln!("error: 1,000 subscribers need 2,000 open files and this shell allows {limit}");
        eprintln!("help: run `ulimit -n 4096` first");
        std::process::exit(2);
    }
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .configure_from_args();
    let clients = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let event = sse::Event { event: Some("message"), data: DATA, ..sse::Event::default() }.encode();
    let joined = Bytes::from(event.repeat(JOINED as usize));
    let mut table = Vec::new();
    for (name, subscribers, per_round) in
        [("1", 1, 1), ("100", 100, 1), ("1000", 1000, 1), ("1000 x16", 1000, JOINED)]
    {
        let mut group = criterion.benchmark_group("sse");
        group.throughput(Throughput::Elements(subscribers * per_round));
        let mut measure = |side: &str, bench: Bench, event: &Bytes, sends: u64, events: u64| {
            let rates = Mutex::new(Vec::new());
            group.bench_function(BenchmarkId::new(side, name), |bencher| {
                bencher.to_async(&clients).iter_custom(|rounds| {
                    let (bench, rates, event) = (&bench, &rates, event.clone());
                    async move {
                        let took = bench.rounds(rounds, event, sends, events).await;
                        let total = rounds * subscribers * per_round;
                        rates.lock().unwrap().push(total as f64 / took.as_secs_f64());
                        took
                    }
                });
            });
            median(rates.into_inner().unwrap())
        };
        let of_ours =
            measure("ours", Bench::start(subscribers as usize, &clients, ours), &event, per_round, 1);
        let (given, held) = if per_round == 1 { (&event, 1) } else { (&joined, JOINED) };
        let bare = Bench::start(subscribers as usize, &clients, ceiling);
        let of_ceiling = measure("ceiling", bare, given, 1, held);
        group.finish();
        table.push((name, of_ours, of_ceiling));
    }
    println!("{:>12} {:>14} {:>14} {:>7}", "subscribers", "ours, ev/s", "ceiling, ev/s", "ratio");
    for (name, ours, ceiling) in table {
        println!("{name:>12} {ours:>14.0} {ceiling:>14.0} {:>7.2}", ours / ceiling);
    }
    criterion.final_summary();
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The soft limit on open files, where the system says it in /proc.
fn descriptors() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
