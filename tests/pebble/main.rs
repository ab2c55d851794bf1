//! Tests against a real CA on this machine: Pebble, and acme2certifier for what Pebble lacks.
//!
//! They need more than Rust, so plain `cargo test` leaves them out: `tests/run pebble` installs what is missing
//! and runs them; `cargo test --locked --test pebble` runs them where all is there. A missing tool is a failure
//! that names its Debian package, never a skip. Everything stays on loopback or in network namespaces.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail loudly and run in real time")]

mod acme;
mod ari;
mod check;
mod commands;
mod empty_root;
mod faults;
mod harness;
mod issuance;
mod metrics;
mod network;
mod outbound_proxy;
mod reload;
mod renewal;
mod restart;
mod store_faults;
mod store_served;
mod the_harness;
mod transitions;
mod waiting;
