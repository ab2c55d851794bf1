//! A client for certificate authorities that speak ACME, usable alone.
//!
//! Owns the protocol: RFC 8555, with TLS-ALPN-01 (RFC 8737), IP identifiers (RFC 8738), renewal information (RFC
//! 9773) and profiles (draft-aaron-acme-profiles). Never stores anything, never answers a challenge itself, and
//! decides neither when to renew nor whether to try again tomorrow: the caller does.
//!
//! From a [`Client`] to an [`Account`], to an [`Order`] whose type is its state, to a [`Pair`](crate::x509::Pair).
//! `examples/acme_only.rs` goes all the way.

mod account;
mod ari;
mod authorization;
mod challenge;
mod client;
mod csr;
mod directory;
mod error;
mod jwk;
mod jws;
mod key;
mod limits;
mod link;
mod order;
mod problem;
mod reply;
mod retry;
mod revocation;
pub mod transport;

pub use account::{Account, ExternalAccount, NewAccount, Terms};
pub use ari::{CertificateId, RenewalInfo};
pub use authorization::{Authorization, AuthorizationStatus};
pub use challenge::{Challenge, ChallengeKind, KeyAuthorization};
pub use client::Client;
pub use directory::{Directory, Meta};
pub use error::{Error, ErrorKind};
pub use key::{AccountKey, CertificateKey};
pub use limits::Limits;
pub use order::{AnyOrder, NewOrder, Order, Pending, Placed, Processing, Ready, Replaces, Valid};
pub use problem::{Problem, ProblemKind, Subproblem};
pub use revocation::Reason;
pub use transport::{HttpTransport, Transport, TransportError};

#[cfg(test)]
mod tests;
