//! One line on a terminal that says how far a long load is, rewritten until it is done and then gone.

use std::future::Future;
use std::io::{self, Write as _};
use std::time::Duration;

use crate::docs::{Progress, Step};

/// Waits for `work`, and shows `progress` on stderr if it takes long.
pub(super) async fn shown<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut wait = QUIET;
    let mut drawn = false;
    loop {
        match tokio::time::timeout(wait, &mut work).await {
            Ok(done) => {
                if drawn {
                    draw("");
                }
                return done;
            }
            Err(_) => {
                wait = EVERY;
                if let Some((step, done, of)) = progress.now() {
                    draw(&line(step, done, of));
                    drawn = true;
                }
            }
        }
    }
}

/// `reading documents: 1200 of 5000`.
fn line(step: Step, done: usize, of: usize) -> String {
    let what = match step {
        Step::Fetching => return "fetching the index".to_owned(),
        Step::Reading => "reading documents",
        Step::Indexing => "indexing pages",
    };
    match of {
        0 => format!("{what}: {done}"),
        of => format!("{what}: {done} of {of}"),
    }
}

/// Writes over the line: back to its beginning, then clears what is behind (ECMA-48 EL).
fn draw(line: &str) {
    let mut stderr = io::stderr().lock();
    // A terminal that is gone has nobody to tell.
    let _ = write!(stderr, "\r{line}\x1b[K").and_then(|()| stderr.flush());
}

/// What takes less is over before it is read.
const QUIET: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_done_of_what() {
        assert_eq!(line(Step::Reading, 1_200, 5_000), "reading documents: 1200 of 5000");
        assert_eq!(line(Step::Indexing, 7, 0), "indexing pages: 7");
        assert_eq!(line(Step::Fetching, 0, 0), "fetching the index");
    }
}
