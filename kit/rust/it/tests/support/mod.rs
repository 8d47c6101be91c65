//! Servers that a test starts for itself, on ports of their own, and stops by their process id.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that lives as long as this.
pub struct Server {
    child: Child,
    pub port: u16,
    folder: PathBuf,
}

/// Starts `program` with the arguments that `arguments` makes of a free port and an empty folder. `None`, with the reason printed, when the
/// program is not installed.
pub fn serve(program: &str, arguments: impl FnOnce(u16, &str) -> Vec<String>) -> Option<Server> {
    // The port is free again when the listener is dropped; nobody else on this machine asks for the same one in between, as the kernel
    // hands them out in turn.
    let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
    let folder = std::env::temp_dir().join(format!("clew-it-{}-{port}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the server");
    let child = Command::new(program).args(arguments(port, &folder.to_string_lossy())).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            let _ = std::fs::remove_dir_all(&folder);
            eprintln!("skipped: start {program}: {error}");
            return None;
        }
    };
    let mut server = Server { child, port, folder };
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if server.child.try_wait().expect("a state").is_some() || begun.elapsed() > Duration::from_secs(10) {
            let _ = server.child.kill();
            let mut said = String::new();
            let _ = server.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
            panic!("{program} does not answer on port {port}: {said}");
        }
        // The server says nowhere else that it is ready.
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(server)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
