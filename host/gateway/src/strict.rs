//! Strictness: has a request on the wire exactly one reading?
//!
//! hyper forgives what RFC 9112 lets a server forgive: a bare LF, `Content-Length` beside `Transfer-Encoding`, the same
//! length twice. Each of them is a way to smuggle a request past one of two servers, so none of them gets through here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection that lets only strict HTTP/1.1 requests in.
///
/// At the first byte that is wrong the reader gets [`POISON`] and then the end, so that hyper answers 400 and closes.
#[derive(Debug)]
pub(crate) struct Strict<Io> {
    io: Io,
    judge: Judge,
    poisoned: bool,
    ended: bool,
}

impl<Io> Strict<Io> {
    pub(crate) fn new(io: Io) -> Self {
        Self { io, judge: Judge::default(), poisoned: false, ended: false }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Strict<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        if !self.poisoned {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
            let read = buffer.filled().get(before..).unwrap_or_default();
            let Err(good) = self.judge.feed(read) else { return Poll::Ready(Ok(())) };
            self.poisoned = true;
            buffer.set_filled(before + good);
            // What was right before is delivered first: zero bytes would mean the end.
            if 0 < good {
                return Poll::Ready(Ok(()));
            }
        }
        self.ended = true;
        let poison = POISON.get(..buffer.remaining().min(POISON.len())).unwrap_or_default();
        buffer.put_slice(poison);
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Strict<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// What neither a head nor the frame of a chunk may hold.
const POISON: &[u8] = b"\0\r\n\r\n";
/// The longest line: a head of 16 KiB is refused by hyper with 431, so no line of a good one is longer.
const LINE_MAX: usize = 17 << 10;

/// Follows requests over a connection, byte by byte in heads and frames, in strides in bodies.
#[derive(Debug, Default)]
struct Judge {
    state: State,
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A request line is due.
    #[default]
    Start,
    /// A header line, or the empty line, is due.
    Headers,
    /// This many bytes of a body are due.
    Body(u64),
    /// The size of a chunk is due.
    Size,
    /// This many bytes of a chunk are due, its CRLF among them.
    Chunk(u64),
    /// A trailer line, or the empty line, is due.
    Trailers,
}

impl Judge {
    /// Follows `bytes`; the error is the number of bytes that were right.
    fn feed(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            match self.state {
                State::Body(left) => {
                    let (left, after) = stride(left, rest);
                    self.state = if left == 0 { State::Start } else { State::Body(left) };
                    rest = after;
                }
                State::Chunk(left) => {
                    let (left, after) = stride(left, rest);
                    self.state = if left == 0 { State::Size } else { State::Chunk(left) };
                    rest = after;
                }
                State::Start | State::Headers | State::Size | State::Trailers => {
                    let Some((&byte, after)) = rest.split_first() else { return Ok(()) };
                    self.byte(byte).ok_or(at)?;
                    rest = after;
                }
            }
        }
        Ok(())
    }

    /// Takes a byte of a line.
    fn byte(&mut self, byte: u8) -> Option<()> {
        let after_cr = self.line.last() == Some(&b'\r');
        if byte != b'\n' {
            // A CR ends a line or nothing; a line that never ends is no line.
            if after_cr || self.line.len() >= LINE_MAX {
                return None;
            }
            self.line.push(byte);
            return Some(());
        }
        if !after_cr {
            return None;
        }
        self.line.pop();
        let line = std::mem::take(&mut self.line);
        self.line_ended(&line)
    }

    fn line_ended(&mut self, line: &[u8]) -> Option<()> {
        self.state = match self.state {
            // RFC 9112 section 2.2: empty lines before a request are ignored.
            State::Start if line.is_empty() => State::Start,
            State::Start => {
                (self.length, self.chunked) = (None, false);
                line.ends_with(b" HTTP/1.1")
                    .then_some(State::Headers)
                    .or_else(|| line.ends_with(b" HTTP/1.0").then_some(State::Headers))?
            }
            State::Headers if line.is_empty() => match (self.length, self.chunked) {
                (Some(_), true) => return None,
                (None, true) => State::Size,
                (None | Some(0), false) => State::Start,
                (Some(length), false) => State::Body(length),
            },
            State::Headers => {
                self.header(line)?;
                State::Headers
            }
            State::Size => match chunk_size(line)? {
                0 => State::Trailers,
                size => State::Chunk(size.checked_add(2)?),
            },
            State::Trailers if line.is_empty() => State::Start,
            State::Trailers => State::Trailers,
            State::Body(_) | State::Chunk(_) => return None,
        };
        Some(())
    }

    fn header(&mut self, line: &[u8]) -> Option<()> {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        // Space before the colon, or at the beginning: a continued line (RFC 9112 sections 5.1 and 5.2).
        if name.is_empty() || name.iter().any(|byte| b" \t".contains(byte)) {
            return None;
        }
        let value = value.get(1..)?.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok()?.parse().ok().filter(|_| digits)?;
            // RFC 9112 section 6.3: twice is an error, whatever it says.
            return self.length.replace(length).is_none().then_some(());
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let once = !std::mem::replace(&mut self.chunked, true);
            return (once && value.eq_ignore_ascii_case(b"chunked")).then_some(());
        }
        Some(())
    }
}

/// Skips up to `left` bytes; gives how many are still due, and what comes after.
fn stride(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let after = bytes.get(length..).unwrap_or_default();
    (left.saturating_sub(u64::try_from(length).unwrap_or(left)), after)
}

/// Reads the size of a chunk; its extensions do not matter.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii_end();
    let hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|_| hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: bool) {
        for stride in [1, 7, request.len()] {
            let mut judge = Judge::default();
            let good = request.as_bytes().chunks(stride).all(|bytes| judge.feed(bytes).is_ok());
            assert_eq!(good, expected, "{request:?} by {stride}");
            assert!(!good || judge.state == State::Start, "{request:?} ends with {judge:?}");
        }
    }

    #[test]
    fn requests_with_one_reading_pass() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true);
        check("\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost:a\r\n\r\n", true);
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.1\r\n\r\n", true);
        check(
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x\r\na\nb\r\n0\r\n\r\n",
            true,
        );
    }

    /// No 37 of the catalogue.
    #[test]
    fn requests_with_two_readings_do_not() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\nA: b\n\n",
            "GET / HTTP/1.1\r\nA: b\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nA\r\n\r\n",
            "GET /\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        ] {
            check(head, false);
        }
    }
}
