//! A deadline that moves often and fires rarely.
//!
//! Owns one lazily armed timer; never decides what a deadline means. Moving a deadline later costs
//! nothing: the timer stays where it is, and is set anew only if it fires too early.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is polled with the deadline of the moment.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `deadline` has passed; wakes the task no later than then.
    pub(super) fn poll_at(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_may_move_both_ways() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(poll_fn(|context| Poll::Ready(alarm.poll_at(at(5), context))).await.is_pending());
        poll_fn(|context| alarm.poll_at(at(2), context)).await;
        assert_eq!(start.elapsed().as_secs(), 2);
        poll_fn(|context| alarm.poll_at(at(9), context)).await;
        assert_eq!(start.elapsed().as_secs(), 9);
    }
}
