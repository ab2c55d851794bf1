//! The modern era (2026-07-28): every request carries its revision and capabilities in `_meta`.
//!
//! Spec: basic/index §_meta, basic/versioning.

use super::dispatch::Call;
use super::error::Error;
use super::jsonrpc::{Object, Request};

/// The key that makes a request modern.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Whether params carry the modern `_meta` version.
#[must_use]
pub fn is_modern(_params: &Object) -> bool {
    unimplemented!("core helper")
}

/// Reads `_meta`; the transport has compared the headers already.
///
/// # Errors
/// Missing or malformed `_meta` (-32602), a revision that is not served (-32022).
pub fn call(_request: Request) -> Result<Call, Error> {
    unimplemented!("core helper")
}
