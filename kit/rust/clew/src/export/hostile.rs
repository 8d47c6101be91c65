//! The contract's hostile collectors. The collector itself is a Go program, the same
//! that the Go kit is tested with.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::contract::{cases, read};
use super::{Config, DEFAULT_STOP, Exporter, TlsFiles};
use crate::selfmetrics::{Counters, Reason, Signal, SignalCounters};

/// An element of field 2 with 100 bytes in all.
pub(super) fn record() -> [u8; 100] {
    let mut record = [0; 100];
    record[0] = 2 << 3 | 2;
    record[1] = 98;
    record
}

/// A running collector, ended when dropped.
pub(super) struct Collector {
    pub url: String,
    child: Child,
    stdin: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
    requests: Arc<Mutex<Vec<Value>>>,
    pub tls: TlsFiles,
}

/// Builds the collector once, beside the test's own binary.
fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let out = std::env::current_exe().unwrap().with_file_name("hostile-collector");
        let built = Command::new("go")
            .args(["build", "-o", out.to_str().unwrap(), "./internal/hostile/cmd"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../go"))
            .status()
            .expect("run go build");
        assert!(built.success(), "build the hostile collector");
        out
    })
}

impl Collector {
    pub fn start(script: &Value) -> Collector {
        let mut child = Command::new(program()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start the collector");
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{script}").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let reader = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                seen.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let url = first["url"].as_str().unwrap().to_owned();
        let write = |name: &str| {
            let text = first[name].as_str().unwrap();
            if text.is_empty() {
                return String::new();
            }
            let path = std::env::temp_dir().join(format!("clew-{}-{name}.pem", child.id()));
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let tls = TlsFiles { roots: write("ca"), certificate: write("client_cert"), key: write("client_key") };
        Collector { url, child, stdin: Some(stdin), reader: Some(reader), requests, tls }
    }

    /// All requests it got. Ends the collector, so that none is still on its way.
    pub fn requests(&mut self) -> Vec<Value> {
        drop(self.stdin.take());
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.requests();
        for path in [&self.tls.roots, &self.tls.certificate, &self.tls.key] {
            if !path.is_empty() {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// A configuration for traces only, with counters of its own.
pub(super) fn traces_to(url: &str) -> Config {
    let mut config = Config { counters: Box::leak(Box::new(Counters::new())), ..Config::default() };
    config.signals[Signal::Metrics as usize].off = true;
    config.signals[Signal::Logs as usize].off = true;
    config.signals[Signal::Traces as usize].url = format!("{url}/v1/traces");
    config
}

pub(super) fn add(exporter: &Exporter, records: u64) {
    (0..records).for_each(|_| exporter.add(Signal::Traces, 0, &record()));
}

fn run(case: &Value, over: Duration) -> Result<(), String> {
    let expect = &case["expect"];
    let mut collector = Collector::start(&case["script"]);
    let mut config = traces_to(&collector.url);
    let target = &mut config.signals[0];
    target.tls = collector.tls.clone();
    if let Some(timeout) = case["timeout_ms"].as_u64() {
        target.timeout = Duration::from_millis(timeout);
    }
    let counters = &config.counters.signal[0];
    let exporter = Exporter::new(config);
    add(&exporter, 100);
    let flush = Duration::from_millis(case["flush_ms"].as_u64().unwrap_or(10_000));
    let stop = case["stop_ms"].as_u64().map_or(DEFAULT_STOP, Duration::from_millis);
    exporter.flush(flush);
    let more = case["more"].as_u64().unwrap_or(0);
    if more > 0 {
        add(&exporter, more);
        exporter.flush(flush);
    }
    let began = Instant::now();
    let stopped = exporter.stop(stop);
    let took = began.elapsed();
    let mut wrong = Vec::new();
    // The machine may be busy; what must not be is a wait for the collector.
    if took > stop + over {
        wrong.push(format!("stopping took {took:?} of {stop:?}"));
    }
    let lost = stopped.err().map_or(0, |l| l.of(Signal::Traces).0);
    check(&mut wrong, "lost", lost, expect["lost"].as_i64().unwrap_or(0));
    check_counters(&mut wrong, counters, expect, 100 + more as i64);
    check_requests(&mut wrong, &collector.requests(), expect);
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {}", case["name"], wrong.join("; "))) }
}

fn check(wrong: &mut Vec<String>, what: &str, got: i64, want: i64) {
    if got != want {
        wrong.push(format!("{what} {got}, want {want}"));
    }
}

fn check_counters(wrong: &mut Vec<String>, got: &SignalCounters, expect: &Value, added: i64) {
    let exported = got.exported.load(Relaxed);
    check(wrong, "exported", exported, expect["exported"].as_i64().unwrap_or(0));
    for reason in Reason::ALL {
        let want = expect["dropped"][reason.name()].as_i64().unwrap_or(0);
        check(wrong, reason.name(), got.dropped[reason as usize].load(Relaxed), want);
    }
    check(wrong, "accounted for", exported + got.lost().0, added);
    check(wrong, "bytes lost", got.lost().1, 100 * got.lost().0);
    check(wrong, "queue", got.queue_size.load(Relaxed), 0);
    check(wrong, "inflight", got.inflight.load(Relaxed), 0);
}

fn check_requests(wrong: &mut Vec<String>, got: &[Value], expect: &Value) {
    let count = got.len() as u64;
    let (least, most) = (&expect["requests"][0], &expect["requests"][1]);
    if count < least.as_u64().unwrap() || count > most.as_u64().unwrap() {
        wrong.push(format!("{count} requests, want {least} to {most}"));
    }
    let distinct = |name: &str| {
        let mut all: Vec<String> = got.iter().map(|r| r[name].to_string()).collect();
        all.sort();
        all.dedup();
        all.len() as i64
    };
    for (name, of) in [("keys", "key"), ("connections", "connection")] {
        if let Some(want) = expect[name].as_i64() {
            check(wrong, name, distinct(of), want);
        }
    }
    for request in got {
        check(wrong, "digits of a key", request["key"].as_str().unwrap().len() as i64, 32);
    }
    if let (Some(gap), [first, second, ..]) = (expect["gap_ms"].as_i64(), got) {
        let between = second["at_ms"].as_i64().unwrap() - first["at_ms"].as_i64().unwrap();
        if between < gap {
            wrong.push(format!("the second request came after {between} ms, want {gap}"));
        }
    }
}

#[test]
fn hostile_collectors_get_and_give_what_the_contract_says() {
    let contract = read();
    let mine = |case: &&Value| {
        let script = &case["script"];
        let grpc = script["grpc"] == true || case["expect"]["grpc_client"] == true;
        // Without the feature, nothing is ever sent to an address with TLS.
        !grpc && (cfg!(feature = "tls") || script["tls"].is_null())
    };
    program();
    let all: Vec<&Value> = cases(&contract, "hostile").iter().filter(mine).collect();
    let over = Duration::from_millis(contract["bounds"]["stop_over_ms"].as_u64().unwrap());
    let next = AtomicUsize::new(0);
    // Most of them wait most of the time. They run in real time, in which a busy machine may be late: of three tries one
    // must be right.
    let one_after_the_other = || {
        let mut wrong = Vec::new();
        while let Some(case) = all.get(next.fetch_add(1, Relaxed)) {
            if let Err(text) = run(case, over).or_else(|_| run(case, over)).or_else(|_| run(case, over)) {
                wrong.push(text);
            }
        }
        wrong
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..8).map(|_| scope.spawn(one_after_the_other)).collect();
        running.into_iter().flat_map(|r| r.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
