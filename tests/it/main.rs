//! The integration tests: one binary, one file per part.
#![allow(clippy::unwrap_used, reason = "tests fail loudly")]

mod bad_input;
mod cli;
mod config;
mod docs;
mod harness;
mod http;
mod legacy;
mod modern;
mod reload;
mod search;
mod stdio;
mod tidy;
mod tools;
mod web;
