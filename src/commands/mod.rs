//! The commands besides serving; each writes its answer into a buffer that `cli` prints.

pub mod cert;
pub mod check;
pub mod config;
pub mod eval;
pub mod search;
pub mod token;
