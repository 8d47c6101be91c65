//! Lines of a whole kit, as a reader of the program's standard output sees them. Each program is this test binary started anew.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs the program of this name in a child and returns its lines.
fn lines_of(program: &str) -> Vec<Value> {
    let output = child(program).stdout(Stdio::piped()).stderr(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The test harness writes to the same output, in front of the first line too.
    text.lines().filter_map(|l| l.find("{\"schema\"").map(|at| serde_json::from_str(&l[at..]).unwrap())).collect()
}

fn child(program: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "program", "--nocapture", "--test-threads=1"])
        .env("CLEW_TEST_PROGRAM", program)
        .env_remove("OTEL_SDK_DISABLED");
    command
}

fn kit() -> clew::Guard {
    clew::start(clew::Config::new("orders", "1").without_export().sample("1"))
}

#[derive(Debug)]
struct Full(Option<Box<Full>>);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", if self.0.is_some() { "place: full" } else { "full" })
    }
}

impl std::error::Error for Full {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_deref().map(|e| e as _)
    }
}

/// Panics when it is formatted.
struct Bad;

impl fmt::Debug for Bad {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no text")
    }
}

/// Logs while it is formatted.
struct Chatty;

impl fmt::Display for Chatty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        clew::tracing::info!("inner");
        f.write_str("outer")
    }
}

/// The programs. As a test of its own it does nothing.
#[test]
fn program() {
    use clew::tracing::{debug, error, info, info_span, warn};
    let Ok(program) = std::env::var("CLEW_TEST_PROGRAM") else { return };
    let guard = kit();
    match program.as_str() {
        "values" => {
            let span = info_span!("reserve", not_repeated = 1);
            span.in_scope(|| {
                let failed = Full(Some(Box::new(Full(None))));
                let error: &(dyn std::error::Error + 'static) = &failed;
                info!(items = 3, price = 12.5, order.id = "a", ok = true, big = i128::MAX, debug = ?Some(1), shown = %"x", error, "placed {}", 7);
            });
            warn!(error = %"text", "outside");
            debug!("under the level");
            info!(name: "order.placed", big = u64::MAX, bad = ?Bad, "named");
            info!(chatty = %Chatty, "chatty");
            info!(without_message = 1);
            log::error!("of the log crate {}", 1);
            log::debug!("under the level");
        }
        "rates" => {
            for _ in 0..1000 {
                info!("many");
            }
            for _ in 0..1000 {
                log::warn!("many");
            }
        }
        "policy" => {
            let document = br#"{"version":"1","log_level":"trace","redact":[{"key":"card","action":"mask"},{"key":"error","action":"truncate","length":2}]}"#;
            clew::apply_policy(document).unwrap();
            clew::tracing::trace!(card = 4111, error = "abcdef", "redacted");
            clew::apply_policy(br#"{"version":"2","log_level":"error"}"#).unwrap();
            warn!("under the level");
        }
        "exit" => {
            error!("the last words");
            std::process::exit(3);
        }
        "threads" => {
            clew::thread::spawn(|| info!("in a task")).join().unwrap();
            std::thread::Builder::new().name("worker".into()).spawn(|| info!("in none")).unwrap().join().unwrap();
        }
        "stands still" => {
            clew::apply_policy(br#"{"version":"1","log_lines_per_second":1000000}"#).unwrap();
            let begin = Instant::now();
            for i in 0..20_000 {
                info!(i, "nobody reads this line, which has a certain length so that the pipe is full at once");
                if i % 1000 == 0 {
                    error!("nor this");
                }
            }
            let logged = begin.elapsed();
            let stopped = guard.stop(Duration::from_millis(200));
            let whole = begin.elapsed();
            eprintln!("logged in {} ms, whole {} ms, lost {}", logged.as_millis(), whole.as_millis(), stopped.is_err());
            std::process::exit(0);
        }
        "stuck output" => {
            let guard = clew::start(clew::Config::new("orders", "1"));
            clew::apply_policy(br#"{"version":"1","log_lines_per_second":1000000}"#).unwrap();
            for i in 0..20_000 {
                info!(i, "nobody reads this line, which has a certain length so that the pipe is full at once");
            }
            clew::tracing::info_span!("sent");
            let lost = guard.stop(Duration::from_secs(2)).unwrap_err().to_string();
            eprintln!("stop says {lost}");
            std::process::exit(0);
        }
        "fork" => {
            info!("before");
            if fork() == 0 {
                info!("in the child");
                error!("the child's last words");
                std::process::exit(0);
            }
            std::thread::sleep(Duration::from_millis(200));
            info!("in the parent");
        }
        "no reader" => {
            // The test harness has written what it writes; now the reader goes away, and then closes our input.
            eprintln!("ready");
            std::io::Read::read_to_end(&mut std::io::stdin(), &mut Vec::new()).unwrap();
            for _ in 0..100 {
                error!("to nobody");
            }
            eprintln!("alive");
        }
        other => panic!("program {other} is not known"),
    }
    // What was lost is said to the parent by what is missing.
    let _ = guard.stop(Duration::from_secs(3));
    info!("after the stop");
}

#[test]
fn values_of_every_kind_are_on_the_line() {
    let lines = lines_of("values");
    let by_message =
        |message: &str| lines.iter().find(|l| l["message"] == message).unwrap_or_else(|| panic!("no line {message} in {lines:?}"));
    let placed = by_message("placed 7");
    assert_eq!(placed["service"], "orders");
    assert_eq!(placed["level"], "INFO");
    assert_eq!(placed["sampled"], true);
    assert_eq!(placed["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(placed["span_id"].as_str().unwrap().len(), 16);
    assert!(placed["code"].as_str().unwrap().starts_with("tests/log_lines.rs:"), "{placed}");
    assert_eq!(placed["thread"], "program");
    assert_eq!(placed["error"], serde_json::json!(["place: full", "full"]));
    assert_eq!(
        placed["attributes"],
        serde_json::json!({"big": i128::MAX as f64, "debug": "Some(1)", "items": 3, "ok": true, "order.id": "a", "price": 12.5, "shown": "x"})
    );
    let outside = by_message("outside");
    assert_eq!(outside["error"], serde_json::json!(["text"]));
    assert!(outside.get("trace_id").is_none(), "{outside}");
    let named = by_message("named");
    assert_eq!(named["attributes"]["bad"], "!PANIC: no text");
    assert_eq!(named["attributes"]["big"], u64::MAX);
    assert_eq!(by_message("chatty")["attributes"]["chatty"], "outer");
    by_message("inner");
    assert!(lines.iter().any(|l| l["attributes"]["without_message"] == 1 && l.get("message").is_none()));
    let of_log = by_message("of the log crate 1");
    assert_eq!(of_log["level"], "ERROR");
    assert!(of_log["code"].as_str().unwrap().starts_with("tests/log_lines.rs:"), "{of_log}");
    by_message("after the stop");
    assert_eq!(lines.len(), 8, "{lines:#?}");
}

#[test]
fn a_call_site_writes_a_hundred_lines_a_second_and_counts_the_rest() {
    let lines = lines_of("rates");
    for level in ["INFO", "WARN"] {
        let (more, written): (Vec<_>, Vec<_>) =
            lines.iter().filter(|l| l["level"] == level && l["message"] == "many").partition(|l| l.get("more").is_some());
        let told: u64 = more.iter().map(|l| l["more"].as_u64().unwrap()).sum();
        assert_eq!(written.len() as u64 + told, 1000, "{level}");
        // The loop may run over the border of a second.
        assert!((100..=300).contains(&written.len()), "{level}: {} lines", written.len());
        assert!(more.iter().all(|l| l["code"].is_string() && l["service"] == "orders"));
    }
}

#[test]
fn the_policy_governs_level_and_redaction() {
    let lines = lines_of("policy");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!(lines[0]["level"], "TRACE");
    assert_eq!(lines[0]["attributes"]["card"], "***");
    assert_eq!(lines[0]["error"], serde_json::json!(["ab"]));
}

#[test]
fn an_error_line_is_out_when_the_program_exits_behind_it() {
    for _ in 0..5 {
        let lines = lines_of("exit");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "the last words");
    }
}

#[allow(unsafe_code)]
fn fork() -> i32 {
    unsafe extern "C" {
        fn fork() -> i32;
    }
    // SAFETY: the child does nothing that could wait for a thread that it has not.
    unsafe { fork() }
}

#[test]
fn the_child_of_a_fork_writes_its_own_lines_and_none_of_the_parents() {
    let lines = lines_of("fork");
    let mut messages: Vec<&str> = lines.iter().map(|l| l["message"].as_str().unwrap()).collect();
    messages.sort_unstable();
    assert_eq!(messages, ["after the stop", "before", "in the child", "in the parent", "the child's last words"]);
}

#[test]
fn lines_name_their_task_and_thread() {
    let lines = lines_of("threads");
    let of = |message: &str| lines.iter().find(|l| l["message"] == message).unwrap();
    assert!(of("in a task")["task"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    // A thread without a name has a number.
    assert!(of("in a task")["thread"].as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(of("in none").get("task").is_none());
    assert_eq!(of("in none")["thread"], "worker");
}

#[test]
fn a_reader_that_stands_still_holds_up_nobody() {
    let mut child = child("stands still").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Nobody reads the output until the child has said how it went.
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    let numbers: Vec<u64> = said.split(' ').filter_map(|w| w.parse().ok()).collect();
    let [.., logged, whole] = numbers[..] else { panic!("the child said {said:?}") };
    // One ERROR line waits 100 ms, the others not at all.
    assert!(logged < 1500, "logging took {logged} ms");
    assert!(whole < logged + 1500, "stopping took {} ms", whole - logged);
    assert!(said.contains("lost true"), "{said}");
}

/// The program may stop for 2 s, half of which an output that nobody reads may cost.
#[test]
fn an_output_that_nobody_reads_does_not_cost_the_spans() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (asked, paths) = mpsc::channel();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let asked = asked.clone();
            std::thread::spawn(move || {
                let mut got = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = socket.read(&mut buffer) {
                    got.extend_from_slice(&buffer[..n]);
                    let Some(head) = got.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
                    let text = String::from_utf8_lossy(&got[..head]).to_lowercase();
                    let length = text.split("content-length: ").nth(1).and_then(|t| t.lines().next()?.parse::<usize>().ok());
                    if length.is_some_and(|l| got.len() >= head + 4 + l) {
                        asked.send(text.lines().next().unwrap_or_default().to_owned()).unwrap();
                        got.clear();
                        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                    }
                }
            });
        }
    });
    let mut child = child("stuck output")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        .env("OTEL_BSP_SCHEDULE_DELAY", "60000")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    assert!(said.contains("log lines") && !said.contains("of traces"), "{said}");
    let paths: Vec<String> = paths.try_iter().collect();
    assert!(paths.iter().any(|path| path.starts_with("post /v1/traces")), "{paths:?}");
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_program() {
    let mut child = child("no reader").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut ready = [0; 6];
    std::io::Read::read_exact(&mut stderr, &mut ready).unwrap();
    assert_eq!(&ready, b"ready\n");
    drop(child.stdout.take());
    drop(child.stdin.take());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    child.wait().unwrap();
    assert!(said.contains("alive"), "{said}");
}
