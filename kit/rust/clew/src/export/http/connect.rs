//! Connections: resolving, connecting, the proxy, TLS, and a deadline over each call.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use super::address::Address;
use super::proxy::proxy_for;
use super::response::read_response;
use super::{Failure, Request, TlsFiles};

/// A socket on which each call ends at the deadline.
pub(super) struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// Where a socket's time is over, systems say "would block".
fn timed_out<T>(result: io::Result<T>) -> io::Result<T> {
    result.map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => e,
    })
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        timed_out(self.socket.read(into))
    }
}

impl Write for Timed {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        timed_out(self.socket.write(from))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) enum Stream {
    Plain(Timed),
    #[cfg(feature = "tls")]
    Tls(super::tls::Secured),
}

impl Stream {
    pub fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Stream::Plain(timed) => timed.deadline = deadline,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.sock.deadline = deadline,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(timed) => timed.read(into),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(timed) => timed.write(from),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.write(from),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(timed) => timed.flush(),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.flush(),
        }
    }
}

/// Makes connections to one address.
pub(super) struct Connector {
    /// Host and port behind the proxy, for CONNECT.
    address: Address,
    proxy: Result<Option<Address>, String>,
    #[cfg(feature = "tls")]
    tls: Option<Result<super::tls::Tls, String>>,
    /// A resolution that took longer than its attempt had time.
    resolving: Option<Receiver<io::Result<Vec<SocketAddr>>>>,
}

impl Connector {
    pub fn new(address: &Address, tls: &TlsFiles, env: impl Fn(&str) -> Option<String>) -> Connector {
        #[cfg(not(feature = "tls"))]
        let _ = tls;
        Connector {
            proxy: proxy_for(address, &env),
            #[cfg(feature = "tls")]
            tls: address.secure.then(|| super::tls::Tls::new(&address.host, tls, &env)),
            address: address.clone(),
            resolving: None,
        }
    }

    fn proxy(&self) -> Option<&Address> {
        self.proxy.as_ref().ok().and_then(Option::as_ref)
    }

    /// What stands in a request line: a proxy needs to know the host too.
    pub fn target(&self, address: &Address) -> String {
        match self.proxy() {
            Some(_) if !address.secure => format!("http://{}{}", address.authority(), address.target),
            _ => address.target.clone(),
        }
    }

    /// For requests that go to the proxy itself.
    pub fn proxy_authorization(&self, address: &Address) -> Option<&str> {
        self.proxy().filter(|_| !address.secure)?.authorization.as_deref()
    }

    /// Connects before the deadline. `watch` gets a second handle of the socket.
    pub fn connect(&mut self, deadline: Instant, watch: impl Fn(Option<TcpStream>)) -> Result<Stream, Failure> {
        let proxy = self.proxy.clone().map_err(Failure::connection)?;
        let peer = proxy.as_ref().unwrap_or(&self.address);
        let (host, port) = (peer.host.clone(), peer.port);
        let addresses = self.resolve(&host, port, deadline)?;
        let socket = connect_any(&addresses, deadline).map_err(|e| Failure::of(&format!("connect to {host}:{port}"), &e))?;
        // The request is written in few large pieces; waiting to join them helps nobody.
        let _ = socket.set_nodelay(true);
        watch(socket.try_clone().ok());
        let mut timed = Timed { socket, deadline };
        if !self.address.secure {
            return Ok(Stream::Plain(timed));
        }
        if let Some(proxy) = &proxy {
            tunnel(&mut timed, &self.address, proxy)?;
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let tls = tls.as_ref().map_err(|text| Failure { kind: "tls", text: text.clone() })?;
            return tls.secure(timed).map(Stream::Tls);
        }
        Err(Failure { kind: "tls", text: "https needs the feature `tls` of the crate clew".to_owned() })
    }

    /// Resolves on another thread, because the system's resolver has no deadline of its
    /// own. At most one such thread is under way.
    fn resolve(&mut self, host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let receiver = match self.resolving.take() {
            Some(receiver) => receiver,
            None => {
                let (sender, receiver) = sync_channel(1);
                let place = (host.to_owned(), port);
                let thread = std::thread::Builder::new().name("clew-resolve".to_owned());
                let resolve = move || {
                    let _ = sender.send(place.to_socket_addrs().map(Iterator::collect));
                };
                thread.spawn(resolve).map_err(|e| Failure::of("start a thread", &e))?;
                receiver
            }
        };
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(Failure::of(&format!("resolve {host}"), &error)),
            Err(RecvTimeoutError::Timeout) => {
                self.resolving = Some(receiver);
                Err(Failure::of(&format!("resolve {host}"), &io::ErrorKind::TimedOut.into()))
            }
            Err(RecvTimeoutError::Disconnected) => Err(Failure::connection("the resolver panicked")),
        }
    }
}

/// Tries each address with an equal share of the time that is left.
fn connect_any(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (i, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / (addresses.len() - i) as u32;
        if share.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Asks the proxy for a connection to the address.
fn tunnel(stream: &mut Timed, address: &Address, proxy: &Address) -> Result<(), Failure> {
    let place = address.host_port();
    let mut head = format!("CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n");
    if let Some(value) = &proxy.authorization {
        head.push_str(&format!("proxy-authorization: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).map_err(|e| Failure::of("ask the proxy", &e))?;
    // Like an answer to HEAD, one to CONNECT has no body when it is a success.
    let request = Request { method: "HEAD", headers: &[], body: &[], deadline: stream.deadline, max_answer: 0 };
    let response = read_response(stream, &request, &mut false)?;
    match response.status {
        200..=299 => Ok(()),
        status => Err(Failure::connection(format!("the proxy says {status} to CONNECT {place}"))),
    }
}
