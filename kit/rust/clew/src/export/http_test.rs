//! The client against peers that tests play.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::TlsFiles;
use super::http::{Address, Canceller, Client, Failure, Request, Response};

fn request<'a>(body: &'a [u8], headers: &'a [(&'a str, &'a str)]) -> Request<'a> {
    Request { method: "POST", headers, body, deadline: Instant::now() + Duration::from_secs(5), max_answer: 64 << 10 }
}

/// A peer that reads one request with a body of four bytes and writes an answer.
fn peer(answer: &'static [u8]) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        let mut buffer = [0; 1024];
        while !got.ends_with(b"body") {
            match socket.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(n) => got.extend_from_slice(&buffer[..n]),
            }
        }
        let _ = socket.write_all(answer);
        String::from_utf8(got).unwrap()
    });
    (port, thread)
}

fn ask(answer: &'static [u8]) -> Result<Response, Failure> {
    let (port, thread) = peer(answer);
    let address = Address::parse(&format!("http://127.0.0.1:{port}/v1/traces")).unwrap();
    let result = Client::new(address, &TlsFiles::default(), Canceller::default()).send(&request(b"body", &[]));
    thread.join().unwrap();
    result
}

#[test]
fn a_request_is_written_as_http_says() {
    let (port, thread) = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Two:  a b \r\n\r\nhi");
    let address = Address::parse(&format!("http://u:p@127.0.0.1:{port}/v1/traces?x=1")).unwrap();
    let mut client = Client::new(address, &TlsFiles::default(), Canceller::default());
    let headers = [("a", "1"), ("evil", "x\r\ninjected: 1"), ("bad name", "x")];
    let response = client.send(&request(b"body", &headers)).unwrap();
    assert_eq!((response.status, response.body.as_slice(), response.header("x-two")), (200, &b"hi"[..], "a b"));
    let want = format!(
        "POST /v1/traces?x=1 HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\na: 1\r\nauthorization: Basic dTpw\r\ncontent-length: 4\r\n\r\nbody"
    );
    assert_eq!(thread.join().unwrap(), want);
}

#[test]
fn answers_are_read_to_their_bounds() {
    let body = |answer| ask(answer).map(|r| (r.status, String::from_utf8_lossy(&r.body).into_owned(), r.truncated));
    let fine = |status, text: &str| Ok((status, text.to_owned(), false));
    assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\nto the end"), fine(200, "to the end"));
    assert_eq!(body(b"HTTP/1.0 503\r\ncontent-length: 0\r\n\r\n"), fine(503, ""));
    assert_eq!(body(b"HTTP/1.1 204 \r\ncontent-length: 9\r\n\r\n"), fine(204, ""));
    assert_eq!(body(b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"), fine(200, "x"));
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\nA;e=1\r\n0123456789\r\n0\r\nt: x\r\n\r\n";
    assert_eq!(body(chunked), fine(200, "abc0123456789"));
    for broken in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nfold: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ] {
        let failure = ask(broken).expect_err(&String::from_utf8_lossy(broken));
        assert_eq!(failure.kind, "connection", "{}", failure.text);
    }
}

#[test]
fn a_body_is_cut_at_the_most_that_is_wanted() {
    for (wanted, got, truncated) in [(3, 3, true), (4, 4, false), (5, 4, false), (0, 0, true)] {
        let (port, thread) = peer(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd");
        let address = Address::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let mut client = Client::new(address, &TlsFiles::default(), Canceller::default());
        let response = client.send(&Request { max_answer: wanted, ..request(b"body", &[]) }).unwrap();
        assert_eq!((response.body.len(), response.truncated), (got, truncated), "{wanted}");
        thread.join().unwrap();
    }
}

/// Whatever comes, reading it ends, within its bounds and without a panic.
#[test]
fn random_answers_are_survived() {
    let seeds: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789",
        b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 429 Slow\r\nretry-after: 7\r\n\r\nrest",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut read = 0;
    for round in 0..100_000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..random(6) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, b"\r\n0:; f"[random(7)]),
                _ => bytes[at] ^= 1 << random(8),
            }
        }
        let mut wanted = request(b"", &[]);
        wanted.max_answer = 8;
        if let Ok(response) = super::http::read_response(&mut bytes.as_slice(), &wanted, &mut true) {
            assert!(response.body.len() <= 8 && response.status >= 100);
            read += 1;
        }
        let (rejected, text) = super::answer::partial_success(&bytes);
        assert!(rejected >= 0 && text.len() <= 256);
    }
    assert!((10_000..90_000).contains(&read), "{read}");
}

#[test]
fn a_request_can_be_ended_by_another_thread() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let canceller = Canceller::default();
    let mut client = Client::new(address, &TlsFiles::default(), canceller.clone());
    let began = Instant::now();
    std::thread::scope(|s| {
        s.spawn(|| {
            let socket = listener.accept().unwrap();
            canceller.cancel();
            drop(socket);
        });
        assert_eq!(client.send(&request(b"body", &[])).unwrap_err().kind, "connection");
    });
    assert_eq!(client.send(&request(b"body", &[])).unwrap_err().text, "stopped");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn deadlines_hold_while_connecting_writing_and_reading() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let mut client = Client::new(address, &TlsFiles::default(), Canceller::default());
    let deadline = Duration::from_millis(100);
    for body in [vec![0; 10], vec![0; 16 << 20]] {
        // Nobody reads: the large body does not fit into the sockets' buffers.
        let began = Instant::now();
        let failure = client.send(&Request { deadline: began + deadline, ..request(&body, &[]) }).unwrap_err();
        assert_eq!(failure.kind, "timeout", "{}", failure.text);
        let took = began.elapsed();
        assert!(took >= deadline && took < Duration::from_secs(2), "{took:?}");
    }
    assert_eq!(client.send(&Request { deadline: Instant::now(), ..request(b"", &[]) }).unwrap_err().kind, "timeout");
}

/// A proxy that notes the head of a request and answers, or connects to `to`.
fn proxy(to: Option<String>) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|n| n == 1) {
            head.push(byte[0]);
        }
        match to {
            None => {
                let mut body = [0; 4];
                socket.read_exact(&mut body).unwrap();
                socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
            Some(to) => {
                socket.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
                let mut peer = TcpStream::connect(to).unwrap();
                let (mut from, mut back) = (socket.try_clone().unwrap(), peer.try_clone().unwrap());
                let copying = std::thread::spawn(move || std::io::copy(&mut back, &mut socket));
                let _ = std::io::copy(&mut from, &mut peer);
                let _ = peer.shutdown(std::net::Shutdown::Both);
                let _ = copying.join();
            }
        }
        String::from_utf8(head).unwrap()
    });
    (place, thread)
}

#[test]
fn a_proxy_gets_the_whole_address_and_its_own_password() {
    let (place, thread) = proxy(None);
    let env = |name: &str| (name == "HTTP_PROXY").then(|| format!("http://me:pw@{place}"));
    let address = Address::parse("http://collector.example:4318/v1/traces").unwrap();
    let mut client = Client::with_env(address, &TlsFiles::default(), Canceller::default(), env);
    assert_eq!(client.send(&request(b"body", &[])).unwrap().status, 200);
    let head = thread.join().unwrap();
    assert!(head.starts_with("POST http://collector.example:4318/v1/traces HTTP/1.1\r\nhost: collector.example:4318\r\n"), "{head}");
    assert!(head.contains("\r\nproxy-authorization: Basic bWU6cHc=\r\n"), "{head}");
}

#[cfg(feature = "tls")]
#[test]
fn tls_goes_through_a_tunnel() {
    let collector = super::hostile::Collector::start(&serde_json::json!({"tls": "good"}));
    let target = collector.url.strip_prefix("https://").unwrap().to_owned();
    let (place, thread) = proxy(Some(target.clone()));
    // The address is of this machine, for which no proxy is asked; so it has another name in the tunnel.
    let env = |name: &str| (name == "HTTPS_PROXY").then(|| format!("http://me:pw@{place}"));
    let address = Address::parse(&format!("https://192.0.2.9:{}/v1/traces", target.rsplit(':').next().unwrap())).unwrap();
    let mut client = Client::with_env(address, &collector.tls, Canceller::default(), env);
    let failure = client.send(&request(b"body", &[])).unwrap_err();
    assert!(failure.kind == "tls" && failure.text.contains("not valid for"), "{failure:?}");
    drop(client);
    let head = thread.join().unwrap();
    assert!(head.starts_with("CONNECT 192.0.2.9:") && head.contains("proxy-authorization: Basic bWU6cHc=\r\n"), "{head}");
}
