//! HTTP over raw hyper: listener, connection clocks, router, capped bodies, Server-Sent Events.
//!
//! Owns everything between a bound `TcpListener` and a [`Handler`]. Never learns what MCP, ACME or
//! the documents are. RFC 9110, 9112, 9113; the HTML standard's "Server-sent events".

mod accept;
mod activity;
mod alarm;
mod body;
mod clocked;
mod connection;
mod cors;
mod exchange;
mod guard;
mod limits;
mod listener;
mod policy;
pub mod redirect;
mod request;
mod response;
mod router;
pub mod sse;
mod terms;
mod throttle;

pub use accept::{Accept, Plain, Scheme};
pub use body::Body;
pub use exchange::{Lines, Note};
pub use guard::{Caller, Forwarded, Guard};
pub use limits::Limits;
pub use listener::{serve, serve_on_terms};
pub use policy::HostPolicy;
pub use request::{BodyError, Request};
pub use response::{Response, empty, json, method_not_allowed, stream, text};
pub use router::{Access, Checks, Gate, Handler, Path, Route, Router};
pub use terms::Terms;
pub use throttle::Throttle;
