//! A stream with clocks of our own under hyper's HTTP/1 and HTTP/2.
//!
//! Owns four deadlines on a peer: a request header from its first byte, the silence between
//! requests, a write that makes no progress, and the farewell after our last byte. hyper's
//! `header_read_timeout` starts while the connection is idle and knows none of the others.
//! Never parses: [`Activity`] tells which clock applies.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::activity::{Activity, Phase};
use super::alarm::Alarm;
use super::limits::Limits;

/// Who judges how long a peer may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadClocks {
    /// This stream: HTTP/1, one request at a time.
    Here,
    /// The connection's driver: HTTP/2, where silence on the socket says nothing about a stream.
    Driver,
}

/// The stream.
#[derive(Debug)]
pub(super) struct ClockedIo<S> {
    inner: S,
    /// What the sniffing read ahead.
    prefix: Bytes,
    activity: Arc<Activity>,
    clocks: ReadClocks,
    header: Duration,
    idle: Duration,
    write_stall: Duration,
    read_alarm: Alarm,
    write_alarm: Alarm,
    /// When the first byte of a header came, and in which pause.
    head: Option<(Instant, u64)>,
    /// Since when a write waits.
    stalled_since: Option<Instant>,
    /// When the farewell began.
    closing: Option<(Instant, usize)>,
    peer_ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> ClockedIo<S> {
    /// Wraps `inner`; `prefix` is read again before it.
    pub(super) fn new(
        inner: S,
        prefix: Bytes,
        activity: Arc<Activity>,
        clocks: ReadClocks,
        limits: &Limits,
    ) -> Self {
        Self {
            inner,
            prefix,
            activity,
            clocks,
            header: limits.header,
            idle: limits.idle,
            write_stall: limits.write_stall,
            read_alarm: Alarm::default(),
            write_alarm: Alarm::default(),
            head: None,
            stalled_since: None,
            closing: None,
            peer_ended: false,
        }
    }

    /// The prefix first, then the stream.
    fn poll_bytes(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.prefix.is_empty() {
            let before = buffer.remaining();
            ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
            self.peer_ended |= before > 0 && buffer.remaining() == before;
            return Poll::Ready(Ok(()));
        }
        let length = self.prefix.len().min(buffer.remaining());
        buffer.put_slice(&self.prefix.split_to(length));
        Poll::Ready(Ok(()))
    }

    /// When the header that is being read began, if one is.
    fn head_since(&self, pause: u64) -> Option<Instant> {
        self.head.and_then(|(since, begun)| (begun == pause).then_some(since))
    }

    /// The peer is silent: ends the connection if that has lasted too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Phase::Quiet { since, begun } = self.activity.phase() else { return Poll::Pending };
        let Some(head_since) = self.head_since(begun) else {
            ready!(self.read_alarm.poll_at(since + self.idle, context));
            // An end of stream lets hyper close an idle connection in good order.
            return Poll::Ready(Ok(()));
        };
        ready!(self.read_alarm.poll_at(head_since + self.header, context));
        if self.stalled_since.is_none() {
            // hyper waits for the header's end, so nobody else writes now. One try: a peer that
            // does not take these few bytes is not owed a second one.
            let _ = Pin::new(&mut self.inner).poll_write(context, REQUEST_TIMEOUT);
            // Over TLS this says that the answer is whole (RFC 8446 §6.1).
            let _ = Pin::new(&mut self.inner).poll_shutdown(context);
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Watches a write: progress stops the clock, waiting runs it.
    fn watch_write(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            if self.stalled_since.take().is_some() {
                self.activity.wrote();
            }
            return written;
        }
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        ready!(self.write_alarm.poll_at(since + self.write_stall, context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads away what the peer still sends. Closing a socket with unread bytes resets it, and the
    /// reset destroys the answer before the peer has read it (RFC 9112 §9.6).
    fn poll_farewell(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (since, mut left) = self.closing.unwrap_or_else(|| (Instant::now(), FAREWELL_BYTES));
        let mut scratch = [0; 4096];
        while !self.peer_ended && left > 0 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match self.poll_bytes(context, &mut buffer) {
                Poll::Ready(Ok(())) => left = left.saturating_sub(buffer.filled().len()),
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {
                    self.closing = Some((since, left));
                    return self.read_alarm.poll_at(since + FAREWELL, context).map(Ok);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClockedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let read = this.poll_bytes(context, buffer);
        if this.clocks == ReadClocks::Driver {
            return read;
        }
        if read.is_pending() {
            return this.poll_silence(context);
        }
        if let Phase::Quiet { begun, .. } = this.activity.phase()
            && this.head_since(begun).is_none()
        {
            this.head = Some((Instant::now(), begun));
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClockedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch_write(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        self.watch_write(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context).map_ok(|()| 1);
        self.watch_write(flushed, context).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.closing.is_none() {
            let ended = Pin::new(&mut this.inner).poll_shutdown(context).map_ok(|()| 1);
            ready!(this.watch_write(ended, context))?;
            this.prefix.clear();
            this.closing = Some((Instant::now(), FAREWELL_BYTES));
        }
        this.poll_farewell(context)
    }
}

/// What a peer gets whose header takes too long; hyper would close without a word.
const REQUEST_TIMEOUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\
    content-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n\
    content-length: 39\r\n\r\nthe request header took too long a time";

/// How long a peer has to read our last bytes and close.
const FAREWELL: Duration = Duration::from_secs(1);

/// How much of an unwanted body is read away.
const FAREWELL_BYTES: usize = 1024 * 1024;
