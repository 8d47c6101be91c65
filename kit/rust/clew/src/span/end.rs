//! How a span ends: once, at its explicit finish or when the last use is gone, and what is sent then.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use super::begin::now_ns;
use super::handle::Handle;
use super::record::{Record, Status};
use super::store;
use crate::engine::{ENGINE, Engine};
use crate::selfmetrics::{Reason, Signal, counters};
use crate::{Value, panics, watch};

/// A buffer larger than this is not kept for the thread's next span.
const KEPT_BYTES: usize = 64 << 10;

thread_local!(static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });

/// Ends the span at the time that `at` gives; any later end does nothing.
pub fn finish(handle: Handle, at: impl Fn() -> u64) {
    if handle.alias() || handle.carried() {
        return;
    }
    let panic = panic_of(handle);
    ENGINE.with(|engine| {
        let end = store::with(handle, |record| close(record, handle, engine, &at, panic.as_ref())).flatten();
        send(engine, end);
    });
}

/// Gives back one use. The last one ends the span, unless it was finished before.
#[inline]
pub fn release(handle: Handle) -> bool {
    let mut end = None;
    let panic = panic_of(handle);
    let last = store::release(handle, |record| {
        if !handle.carried() {
            ENGINE.with(|engine| end = close(record, handle, engine, &now_ns, panic.as_ref()));
        }
    });
    if end.is_some() {
        ENGINE.with(|engine| send(engine, end));
    }
    last
}

/// An encoded span on its way out.
struct Ended {
    bytes: Vec<u8>,
    trace: [u8; 16],
    id: [u8; 8],
    summary: bool,
}

/// A panic that is under way.
struct Panic {
    message: String,
    stack: Option<Arc<str>>,
}

/// The panic that this thread is unwinding from, read before the span is locked.
#[inline]
fn panic_of(handle: Handle) -> Option<Panic> {
    if !std::thread::panicking() {
        panics::forget();
        return None;
    }
    if handle.alias() || handle.carried() || !store::open(handle) {
        return None;
    }
    let (message, stack) = panics::under_way();
    Some(Panic { message, stack })
}

/// Ends the record. Gives what has to be sent, encoded, because the place may be used anew before it is.
fn close(record: &mut Record, handle: Handle, engine: Option<&Engine>, at: &impl Fn() -> u64, panic: Option<&Panic>) -> Option<Ended> {
    if record.finished {
        return None;
    }
    record.finished = true;
    store::mark_finished(handle);
    if record.serving {
        watch::served();
    }
    let Some(engine) = engine else {
        if handle.sampled() {
            outlived(record);
        }
        return None;
    };
    let panic = panic.filter(|_| record.status == Status::Unset);
    if handle.sampled() {
        engine.count_ended();
        if record.parent.is_some_and(|parent| !store::open(parent)) {
            engine.count_late();
            record.set(&engine.limits, &(), "clew.late", Value::Bool(true));
        }
    } else if !record.summary || !(panic.is_some() || record.status == Status::Error) || !engine.summaries() {
        return None;
    }
    let end_ns = at().max(record.start_ns);
    if !handle.sampled() {
        if !summary_allowed() {
            return None;
        }
        record.set(&engine.limits, &(), "clew.sampling.summary", Value::Bool(true));
    }
    if let Some(Panic { message, stack }) = panic {
        record.set_status(&engine.limits, Status::Error, &format!("panic: {message}"));
        exception(message, stack.as_deref(), |attributes| record.event(&engine.limits, engine, now_ns(), "exception", attributes));
    }
    let mut bytes = SCRATCH.try_with(Cell::take).unwrap_or_default();
    bytes.clear();
    record.encode(&mut bytes, end_ns);
    record.forget_fields();
    let span = &record.context.span;
    Some(Ended { bytes, trace: span.trace_id.0, id: span.span_id.0, summary: !handle.sampled() })
}

/// What the event `exception` of a panic says.
pub fn exception(message: &str, stack: Option<&str>, add: impl FnOnce(&[(&str, Value<'_>)])) {
    let all = [
        ("exception.type", Value::Str("panic")),
        ("exception.message", Value::Str(message)),
        ("exception.stacktrace", Value::Str(stack.unwrap_or_default())),
    ];
    add(if stack.is_some() { &all } else { &all[..2] });
}

/// The kit was stopped while the span lived.
#[cold]
fn outlived(record: &Record) {
    counters().span_live.add(-1);
    counters().signal[Signal::Traces as usize].drop_records(Reason::Stopped, 1, 0);
    if watch::on() {
        let span = &record.context.span;
        watch::forget(span.trace_id.0, span.span_id.0);
    }
}

fn send(engine: Option<&Engine>, ended: Option<Ended>) {
    let (Some(engine), Some(mut ended)) = (engine, ended) else { return };
    engine.send(&ended.bytes, ended.summary);
    if watch::on() {
        watch::ended(ended.trace, ended.id, &engine.service, &ended.bytes);
    }
    if ended.bytes.capacity() <= KEPT_BYTES {
        let bytes = std::mem::take(&mut ended.bytes);
        let _ = SCRATCH.try_with(|scratch| scratch.set(bytes));
    }
}

/// Counts the summaries of this second.
fn summary_allowed() -> bool {
    static SENT: AtomicU64 = AtomicU64::new(0);
    ten_a_second(&SENT, second())
}

/// A second of the present, whatever times a span has and the clock is set to.
pub fn second() -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    FIRST.elapsed().as_secs()
}

/// Counts to ten in each second; the second and the count share the word.
pub fn ten_a_second(counted: &AtomicU64, second: u64) -> bool {
    counted
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| match word {
            word if word >> 8 != second => Some(second << 8 | 1),
            word if word & 0xff < 10 => Some(word + 1),
            _ => None,
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_second_and_no_more() {
        let counted = AtomicU64::new(0);
        for second in [7, 8, 100] {
            let passed = (0..50).filter(|_| ten_a_second(&counted, second)).count();
            assert_eq!(passed, 10, "second {second}");
        }
    }
}
