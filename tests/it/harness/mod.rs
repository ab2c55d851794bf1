//! What several test files share: a server in this process, a raw HTTP client.

pub(crate) mod conversation;
#[allow(dead_code, clippy::field_reassign_with_default, reason = "each test file uses a part of it")]
pub(crate) mod fake;
#[cfg(feature = "acme")]
pub(crate) mod fake_ca;
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) mod gated;
#[cfg(feature = "docs")]
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) mod library;
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) mod peer;
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) mod raw;
#[allow(dead_code, reason = "each test file uses a part of it")]
pub(crate) mod record;
#[allow(dead_code, clippy::field_reassign_with_default, reason = "each test file uses a part of it")]
pub(crate) mod server;
