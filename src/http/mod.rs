//! HTTP over raw hyper: listener, connection clocks, router, capped bodies, Server-Sent Events.
//!
//! Owns everything between a bound `TcpListener` and a [`Handler`]. Never learns what MCP, ACME or
//! the documents are. RFC 9110, 9112, 9113; the HTML standard's "Server-sent events".

mod body;
mod connection;
mod limits;
mod listener;
mod request;
mod response;
mod router;
pub mod sse;

pub use body::Body;
pub use limits::Limits;
pub use listener::serve;
pub use request::{BodyError, Request};
pub use response::{Response, empty, json, method_not_allowed, stream, text};
pub use router::{Access, Checks, Handler, HostPolicy, Path, Route, Router};
