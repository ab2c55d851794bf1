//! The Model Context Protocol: JSON-RPC by hand, every revision through one table.
//!
//! The core (this folder's own files) turns a parsed message into a [`Call`](dispatch::Call), runs
//! it on a [`Catalog`](catalog::Catalog) and writes the reply in the caller's revision. It never
//! learns of sockets or HTTP: `transport` does that. `tools` is one `Catalog`, over the docs; `server`
//! is one that others fill.

pub mod ask;
mod cancel;
pub mod catalog;
mod context;
pub mod dispatch;
pub mod error;
#[cfg(test)]
#[allow(dead_code, clippy::field_reassign_with_default, reason = "shared with tests/it")]
#[path = "../../tests/it/harness/fake.rs"]
mod fake;
pub mod jsonrpc;
pub mod legacy;
mod level;
mod limits;
mod link;
mod method;
pub mod modern;
mod params;
mod record;
mod rendered;
pub mod revision;
mod rounds;
pub mod server;
pub mod session;
pub mod subscription;
mod task;
#[cfg(feature = "docs")]
pub mod tools;
pub mod transport;
mod wire;

pub use error::{Error, ErrorKind};
pub use level::Level;
pub use limits::Limits;
