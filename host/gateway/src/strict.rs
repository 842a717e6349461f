//! Strictness: has a request on the wire exactly one reading?
//!
//! hyper forgives what RFC 9112 lets a server forgive: a bare LF, `Content-Length` beside `Transfer-Encoding`, the same
//! length twice. Each of them is a way to smuggle a request past one of two servers, so none of them gets through here.
//! A head reaches hyper whole and right, or not at all.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use http::{HeaderName, HeaderValue, Method, Uri, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::serve::HEAD_MAX;

/// A connection that lets only strict HTTP/1.1 requests in.
///
/// In the place of the first head that is wrong hyper reads one that is right, which [`Faults`] tells the service apart
/// by its number; in the place of a wrong frame of a body, [`POISON`]. After either it answers and closes.
#[derive(Debug)]
pub(crate) struct Strict<Io> {
    io: Io,
    judge: Judge,
    faults: Faults,
    /// What was judged and has not been read yet.
    judged: BytesMut,
    ended: bool,
    /// Nothing that comes is read any more, as a request at least.
    refused: bool,
    lingering: Option<Lingering>,
}

impl<Io> Strict<Io> {
    pub(crate) fn new(io: Io, faults: Faults) -> Self {
        Self {
            io,
            judge: Judge::default(),
            faults,
            judged: BytesMut::new(),
            ended: false,
            refused: false,
            lingering: None,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let Err(fault) = self.judge.feed(bytes, &mut self.judged) else { return };
        self.refused = true;
        match self.judge.state {
            State::Start | State::Headers => {
                self.faults.note(self.judge.heads, fault);
                self.judged.extend_from_slice(STAND_IN);
            }
            State::Body(_) | State::Size | State::Chunk(_) | State::Trailers => {
                self.judged.extend_from_slice(POISON);
            }
        }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Strict<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.judged.is_empty() && !this.ended {
            if this.refused {
                // To say that the client has ended would end the connection before the answer. Nobody waits for this:
                // hyper has all it needs to answer, and closes by itself.
                return Poll::Pending;
            }
            let mut space = [0; READ];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                this.ended = true;
            }
            this.take(read.filled());
        }
        let length = buffer.remaining().min(this.judged.len());
        buffer.put_slice(&this.judged.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<Io> {
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

    /// Ends the writing; where the client may still be sending, reads on for a while, and throws away what comes.
    ///
    /// To close a socket that holds unread bytes resets the connection, and the answer may be lost on its way.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            if this.ended || (this.judge.state == State::Start && !this.refused) {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(|| Lingering {
            until: Box::pin(sleep(LINGER_MAX)),
            left: LINGER_BYTES_MAX,
        });
        while 0 < lingering.left && lingering.until.as_mut().poll(cx).is_pending() {
            let mut space = [0; READ];
            let mut read = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut read)) {
                Ok(()) if !read.filled().is_empty() => {
                    lingering.left = lingering.left.saturating_sub(read.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What is wrong with a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It has two readings, or none.
    Malformed,
    /// It is larger than [`HEAD_MAX`], or has more than [`HEADERS_MAX`] lines.
    TooLarge,
}

/// Tells the service of a connection which of its requests was none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    served: u64,
    fault: Option<(u64, Fault)>,
}

impl Faults {
    fn note(&self, at: u64, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fault = Some((at, fault));
    }

    /// Counts a request, and says what was wrong with its head. Called once for each request of the connection, in order.
    pub(crate) fn next(&self) -> Option<Fault> {
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = counted.served;
        counted.served += 1;
        counted.fault.filter(|(faulty, _)| *faulty == at).map(|(_, fault)| fault)
    }
}

#[derive(Debug)]
struct Lingering {
    until: Pin<Box<Sleep>>,
    left: usize,
}

/// What hyper reads in the place of a head that is wrong.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: wrong\r\nConnection: close\r\n\r\n";
/// What the frame of a chunk may not hold.
const POISON: &[u8] = b"\0\r\n\r\n";
/// How many header lines a head may have: what hyper reads.
pub(crate) const HEADERS_MAX: usize = 100;
/// How much is read at once: what hyper reads first.
const READ: usize = 8 << 10;
/// How long, and how much of, a body that nobody wants is read after its answer: what a client sends before it looks.
const LINGER_MAX: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 32 << 20;

/// Follows requests over a connection, byte by byte in heads and frames, in strides in bodies.
#[derive(Debug, Default)]
struct Judge {
    state: State,
    /// How many heads were right.
    heads: u64,
    /// The head so far, or the frame's line.
    pending: Vec<u8>,
    /// Where the line begins in it.
    line_at: usize,
    headers: usize,
    length: Option<u64>,
    chunked: bool,
    version_1_0: bool,
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
    /// Follows `bytes`, and adds to `judged` what is right and whole.
    fn feed(&mut self, bytes: &[u8], judged: &mut BytesMut) -> Result<(), Fault> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.state {
                State::Body(left) => {
                    let (of_body, left, after) = stride(left, rest);
                    judged.extend_from_slice(of_body);
                    self.state = if left == 0 { State::Start } else { State::Body(left) };
                    rest = after;
                }
                State::Chunk(left) => {
                    let (of_chunk, left, after) = stride(left, rest);
                    judged.extend_from_slice(of_chunk);
                    self.state = if left == 0 { State::Size } else { State::Chunk(left) };
                    rest = after;
                }
                State::Start | State::Headers | State::Size | State::Trailers => {
                    let Some((&byte, after)) = rest.split_first() else { return Ok(()) };
                    self.byte(byte, judged)?;
                    rest = after;
                }
            }
        }
        Ok(())
    }

    /// Takes a byte of a line.
    fn byte(&mut self, byte: u8, judged: &mut BytesMut) -> Result<(), Fault> {
        if HEAD_MAX <= self.pending.len() {
            return Err(Fault::TooLarge);
        }
        let line_length = self.pending.len() - self.line_at;
        let after_cr = 0 < line_length && self.pending.last() == Some(&b'\r');
        self.pending.push(byte);
        // A CR ends a line or nothing, and nothing but CRLF ends a line.
        if after_cr != (byte == b'\n') {
            return Err(Fault::Malformed);
        }
        if byte != b'\n' {
            return Ok(());
        }
        let ended = self.pending.len() - 2;
        let line = self.pending.get(self.line_at..ended).unwrap_or_default().to_vec();
        self.line_at = self.pending.len();
        // RFC 9112 section 2.2: empty lines before a request are ignored.
        let ignored = self.state == State::Start && line.is_empty();
        if !ignored {
            self.line_ended(&line)?;
        }
        if self.state != State::Headers {
            if !ignored {
                judged.extend_from_slice(&self.pending);
            }
            self.pending.clear();
            self.line_at = 0;
        }
        Ok(())
    }

    fn line_ended(&mut self, line: &[u8]) -> Result<(), Fault> {
        self.state = match self.state {
            State::Start => {
                (self.headers, self.length, self.chunked) = (0, None, false);
                self.version_1_0 = request_line(line).ok_or(Fault::Malformed)? == Version::HTTP_10;
                State::Headers
            }
            State::Headers if line.is_empty() => {
                let body = match (self.length, self.chunked) {
                    (Some(_), true) => return Err(Fault::Malformed),
                    // RFC 9112 section 6.1: its framing is faulty.
                    (None, true) if self.version_1_0 => return Err(Fault::Malformed),
                    (None, true) => State::Size,
                    (None | Some(0), false) => State::Start,
                    (Some(length), false) => State::Body(length),
                };
                self.heads += 1;
                body
            }
            State::Headers => {
                self.count()?;
                self.header(line).ok_or(Fault::Malformed)?;
                State::Headers
            }
            State::Size => match chunk_size(line).ok_or(Fault::Malformed)? {
                0 => State::Trailers,
                size => State::Chunk(size.checked_add(2).ok_or(Fault::Malformed)?),
            },
            State::Trailers if line.is_empty() => State::Start,
            // They are dropped, and have the form of headers all the same.
            State::Trailers => {
                self.count()?;
                field(line).ok_or(Fault::Malformed)?;
                State::Trailers
            }
            State::Body(_) | State::Chunk(_) => return Err(Fault::Malformed),
        };
        Ok(())
    }

    /// Counts a line of headers or trailers.
    fn count(&mut self) -> Result<(), Fault> {
        self.headers += 1;
        if HEADERS_MAX < self.headers { Err(Fault::TooLarge) } else { Ok(()) }
    }

    fn header(&mut self, line: &[u8]) -> Option<()> {
        let (name, value) = field(line)?;
        if name == http::header::CONTENT_LENGTH {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok()?.parse().ok().filter(|_| digits)?;
            // RFC 9112 section 6.3: twice is an error, whatever it says.
            return self.length.replace(length).is_none().then_some(());
        }
        if name == http::header::TRANSFER_ENCODING {
            let once = !std::mem::replace(&mut self.chunked, true);
            return (once && value.eq_ignore_ascii_case(b"chunked")).then_some(());
        }
        Some(())
    }
}

/// Reads a line of headers or trailers.
fn field(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    // Space before the colon, or at the beginning: a continued line (RFC 9112 sections 5.1 and 5.2).
    let name = HeaderName::from_bytes(name).ok()?;
    let value = trim(value.get(1..)?);
    HeaderValue::from_bytes(value).ok()?;
    Some((name, value))
}

/// Checks a request line as hyper reads it: method, target, version, one space between them.
fn request_line(line: &[u8]) -> Option<Version> {
    let mut words = line.split(|&byte| byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    Method::from_bytes(method).ok()?;
    // RFC 3986 section 2: a URL is ASCII; what else is in it each server encodes, or does not, as it likes. RFC 9112
    // section 3.2: a target has no fragment; it would be dropped without a word.
    let plain = target.iter().all(|byte| byte.is_ascii() && *byte != b'#');
    Uri::try_from(target).ok().filter(|_| plain)?;
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        _ => return None,
    };
    words.next().is_none().then_some(version)
}

/// Trims what may stand around a value (RFC 9110 section 5.6.3): spaces and tabs, nothing else.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Splits up to `left` bytes off; gives them, how many are still due, and what comes after.
fn stride(left: u64, bytes: &[u8]) -> (&[u8], u64, &[u8]) {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let (of_body, after) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
    (of_body, left.saturating_sub(u64::try_from(length).unwrap_or(left)), after)
}

/// Reads the size of a chunk; its extensions do not matter, but hold no control character.
fn chunk_size(line: &[u8]) -> Option<u64> {
    HeaderValue::from_bytes(line).ok()?;
    let digits = line.split(|&byte| byte == b';').next()?;
    // RFC 9112 section 7.1.1: space may come behind the size, and not before it.
    let hex = digits.first()?.is_ascii_hexdigit();
    let digits = trim(digits);
    let hex = hex && digits.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|_| hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: Result<(), Fault>) {
        for stride in [1, 7, request.len()] {
            let (mut judge, mut judged) = (Judge::default(), BytesMut::new());
            let mut strides = request.as_bytes().chunks(stride);
            let given = strides.try_for_each(|bytes| judge.feed(bytes, &mut judged));
            assert_eq!(given, expected, "{request:?} by {stride}");
            if given.is_ok() {
                assert_eq!(judge.state, State::Start, "{request:?} by {stride}");
                assert_eq!(judged, request.trim_start(), "{request:?} by {stride}");
            }
        }
    }

    #[test]
    fn requests_with_one_reading_pass() {
        for request in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost:a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\nbGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x\r\na\nb\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
        ] {
            check(request, Ok(()));
        }
    }

    /// No 37 of the catalogue.
    #[test]
    fn requests_with_two_readings_do_not() {
        for request in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: \x0cchunked\r\n\r\n",
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3, 3\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\nA: b\n\n",
            "GET / HTTP/1.1\r\nA: b\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nA\r\n\r\n",
            "GET / HTTP/1.1\r\nA: \0\r\n\r\n",
            "GET / HTTP/1.1\r\n: b\r\n\r\n",
            "GET /\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET / HTTP/2.0\r\n\r\n",
            "G(T / HTTP/1.1\r\n\r\n",
            "GET /\x7f HTTP/1.1\r\n\r\n",
            "GET /\u{e9} HTTP/1.1\r\n\r\n",
            "GET /?\u{e9} HTTP/1.1\r\n\r\n",
            "GET /a#b HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a\0b\r\na\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\x0c\r\na\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n",
        ] {
            check(request, Err(Fault::Malformed));
        }
    }

    #[test]
    fn a_head_has_an_end() {
        let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(HEAD_MAX));
        check(&long, Err(Fault::TooLarge));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX + 1));
        check(&many, Err(Fault::TooLarge));
        check(&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX)), Ok(()));
    }

    #[test]
    fn the_request_that_was_none_is_told_by_its_number() {
        let faults = Faults::default();
        let mut strict = Strict::new((), faults.clone());
        strict.take(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\nHost: a\n\n");
        assert_eq!(
            (faults.next(), faults.next(), faults.next()),
            (None, Some(Fault::Malformed), None)
        );
    }
}
