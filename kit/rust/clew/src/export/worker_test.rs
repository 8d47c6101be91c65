//! Workers with a sender that tests steer.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::config::Config;
use super::hostile::{add, record, traces_to};
use super::pacer::{Answer, Outcome};
use super::worker::Sender;
use super::{Exporter, Lost};
use crate::selfmetrics::{Reason, Signal, SignalCounters};

const MS: Duration = Duration::from_millis(1);

type Respond = dyn Fn() -> Answer + Send + Sync;

struct Fake(Arc<Respond>);

impl Sender for Fake {
    fn send(&mut self, _: &[u8], _: bool, _: &str, _: Instant) -> Answer {
        (self.0)()
    }
}

fn answer(outcome: Outcome, rejected: i64) -> Answer {
    Answer { outcome, asked: Duration::ZERO, rejected, word: "200".to_owned(), text: String::new() }
}

fn delivered() -> Answer {
    answer(Outcome::Delivered, 0)
}

fn exporter(respond: impl Fn() -> Answer + Send + Sync + 'static, change: impl FnOnce(&mut Config)) -> (Exporter, &'static SignalCounters) {
    let mut config = traces_to("http://127.0.0.1:1");
    let respond: Arc<Respond> = Arc::new(respond);
    config.sender = Some(Arc::new(move |_| Box::new(Fake(Arc::clone(&respond)))));
    change(&mut config);
    let target = &mut config.signals[0];
    if target.delay != Duration::from_secs(1) {
        target.steady = target.delay;
    }
    let counters = &config.counters.signal[0];
    (Exporter::new(config), counters)
}

fn lost(of: &Result<(), Lost>) -> i64 {
    of.as_ref().err().map_or(0, Lost::records)
}

fn dropped(counters: &SignalCounters, reason: Reason) -> i64 {
    counters.dropped[reason as usize].load(Relaxed)
}

#[test]
fn a_panicking_worker_starts_anew_and_goes_off_at_the_third() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&told);
    let (exporter, counters) = exporter(
        || panic!("the test breaks the worker"),
        |c| c.problem = Arc::new(move |line: &str| lines.lock().unwrap().push(line.to_owned())),
    );
    let began = Instant::now();
    for _ in 0..3 {
        add(&exporter, 10);
        assert!(exporter.flush(Duration::from_secs(5)));
    }
    let took = began.elapsed();
    assert!(took >= 1100 * MS && took < Duration::from_secs(4), "{took:?}");
    assert_eq!(dropped(counters, Reason::WorkerPanic), 30);
    // A flush is answered before the worker says that it is off.
    let deadline = Instant::now() + Duration::from_secs(5);
    while dropped(counters, Reason::WorkerPanic) == 30 && Instant::now() < deadline {
        add(&exporter, 1);
        std::thread::sleep(MS);
    }
    assert_eq!(dropped(counters, Reason::WorkerPanic), 31, "what comes while it is off is lost");
    let stopped = exporter.stop(Duration::from_secs(1));
    assert_eq!(lost(&stopped), counters.lost().0 - 31);
    let told = told.lock().unwrap();
    assert!(told.len() == 1 && told[0].contains("panicked"), "once a minute: {told:?}");
}

#[test]
fn a_panic_of_a_tick_is_survived() {
    let (exporter, counters) = exporter(delivered, |c| c.signals[0].delay = 10 * MS);
    let first = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&first);
    exporter.set_tick(Signal::Traces, 10 * MS, Box::new(move |_| assert!(!flag.swap(false, Relaxed), "the test breaks the tick")));
    while first.load(Relaxed) {
        std::thread::sleep(MS);
    }
    add(&exporter, 10);
    assert_eq!(exporter.stop(Duration::from_secs(5)), Ok(()));
    assert_eq!(counters.exported.load(Relaxed), 10);
}

#[test]
fn stop_returns_in_time_from_a_sender_that_is_stuck() {
    let (release, stuck) = sync_channel::<()>(0);
    let stuck = Mutex::new(stuck);
    let respond = move || {
        let _ = stuck.lock().unwrap().recv();
        delivered()
    };
    let (exporter, counters) = exporter(respond, |c| c.signals[0].delay = 5 * MS);
    add(&exporter, 10);
    while counters.inflight.load(Relaxed) == 0 {
        std::thread::sleep(MS);
    }
    add(&exporter, 5);
    let began = Instant::now();
    let stopped = exporter.stop(300 * MS);
    let took = began.elapsed();
    assert!(took < 550 * MS, "stopping took {took:?}");
    assert_eq!(lost(&stopped), 15);
    add(&exporter, 1);
    drop(release);
    assert!(exporter.flush(Duration::from_secs(5)), "nobody is left to wait for");
    assert_eq!(dropped(counters, Reason::Stopped), 16, "the late answer is not counted again");
    assert_eq!(counters.exported.load(Relaxed), 0);
    assert_eq!(stopped.unwrap_err().to_string(), "stop exporter: lost 15 of traces (1500 bytes)");
}

#[test]
fn stopping_during_an_outage_makes_one_probe() {
    let sends = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sends);
    let respond = move || {
        count.fetch_add(1, Relaxed);
        answer(Outcome::Retry, 0)
    };
    let (exporter, counters) = exporter(respond, |c| c.signals[0].delay = 10 * MS);
    add(&exporter, 10);
    while dropped(counters, Reason::Unreachable) == 0 {
        std::thread::sleep(MS);
    }
    add(&exporter, 10);
    while counters.breaker.load(Relaxed) != 2 {
        std::thread::sleep(MS);
    }
    let before = sends.load(Relaxed);
    let began = Instant::now();
    assert_eq!(lost(&exporter.stop(Duration::from_secs(3))), 10);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(sends.load(Relaxed) - before, 1);
    assert_eq!((before, dropped(counters, Reason::Stopped)), (5, 10));
}

/// While batches follow each other they are three times as far apart.
#[test]
fn a_steady_flow_makes_few_batches() {
    let (mut config, took) = (traces_to("http://127.0.0.1:1"), Arc::new(Mutex::new(Vec::new())));
    let sent = Arc::clone(&took);
    let respond: Arc<Respond> = Arc::new(move || {
        sent.lock().unwrap().push(Instant::now());
        delivered()
    });
    config.sender = Some(Arc::new(move |_| Box::new(Fake(Arc::clone(&respond)))));
    (config.signals[0].delay, config.signals[0].steady) = (2 * MS, 100 * MS);
    let exporter = Exporter::new(config);
    while took.lock().unwrap().len() < 4 {
        add(&exporter, 1);
        std::thread::sleep(MS);
    }
    let took = took.lock().unwrap().clone();
    for pair in took.windows(2) {
        assert!(pair[1] - pair[0] > 90 * MS, "{took:?}");
    }
    // A flush does not wait for that.
    add(&exporter, 1);
    assert!(exporter.flush(Duration::from_secs(5)));
}

/// A record after a pause goes out after the delay, however long a steady flow waits.
#[test]
fn the_first_of_a_flow_does_not_wait() {
    let (mut config, count) = (traces_to("http://127.0.0.1:1"), Arc::new(AtomicUsize::new(0)));
    let sent = Arc::clone(&count);
    let respond: Arc<Respond> = Arc::new(move || {
        sent.fetch_add(1, Relaxed);
        delivered()
    });
    config.sender = Some(Arc::new(move |_| Box::new(Fake(Arc::clone(&respond)))));
    (config.signals[0].delay, config.signals[0].steady) = (5 * MS, Duration::from_secs(3600));
    let exporter = Exporter::new(config);
    add(&exporter, 1);
    while count.load(Relaxed) == 0 {
        std::thread::sleep(MS);
    }
}

/// Without a tick and without records a worker waits for no time; what is set or added later wakes it.
#[test]
fn a_worker_rests_until_the_first_record() {
    let (exporter, counters) = exporter(delivered, |c| c.signals[0].delay = 2 * MS);
    for sent in 1..=3 {
        while !exporter.generation().workers[0].as_ref().unwrap().rests() {
            std::thread::sleep(MS);
        }
        add(&exporter, 1);
        while counters.exported.load(Relaxed) != sent {
            std::thread::sleep(MS);
        }
    }
    while !exporter.generation().workers[0].as_ref().unwrap().rests() {
        std::thread::sleep(MS);
    }
    let ticked = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ticked);
    exporter.set_tick(Signal::Traces, MS, Box::new(move |_| flag.store(true, Relaxed)));
    while !ticked.load(Relaxed) {
        std::thread::sleep(MS);
    }
}

#[test]
fn ticks_come_between_requests_and_before_the_end() {
    let (exporter, counters) = exporter(delivered, |c| c.signals[0].delay = 20 * MS);
    let exporter = Arc::new(exporter);
    let ticks = Arc::new(AtomicUsize::new(0));
    let (count, adder) = (Arc::clone(&ticks), Arc::downgrade(&exporter));
    let tick = move |all: bool| {
        count.fetch_add(1, Relaxed);
        if let Some(exporter) = adder.upgrade().filter(|_| all) {
            exporter.add(Signal::Traces, 0, &record());
        }
    };
    exporter.set_tick(Signal::Traces, 10 * MS, Box::new(tick));
    let deadline = Instant::now() + Duration::from_secs(5);
    while ticks.load(Relaxed) < 5 && Instant::now() < deadline {
        std::thread::sleep(MS);
    }
    assert_eq!(counters.exported.load(Relaxed), 0);
    assert!(exporter.flush(Duration::from_secs(5)));
    assert_eq!(counters.exported.load(Relaxed), 1);
    assert_eq!(exporter.stop(Duration::from_secs(5)), Ok(()));
    assert_eq!(counters.exported.load(Relaxed), 2);
}

#[test]
fn every_record_is_accounted_for_under_load() {
    const EACH: u64 = 20_000;
    const THREADS: u64 = 8;
    let turn = AtomicUsize::new(0);
    let respond = move || match turn.fetch_add(1, Relaxed) % 4 {
        0 => answer(Outcome::Refused, 0),
        1 => answer(Outcome::Delivered, 3),
        _ => delivered(),
    };
    let (exporter, counters) = exporter(respond, |c| c.queue_bytes = 1 << 20);
    std::thread::scope(|s| {
        for _ in 0..THREADS {
            s.spawn(|| {
                for _ in 0..4 {
                    add(&exporter, EACH / 4);
                    exporter.request_flush();
                }
            });
        }
        s.spawn(|| exporter.flush(20 * MS));
    });
    let _ = exporter.stop(Duration::from_secs(5));
    add(&exporter, 10);
    assert_eq!(counters.exported.load(Relaxed) + counters.lost().0, (EACH * THREADS + 10) as i64);
    assert_eq!(counters.queue_size.load(Relaxed), 0);
    assert!(dropped(counters, Reason::Stopped) >= 10);
}

/// A collector that takes only traces is nobody's concern: metrics that are collected
/// at the stop are no loss that it reports. Traces that nobody takes are one.
#[test]
fn what_is_not_served_is_told_once_and_a_loss_of_traces_alone() {
    for (signal, problems, notes, at_stop) in [(Signal::Traces, 1, 0, 1), (Signal::Metrics, 0, 1, 0), (Signal::Logs, 0, 1, 0)] {
        let told = Arc::new(Mutex::new((0, 0)));
        let (to_problem, to_note) = (Arc::clone(&told), Arc::clone(&told));
        let unserved = || Answer { outcome: Outcome::NotServed, text: "HTTP 404".to_owned(), ..delivered() };
        let (exporter, _) = exporter(unserved, |c| {
            for s in Signal::ALL {
                c.signals[s as usize].off = s != signal;
            }
            c.problem = Arc::new(move |_: &str| to_problem.lock().unwrap().0 += 1);
            c.note = Arc::new(move |_: &str| to_note.lock().unwrap().1 += 1);
        });
        let exporter = Arc::new(exporter);
        let weak = Arc::downgrade(&exporter);
        let tick = move |_| {
            if let Some(exporter) = weak.upgrade() {
                let scope = exporter.scope("test", "", "");
                exporter.add(signal, scope, &[0x12, 0]);
            }
        };
        exporter.set_tick(signal, Duration::from_secs(1), Box::new(tick));
        for _ in 0..2 {
            assert!(exporter.flush(Duration::from_secs(5)));
        }
        assert_eq!(lost(&exporter.stop(Duration::from_secs(5))), at_stop, "{}", signal.name());
        assert_eq!(*told.lock().unwrap(), (problems, notes), "{}", signal.name());
    }
}
