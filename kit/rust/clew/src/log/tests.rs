//! What the contract's cases cannot hold. Whole programs are in `tests/log_lines.rs`.

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::line::{Event, Line, MAX_VALUE, Severity};
use super::sink::Sink;
use super::site::{MAX_SITES, Sites};
use super::{short_file, text};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn counter() -> &'static AtomicI64 {
    Box::leak(Box::default())
}

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Stands still until it is told to go on, and says that it stands.
struct Gate(Sender<()>, Receiver<()>);

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(());
        let _ = self.1.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Does what the function does.
struct Does<F>(F);

impl<F: FnMut(usize) -> std::io::Result<usize>> Write for Does<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        (self.0)(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_are_written_in_order_and_after_the_stop_too() {
    let (kept, lost) = (Kept::default(), counter());
    let sink = Sink::new(Box::new(kept.clone()), lost, || {});
    let mut want = Vec::new();
    for i in 0..2000 {
        let line = format!("{i}\n");
        want.extend_from_slice(line.as_bytes());
        sink.write(line.as_bytes(), i % 500 == 0);
    }
    assert_eq!(sink.stop(soon()), 0);
    assert!(*kept.0.lock().unwrap() == want);
    sink.write(b"late\n", true);
    assert!(kept.0.lock().unwrap().ends_with(b"late\n"));
    assert_eq!(lost.load(Ordering::Relaxed), 0);
}

#[test]
fn a_sink_that_is_dropped_writes_what_it_has_and_ends() {
    let (ended, ends) = channel();
    let kept = Kept::default();
    let guard = Ends(kept.clone(), ended);
    let sink = Sink::new(Box::new(guard), counter(), || {});
    sink.write(b"line\n", false);
    drop(sink);
    ends.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(*kept.0.lock().unwrap(), b"line\n");
}

/// Says when it is dropped.
struct Ends(Kept, Sender<()>);

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.1.send(());
    }
}

#[test]
fn a_writer_that_stands_still_costs_one_wait_and_bounded_memory() {
    let (standing, stands) = channel();
    let (go_on, gate) = channel();
    let lost = counter();
    let sink = Sink::new(Box::new(Gate(standing, gate)), lost, || {});
    let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
    sink.write(&line, false);
    stands.recv().unwrap();
    let begin = Instant::now();
    for _ in 0..2000 {
        sink.write(&line, false);
    }
    // 1 MiB waits, the rest finds no room.
    assert_eq!(lost.load(Ordering::Relaxed), 2000 - 1024);
    let logged = begin.elapsed();
    let begin = Instant::now();
    assert!(!sink.flush(Instant::now() + Duration::from_millis(20)));
    assert_eq!(sink.stop(Instant::now() + Duration::from_millis(20)), 1024);
    assert!(begin.elapsed() < Duration::from_secs(5) && logged < Duration::from_secs(5));
    let before = lost.load(Ordering::Relaxed);
    sink.write(b"late\n", true);
    assert_eq!(lost.load(Ordering::Relaxed), before + 1);
    drop(go_on);
}

#[test]
fn an_urgent_line_waits_for_the_writer_but_only_once_in_vain() {
    let (standing, stands) = channel();
    let (go_on, gate) = channel();
    let sink = Sink::new(Box::new(Gate(standing, gate)), counter(), || {});
    let begin = Instant::now();
    sink.write(b"first\n", true);
    let first = begin.elapsed();
    assert!(first >= Duration::from_millis(100), "{first:?}");
    let begin = Instant::now();
    for _ in 0..50 {
        sink.write(b"more\n", true);
    }
    assert!(begin.elapsed() < Duration::from_millis(2000), "{:?}", begin.elapsed());
    stands.recv().unwrap();
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    assert!(sink.flush(soon()));
    drop(go_on);
    // The writer moves again, so an urgent line is waited for again.
    sink.write(b"last\n", true);
    assert_eq!(sink.stop(soon()), 0);
}

#[test]
fn what_a_writer_refuses_is_counted() {
    type Fault = fn(usize) -> std::io::Result<usize>;
    let faults: [(&str, Fault); 3] =
        [("an error", |_| Err(std::io::ErrorKind::BrokenPipe.into())), ("nothing", |_| Ok(0)), ("a panic", |_| panic!("writer"))];
    for (name, fault) in faults {
        let lost = counter();
        let sink = Sink::new(Box::new(Does(fault)), lost, || {});
        for _ in 0..3 {
            sink.write(b"a\nb\n", true);
        }
        assert_eq!(sink.stop(soon()), 0, "{name}");
        assert_eq!(lost.load(Ordering::Relaxed), 6, "{name}");
    }
    let (mut calls, lost) = (0, counter());
    let sink = Sink::new(
        Box::new(Does(move |_| {
            calls += 1;
            if calls == 1 { Ok(3) } else { Err(std::io::ErrorKind::BrokenPipe.into()) }
        })),
        lost,
        || {},
    );
    sink.write(b"a\nbb\nc\n", true);
    assert_eq!(sink.stop(soon()), 0);
    assert_eq!(lost.load(Ordering::Relaxed), 2, "lines that were not written whole");
}

#[test]
fn sites_over_the_limit_share_one() {
    let sites = Sites::default();
    for key in 1..=3 * MAX_SITES as u64 {
        sites.at(key, || key.to_string());
    }
    let own = (1..=3 * MAX_SITES as u64).filter(|&key| {
        let site = sites.at(key, || unreachable!("a site that is kept is not asked again"));
        assert!(site.is_shared() || site.code == key.to_string());
        !site.is_shared()
    });
    let own = own.count();
    assert!((MAX_SITES * 9 / 10..=MAX_SITES).contains(&own), "{own}");
}

#[test]
fn threads_at_one_site_lose_no_line() {
    let sites = Sites::default();
    let written = AtomicI64::new(0);
    let told = AtomicI64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..5000 {
                    let site = sites.at(i % 50 + 1, String::new);
                    let admission = site.admit(i as i64, Severity::Info, 100);
                    if let Some(more) = admission.due {
                        told.fetch_add(more.count as i64, Ordering::Relaxed);
                    }
                    if admission.admitted {
                        written.fetch_add(1, Ordering::Relaxed);
                    } else {
                        site.deny(Severity::Info, "m", "");
                    }
                }
            });
        }
    });
    sites.due(None, |more| {
        told.fetch_add(more.count as i64, Ordering::Relaxed);
    });
    assert_eq!((written.into_inner(), told.into_inner()), (50 * 100, 20_000 - 50 * 100));
}

/// Formats to a gigabyte, in pieces.
struct Huge;

impl fmt::Display for Huge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..1 << 20 {
            f.write_str("0123456789abcdef…0123456789abcdef")?;
        }
        Ok(())
    }
}

#[test]
fn a_huge_value_needs_no_huge_memory() {
    let mut line = Line::default();
    line.display("huge", format_args!("{Huge}"));
    line.error("error", [Huge]);
    assert!(line.arena.capacity() < 8 * MAX_VALUE, "{}", line.arena.capacity());
    let mut out = Vec::new();
    line.append_line(&mut out, &Event::default());
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("\"truncated\":2"), "{}", &out[out.len() - 100..]);
}

/// Random texts of every character: a line is JSON, is one line, and the text comes back.
#[test]
fn random_texts_come_back() {
    let mut seed = 7_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut line = Line::default();
    for _ in 0..3000 {
        let mut piece = || -> String {
            let length = if random(50) == 0 { 5000 } else { random(30) };
            let mut piece = String::new();
            for _ in 0..length {
                let most = if random(2) == 0 { 0x80 } else { 0x11_0000 };
                piece.extend(char::from_u32(random(most) as u32));
            }
            piece
        };
        let (key, value, message) = (piece(), piece(), piece());
        line.reset();
        line.text(&format!("k{key}"), &value);
        line.list("list", |e| e.text(&value));
        let mut out = Vec::new();
        line.append_line(&mut out, &Event { message: &message, ..Event::default() });
        let mut record = Vec::new();
        line.append_record(&mut record, &Event { message: &message, ..Event::default() });
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&out).unwrap();
        if read.get("truncated").is_none() {
            assert_eq!(read["message"].as_str().unwrap_or_default(), message);
            assert_eq!(read["attributes"][&format!("k{key}")], value);
            assert_eq!(read["attributes"]["list"][0], value);
        }
    }
}

#[test]
fn random_floats_come_back() {
    let mut bits = 1_u64;
    for _ in 0..200_000 {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let f = f64::from_bits(bits ^ bits >> 29);
        let mut out = Vec::new();
        text::float(&mut out, f);
        let out = String::from_utf8(out).unwrap();
        if f.is_finite() {
            assert_eq!(out.parse::<f64>().unwrap(), f, "{out}");
        } else {
            assert!(out.starts_with('"'), "{out}");
        }
    }
}

#[test]
fn a_file_is_known_by_its_last_two_elements() {
    for (path, want) in
        [("/a/b/c.rs", "b/c.rs"), ("b/c.rs", "b/c.rs"), ("c.rs", "c.rs"), ("/c.rs", "/c.rs"), ("a\\b\\c.rs", "b\\c.rs"), ("", "")]
    {
        assert_eq!(short_file(path), want);
    }
}
