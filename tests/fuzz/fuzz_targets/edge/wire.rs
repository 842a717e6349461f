//! HTTP/1.1 on the wire, read in one way or not at all: which requests, or which answers, are in these bytes?
//!
//! Written from RFC 9110 and RFC 9112, apart from the gateway, and with nothing of the crates that it is made of.

/// A request, as far as it came.
#[derive(Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    /// It came to its end. Else its head did, and nothing is to be done about it.
    pub whole: bool,
}

/// Names in lower case, values without the space around them.
#[derive(Debug, Default)]
pub struct Headers(pub Vec<(String, Vec<u8>)>);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

/// How what was read ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Between two messages.
    Clean,
    /// In a message.
    Cut,
    /// Where the next byte has two readings, or none. What comes after it is nobody's.
    Ambiguous,
}

/// Reads requests up to the first that has not one reading.
pub fn requests(bytes: &[u8]) -> (Vec<Request>, End) {
    let (mut reader, mut requests) = (Reader(bytes), Vec::new());
    loop {
        // RFC 9112 section 2.2: empty lines before a request are ignored.
        while let Some(rest) = reader.0.strip_prefix(b"\r\n") {
            reader.0 = rest;
        }
        if reader.0.is_empty() {
            return (requests, End::Clean);
        }
        if let Err(end) = reader.request(&mut requests) {
            return (requests, end);
        }
    }
}

/// Reads answers to requests with these methods, and how they end. Once `closed`, the end may be that of a body.
pub fn answers(bytes: &[u8], methods: &[&str], closed: bool) -> (Vec<Answer>, End) {
    let (mut reader, mut answers) = (Reader(bytes), Vec::new());
    while !reader.0.is_empty() {
        let method = methods.get(answers.len()).copied().unwrap_or("GET");
        match reader.answer(method, closed) {
            // What is told on the way is no answer.
            Ok(answer) if answer.status < 200 => {}
            Ok(answer) => answers.push(answer),
            Err(end) => return (answers, end),
        }
    }
    (answers, End::Clean)
}

impl Headers {
    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_slice())
    }
}

struct Reader<'a>(&'a [u8]);

/// How long a body is.
enum Length {
    Bytes(usize),
    Chunks,
    ToTheEnd,
}

impl<'a> Reader<'a> {
    fn request(&mut self, requests: &mut Vec<Request>) -> Result<(), End> {
        let line = self.line()?;
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let [method, target, version] = words[..] else { return Err(End::Ambiguous) };
        let visible = |byte: &u8| (0x21..=0x7e).contains(byte);
        let http_1_0 = version == b"HTTP/1.0";
        if !token(method)
            || target.is_empty()
            || !target.iter().all(visible)
            || !(http_1_0 || version == b"HTTP/1.1")
        {
            return Err(End::Ambiguous);
        }
        let headers = self.headers()?;
        let length = match headers.length()? {
            Length::Chunks if http_1_0 => return Err(End::Ambiguous),
            // RFC 9112 section 6.3, rule 7: a request without either has no body.
            Length::ToTheEnd => Length::Bytes(0),
            length => length,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (method, target) = (text(method), text(target));
        requests.push(Request { method, target, headers, body: Vec::new(), whole: false });
        let request = requests.last_mut().ok_or(End::Cut)?;
        request.body = self.body(length)?;
        request.whole = true;
        Ok(())
    }

    fn answer(&mut self, method: &str, closed: bool) -> Result<Answer, End> {
        let line = self.line()?;
        let status = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
        let status = status.and_then(|rest| rest.split_first_chunk::<3>()).ok_or(End::Ambiguous)?;
        let (digits, reason) = status;
        if !digits.iter().all(u8::is_ascii_digit)
            || !reason.starts_with(b" ")
            || !reason.iter().all(in_value)
        {
            return Err(End::Ambiguous);
        }
        let status = digits.iter().fold(0, |status, digit| 10 * status + u16::from(digit - b'0'));
        let headers = self.headers()?;
        // Of a head that cannot be read nobody knows that it is a HEAD.
        let unread = [400, 431].contains(&status) && self.0.starts_with(b"{");
        let bodiless =
            (method == "HEAD" && !unread) || status < 200 || status == 204 || status == 304;
        let length = match headers.length()? {
            _ if bodiless => Length::Bytes(0),
            Length::ToTheEnd if !closed => return Err(End::Cut),
            length => length,
        };
        Ok(Answer { status, headers, body: self.body(length)? })
    }

    fn headers(&mut self) -> Result<Headers, End> {
        let mut headers = Headers::default();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(headers);
            }
            let colon = line.iter().position(|byte| *byte == b':').ok_or(End::Ambiguous)?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if !token(name) || !value.iter().all(in_value) {
                return Err(End::Ambiguous);
            }
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            headers.0.push((name, trimmed(value).to_vec()));
        }
    }

    fn body(&mut self, length: Length) -> Result<Vec<u8>, End> {
        match length {
            Length::Bytes(length) => self.take(length).map(<[u8]>::to_vec),
            Length::ToTheEnd => Ok(std::mem::take(&mut self.0).to_vec()),
            Length::Chunks => {
                let mut body = Vec::new();
                loop {
                    let size = chunk_size(self.line()?)?;
                    if size == 0 {
                        // Trailers have the form of headers, and no meaning here.
                        return self.headers().map(|_trailers| body);
                    }
                    body.extend_from_slice(self.take(size)?);
                    for due in b"\r\n" {
                        if self.take(1)? != [*due] {
                            return Err(End::Ambiguous);
                        }
                    }
                }
            }
        }
    }

    /// A line without its CRLF. A CR ends a line or nothing, and nothing but CRLF ends a line.
    fn line(&mut self) -> Result<&'a [u8], End> {
        let end = self.0.iter().position(|byte| [b'\r', b'\n'].contains(byte)).ok_or(End::Cut)?;
        let (line, rest) = self.0.split_at(end);
        match rest {
            [b'\r'] => Err(End::Cut),
            [b'\r', b'\n', rest @ ..] => {
                self.0 = rest;
                Ok(line)
            }
            _ => Err(End::Ambiguous),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], End> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(End::Cut)?;
        self.0 = rest;
        Ok(taken)
    }
}

impl Headers {
    /// RFC 9112 section 6.3, without what it lets a server forgive.
    fn length(&self) -> Result<Length, End> {
        let lengths: Vec<_> = self.all("content-length").collect();
        let codings: Vec<_> = self.all("transfer-encoding").collect();
        match (&lengths[..], &codings[..]) {
            ([], []) => Ok(Length::ToTheEnd),
            ([length], []) => number(length, 10).map(Length::Bytes),
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Length::Chunks),
            _ => Err(End::Ambiguous),
        }
    }
}

/// RFC 9112 section 7.1: the size, and an extension that may hold what a header's value may.
fn chunk_size(line: &[u8]) -> Result<usize, End> {
    let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
    if !line[end..].iter().all(in_value) {
        return Err(End::Ambiguous);
    }
    let digits = &line[..end];
    if digits.first().is_none_or(|byte| !byte.is_ascii_hexdigit()) {
        return Err(End::Ambiguous);
    }
    number(trimmed(digits), 16)
}

/// Reads digits and nothing else. What is larger than any input has no end.
fn number(digits: &[u8], radix: u32) -> Result<usize, End> {
    if digits.is_empty() {
        return Err(End::Ambiguous);
    }
    let mut number = 0_u64;
    for digit in digits {
        let digit = char::from(*digit).to_digit(radix).ok_or(End::Ambiguous)?;
        let more = number
            .checked_mul(u64::from(radix))
            .and_then(|more| more.checked_add(u64::from(digit)));
        number = more.ok_or(End::Ambiguous)?;
    }
    Ok(usize::try_from(number).unwrap_or(usize::MAX))
}

/// RFC 9110 section 5.6.2.
fn token(bytes: &[u8]) -> bool {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(in_token)
}

/// RFC 9110 section 5.5: no control character but a tab.
fn in_value(byte: &u8) -> bool {
    *byte == b'\t' || (0x20..=0x7e).contains(byte) || 0x80 <= *byte
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
