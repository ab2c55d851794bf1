//! Running docquay as an operator does: the built binary, its signals, its restarts, the service manager, and the
//! programs that stand in front of it or watch it.
//!
//! They need more than Rust, so plain `cargo test` leaves them out: `tests/run ops` installs what is missing and runs
//! them. A missing program is a failure that names its Debian package, never a skip. Everything stays on loopback.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail loudly and run in real time")]

mod activation;
#[allow(dead_code, reason = "shared with the tests against a CA")]
#[path = "../pebble/harness/authority.rs"]
mod authority;
mod daemon;
mod drain;
mod harness;
mod load;
mod manners;
mod metrics;
#[allow(dead_code, reason = "shared with the tests against a CA")]
#[path = "../pebble/harness/ports.rs"]
mod ports;
#[allow(dead_code, reason = "shared with the tests against a CA")]
#[path = "../pebble/harness/process.rs"]
mod process;
mod proxies;
#[allow(dead_code, reason = "shared with the integration tests")]
#[path = "../it/harness/raw.rs"]
mod raw;
mod reload_config;
mod start;
mod systemd;
