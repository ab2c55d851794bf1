//! What the operator says to a running process: end, end at once, read again.

use std::io;

use crate::platform::{self, Signal};

/// A wish of the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// SIGTERM or SIGINT.
    End(&'static str),
    /// SIGHUP.
    Reload,
}

/// The signals that docquay understands.
#[derive(Debug)]
pub(super) struct Signals(platform::Signals);

impl Signals {
    /// Listens from now on: a signal before the first [`next`](Self::next) is kept.
    pub(super) fn new() -> io::Result<Self> {
        platform::Signals::new().map(Self)
    }

    /// The next wish. Cancel safe.
    pub(super) async fn next(&mut self) -> Wish {
        match self.0.next().await {
            Signal::End(name) => Wish::End(name),
            Signal::Hangup => Wish::Reload,
        }
    }
}
