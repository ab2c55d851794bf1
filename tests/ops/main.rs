//! Running docquay as an operator does: the built binary, its signals, its restarts, the service manager.
//!
//! Needs systemd's tools, so plain `cargo test` leaves it out: `tests/run ops` installs what is missing and runs it.
//! A missing tool is a failure, never a skip. Everything stays on loopback.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail loudly and run in real time")]

mod activation;
mod daemon;
mod drain;
mod load;
mod manners;
#[allow(dead_code, reason = "shared with the tests against a CA")]
#[path = "../pebble/harness/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the integration tests")]
#[path = "../it/harness/raw.rs"]
mod raw;
mod reload_config;
mod start;
mod systemd;
