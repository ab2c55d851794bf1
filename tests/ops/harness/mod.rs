//! The programs that the tests of this binary start.

pub(crate) mod proxies;
