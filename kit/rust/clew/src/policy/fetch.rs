//! The poller on a thread of its own, over the exporter's HTTP client.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::poller::{ATTEMPT_TIMEOUT, Poller, Request, Response, World};
use super::{Holder, MAX_BYTES};
use crate::export::TlsFiles;
use crate::export::http::{Address, Canceller, Client, Request as HttpRequest};
use crate::problems;

/// What the thread needs.
pub(crate) struct Config {
    /// Whose documents these are.
    pub holder: Arc<Holder>,
    /// See [`super::request_url`].
    pub url: String,
    /// Of every request of the kit, for example `authorization`.
    pub headers: Vec<(String, String)>,
    /// Files for TLS.
    pub tls: TlsFiles,
    /// What to say about ourselves.
    pub status: Box<dyn Fn() -> String + Send>,
    /// File of the last good document.
    pub cache: Option<PathBuf>,
}

/// The running thread. Dropping it does not stop the thread; [`Polling::stop`] does.
pub(crate) struct Polling {
    canceller: Canceller,
    bell: Arc<(Mutex<()>, Condvar)>,
}

impl Polling {
    /// Starts the thread; an error is one line for a person.
    pub fn start(config: Config) -> Result<Polling, String> {
        let address =
            Address::parse(&config.url).map_err(|e| format!("CLEW_POLICY_URL, or else CLEW_ENDPOINT: {e}; no policy is asked for"))?;
        let canceller = Canceller::default();
        let bell = Arc::new((Mutex::new(()), Condvar::new()));
        let client = Client::new(address, &config.tls, canceller.clone());
        let mut poller = Poller::new(config.holder, config.cache);
        let mut net = Net { client, canceller: canceller.clone(), bell: bell.clone(), headers: config.headers, status: config.status };
        thread::Builder::new()
            .name("clew-policy".to_owned())
            .spawn(move || poller.run(&mut net))
            .map_err(|e| format!("start the policy poller: {e}"))?;
        Ok(Polling { canceller, bell })
    }

    /// Ends the question under way and the thread, without waiting for it.
    pub fn stop(&self) {
        self.canceller.cancel();
        let _held = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.1.notify_all();
    }
}

struct Net {
    client: Client,
    canceller: Canceller,
    bell: Arc<(Mutex<()>, Condvar)>,
    headers: Vec<(String, String)>,
    status: Box<dyn Fn() -> String + Send>,
}

impl World for Net {
    fn ask(&mut self, request: &Request<'_>) -> Option<Response> {
        let mut headers: Vec<(&str, &str)> = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        headers.push(("clew-kit", request.clew_kit));
        if !request.if_none_match.is_empty() {
            headers.push(("if-none-match", request.if_none_match));
        }
        let answer = self.client.send(&HttpRequest {
            method: "GET",
            headers: &headers,
            body: &[],
            deadline: Instant::now() + ATTEMPT_TIMEOUT,
            max_answer: MAX_BYTES + 1,
        });
        let answer = answer.ok()?;
        Some(Response { status: answer.status, etag: answer.header("etag").to_owned(), body: answer.body })
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&mut self, duration: Duration) {
        let held = self.bell.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.stopped() {
            let _ = self.bell.1.wait_timeout(held, duration);
        }
    }

    fn random(&mut self) -> f64 {
        // Each state has keys of its own; jitter needs no better chance.
        (RandomState::new().build_hasher().finish() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn stopped(&self) -> bool {
        self.canceller.is_cancelled()
    }

    fn status(&self) -> String {
        (self.status)()
    }

    fn panicked(&self) {
        problems::add("asking for policies panicked; it starts anew after a pause");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;

    use super::*;
    use crate::policy::{Document, request_url};

    /// Reads the head of a request.
    fn head(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        String::from_utf8(text).unwrap().to_ascii_lowercase()
    }

    #[test]
    fn a_document_is_fetched_and_a_question_under_way_ends_with_the_kit() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/api/kit/policy", listener.local_addr().unwrap());
        let (published, versions) = mpsc::channel();
        let publish = move |s: &Arc<crate::policy::Snapshot>| drop(published.send(s.version().to_owned()));
        let holder = Arc::new(Holder::new(Document::default(), Box::new(publish)));
        assert_eq!(versions.recv().unwrap(), "");
        let polling = Polling::start(Config {
            holder,
            url: request_url(&base, "a b"),
            headers: vec![("authorization".into(), "secret".into())],
            tls: TlsFiles::default(),
            status: Box::new(|| "{\"language\":\"rust\"}".into()),
            cache: None,
        })
        .unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let request = head(&mut stream);
        assert!(request.starts_with("get /api/kit/policy?service=a%20b&wait=30s http/1.1\r\n"), "{request}");
        for line in ["clew-kit: {\"language\":\"rust\"}", "authorization: secret"] {
            assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
        }
        assert!(!request.contains("if-none-match"), "{request}");
        let body = r#"{"version":"7"}"#;
        write!(stream, "HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        assert_eq!(versions.recv().unwrap(), "7");
        // The next question is left without an answer; the connection's end says that the kit has let go of it.
        let request = head(&mut stream);
        assert!(request.contains("\r\nif-none-match: \"x\"\r\n"), "{request}");
        polling.stop();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        // The thread ends and with it the holder's only owner.
        assert!(versions.recv().is_err());
    }

    #[test]
    fn an_address_that_is_none_is_one_line_for_a_person() {
        let config = Config {
            holder: Arc::new(Holder::new(Document::default(), Box::new(|_| {}))),
            url: "clew".into(),
            headers: Vec::new(),
            tls: TlsFiles::default(),
            status: Box::new(String::new),
            cache: None,
        };
        let problem = Polling::start(config).err().unwrap();
        assert!(problem.contains("http://") && !problem.contains('\n'), "{problem}");
    }
}
