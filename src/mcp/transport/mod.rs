//! The transports: each carries messages between its wire and the core.
//!
//! `streamable` is `/mcp` in both eras, `sse_legacy` the older pair of `/sse` and `/message`,
//! `stdio` a pair of pipes. The two over HTTP share a [`Hub`].

mod accept;
mod asked;
mod headers;
mod hub;
mod replay;
mod respond;
pub mod sse_legacy;
pub mod stdio;
pub mod streamable;
mod work;

pub use hub::{Hub, Options};
