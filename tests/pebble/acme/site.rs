//! A site that answers http-01 and nothing else, and how the tests use the library with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use docquay::acme::{
    Account, AccountKey, AnyOrder, AuthorizationStatus, CertificateKey, ChallengeKind, Client, HttpTransport,
    Limits, NewAccount, NewOrder, Order, Pending, Ready, Terms, transport,
};
use docquay::clock::SystemClock;
use docquay::names::Identifier;
use docquay::x509::Pair;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{Authority, Pebble, ports};

/// Listens where Pebble looks; gone on drop.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) port: u16,
    published: Published,
    server: JoinHandle<()>,
}

type Published = Arc<Mutex<HashMap<String, String>>>;

impl Site {
    pub(super) async fn start() -> Self {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let published = Published::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&published)));
        Self { port, published, server }
    }

    pub(super) fn publish(&self, token: &str, body: &str) {
        let path = format!("/.well-known/acme-challenge/{token}");
        self.published.lock().unwrap().insert(path, body.to_owned());
    }

    /// Answers every challenge of the order that is not done with; how many there were.
    pub(super) async fn answer(&self, order: &Order<Pending>) -> usize {
        let mut answered = 0;
        for authorization in order.authorizations().await.unwrap() {
            if authorization.status() == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization.challenge(ChallengeKind::Http01).unwrap();
            self.publish(challenge.token(), challenge.key_authorization().as_str());
            authorization.validate(ChallengeKind::Http01).await.unwrap();
            answered += 1;
        }
        answered
    }

    /// The whole way: from the names to a pair.
    pub(super) async fn obtain(&self, account: &Account, names: &[&str]) -> Pair {
        let ready = self.ready(account, names).await;
        let key = CertificateKey::generate().unwrap();
        let valid = ready.finalize(&key).await.unwrap().into_valid().await.unwrap();
        valid.certificate(&key, None).await.unwrap()
    }

    pub(super) async fn ready(&self, account: &Account, names: &[&str]) -> Order<Ready> {
        match account.new_order(&order_of(names)).await.unwrap().order {
            AnyOrder::Pending(order) => {
                self.answer(&order).await;
                order.into_ready().await.unwrap()
            }
            AnyOrder::Ready(order) => order,
            other => panic!("a new order is {other:?}"),
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, published: Published) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(respond(stream, Arc::clone(&published)));
    }
}

async fn respond(mut stream: TcpStream, published: Published) {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.unwrap_or_default();
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let body = head.split(' ').nth(1).and_then(|path| published.lock().unwrap().get(path).cloned());
    let (status, body) = body.map_or(("404 Not Found", String::new()), |body| ("200 OK", body));
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.write_all(answer.as_bytes()).await;
}

pub(super) fn names(names: &[&str]) -> Vec<Identifier> {
    names.iter().map(|name| Identifier::parse(name).unwrap()).collect()
}

pub(super) fn order_of(list: &[&str]) -> NewOrder {
    NewOrder::of(names(list))
}

pub(super) async fn client(pebble: &Pebble) -> Client {
    client_at(&pebble.directory_url(), pebble.authority()).await
}

pub(super) async fn client_at(directory: &str, authority: &Authority) -> Client {
    let mut options = transport::Options::default();
    options.ca_pem = Some(authority.pem().as_bytes().to_vec());
    let transport = Arc::new(HttpTransport::new(&options).unwrap());
    Client::connect(directory, transport, Arc::new(SystemClock), Limits::default()).await.unwrap()
}

pub(super) fn agreed() -> NewAccount {
    let mut new = NewAccount::default();
    new.contacts.push("mailto:ops@docquay.example".to_owned());
    new.terms = Terms::Agreed;
    new
}

pub(super) async fn account(client: &Client) -> Account {
    Account::create(client, AccountKey::generate().unwrap(), &agreed()).await.unwrap()
}
