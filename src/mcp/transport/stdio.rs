//! The stdio transport: one JSON-RPC message per line, both eras on one channel.
//!
//! It owns the lines, the requests at work and the one legacy session that a process can have; it
//! writes nothing but messages. A request with the modern `_meta` is served by itself; anything
//! else belongs to the session. While `in_flight` requests are at work no further line is read, so
//! that a client which sends faster than it is answered waits; but where one of them waits for the
//! client's answer, lines are read and further requests refused.
//! Spec: 2026-07-28 and 2025-11-25 basic/transports (stdio), basic/patterns/cancellation.

mod lines;
mod work;

use std::collections::HashSet;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use self::lines::{Line, Lines};
use self::work::{Kind, Work};
use crate::mcp::cancel;
use crate::mcp::dispatch::{Call, Dispatcher, Outbox, Reply};
use crate::mcp::error::{Error, ErrorKind};
use crate::mcp::jsonrpc::{self, Incoming, Invalid, Message, Notification, Request, RequestId};
use crate::mcp::legacy::{Action, Session};
use crate::mcp::modern;
use crate::mcp::revision::Revision;
use crate::mcp::subscription::{self, Feed};
use crate::metrics::method_label;
use crate::shutdown::Shutdown;

/// Serves one client until its input ends, its output is gone, or the drain.
///
/// At the end of the input, answers at work are finished; at the drain, listen streams get their
/// graceful end too. Both take at most five seconds.
///
/// # Errors
/// When reading or writing fails; a client that has closed its end is no failure.
pub async fn serve<I, O>(
    dispatcher: Arc<Dispatcher>,
    input: I,
    output: O,
    shutdown: Shutdown,
) -> io::Result<()>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
{
    let (queue, waiting) = mpsc::channel(dispatcher.limits().stream_queue);
    let mut writer = pin!(lines::write(waiting, output));
    let mut connection = Connection::new(dispatcher, queue);
    let served = tokio::select! {
        written = &mut writer => return unless_broken(written),
        served = connection.serve(input, &shutdown) => served,
        // A client that reads nothing holds up the loop, but not the end.
        () = too_late(&shutdown) => return Ok(()),
    };
    connection.close().await;
    match timeout(DRAIN, writer).await {
        Ok(written) => unless_broken(written).and(served),
        Err(_elapsed) => served,
    }
}

struct Connection {
    dispatcher: Arc<Dispatcher>,
    /// To the one writer.
    queue: mpsc::Sender<Bytes>,
    session: Session,
    /// Open once the session is ready.
    feed: Option<Feed>,
    work: Work,
}

impl Connection {
    fn new(dispatcher: Arc<Dispatcher>, queue: mpsc::Sender<Bytes>) -> Self {
        Self { dispatcher, queue, session: Session::new(), feed: None, work: Work::default() }
    }

    async fn serve(&mut self, input: impl AsyncRead + Unpin, shutdown: &Shutdown) -> io::Result<()> {
        let limits = self.dispatcher.limits();
        let (most, mut lines) = (limits.in_flight, Lines::new(input, limits.line));
        loop {
            tokio::select! {
                biased;
                () = shutdown.draining() => break,
                Some(id) = self.work.ended() => self.session.finished(&id),
                Some(news) = changes(&mut self.feed, self.session.subscriptions()) => {
                    for message in news {
                        self.send(message).await;
                    }
                }
                // Looks again whether to read.
                () = self.session.asked() => {}
                line = lines.next(), if self.may_read(most) => match line? {
                    Some(Line::Whole(line)) => {
                        self.on_line(&line).await;
                        self.open_feed();
                    }
                    Some(Line::TooLong) => self.refuse(None, too_long(self.dispatcher.limits().line)).await,
                    None => {
                        self.work.cancel_all(Kind::Listen);
                        break;
                    }
                },
            }
        }
        let rest = async { while self.work.ended().await.is_some() {} };
        // What takes longer is dropped by `close`.
        let _ = timeout(DRAIN, rest).await;
        Ok(())
    }

    fn may_read(&self, most: usize) -> bool {
        self.work.count(Kind::Answer) < most || self.session.awaits_answer()
    }

    async fn close(self) {
        self.work.stop().await;
    }

    async fn on_line(&mut self, line: &[u8]) {
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        match jsonrpc::parse(line) {
            Ok(Incoming::Single(message)) => self.on_message(message).await,
            Ok(Incoming::Batch(elements)) => self.on_batch(elements).await,
            Err(Invalid { id, error }) => self.refuse(id.as_ref(), error).await,
        }
    }

    async fn on_message(&mut self, message: Message) {
        match message {
            Message::Request(request) if modern::is_modern(&request.params) => {
                self.on_modern(request).await;
            }
            Message::Notification(notification) => self.on_notification(notification),
            message => {
                let action = self.session.on(message, &self.dispatcher);
                let queue = self.queue.clone();
                self.act(action, queue).await;
            }
        }
    }

    fn on_notification(&mut self, notification: Notification) {
        // Of either era; the session forgets its own.
        if let Some(id) = cancel::requested(&notification) {
            self.work.cancel(&id);
        }
        self.session.on(Message::Notification(notification), &self.dispatcher);
    }

    fn open_feed(&mut self) {
        if let (None, true, Some(rules)) = (&self.feed, self.session.is_ready(), self.session.rules()) {
            self.feed = Some(self.dispatcher.feed(rules));
        }
    }

    async fn on_modern(&mut self, request: Request) {
        let (id, method) = (request.id.clone(), method_label(&request.method));
        match modern::call(request) {
            Ok(call) if call.method == subscription::LISTEN => self.listen(call).await,
            Ok(call) => self.run(call, self.queue.clone()).await,
            Err(error) => {
                let reply = self.dispatcher.refuse(&id, method, Revision::MODERN.rules(), &error);
                self.send(reply.message).await;
            }
        }
    }

    async fn on_batch(&mut self, elements: Vec<Result<Message, Invalid>>) {
        let actions = match self.session.on_batch(elements, &self.dispatcher) {
            Ok(actions) => actions,
            Err(reply) => return self.send(reply.message).await,
        };
        let (replies, mut collected) = mpsc::channel(actions.len().max(1));
        for action in actions {
            self.act(action, replies.clone()).await;
        }
        drop(replies);
        let queue = self.queue.clone();
        self.work.start_nameless(async move {
            let mut array = Vec::new();
            while let Some(reply) = collected.recv().await {
                array.push(reply);
            }
            if let Some(array) = Reply::array(&array) {
                let _ = queue.send(array).await;
            }
        });
    }

    async fn act(&mut self, action: Action, replies: mpsc::Sender<Bytes>) {
        match action {
            Action::Run(call) => self.run(call, replies).await,
            Action::Reply(reply) => {
                let _ = replies.send(reply.message).await;
            }
            Action::Cancel(id) => self.work.cancel(&id),
            Action::Accepted => {}
        }
    }

    async fn run(&mut self, call: Call, replies: mpsc::Sender<Bytes>) {
        if let Some(error) = self.taken(&call.id).or_else(|| self.too_many_calls()) {
            let reply = self.dispatcher.error(Some(&call.id), call.rules, &error);
            let _ = replies.send(reply.message).await;
            return;
        }
        let (dispatcher, outbox) = (Arc::clone(&self.dispatcher), Outbox::into_queue(self.queue.clone()));
        self.work.start(call.id.clone(), Kind::Answer, async move {
            let reply = dispatcher.answer(call, outbox).await;
            let _ = replies.send(reply.message).await;
        });
    }

    async fn listen(&mut self, call: Call) {
        let opened = match self.taken(&call.id).or_else(|| self.too_many_streams()) {
            Some(error) => Err(self.dispatcher.error(Some(&call.id), call.rules, &error)),
            None => self.dispatcher.listen(&call),
        };
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(reply) => return self.send(reply.message).await,
        };
        // The acknowledgement goes out before anything that the next line may bring.
        if let Some(acknowledgement) = stream.next().await {
            self.send(acknowledgement).await;
        }
        let queue = self.queue.clone();
        self.work.start(call.id, Kind::Listen, async move {
            while let Some(message) = stream.next().await {
                if queue.send(message).await.is_err() {
                    return;
                }
            }
        });
    }

    fn taken(&self, id: &RequestId) -> Option<Error> {
        let advice = "this `id` belongs to a request that is not answered yet; use another";
        self.work.contains(id).then(|| Error::new(ErrorKind::InvalidRequest, advice))
    }

    /// Only where lines are read for the answers they may bring.
    fn too_many_calls(&self) -> Option<Error> {
        let most = self.dispatcher.limits().in_flight;
        let advice = format!("{most} requests wait for their answers already; send fewer at once");
        (self.work.count(Kind::Answer) >= most).then(|| Error::new(ErrorKind::InvalidRequest, advice))
    }

    fn too_many_streams(&self) -> Option<Error> {
        let most = self.dispatcher.limits().in_flight;
        let advice = format!("{most} listen streams are open; cancel one, or ask for more in one stream");
        (self.work.count(Kind::Listen) >= most).then(|| Error::new(ErrorKind::InvalidRequest, advice))
    }

    /// Of a message that no request could be read from, the era is unknown too: the session's revision
    /// says what stands for its id.
    async fn refuse(&self, id: Option<&RequestId>, error: Error) {
        self.send(self.dispatcher.error(id, self.session.encoding(), &error).message).await;
    }

    async fn send(&self, message: Bytes) {
        // The writer's end is noticed where the writer runs.
        let _ = self.queue.send(message).await;
    }
}

async fn changes(feed: &mut Option<Feed>, uris: &HashSet<String>) -> Option<Vec<Bytes>> {
    match feed {
        Some(feed) => feed.next(uris).await,
        None => None,
    }
}

async fn too_late(shutdown: &Shutdown) {
    shutdown.draining().await;
    sleep(2 * DRAIN).await;
}

fn too_long(limit: usize) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("a message has at most {limit} bytes; send less"))
}

fn unless_broken(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// What is at work when the client ends may take this long.
const DRAIN: Duration = Duration::from_secs(5);
