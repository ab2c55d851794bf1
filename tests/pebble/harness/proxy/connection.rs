//! The proxy's connections: takes a request, applies the rules, asks the CA, answers.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep};
use tokio_rustls::TlsAcceptor;

use super::rule::{Action, Reply};
use super::{Recorded, Shared};
use crate::harness::Resource;
use crate::harness::wire::{self, Answer, Failure};

/// Serves until it is aborted, and its connections with it.
pub(super) async fn serve(listener: TcpListener, tls: Arc<rustls::ServerConfig>, shared: Arc<Shared>) {
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        connections.spawn(connection(acceptor.clone(), tcp, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(acceptor: TlsAcceptor, tcp: TcpStream, shared: Arc<Shared>) {
    let _ = tcp.set_nodelay(true);
    let Ok(stream) = acceptor.accept(tcp).await else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    let end = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (shared, end) = (Arc::clone(&shared), Arc::clone(&end));
        async move { Ok::<_, Infallible>(answer(&shared, request, end).await) }
    });
    let served = async {
        if is_http2 {
            let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(io, service)
                .await;
        } else {
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
        }
    };
    // Dropping the connection closes its socket without a word of TLS or HTTP/2.
    tokio::select! {
        () = served => {}
        () = end.notified() => {}
    }
}

/// Ends the connection that this request came on.
async fn hang_up(end: &Notify) -> Response<Sent> {
    end.notify_one();
    std::future::pending().await
}

async fn answer(shared: &Shared, request: Request<Incoming>, end: Arc<Notify>) -> Response<Sent> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return hang_up(&end).await };
    let body = body.to_bytes();
    let resource = Resource::of(head.uri.path());
    let number = shared.remember(Recorded::new(resource, &head, &body));
    let actions = shared.actions(resource);
    if let Some(Action::Answer(reply)) = actions.iter().find(|action| ends(action)) {
        for action in &actions {
            if let Action::Delay(time) = action {
                sleep(*time).await;
            }
        }
        let answer = shared.complete(reply.clone(), &head).await;
        shared.note(number, |record| record.status = Some(answer.status.as_u16()));
        return respond(answer);
    }
    if let Some(Action::Drop) = actions.iter().find(|action| ends(action)) {
        return hang_up(&end).await;
    }
    let mut answer = match shared.forward(&head, body).await {
        Ok(answer) => answer,
        // The CA is gone: so are we.
        Err(_) => return hang_up(&end).await,
    };
    shared.note(number, |record| record.forwarded = true);
    let mut cut = None;
    for action in actions {
        match action {
            Action::Delay(time) => sleep(time).await,
            Action::Edit(edit) => edit(&mut answer),
            Action::Cut(bytes) => cut = Some(bytes),
            Action::ActAndAnswer(reply) => answer = shared.complete(reply, &head).await,
            Action::ActAndDrop => return hang_up(&end).await,
            Action::Answer(_) | Action::Drop => {}
        }
    }
    shared.note(number, |record| record.status = Some(answer.status.as_u16()));
    match cut {
        None => respond(answer),
        Some(bytes) => cut_short(answer, bytes, end),
    }
}

fn ends(action: &Action) -> bool {
    matches!(action, Action::Answer(_) | Action::ActAndAnswer(_) | Action::Drop | Action::ActAndDrop)
}

impl Shared {
    fn remember(&self, record: Recorded) -> usize {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(record);
        records.len() - 1
    }

    fn note(&self, number: usize, note: impl FnOnce(&mut Recorded)) {
        note(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner)[number]);
    }

    /// What the rules do to this request, up to the first action that ends it.
    fn actions(&self, resource: Resource) -> Vec<Action> {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut actions: Vec<Action> = rules.iter_mut().filter_map(|rule| rule.meet(resource)).collect();
        if let Some(last) = actions.iter().position(ends) {
            actions.truncate(last + 1);
        }
        actions
    }

    fn upstream(&self) -> SocketAddr {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the CA, on a connection of its own.
    async fn forward(&self, head: &http::request::Parts, body: Bytes) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(head.method.clone())
            .uri(head.uri.path_and_query().map_or("/", |path| path.as_str()))
            .body(Full::new(body))
            .map_err(|error| wire::describe("request", &error))?;
        *request.headers_mut() = end_to_end(&head.headers);
        // HTTP/2 has the host in its URI, HTTP/1.1 in a field.
        if let Some(authority) = head.uri.authority() {
            let host =
                HeaderValue::from_str(authority.as_str()).map_err(|error| wire::describe("host", &error))?;
            request.headers_mut().insert(header::HOST, host);
        }
        let stream = wire::connect(self.upstream(), "localhost", &self.client).await?;
        let mut answer = wire::exchange(stream, request).await?;
        answer.headers = end_to_end(&answer.headers);
        Ok(answer)
    }

    /// A reply with a nonce of the CA's, where one belongs. The CA counts a request for it, the proxy does not.
    async fn complete(&self, reply: Reply, head: &http::request::Parts) -> Answer {
        let wants_nonce =
            reply.nonce && head.method == Method::POST && !reply.headers.contains_key("replay-nonce");
        let mut answer = reply.into_answer();
        if wants_nonce && let Some(nonce) = self.fresh_nonce().await {
            answer.headers.insert("replay-nonce", nonce);
        }
        answer
    }

    async fn fresh_nonce(&self) -> Option<HeaderValue> {
        let stream = wire::connect(self.upstream(), "localhost", &self.client).await.ok()?;
        let answer =
            wire::exchange(stream, wire::request("HEAD", "localhost", self.nonce_path, "")).await.ok()?;
        answer.headers.get("replay-nonce").cloned()
    }
}

/// Without the fields that belong to one connection, and without a length, which hyper counts anew.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in
        ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"]
    {
        headers.remove(HeaderName::from_static(name));
    }
    headers
}

fn respond(answer: Answer) -> Response<Sent> {
    let mut response = Response::new(Sent::Whole(Full::new(answer.body)));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn cut_short(answer: Answer, bytes: usize, end: Arc<Notify>) -> Response<Sent> {
    let length = answer.body.len();
    let part = answer.body.slice(..bytes.min(length));
    let mut response = Response::new(Sent::Cut { part: Some(part), flush: None, end });
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

/// The body of an answer, or a part of it.
enum Sent {
    Whole(Full<Bytes>),
    Cut {
        part: Option<Bytes>,
        /// Runs once the part is handed over: hyper writes it out meanwhile.
        flush: Option<Pin<Box<Sleep>>>,
        end: Arc<Notify>,
    },
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context),
            Self::Cut { part, flush, end } => {
                if let Some(part) = part.take_if(|part| !part.is_empty()) {
                    return Poll::Ready(Some(Ok(Frame::data(part))));
                }
                let flush = flush.get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(100))));
                if flush.as_mut().poll(context).is_ready() {
                    end.notify_one();
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Cut { .. } => SizeHint::default(),
        }
    }
}
