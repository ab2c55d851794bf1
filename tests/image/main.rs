//! Tests of the image: what is in it, and how it runs as containers run.
//!
//! They need root, buildah and the tools of `tests/run pebble`, so plain `cargo test` leaves them out: `tests/run image`
//! installs what is missing and runs them. No registry is asked and no daemon is needed: buildah builds the
//! Dockerfile's stage `given` around the static binary, which is here of the profile `dev`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests fail loudly and run in real time")]

mod addresses;
mod container;
mod contents;
#[path = "../pebble/harness/mod.rs"]
mod harness;
mod image;
mod volumes;
