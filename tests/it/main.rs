//! The integration tests: one binary, one file per part.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail loudly and run in real time")]

#[cfg(feature = "cli")]
mod access;
#[cfg(feature = "cli")]
mod bad_input;
#[cfg(feature = "cli")]
mod cert;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod config;
mod crossing;
#[cfg(feature = "cli")]
mod dist;
#[cfg(feature = "acme")]
mod dns;
#[cfg(all(feature = "docs", feature = "outbound"))]
mod docs;
mod embedded;
mod harness;
mod http;
mod legacy;
mod modern;
#[cfg(feature = "cli")]
mod observe;
#[cfg(all(feature = "docs", feature = "outbound"))]
mod outbound;
#[cfg(feature = "acme")]
mod provision;
#[cfg(feature = "docs")]
mod reload;
#[cfg(feature = "docs")]
mod search;
mod stdio;
#[cfg(feature = "acme")]
mod store;
mod table;
mod tidy;
#[cfg(feature = "acme")]
mod tls;
#[cfg(feature = "docs")]
mod tools;
#[allow(clippy::field_reassign_with_default, reason = "options are non-exhaustive")]
mod transcripts;
#[cfg(feature = "cli")]
mod upgrades;
#[cfg(feature = "docs")]
mod web;
