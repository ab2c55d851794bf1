//! One signal from the composition root to every task: finish what runs, start nothing new.

use std::time::Duration;

use tokio::sync::watch;

/// A pair: the root keeps the [`Trigger`], every task a clone of the [`Shutdown`].
#[must_use]
pub fn channel() -> (Trigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (Trigger(sender), Shutdown(receiver))
}

/// Starts the drain; dropping it starts it too.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

impl Trigger {
    /// Tells every holder of the [`Shutdown`] to finish. Idempotent.
    pub fn drain(&self) {
        self.0.send_replace(true);
    }

    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.0.borrow()
    }
}

/// What a task watches to learn that it should finish.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// Whether the drain has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Completes when the drain begins. Cancel safe.
    pub async fn draining(&self) {
        let mut receiver = self.0.clone();
        // An error means that the trigger is gone: nobody is left to serve for.
        let _ = receiver.wait_for(|draining| *draining).await;
    }

    /// Completes `span` after the drain began, or after this was asked if that was later. Cancel safe: asked again,
    /// it waits anew.
    pub async fn drained_for(&self, span: Duration) {
        self.draining().await;
        tokio::time::sleep(span).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_reaches_clones_made_before_and_after() {
        let (trigger, shutdown) = channel();
        let early = shutdown.clone();
        assert!(!early.is_draining());
        trigger.drain();
        early.draining().await;
        shutdown.clone().draining().await;
        assert!(shutdown.is_draining());
    }

    #[tokio::test]
    async fn a_dropped_trigger_counts_as_a_drain() {
        let (trigger, shutdown) = channel();
        drop(trigger);
        shutdown.draining().await;
        assert!(shutdown.is_draining());
    }
}
