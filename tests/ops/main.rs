//! What an operator and a packager do with docquay, with the programs they use.
//!
//! They need more than Rust, so plain `cargo test` leaves them out: `tests/run ops` installs what is missing and runs
//! them. A missing tool is a failure that names its Debian package, never a skip.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod manners;
