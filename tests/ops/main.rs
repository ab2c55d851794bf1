//! Tests of docquay among the programs that operators run it with.
//!
//! They need more than Rust, so plain `cargo test` leaves them out: `tests/run ops` installs what is missing and runs
//! them; `cargo test --locked --test ops` runs them where all is there. A missing program is a failure that names its
//! Debian package, never a skip. Everything stays on loopback.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail loudly and run in real time")]

mod harness;
mod proxies;
