//! A CA behind a `Transport`, for tests in paused time: it answers at once, signs for real, validates as told.
//!
//! It checks no signature and keeps no state machine honest: that is Pebble's part, in `tests/pebble`.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ::http::{Method, Request, Response, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use docquay::acme::{Transport, TransportError};
use docquay::clock::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType, IsCa,
    KeyPair,
};
use serde_json::{Value, json};

/// Calendar time that follows tokio's, paused or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock {
    begin: tokio::time::Instant,
}

impl TestClock {
    /// Begins on 2027-01-15, 08:00 UTC.
    pub(crate) fn new() -> Self {
        Self { begin: tokio::time::Instant::now() }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn system(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.begin.elapsed()
    }
}

/// What was asked of the CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) at: SystemTime,
    /// `newOrder`, `challenge`, `renewalInfo`, …
    pub(crate) what: &'static str,
    /// Of `newOrder` the payload, of a challenge its type.
    pub(crate) payload: Value,
}

/// What it answers when it is asked for a renewal window.
#[derive(Clone, Debug)]
pub(crate) enum RenewalInfo {
    NotOffered,
    Unreachable,
    /// For the first certificate; the later ones get two days around two thirds of 90 days.
    Window(SystemTime, SystemTime),
    /// For every certificate.
    Stuck(SystemTime, SystemTime),
}

pub(crate) struct State {
    pub(crate) asked: Vec<Asked>,
    /// Whether a validation of this name and challenge type succeeds.
    pub(crate) validates: fn(&str, &str) -> bool,
    pub(crate) lifetime: Duration,
    pub(crate) renewal_info: RenewalInfo,
    /// The answer to every request instead, with a problem and a Retry-After.
    pub(crate) refuses: Option<(StatusCode, Value, Option<u64>)>,
    /// Refuses an order with `replaces`.
    pub(crate) refuses_replaces: bool,
    orders: Vec<Order>,
    nonces: u64,
}

struct Order {
    names: Vec<Value>,
    statuses: Vec<&'static str>,
    invalid: bool,
    certificate: Option<String>,
    issued: Option<SystemTime>,
}

pub(crate) struct FakeCa {
    clock: TestClock,
    base: &'static str,
    issuer: CertifiedIssuer<'static, KeyPair>,
    state: Mutex<State>,
}

impl std::fmt::Debug for FakeCa {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.base)
    }
}

impl FakeCa {
    /// A CA at `https://HOST/directory` that validates everything and issues for 90 days.
    pub(crate) fn new(base: &'static str, clock: TestClock) -> Arc<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("Fake CA of {base}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let state = State {
            asked: Vec::new(),
            validates: |_, _| true,
            lifetime: Duration::from_secs(90 * 24 * 3_600),
            renewal_info: RenewalInfo::NotOffered,
            refuses: None,
            refuses_replaces: false,
            orders: Vec::new(),
            nonces: 0,
        };
        Arc::new(Self { clock, base, issuer, state: Mutex::new(state) })
    }

    pub(crate) fn directory(&self) -> String {
        format!("{}/directory", self.base)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often this was asked.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.state().asked.iter().filter(|asked| asked.what == what).count()
    }

    /// When this was asked.
    pub(crate) fn times(&self, what: &str) -> Vec<SystemTime> {
        self.state().asked.iter().filter(|asked| asked.what == what).map(|asked| asked.at).collect()
    }

    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut state = self.state();
        let url = request.uri().to_string();
        let path = url.strip_prefix(self.base).unwrap_or_else(|| panic!("{url} is not of {}", self.base));
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let payload = payload(request.body());
        let number =
            |place: usize| parts.get(place).and_then(|part| part.parse::<usize>().ok()).unwrap_or(usize::MAX);
        let what = match parts[0] {
            "directory" => "directory",
            "nonce" => "newNonce",
            "new-account" => "newAccount",
            "new-order" => "newOrder",
            "order" => "order",
            "authorization" => "authorization",
            "challenge" => "challenge",
            "finalize" => "finalize",
            "certificate" => "certificate",
            "renewal-info" => "renewalInfo",
            other => panic!("the CA has no {other}"),
        };
        let shown = if what == "challenge" { json!(parts[3]) } else { payload.clone() };
        state.asked.push(Asked { at: self.clock.system(), what, payload: shown });
        if let Some((status, problem, retry_after)) = &state.refuses {
            let mut answer =
                Response::builder().status(*status).header("content-type", "application/problem+json");
            if let Some(seconds) = retry_after {
                answer = answer.header("retry-after", *seconds);
            }
            return Ok(answer.body(problem.to_string().into()).unwrap());
        }
        if what == "renewalInfo" && matches!(state.renewal_info, RenewalInfo::Unreachable) {
            return Err(TransportError::new("connection refused"));
        }
        state.nonces += 1;
        let answer = Response::builder().header("replay-nonce", format!("nonce{}", state.nonces));
        let base = self.base;
        let found = |value: Value| Ok(value);
        let (answer, body) = match what {
            "directory" => {
                let mut directory = json!({
                    "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/new-account"),
                    "newOrder": format!("{base}/new-order"), "revokeCert": format!("{base}/revoke"),
                    "keyChange": format!("{base}/key-change"), "meta": { "termsOfService": format!("{base}/terms") },
                });
                if !matches!(state.renewal_info, RenewalInfo::NotOffered) {
                    directory["renewalInfo"] = json!(format!("{base}/renewal-info"));
                }
                (answer, found(directory))
            }
            "newNonce" => (answer, found(Value::Null)),
            "newAccount" => (
                answer.status(StatusCode::CREATED).header("location", format!("{base}/account/1")),
                found(json!({ "status": "valid" })),
            ),
            "newOrder" if state.refuses_replaces && payload.get("replaces").is_some() => {
                let problem =
                    json!({ "type": "urn:ietf:params:acme:error:alreadyReplaced", "detail": "replaced" });
                (answer.status(StatusCode::CONFLICT), Err(problem))
            }
            "newOrder" => {
                let names = payload["identifiers"].as_array().unwrap().clone();
                let statuses = vec!["pending"; names.len()];
                state.orders.push(Order { names, statuses, invalid: false, certificate: None, issued: None });
                let place = state.orders.len() - 1;
                let location = format!("{base}/order/{place}");
                (
                    answer.status(StatusCode::CREATED).header("location", location),
                    found(self.order(&state, place)),
                )
            }
            "order" => match state.orders.get(number(1)) {
                Some(_) => (answer, found(self.order(&state, number(1)))),
                None => {
                    let problem =
                        json!({ "type": "urn:ietf:params:acme:error:malformed", "detail": "no such order" });
                    (answer.status(StatusCode::NOT_FOUND), Err(problem))
                }
            },
            "authorization" => {
                (answer, found(self.authorization(&mut state, number(1), number(2), &payload)))
            }
            "challenge" => {
                let (place, name) = (number(1), number(2));
                let value = state.orders[place].names[name]["value"].as_str().unwrap().to_owned();
                let good = (state.validates)(&value, parts[3]);
                let order = &mut state.orders[place];
                order.statuses[name] = if good { "valid" } else { "invalid" };
                order.invalid |= !good;
                (answer, found(self.challenge(place, name, parts[3], "processing")))
            }
            "finalize" => {
                let csr = URL_SAFE_NO_PAD.decode(payload["csr"].as_str().unwrap()).unwrap();
                let place = number(1);
                let lifetime = state.lifetime;
                state.orders[place].certificate = Some(self.issue(&csr, lifetime));
                state.orders[place].issued = Some(self.clock.system());
                (answer, found(self.order(&state, place)))
            }
            "certificate" => {
                let pem = state.orders[number(1)].certificate.clone().unwrap();
                let answer = answer.header("content-type", "application/pem-certificate-chain");
                return Ok(answer.body(pem.into()).unwrap());
            }
            "renewalInfo" => {
                let issued = state.orders.iter().filter_map(|order| order.issued).collect::<Vec<_>>();
                let (start, end) = match state.renewal_info {
                    RenewalInfo::Window(start, end) if issued.len() == 1 => (start, end),
                    RenewalInfo::Window(..) => {
                        let day = Duration::from_secs(24 * 3_600);
                        (*issued.last().unwrap() + day * 59, *issued.last().unwrap() + day * 61)
                    }
                    RenewalInfo::Stuck(start, end) => (start, end),
                    _ => panic!("no window"),
                };
                let date = |time| rfc3339(time);
                let body = json!({ "suggestedWindow": { "start": date(start), "end": date(end) } });
                (answer.header("retry-after", "21600"), found(body))
            }
            _ => unreachable!(),
        };
        let (kind, body) = match body {
            Ok(body) => ("application/json", body),
            Err(problem) => ("application/problem+json", problem),
        };
        let head = *request.method() == Method::HEAD;
        let body = if head { Bytes::new() } else { body.to_string().into() };
        Ok(answer.header("content-type", kind).body(body).unwrap())
    }

    fn order(&self, state: &State, place: usize) -> Value {
        let (base, order) = (self.base, &state.orders[place]);
        let status = match () {
            () if order.invalid => "invalid",
            () if order.certificate.is_some() => "valid",
            () if order.statuses.iter().all(|status| *status == "valid") => "ready",
            () => "pending",
        };
        let authorizations: Vec<String> =
            (0..order.names.len()).map(|name| format!("{base}/authorization/{place}/{name}")).collect();
        let mut body = json!({
            "status": status, "identifiers": order.names, "authorizations": authorizations,
            "finalize": format!("{base}/finalize/{place}"),
        });
        if status == "valid" {
            body["certificate"] = json!(format!("{base}/certificate/{place}"));
        }
        body
    }

    fn authorization(&self, state: &mut State, place: usize, name: usize, payload: &Value) -> Value {
        let order = &mut state.orders[place];
        if payload["status"] == "deactivated" && order.statuses[name] == "pending" {
            order.statuses[name] = "deactivated";
        }
        let status = order.statuses[name];
        let challenges: Vec<Value> = ["http-01", "tls-alpn-01", "dns-01"]
            .into_iter()
            .map(|kind| self.challenge(place, name, kind, status))
            .collect();
        json!({ "status": status, "identifier": order.names[name], "challenges": challenges })
    }

    fn challenge(&self, place: usize, name: usize, kind: &str, status: &str) -> Value {
        let mut challenge = json!({
            "type": kind, "status": status, "token": format!("token-{place}-{name}"),
            "url": format!("{}/challenge/{place}/{name}/{kind}", self.base),
        });
        if status == "invalid" {
            challenge["error"] =
                json!({ "type": "urn:ietf:params:acme:error:connection", "detail": "connection refused" });
        }
        challenge
    }

    fn issue(&self, csr: &[u8], lifetime: Duration) -> String {
        let mut request = CertificateSigningRequestParams::from_der(&csr.into()).unwrap();
        let now = self.clock.system();
        request.params.not_before = now.into();
        request.params.not_after = (now + lifetime).into();
        request.params.use_authority_key_identifier_extension = true;
        let leaf = request.signed_by(&self.issuer).unwrap();
        format!("{}{}", leaf.pem(), self.issuer.pem())
    }
}

impl Transport for FakeCa {
    fn send<'a>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>> {
        Box::pin(async move { self.answer(&request) })
    }
}

/// Every name leads to 192.0.2.1, but those that begin with `nowhere`.
#[derive(Debug)]
pub(crate) struct FakeLookup;

impl docquay::provision::Lookup for FakeLookup {
    fn addresses<'a>(
        &'a self,
        name: &'a docquay::names::DomainName,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'a>> {
        Box::pin(async move {
            if name.as_str().starts_with("nowhere") {
                return Err(std::io::Error::new(std::io::ErrorKind::NotFound, "no such name"));
            }
            Ok(vec![IpAddr::from([192, 0, 2, 1])])
        })
    }
}

fn payload(jws: &[u8]) -> Value {
    let Ok(jws) = serde_json::from_slice::<Value>(jws) else { return Value::Null };
    let payload = URL_SAFE_NO_PAD.decode(jws["payload"].as_str().unwrap_or_default()).unwrap();
    serde_json::from_slice(&payload).unwrap_or(Value::Null)
}

/// `2027-01-15T08:00:00Z`.
fn rfc3339(time: SystemTime) -> String {
    let text = docquay::x509::date(time);
    let (date, rest) = text.split_once(' ').unwrap();
    format!("{date}T{}Z", rest.trim_end_matches(" UTC"))
}
