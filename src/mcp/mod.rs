//! The Model Context Protocol: JSON-RPC by hand, every revision through one table.
//!
//! The core (this folder's own files) turns a parsed message into a [`Call`](dispatch::Call), runs
//! it on a [`Catalog`](catalog::Catalog) and writes the reply in the caller's revision. It never
//! learns of sockets or HTTP: `transport` does that, and `tools` is one `Catalog`, over the docs.

pub mod catalog;
pub mod dispatch;
pub mod error;
pub mod jsonrpc;
pub mod legacy;
mod limits;
pub mod modern;
pub mod revision;
pub mod session;
pub mod subscription;
#[cfg(feature = "docs")]
pub mod tools;
pub mod transport;
mod wire;

pub use error::{Error, ErrorKind};
pub use limits::Limits;
