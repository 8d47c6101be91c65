//! Servers that a test starts for itself, on ports of their own, and stops by their process id.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A server that lives as long as this.
pub struct Server {
    child: Child,
    pub port: u16,
    folder: PathBuf,
}

/// How often a server is started anew, on another port, when it ends by itself: somebody took its port in between.
const ATTEMPTS: u32 = 5;
/// How long a server may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Starts `program` with the arguments that `arguments` makes of a free port and an empty folder. `None`, with the reason printed, when the
/// program is not installed.
pub fn serve(program: &str, arguments: impl Fn(u16, &str) -> Vec<String>) -> Option<Server> {
    for attempt in 1.. {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("clew-it-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for the server");
        let child =
            Command::new(program).args(arguments(port, &folder.to_string_lossy())).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut server = match child {
            Ok(child) => Server { child, port, folder },
            Err(error) => {
                let _ = std::fs::remove_dir_all(&folder);
                eprintln!("skipped: start {program}: {error}");
                return None;
            }
        };
        match server.ready() {
            Ok(()) => return Some(server),
            Err(why) if attempt == ATTEMPTS => panic!("{program} does not answer on port {port}, the last of {ATTEMPTS}: {why}"),
            Err(why) => eprintln!("{program} does not answer on port {port}, another is tried: {why}"),
        }
    }
    unreachable!("the last attempt returns or panics")
}

/// A port that was free just now and that no other test of this process was given: the kernel may hand one out twice.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        if GIVEN.lock().expect("no test panics here").insert(port) {
            return port;
        }
    }
}

impl Server {
    /// Waits until the server answers. Another's answer on its port does not count: then this one ends by itself.
    fn ready(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            // A connection from the port to itself is one that the kernel makes when nobody listens and its number is free.
            let answers =
                TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|stream| stream.local_addr().ok() != stream.peer_addr().ok());
            let ended = self.child.try_wait().expect("a state").is_some();
            if answers && !ended {
                return Ok(());
            }
            if ended || begun.elapsed() > LIMIT {
                let _ = self.child.kill();
                let mut said = String::new();
                let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
                return Err(said);
            }
            // The server says nowhere else that it is ready.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
