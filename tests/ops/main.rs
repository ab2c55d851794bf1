//! Running docquay as an operator does: the built binary beside the programs that watch and manage it.
//!
//! They need more than Rust, so plain `cargo test` leaves them out: `tests/run ops` installs what is missing and runs
//! them. A missing program is a failure that names its Debian package, never a skip. Everything stays on loopback.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail loudly and run in real time")]

mod metrics;
#[allow(dead_code, reason = "shared with the tests against a CA")]
#[path = "../pebble/harness/ports.rs"]
mod ports;
#[allow(dead_code, reason = "shared with the tests against a CA")]
#[path = "../pebble/harness/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the integration tests")]
#[path = "../it/harness/raw.rs"]
mod raw;
