//! On what terms a listener serves.

use std::sync::Arc;

use super::limits::Limits;
use super::router::Router;

/// On what terms a listener serves; they may be replaced while it does.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Answers each request from now on, on open connections too.
    pub router: Arc<Router>,
    /// For connections accepted from now on; `drain` for all.
    pub limits: Limits,
}
