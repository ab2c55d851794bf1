//! Rounds of input in the modern era: the answers so far travel with the client, sealed as `requestState`.
//!
//! The server keeps nothing between two rounds. A state is the answers that the handler has used, the request they
//! belong to (method, name or URI, arguments, caller) and when they expire, under an HMAC-SHA-256 whose key lives as long as the
//! process, or is given to all instances of a server. It is not secret: it holds what the client itself answered.
//! Spec: 2026-07-28 basic/patterns/mrtr.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use serde_json::Value;

use super::error::{Error, ErrorKind};
use super::jsonrpc::Object;
use super::params::{invalid, kind};
use crate::clock::Clock;
use crate::entropy::{self, Entropy, EntropyError};

/// Seals and opens states.
pub(super) struct Sealer {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Made when the first state is, so that a server which never asks draws none.
    key: OnceLock<hmac::Key>,
    lifetime: Duration,
}

/// One call's place in its rounds.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// Of earlier rounds, from a state of ours: these count before what is sent anew.
    sealed: Object,
    /// Sent with this call.
    sent: Object,
    /// What this call is, for the next state.
    request: Vec<u8>,
}

impl Round {
    /// The answer to the question of that key.
    pub(super) fn answer(&self, key: &str) -> Option<&Value> {
        self.sealed.get(key).or_else(|| self.sent.get(key))
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct State {
    /// Seconds since the epoch.
    expires: u64,
    /// Of the request, Base64.
    request: String,
    answers: Object,
}

impl Sealer {
    pub(super) fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, lifetime: Duration) -> Self {
        Self { clock, entropy, key: OnceLock::new(), lifetime }
    }

    /// With a key that other instances share; the first one given counts.
    pub(super) fn with_key(self, secret: &[u8]) -> Self {
        let _ = self.key.set(hmac::Key::new(hmac::HMAC_SHA256, secret));
        self
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// An id that nobody can guess.
    ///
    /// # Errors
    /// Without randomness.
    pub(super) fn token(&self) -> Result<String, Error> {
        entropy::token(&*self.entropy).map_err(no_randomness)
    }

    /// Takes `inputResponses` and `requestState` out of a call's params.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidParams`] for a state that is not ours, of another request, or expired.
    pub(super) fn open(
        &self,
        method: &str,
        params: &mut Object,
        caller: Option<&str>,
    ) -> Result<Round, Error> {
        let sent = match params.remove("inputResponses") {
            None | Some(Value::Null) => Object::new(),
            Some(Value::Object(sent)) => sent,
            Some(other) => {
                let other = kind(&other);
                return Err(invalid(format!(
                    "`inputResponses` must be an object of answers by key, not {other}"
                )));
            }
        };
        let state = params.remove("requestState");
        let request = identity(method, params, caller);
        let sealed = match state {
            None | Some(Value::Null) => Object::new(),
            Some(Value::String(state)) => self.unseal(&state, &request).ok_or_else(not_ours)?,
            Some(_) => return Err(not_ours()),
        };
        Ok(Round { sealed, sent, request })
    }

    /// The state for the next round: the answers that were used in this one.
    ///
    /// # Errors
    /// Without randomness for the key.
    pub(super) fn seal(&self, round: &Round, answers: Object) -> Result<String, Error> {
        let expires = self.now().saturating_add(self.lifetime).as_secs();
        let state = State { expires, request: URL_SAFE_NO_PAD.encode(&round.request), answers };
        let mut sealed = serde_json::to_vec(&state)
            .map_err(|_unserialisable| Error::new(ErrorKind::Internal, "the answers could not be kept"))?;
        let tag = hmac::sign(self.key()?, &sealed);
        sealed.extend_from_slice(tag.as_ref());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    fn unseal(&self, state: &str, request: &[u8]) -> Option<Object> {
        let sealed = URL_SAFE_NO_PAD.decode(state).ok()?;
        let (payload, tag) = sealed.split_at_checked(sealed.len().checked_sub(digest::SHA256_OUTPUT_LEN)?)?;
        hmac::verify(self.key().ok()?, payload, tag).ok()?;
        let state: State = serde_json::from_slice(payload).ok()?;
        let same = state.request == URL_SAFE_NO_PAD.encode(request);
        (same && self.now().as_secs() < state.expires).then_some(state.answers)
    }

    fn key(&self) -> Result<&hmac::Key, Error> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let mut secret = [0; digest::SHA256_OUTPUT_LEN];
        self.entropy.fill(&mut secret).map_err(no_randomness)?;
        Ok(self.key.get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    fn now(&self) -> Duration {
        self.clock.system().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealer").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// A digest of what a request asks for, and who asks: the same in every round, whatever order its members come in.
fn identity(method: &str, params: &Object, caller: Option<&str>) -> Vec<u8> {
    let mut context = digest::Context::new(&digest::SHA256);
    feed(&mut context, &Value::from(method));
    feed(&mut context, &Value::from(caller));
    for member in ["name", "uri", "arguments"] {
        feed(&mut context, params.get(member).unwrap_or(&Value::Null));
    }
    context.finish().as_ref().to_vec()
}

/// Lengths before contents, so that no two values feed the same bytes; members by name, since `serde_json` may be
/// built to keep them as they came.
fn feed(context: &mut digest::Context, value: &Value) {
    let mut sized = |mark: &[u8], length: usize| {
        context.update(mark);
        context.update(&length.to_le_bytes());
    };
    match value {
        Value::Array(items) => {
            sized(b"[", items.len());
            items.iter().for_each(|item| feed(context, item));
        }
        Value::Object(members) => {
            sized(b"{", members.len());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            for (name, member) in members {
                feed(context, &Value::from(name.as_str()));
                feed(context, member);
            }
        }
        Value::String(text) => {
            sized(b"\"", text.len());
            context.update(text.as_bytes());
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let text = value.to_string();
            sized(b"=", text.len());
            context.update(text.as_bytes());
        }
    }
}

fn not_ours() -> Error {
    invalid("`requestState` is not one of this request's, or has expired; send the request anew, without it")
}

fn no_randomness(_: EntropyError) -> Error {
    Error::new(ErrorKind::Internal, "the machine gives no randomness; try again later")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;
    use serde_json::json;
    use std::time::{Instant, SystemTime};

    const LIFETIME: Duration = Duration::from_secs(600);

    fn sealer(clock: impl Clock) -> Sealer {
        Sealer::new(Arc::new(clock), Arc::new(SystemEntropy::new()), LIFETIME)
    }

    fn params(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    fn call(arguments: Value) -> Object {
        params(json!({ "name": "book", "arguments": arguments }))
    }

    fn state(sealer: &Sealer, arguments: Value) -> String {
        let round = sealer.open("tools/call", &mut call(arguments), None).unwrap();
        sealer.seal(&round, params(json!({ "day": { "action": "decline" } }))).unwrap()
    }

    fn retried(sealer: &Sealer, method: &str, arguments: Value, state: &str) -> Result<Round, Error> {
        let mut call = call(arguments);
        call.insert("requestState".into(), state.into());
        call.insert("inputResponses".into(), json!({ "day": { "action": "accept" }, "hour": 7 }));
        sealer.open(method, &mut call, None)
    }

    #[test]
    fn a_state_brings_its_answers_back_and_they_count_before_new_ones() {
        let sealer = sealer(SystemClock);
        let state = state(&sealer, json!({ "a": [1, { "x": 1, "y": 2 }] }));
        let round = retried(&sealer, "tools/call", json!({ "a": [1, { "y": 2, "x": 1 }] }), &state).unwrap();
        assert_eq!(round.answer("day"), Some(&json!({ "action": "decline" })));
        assert_eq!(round.answer("hour"), Some(&json!(7)));
        assert_eq!(round.answer("minute"), None);
    }

    #[test]
    fn a_state_of_another_request_or_another_key_is_refused() {
        let sealer = sealer(SystemClock);
        let state = state(&sealer, json!({ "a": 1 }));
        assert!(retried(&sealer, "tools/call", json!({ "a": 1 }), &state).is_ok());
        for (method, arguments) in
            [("prompts/get", json!({ "a": 1 })), ("tools/call", json!({ "a": 2 })), ("tools/call", json!({}))]
        {
            let error = retried(&sealer, method, arguments, &state).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParams);
        }
        let other = self::sealer(SystemClock);
        assert!(retried(&other, "tools/call", json!({ "a": 1 }), &state).is_err());
        let shared = || self::sealer(SystemClock).with_key(b"one for all instances");
        let state = self::state(&shared(), json!({ "a": 1 }));
        assert!(retried(&shared(), "tools/call", json!({ "a": 1 }), &state).is_ok());
    }

    #[test]
    fn a_state_with_any_byte_changed_is_refused() {
        let sealer = sealer(SystemClock);
        let state = state(&sealer, json!({}));
        for at in 0..state.len() {
            let mut bytes = state.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            // The last character may carry bits that Base64 has no use for; strict decoding refuses them too.
            assert!(retried(&sealer, "tools/call", json!({}), &changed).is_err(), "byte {at}");
        }
        for other in ["", "-TAMPERED", "AAAA", "ä"] {
            assert!(
                retried(&sealer, "tools/call", json!({}), &format!("{state}{other}")).is_err()
                    || other.is_empty()
            );
            assert!(retried(&sealer, "tools/call", json!({}), other).is_err());
        }
    }

    #[derive(Debug)]
    struct At(u64);

    impl Clock for At {
        fn now(&self) -> Instant {
            SystemClock.now()
        }

        fn system(&self) -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(self.0)
        }
    }

    #[test]
    fn a_state_expires() {
        let at = |seconds| sealer(At(seconds)).with_key(b"key");
        let state = state(&at(1_000), json!({}));
        assert!(retried(&at(1_599), "tools/call", json!({}), &state).is_ok());
        assert!(retried(&at(1_600), "tools/call", json!({}), &state).is_err());
    }

    #[test]
    fn what_is_no_state_and_no_answers_is_refused_with_advice() {
        for (name, value) in [("requestState", json!(7)), ("inputResponses", json!([1]))] {
            let mut call = call(json!({}));
            call.insert(name.into(), value);
            let error = sealer(SystemClock).open("tools/call", &mut call, None).unwrap_err();
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[test]
    fn a_state_counts_for_the_caller_it_was_given_to() {
        let sealer = sealer(SystemClock);
        let open = |caller, state: Option<&str>| {
            let mut call = call(json!({}));
            if let Some(state) = state {
                call.insert("requestState".into(), state.into());
            }
            sealer.open("tools/call", &mut call, caller)
        };
        let state = sealer.seal(&open(Some("ana"), None).unwrap(), Object::new()).unwrap();
        assert!(open(Some("ana"), Some(&state)).is_ok());
        assert!(open(Some("ben"), Some(&state)).is_err());
        assert!(open(None, Some(&state)).is_err());
    }
}
