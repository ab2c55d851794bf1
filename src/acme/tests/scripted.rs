//! A CA made of answers written down in advance. Its directory and its nonces come by themselves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::acme::transport::Answer;
use crate::acme::{
    Account, AccountKey, AnyOrder, Authorization, Client, Limits, NewOrder, Order, Pending, Transport,
    TransportError,
};
use crate::clock::Clock;
use crate::names::Identifier;

/// The CA.
#[derive(Debug)]
pub(super) struct Script {
    directory: Value,
    steps: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Seen>>,
    nonces: Mutex<u32>,
}

/// What becomes of the next request.
#[derive(Debug)]
pub(super) struct Step {
    answer: Option<Response<Bytes>>,
    after: Duration,
    nonce: bool,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    /// Null without a JWS.
    pub(super) protected: Value,
    /// Null without a JWS or with an empty payload.
    pub(super) payload: Value,
    pub(super) at: Instant,
}

pub(super) fn answer(status: u16, body: impl Into<Bytes>) -> Step {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.try_into().unwrap();
    Step { answer: Some(response), after: Duration::ZERO, nonce: true }
}

pub(super) fn json_answer(status: u16, body: Value) -> Step {
    answer(status, body.to_string())
}

pub(super) fn problem(status: u16, kind: &str) -> Step {
    json_answer(status, json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "because" }))
}

/// No answer: the connection ends.
pub(super) fn lost() -> Step {
    Step { answer: None, after: Duration::ZERO, nonce: false }
}

impl Step {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.answer.as_mut().unwrap().headers_mut().append(name, value.parse().unwrap());
        self
    }

    pub(super) fn after(self, time: Duration) -> Self {
        Self { after: time, ..self }
    }

    pub(super) fn without_nonce(self) -> Self {
        Self { nonce: false, ..self }
    }
}

impl Script {
    /// The requests so far but for the directory and nonces.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let all = self.all();
        all.into_iter().filter(|seen| seen.method != Method::HEAD && seen.url != DIRECTORY).collect()
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn add(&self, steps: impl IntoIterator<Item = Step>) {
        self.steps.lock().unwrap().extend(steps);
    }

    /// Every written answer was asked for.
    pub(super) fn is_done(&self) -> bool {
        self.steps.lock().unwrap().is_empty()
    }

    fn step(&self, seen: &Seen) -> Step {
        match (&seen.method, seen.url.as_str()) {
            (_, DIRECTORY) => json_answer(200, self.directory.clone()).without_nonce(),
            (&Method::HEAD, _) if self.directory.get("no nonces").is_some() => {
                answer(200, "").without_nonce()
            }
            (&Method::HEAD, _) => answer(200, ""),
            _ => self.steps.lock().unwrap().pop_front().unwrap_or_else(|| panic!("unwritten: {seen:?}")),
        }
    }
}

impl Transport for Script {
    fn send<'a>(&'a self, request: Request<Bytes>) -> Answer<'a> {
        let seen = Seen::new(request);
        let mut step = self.step(&seen);
        self.seen.lock().unwrap().push(seen);
        Box::pin(async move {
            tokio::time::sleep(step.after).await;
            let Some(mut answer) = step.answer.take() else { return Err(TransportError::new("cut off")) };
            if step.nonce {
                let mut count = self.nonces.lock().unwrap();
                *count += 1;
                answer.headers_mut().insert("replay-nonce", format!("n-{count}").parse().unwrap());
            }
            Ok(answer)
        })
    }
}

impl Seen {
    fn new(request: Request<Bytes>) -> Self {
        let (parts, body) = request.into_parts();
        let jws: Value = serde_json::from_slice(&body).unwrap_or_default();
        let part = |name: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(jws.get(name)?.as_str()?).unwrap();
            serde_json::from_slice(&bytes).ok()
        };
        Self {
            method: parts.method,
            url: parts.uri.to_string(),
            headers: parts.headers,
            protected: part("protected").unwrap_or_default(),
            payload: part("payload").unwrap_or_default(),
            at: Instant::now(),
        }
    }

    pub(super) fn nonce(&self) -> &str {
        self.protected["nonce"].as_str().unwrap()
    }
}

/// The calendar begins at [`now`] and goes with tokio's clock.
#[derive(Debug)]
struct Calendar(Instant);

impl Clock for Calendar {
    fn now(&self) -> std::time::Instant {
        Instant::now().into_std()
    }

    fn system(&self) -> SystemTime {
        now() + self.0.elapsed()
    }
}

/// 2026-11-24 20:00:00 UTC.
pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_550_400)
}

/// A CA with these answers, and more in its directory.
pub(super) async fn ca_with(more: Value, steps: impl IntoIterator<Item = Step>) -> (Arc<Script>, Client) {
    let mut directory = json!({
        "newNonce": "https://ca.test/nonce", "newAccount": "https://ca.test/accounts",
        "newOrder": "https://ca.test/orders", "keyChange": "https://ca.test/key",
    });
    for (name, value) in more.as_object().unwrap() {
        directory[name] = value.clone();
    }
    let script =
        Script { directory, steps: Mutex::default(), seen: Mutex::default(), nonces: Mutex::default() };
    script.add(steps);
    let script = Arc::new(script);
    let clock = Arc::new(Calendar(Instant::now()));
    let transport = Arc::clone(&script) as Arc<dyn Transport>;
    let client = Client::connect(DIRECTORY, transport, clock, Limits::default()).await.unwrap();
    (script, client)
}

/// A CA with these answers, and an account with it.
pub(super) async fn ca(steps: impl IntoIterator<Item = Step>) -> (Arc<Script>, Account) {
    let (script, client) = ca_with(json!({}), steps).await;
    let account = account(&client);
    (script, account)
}

pub(super) fn account(client: &Client) -> Account {
    Account::stored(client, AccountKey::generate().unwrap(), "https://ca.test/accounts/1".to_owned())
}

/// An order's document for `a.test`.
pub(super) fn order(status: &str) -> Value {
    json!({
        "status": status,
        "identifiers": [{ "type": "dns", "value": "a.test" }],
        "authorizations": ["https://ca.test/authorizations/1"],
        "finalize": "https://ca.test/orders/1/finalize",
        "certificate": "https://ca.test/certificates/1",
    })
}

/// The answer to newOrder.
pub(super) fn placed(status: &str) -> Step {
    json_answer(201, order(status)).header("location", "https://ca.test/orders/1")
}

/// The answer to a look at the order.
pub(super) fn looked(status: &str) -> Step {
    json_answer(200, order(status))
}

/// The answer to a look at the authorization; its challenge has the same status.
pub(super) fn authorization(status: &str) -> Step {
    authorization_at(status, status)
}

/// The same with another status of the challenge.
pub(super) fn authorization_at(status: &str, challenge: &str) -> Step {
    let mut challenge = json!({ "type": "http-01", "status": challenge, "url": "https://ca.test/challenges/1", "token": "token" });
    if status == "invalid" {
        challenge["error"] = json!({ "type": "urn:ietf:params:acme:error:connection", "detail": "refused" });
    }
    let identifier = json!({ "type": "dns", "value": "a.test" });
    json_answer(200, json!({ "status": status, "identifier": identifier, "challenges": [challenge] }))
}

pub(super) fn new_order() -> NewOrder {
    NewOrder::of(names())
}

pub(super) fn names() -> [Identifier; 1] {
    [Identifier::parse("a.test").unwrap()]
}

pub(super) async fn pending(account: &Account) -> Order<Pending> {
    match account.new_order(&new_order()).await.unwrap().order {
        AnyOrder::Pending(order) => order,
        other => panic!("{other:?}"),
    }
}

/// The pending authorization of a new order: two steps.
pub(super) async fn one_authorization(account: &Account) -> Authorization {
    pending(account).await.authorizations().await.unwrap().remove(0)
}

pub(super) const DIRECTORY: &str = "https://ca.test/directory";
