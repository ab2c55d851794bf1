//! What a CA may cost: times and counts, each with its default.

use std::time::Duration;

/// The limits of one [`Client`](super::Client).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// One request, from its start to the last byte of the answer. Default 30 s.
    pub request: Duration,
    /// The same for the answer to a challenge and for finalize: some CAs work inside the request. Default 120 s.
    pub slow_request: Duration,
    /// From the answer to a challenge until its authorization is final. Default 5 min.
    pub validation: Duration,
    /// Each wait for an order: until it is ready, and from finalize until it is valid. Default 5 min.
    pub order: Duration,
    /// The longest `Retry-After` of a 429 or 503 that is waited for here; longer ones are the caller's. Default 30 s.
    pub patience: Duration,
    /// How often such a wait is repeated for one request. Default 3.
    pub busy_retries: u32,
    /// How often a request is signed anew after badNonce. Default 20: at a CA that rejects half of the nonces one is
    /// too few, and ten fail one order in two hundred.
    pub nonce_retries: u32,
    /// How often a request that changes nothing is sent again, after 1 s, when no answer came or a 5xx. Default 3.
    pub transport_retries: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            slow_request: Duration::from_secs(120),
            validation: Duration::from_secs(300),
            order: Duration::from_secs(300),
            patience: Duration::from_secs(30),
            busy_retries: 3,
            nonce_retries: 20,
            transport_retries: 3,
        }
    }
}
