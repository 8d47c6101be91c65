//! Writes lines on a thread of its own, so that a pipe that nobody reads holds up nobody.

use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bounds the lines that wait for the writer.
const MOST_BYTES: usize = 1 << 20;
/// How large a buffer may stay when it is empty.
const KEEP_BYTES: usize = 64 << 10;
/// How long the writer of an ERROR line waits until it is out, so that it is not lost when the program exits right behind it.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long the thread collects before it writes: waking it costs more than a line.
const COLLECT: Duration = Duration::from_millis(1);
/// How often the thread ticks.
const TICK: Duration = Duration::from_secs(1);

/// Where lines go. Those that find no room, or that the writer refuses, are lost and counted.
pub struct Sink {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    /// The thread waits here.
    work: Condvar,
    /// Those who wait for their lines wait here.
    moved: Condvar,
    lost: &'static AtomicI64,
}

#[derive(Default)]
struct State {
    pending: Vec<u8>,
    /// Bytes of all lines that were taken.
    taken: u64,
    /// Bytes that were written or lost.
    done: u64,
    /// The thread waits without a time to be woken for lines.
    idle: bool,
    /// Somebody waits for a line.
    urgent: bool,
    /// Somebody waited in vain; nobody waits until the writer has moved.
    stuck: bool,
    stopping: bool,
    ended: bool,
    /// The writer, when the thread has ended.
    writer: Option<Box<dyn Write + Send>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Starts the thread. Lost lines are added to `lost`. The thread calls `tick` once a second as long as
    /// lines come, and for a second or two after the last. Without a thread to be had, everything is
    /// lost.
    pub fn new(writer: Box<dyn Write + Send>, lost: &'static AtomicI64, tick: impl Fn() + Send + 'static) -> Sink {
        let shared = Arc::new(Shared { state: Mutex::default(), work: Condvar::new(), moved: Condvar::new(), lost });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("clew-log".into()).spawn(move || run(&theirs, writer, tick));
        Sink { shared, thread: Mutex::new(thread.ok()) }
    }

    /// Takes a copy of a line. With `wait` it waits until the line is out, 100 ms at most, and not at all while the writer is stuck. After
    /// [`Sink::stop`] it writes the line itself, unless the writer was stuck then.
    pub fn write(&self, line: &[u8], wait: bool) {
        let mut state = self.shared.state();
        if state.stopping {
            match state.writer.take() {
                Some(mut writer) => {
                    drop(state);
                    write(&mut *writer, line, self.shared.lost);
                    self.shared.state().writer = Some(writer);
                }
                None => {
                    drop(state);
                    self.shared.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
            return;
        }
        if state.pending.len() + line.len() > MOST_BYTES {
            drop(state);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.pending.extend_from_slice(line);
        state.taken += line.len() as u64;
        let target = state.taken;
        let wait = wait && !state.stuck;
        state.urgent |= wait;
        if state.idle || wait {
            state.idle = false;
            self.shared.work.notify_one();
        }
        if wait && !self.wait(state, target, Instant::now() + PATIENCE) {
            self.shared.state().stuck = true;
        }
    }

    fn wait(&self, mut state: MutexGuard<'_, State>, target: u64, deadline: Instant) -> bool {
        while state.done < target {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.shared.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Waits until all lines taken before the call are out; false when the deadline came first.
    pub fn flush(&self, deadline: Instant) -> bool {
        let mut state = self.shared.state();
        let target = state.taken;
        state.urgent = true;
        state.idle = false;
        self.shared.work.notify_one();
        self.wait(state, target, deadline)
    }

    /// Flushes and ends the thread, unless the writer never returns. Returns how many lines were not written.
    pub fn stop(&self, deadline: Instant) -> u64 {
        let flushed = self.flush(deadline);
        let mut state = self.shared.state();
        if state.stopping {
            return 0;
        }
        state.stopping = true;
        let left = if flushed { 0 } else { lines(&std::mem::take(&mut state.pending)) };
        self.shared.lost.fetch_add(left as i64, Ordering::Relaxed);
        self.shared.work.notify_one();
        // The thread gives the writer back when it ends, so that later lines can be written.
        while flushed && !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let ended = state.ended;
        drop(state);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (true, Some(thread)) = (ended, thread) {
            let _ = thread.join();
        }
        left
    }
}

impl Drop for Sink {
    /// A sink that was replaced without a stop writes what it has, and its thread ends by itself.
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        self.shared.work.notify_one();
    }
}

fn run(shared: &Shared, mut writer: Box<dyn Write + Send>, tick: impl Fn()) {
    let mut batch = Vec::new();
    let mut next_tick = Some(Instant::now() + TICK);
    // What was taken at the last tick.
    let mut ticked_at = 0;
    let mut state = shared.state();
    loop {
        if state.pending.is_empty() {
            if state.stopping {
                break;
            }
            let left = next_tick.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                drop(state);
                tick();
                state = shared.state();
                // A program that logs nothing is not woken.
                next_tick = (state.taken != ticked_at).then(|| Instant::now() + TICK);
                ticked_at = state.taken;
                continue;
            }
            state.idle = true;
            state = match left {
                Some(left) => shared.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.idle = false;
            if !state.urgent && !state.stopping && !state.pending.is_empty() {
                state = shared.work.wait_timeout(state, COLLECT).unwrap_or_else(PoisonError::into_inner).0;
            }
            continue;
        }
        state.urgent = false;
        std::mem::swap(&mut state.pending, &mut batch);
        drop(state);
        write(&mut *writer, &batch, shared.lost);
        let written = batch.len() as u64;
        batch.clear();
        batch.shrink_to(KEEP_BYTES);
        state = shared.state();
        state.done += written;
        state.stuck = false;
        next_tick.get_or_insert_with(|| Instant::now() + TICK);
        shared.moved.notify_all();
    }
    state.writer = Some(writer);
    state.ended = true;
    shared.moved.notify_all();
}

/// Hands lines to the writer once. What it does not take is lost; a writer that panics has taken nothing.
fn write(writer: &mut dyn Write, lines_: &[u8], lost: &AtomicI64) {
    let mut written = 0;
    let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // A pipe takes what fits; only an error ends it.
        while written < lines_.len() {
            match writer.write(&lines_[written..]) {
                Ok(0) => break,
                Ok(n) => written += n.min(lines_.len() - written),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let _ = writer.flush();
    }));
    if attempt.is_err() || written < lines_.len() {
        lost.fetch_add(lines(&lines_[written..]) as i64, Ordering::Relaxed);
    }
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}
