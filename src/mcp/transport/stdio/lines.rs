//! Lines in, lines out.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

/// Lines of at most `limit` bytes.
#[derive(Debug)]
pub(super) struct Lines<I> {
    input: BufReader<I>,
    line: Vec<u8>,
    limit: usize,
    skipping: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end; the last one may lack an end.
    Whole(Vec<u8>),
    /// Over the limit; what is left of it will be skipped.
    TooLong,
}

impl<I: AsyncRead + Unpin> Lines<I> {
    pub(super) fn new(input: I, limit: usize) -> Self {
        Self { input: BufReader::new(input), line: Vec::new(), limit, skipping: false }
    }

    /// The next line; none at the end of the input. Cancel safe.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let chunk = self.input.fill_buf().await?;
            if chunk.is_empty() {
                let last = std::mem::take(&mut self.line);
                return Ok((!last.is_empty()).then_some(Line::Whole(last)));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = end.and_then(|end| chunk.get(..end)).unwrap_or(chunk);
            let used = part.len() + usize::from(end.is_some());
            let fits = self.line.len() + part.len() <= self.limit;
            if fits && !self.skipping {
                self.line.extend_from_slice(part);
            }
            self.input.consume(used);
            let told = self.skipping;
            self.skipping = (self.skipping || !fits) && end.is_none();
            if !told && !fits {
                self.line = Vec::new();
                return Ok(Some(Line::TooLong));
            }
            if !told && end.is_some() {
                return Ok(Some(Line::Whole(std::mem::take(&mut self.line))));
            }
        }
    }
}

/// Writes messages, each on a line of its own, until every sender is gone; what waits together is
/// written together.
pub(super) async fn write(
    mut messages: mpsc::Receiver<Bytes>,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(message) = messages.recv().await {
        push(&mut buffer, &message);
        while buffer.len() < TOGETHER
            && let Ok(message) = messages.try_recv()
        {
            push(&mut buffer, &message);
        }
        output.write_all(&buffer).await?;
        output.flush().await?;
        buffer.clear();
        buffer.shrink_to(TOGETHER);
    }
    Ok(())
}

fn push(buffer: &mut Vec<u8>, message: &Bytes) {
    buffer.extend_from_slice(message);
    buffer.push(b'\n');
}

const TOGETHER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, limit);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        read
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.into())
    }

    #[tokio::test]
    async fn the_last_line_may_lack_its_end() {
        assert_eq!(read(b"a\nb", 9).await, [whole("a"), whole("b")]);
        assert_eq!(read(b"a\n\nb\n", 9).await, [whole("a"), whole(""), whole("b")]);
        assert_eq!(read(b"", 9).await, []);
    }

    #[tokio::test]
    async fn a_line_over_the_limit_is_told_once_and_skipped() {
        assert_eq!(read(b"123\n1234\n5", 3).await, [whole("123"), Line::TooLong, whole("5")]);
        assert_eq!(read(b"1234", 3).await, [Line::TooLong]);
        let long = format!("{}\nnext\n", "x".repeat(100_000));
        assert_eq!(read(long.as_bytes(), 20_000).await, [Line::TooLong, whole("next")]);
    }
}
