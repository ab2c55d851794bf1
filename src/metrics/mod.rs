//! What the process counts: atomics that the parts write and `/metrics` reads.
//!
//! Owns numbers only: no part waits for them, none is kept over a restart, and none grows. Every label is one of
//! a list that stands in this folder or that the process made at its start, so that no client can add a series.
//! Counting takes no lock and no memory. Never writes text: `exposition` does.

mod calls;
mod certificates;
mod documents;
mod http;
mod number;
mod tools;

pub use calls::{Calls, Outcome, method_label};
pub use certificates::{Certificates, Failed};
pub use documents::{Documents, Read};
pub use http::{Bound, Http, OTHER, http_method};
pub use number::{Counter, Gauge, Histogram, Moment, Snapshot, Table};
pub use tools::{ToolOutcome, Tools};
