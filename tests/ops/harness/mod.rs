//! What the tests of this binary share, some of it with the other ones.

#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../../pebble/harness/authority.rs"]
pub(crate) mod authority;
#[path = "../../pebble/harness/ports.rs"]
pub(crate) mod ports;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../../pebble/harness/process.rs"]
pub(crate) mod process;
pub(crate) mod proxies;
#[allow(dead_code, reason = "each binary uses a part of it")]
#[path = "../../it/harness/raw.rs"]
pub(crate) mod raw;
