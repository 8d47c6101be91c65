//! Reads answers. Everything in them is the peer's, so everything has a bound.

use std::io::{self, Read};

use super::{Failure, Request, is_token};

/// A status line with all headers, and all trailers.
const MAX_HEAD: usize = 64 << 10;
/// The line before a chunk.
const MAX_LINE: usize = 1 << 10;
/// Interim answers before the one that counts.
const MAX_INTERIM: usize = 5;

#[derive(Debug)]
pub(crate) struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body had more bytes than the request wanted to read.
    pub truncated: bool,
    /// The connection stands where the next answer begins.
    pub(super) reusable: bool,
}

impl Response {
    /// The first header of a name in lower case, or the empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    fn says(&self, name: &str, word: &str) -> bool {
        let values = self.headers.iter().filter(|(n, _)| n == name);
        values.flat_map(|(_, v)| v.split(',')).any(|v| v.trim().eq_ignore_ascii_case(word))
    }
}

/// Reads the answer to a request. `silent` becomes false with its first byte.
pub(in crate::export) fn read_response(stream: &mut impl Read, request: &Request<'_>, silent: &mut bool) -> Result<Response, Failure> {
    let mut input = Input { stream, buffer: Vec::new(), at: 0, silent };
    for _ in 0..=MAX_INTERIM {
        let head = input.head().map_err(|e| Failure::of("read the answer", &e))?;
        let Some(mut response) = parse_head(&head) else {
            return Err(Failure::connection("the answer is not HTTP/1.1"));
        };
        if (100..200).contains(&response.status) && response.status != 101 {
            continue;
        }
        match input.body(&mut response, request) {
            Ok(()) => return Ok(response),
            Err(e) => return Err(Failure::of("read the answer's body", &e)),
        }
    }
    Err(Failure::connection("too many interim answers"))
}

fn parse_head(head: &[u8]) -> Option<Response> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.splitn(3, ' ');
    let minor = words.next()?.strip_prefix("HTTP/1.")?;
    let status = words.next().filter(|w| w.len() == 3)?.parse().ok().filter(|s| *s >= 100)?;
    let mut response = Response { status, headers: Vec::new(), body: Vec::new(), truncated: false, reusable: false };
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        response.headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
    }
    response.reusable = minor == "1" && !response.says("connection", "close");
    Some(response)
}

struct Input<'a, R> {
    stream: &'a mut R,
    buffer: Vec<u8>,
    at: usize,
    silent: &'a mut bool,
}

impl<R: Read> Input<'_, R> {
    /// Reads more into the buffer; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        if self.at > 0 {
            self.buffer.drain(..self.at);
            self.at = 0;
        }
        let old = self.buffer.len();
        self.buffer.resize(old + (8 << 10), 0);
        let read = loop {
            match self.stream.read(&mut self.buffer[old..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(old + read.as_ref().copied().unwrap_or(0));
        let read = read?;
        *self.silent &= read == 0;
        Ok(read > 0)
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    fn fill_or_end(&mut self) -> io::Result<()> {
        if self.fill()? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The bytes before the next `end`, which is consumed too.
    fn until(&mut self, end: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let rest = self.rest();
            let from = searched;
            if let Some(found) = rest[from..].windows(end.len()).position(|w| w == end) {
                let found = from + found;
                let bytes = rest[..found].to_vec();
                self.at += found + end.len();
                return Ok(bytes);
            }
            searched = rest.len().saturating_sub(end.len() - 1);
            if rest.len() > most {
                return Err(io::Error::other("it has too long a header"));
            }
            self.fill_or_end()?;
        }
    }

    fn head(&mut self) -> io::Result<Vec<u8>> {
        self.until(b"\r\n\r\n", MAX_HEAD)
    }

    fn body(&mut self, response: &mut Response, request: &Request<'_>) -> io::Result<()> {
        if request.method == "HEAD" || matches!(response.status, 204 | 304) {
            return Ok(());
        }
        if !response.header("transfer-encoding").is_empty() {
            if !response.says("transfer-encoding", "chunked") {
                return Err(io::Error::other("its transfer encoding is unknown"));
            }
            return self.chunks(response, request.max_answer);
        }
        match response.header("content-length") {
            "" => {
                response.reusable = false;
                while self.take(response, usize::MAX, request.max_answer) && self.fill()? {}
                Ok(())
            }
            length => {
                let digits = length.bytes().all(|b| b.is_ascii_digit());
                let Some(length) = length.parse().ok().filter(|_| digits) else {
                    return Err(io::Error::other("its length is no number"));
                };
                self.exactly(response, length, request.max_answer)
            }
        }
    }

    /// Moves at most `most` bytes of the buffer to the body; false when that is full.
    fn take(&mut self, response: &mut Response, most: usize, max_answer: usize) -> bool {
        let there = self.rest().len().min(most);
        let room = max_answer - response.body.len();
        let taken = there.min(room);
        response.body.extend_from_slice(&self.buffer[self.at..self.at + taken]);
        self.at += taken;
        if there > room {
            response.truncated = true;
            response.reusable = false;
        }
        !response.truncated
    }

    fn exactly(&mut self, response: &mut Response, mut left: u64, max_answer: usize) -> io::Result<()> {
        loop {
            let before = response.body.len();
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            if !self.take(response, most, max_answer) {
                return Ok(());
            }
            left -= (response.body.len() - before) as u64;
            if left == 0 {
                return Ok(());
            }
            self.fill_or_end()?;
        }
    }

    fn chunks(&mut self, response: &mut Response, max_answer: usize) -> io::Result<()> {
        loop {
            let line = self.until(b"\r\n", MAX_LINE)?;
            let size = line.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
            let size = std::str::from_utf8(size).ok().filter(|s| s.bytes().all(|b| b.is_ascii_hexdigit()));
            let Some(size) = size.and_then(|s| u64::from_str_radix(s, 16).ok()) else {
                return Err(io::Error::other("a chunk's size is no number"));
            };
            if size == 0 {
                let mut trailers = 0;
                loop {
                    let line = self.until(b"\r\n", MAX_LINE)?;
                    trailers += line.len();
                    if line.is_empty() {
                        return Ok(());
                    }
                    if trailers > MAX_HEAD {
                        return Err(io::Error::other("it has too many trailers"));
                    }
                }
            }
            self.exactly(response, size, max_answer)?;
            if response.truncated {
                return Ok(());
            }
            if !self.until(b"\r\n", MAX_LINE)?.is_empty() {
                return Err(io::Error::other("a chunk is longer than it said"));
            }
        }
    }
}
