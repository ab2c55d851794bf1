//! The transports: each carries messages between its wire and the core.

mod headers;
mod replay;
pub mod sse_legacy;
pub mod stdio;
pub mod streamable;
