//! A small HTTP/1.1 client on blocking sockets, for the exporter and the policy
//! poller: one connection, one request at a time, a deadline over everything from the
//! name's resolution to the last byte of the answer, bounded answers, no redirects,
//! no telemetry about itself.

mod address;
mod connect;
mod proxy;
mod response;
#[cfg(feature = "tls")]
mod tls;

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use address::{Address, without_secrets};
use connect::{Connector, Stream};
pub(crate) use response::Response;
pub(super) use response::read_response;

use super::config::TlsFiles;

/// A connection that was idle for longer is not used again: the peer or something
/// between has probably forgotten it.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// A request on a [`Client`].
pub(crate) struct Request<'a> {
    pub method: &'a str,
    /// Names as they go on the wire. `host`, `content-length` and `connection` are the
    /// client's own, unless `host` is given.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    pub deadline: Instant,
    /// The body's bytes that are read at most; see [`Response::truncated`].
    pub max_answer: usize,
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// `timeout`, `tls` or `connection`.
    pub kind: &'static str,
    pub text: String,
}

impl Failure {
    fn connection(text: impl Into<String>) -> Failure {
        Failure { kind: "connection", text: text.into() }
    }

    fn of(doing: &str, error: &io::Error) -> Failure {
        let kind = match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "timeout",
            // What rustls reports of the peer comes in this shape.
            io::ErrorKind::InvalidData => "tls",
            _ => "connection",
        };
        Failure { kind, text: format!("{doing}: {error}") }
    }
}

/// Ends the request of another thread and lets all later ones fail.
#[derive(Clone, Default)]
pub(crate) struct Canceller(Arc<Cancel>);

#[derive(Default)]
struct Cancel {
    cancelled: AtomicBool,
    socket: Mutex<Option<TcpStream>>,
}

impl Canceller {
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Relaxed);
        let socket = self.0.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = &*socket {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Relaxed)
    }

    /// Lets `cancel` reach a new connection.
    fn watch(&self, socket: Option<TcpStream>) {
        *self.0.socket.lock().unwrap_or_else(PoisonError::into_inner) = socket;
        if self.is_cancelled() {
            self.cancel();
        }
    }
}

/// Sends requests to one address.
pub(crate) struct Client {
    address: Address,
    connector: Connector,
    canceller: Canceller,
    kept: Option<(Stream, Instant)>,
}

impl Client {
    pub fn new(address: Address, tls: &TlsFiles, canceller: Canceller) -> Client {
        Client::with_env(address, tls, canceller, |name| std::env::var(name).ok())
    }

    /// With an environment that says where proxies are.
    pub fn with_env(address: Address, tls: &TlsFiles, canceller: Canceller, env: impl Fn(&str) -> Option<String>) -> Client {
        let connector = Connector::new(&address, tls, env);
        Client { address, connector, canceller, kept: None }
    }

    /// Makes one request. A kept connection that the peer has closed meanwhile is no
    /// failure: the request then goes over a new one.
    pub fn send(&mut self, request: &Request<'_>) -> Result<Response, Failure> {
        let head = self.head(request);
        if let Some((mut stream, since)) = self.kept.take() {
            if since.elapsed() < MAX_IDLE {
                match self.exchange(&mut stream, &head, request) {
                    Err((failure, silent)) if !silent || failure.kind == "timeout" => {
                        return Err(failure);
                    }
                    Err(_) => {}
                    Ok(response) => return Ok(self.keep(stream, response)),
                }
            }
        }
        if self.canceller.is_cancelled() {
            return Err(Failure::connection("stopped"));
        }
        let mut stream = self.connector.connect(request.deadline, |s| self.canceller.watch(s))?;
        let result = self.exchange(&mut stream, &head, request);
        match result {
            Ok(response) => Ok(self.keep(stream, response)),
            Err((failure, _)) => {
                self.canceller.watch(None);
                Err(failure)
            }
        }
    }

    fn keep(&mut self, stream: Stream, response: Response) -> Response {
        if response.reusable {
            self.kept = Some((stream, Instant::now()));
        } else {
            self.canceller.watch(None);
        }
        response
    }

    fn head(&self, request: &Request<'_>) -> String {
        let mut head = String::with_capacity(512);
        head.push_str(request.method);
        head.push(' ');
        head.push_str(&self.connector.target(&self.address));
        head.push_str(" HTTP/1.1\r\n");
        let mut add = |name: &str, value: &str| {
            // A value must not start a header or a request of its own.
            let clean = |b: u8| b == b'\t' || (b >= b' ' && b != 0x7f);
            if value.bytes().all(clean) && !name.is_empty() && name.bytes().all(is_token) {
                head.push_str(name);
                head.push_str(": ");
                head.push_str(value);
                head.push_str("\r\n");
            }
        };
        let given = |name: &str| request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !given("host") {
            add("host", &self.address.authority());
        }
        for (name, value) in request.headers {
            add(name, value);
        }
        match &self.address.authorization {
            Some(value) if !given("authorization") => add("authorization", value),
            _ => {}
        }
        match self.connector.proxy_authorization(&self.address) {
            Some(value) if !given("proxy-authorization") => add("proxy-authorization", value),
            _ => {}
        }
        if request.method != "GET" {
            add("content-length", &request.body.len().to_string());
        }
        head.push_str("\r\n");
        head
    }

    /// Writes the request, reads the answer. An error says too whether the peer was
    /// silent, so that the request may be made again.
    fn exchange(&self, stream: &mut Stream, head: &str, request: &Request<'_>) -> Result<Response, (Failure, bool)> {
        stream.set_deadline(request.deadline);
        let written = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(request.body)).and_then(|()| stream.flush());
        if let Err(error) = &written {
            if error.kind() == io::ErrorKind::TimedOut {
                return Err((Failure::of("write the request", error), false));
            }
        }
        // A peer that refuses a body may answer and close before it has read all of it.
        let mut silent = true;
        match (read_response(stream, request, &mut silent), written) {
            (Ok(mut response), written) => {
                response.reusable &= written.is_ok();
                Ok(response)
            }
            (Err(_), Err(error)) if silent => Err((Failure::of("write the request", &error), true)),
            (Err(failure), _) => Err((failure, silent)),
        }
    }
}

/// What may stand in the name of a header.
pub(super) fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}
