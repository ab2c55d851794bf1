//! Documentation behind the Model Context Protocol.
//!
//! The crate is a library and the `docquay` binary. The layers and who may import whom stand in
//! `ARCHITECTURE.md`; a test reads that table and holds the code to it.
#![warn(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    elided_lifetimes_in_paths
)]
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::todo,
    clippy::exit,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::await_holding_lock,
    clippy::large_futures,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::map_err_ignore,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    clippy::fn_params_excessive_bools,
    clippy::use_self,
    clippy::manual_let_else,
    clippy::or_fun_call,
    clippy::needless_pass_by_ref_mut,
    clippy::infinite_loop,
    clippy::disallowed_methods
)]
#![deny(rustdoc::broken_intra_doc_links)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::disallowed_methods,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::allow_attributes,
        clippy::large_futures,
        clippy::print_stderr,
        reason = "unit tests may fail loudly"
    )
)]

// The fake catalog of tests/it serves the unit tests too, and knows the crate by its name.
#[cfg(test)]
extern crate self as docquay;

// Leaves.
pub mod clock;
#[cfg(feature = "acme")]
pub mod dns;
pub mod entropy;
pub mod metrics;
pub mod names;
#[cfg(feature = "outbound")]
pub mod outbound;
#[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "each feature uses its part"))]
mod platform;
#[cfg(feature = "acme")]
pub mod secret;
pub mod shutdown;
pub mod trace;
#[cfg(feature = "acme")]
pub mod x509;

// Siblings: each owns its Options and Limits, none imports another.
pub mod access;
#[cfg(feature = "acme")]
pub mod acme;
#[cfg(feature = "docs")]
pub mod docs;
pub mod http;
pub mod mcp;
#[cfg(feature = "acme")]
pub mod store;
#[cfg(feature = "acme")]
pub mod tls;

// Glue.
pub mod admission;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(all(feature = "docs", feature = "outbound"))]
pub mod docs_fetch;
pub mod exposition;
#[cfg(feature = "acme")]
pub mod provision;
#[cfg(feature = "docs")]
pub mod web;

// Root.
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "cli")]
pub mod server;
