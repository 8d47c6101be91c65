//! The thread of one signal, with all that it owns.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::config::{Config, Problem, Target};
use super::encode::Encoder;
use super::http::{Address, Canceller, Client, Request};
use super::pacer::{Answer, Outcome, Pacer, Verdict};
use super::queue::{Added, Block, Queue, shards_for};
use super::scope::Scopes;
use super::{Ticks, gzip};
use crate::selfmetrics::{Reason, Signal, SignalCounters};

/// How long the signal rests after the collector said that it does not serve it.
const REST: Duration = Duration::from_secs(60);
/// An answer's body is read to here; the rest is not worth waiting for.
const MAX_ANSWER: usize = 64 << 10;
/// How often a person is told of problems.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Makes one attempt. It must return soon after the deadline or when its canceller
/// was called.
pub(super) trait Sender: Send {
    fn send(&mut self, body: &[u8], gzipped: bool, key: &str, deadline: Instant) -> Answer;
}

/// `refuse` when records are taken.
const ACCEPTING: u8 = u8::MAX;

/// What other threads share with the worker's.
struct Common {
    signal: Signal,
    counters: &'static SignalCounters,
    queue: Queue,
    /// The reason as which `add` counts records without taking them, or [`ACCEPTING`].
    refuse: AtomicU8,
    /// The batch in hand. Whoever swaps these to zero counts it: the worker, or a stop
    /// that could not wait for it.
    hand_records: AtomicI64,
    hand_bytes: AtomicI64,
    control: Mutex<Control>,
    changed: Condvar,
    canceller: Canceller,
}

#[derive(Default)]
struct Control {
    /// A batch is full, the first record after a rest is there, or a tick was set.
    roused: bool,
    /// Counts flushes.
    flush_asked: u64,
    flush_done: u64,
    stop_at: Option<Instant>,
    ended: bool,
}

impl Common {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, for ever without a time.
    fn wait_for<'a>(&self, control: MutexGuard<'a, Control>, until: Option<Instant>) -> MutexGuard<'a, Control> {
        match until {
            Some(until) => self.wait(control, until),
            None => self.changed.wait(control).unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn wait<'a>(&self, control: MutexGuard<'a, Control>, until: Instant) -> MutexGuard<'a, Control> {
        let left = until.saturating_duration_since(Instant::now());
        self.changed.wait_timeout(control, left).unwrap_or_else(PoisonError::into_inner).0
    }

    fn is_stopping(&self) -> bool {
        self.control().stop_at.is_some()
    }

    /// Counts the batch in hand as lost.
    fn drop_hand(&self, reason: Reason) {
        let records = self.hand_records.swap(0, Relaxed);
        let bytes = self.hand_bytes.swap(0, Relaxed);
        self.counters.drop_records(reason, records, bytes);
    }

    fn refuse(&self, from: u8, to: u8) {
        let _ = self.refuse.compare_exchange(from, to, Relaxed, Relaxed);
    }
}

/// The other threads' side of a worker.
pub(super) struct Worker(Arc<Common>);

impl Worker {
    /// Records and bytes that should have arrived and did not. Metrics and logs that the
    /// collector does not serve are counted too, but are no loss of a stop: many take
    /// nothing but traces.
    fn lost(&self) -> (i64, i64) {
        let SignalCounters { dropped, dropped_size, .. } = self.0.counters;
        let count = |cells: &[AtomicI64]| {
            let counts = |reason: &Reason| *reason != Reason::NotServed || self.0.signal == Signal::Traces;
            // Every count is read once and only grows, so what was lost between two calls is never negative.
            Reason::ALL.into_iter().filter(counts).map(|reason| cells[reason as usize].load(Relaxed)).sum()
        };
        (count(dropped), count(dropped_size))
    }

    pub fn start(signal: Signal, config: &Config, scopes: &Arc<Scopes>, ticks: &Arc<Ticks>) -> Worker {
        let target = config.signals[signal as usize].clone();
        let counters = &config.counters.signal[signal as usize];
        let canceller = Canceller::default();
        let common = Arc::new(Common {
            signal,
            counters,
            queue: Queue::new(config.queue_bytes, target.batch_records, shards_for(signal), counters),
            refuse: AtomicU8::new(ACCEPTING),
            hand_records: AtomicI64::new(0),
            hand_bytes: AtomicI64::new(0),
            control: Mutex::default(),
            changed: Condvar::new(),
            canceller: canceller.clone(),
        });
        let sender = match &config.sender {
            Some(make) => make(signal),
            None => sender(&target, canceller),
        };
        let run = Run {
            common: Arc::clone(&common),
            scopes: Arc::clone(scopes),
            ticks: Arc::clone(ticks),
            problem: Arc::clone(&config.problem),
            note: Arc::clone(&config.note),
            started: Instant::now(),
            sender,
            pacer: Pacer::default(),
            encoder: Encoder::new(&config.resource, &config.schema_url),
            packer: gzip::Packer::new(&target),
            target,
            blocks: Vec::new(),
            panics: 0,
            rest_ends: None,
            ticked: Instant::now(),
            began: Instant::now(),
            sealed: None,
            told: None,
            unserved: false,
            last: false,
            hopeless: false,
        };
        let thread = std::thread::Builder::new().name(format!("clew-{}", signal.name()));
        if thread.spawn(move || run.supervise()).is_err() {
            // The program has no thread to spare: the signal is off.
            common.refuse.store(Reason::WorkerPanic as u8, Relaxed);
            common.control().ended = true;
        }
        Worker(common)
    }

    pub fn signal(&self) -> Signal {
        self.0.signal
    }

    pub fn add(&self, scope: u32, record: &[u8]) {
        let refuse = self.0.refuse.load(Relaxed);
        if refuse != ACCEPTING {
            let reason = Reason::ALL[refuse as usize];
            self.0.counters.drop_records(reason, 1, record.len() as i64);
            return;
        }
        if self.0.queue.add(scope, record) != Added::Quietly {
            self.rouse();
        }
    }

    /// Whether the worker waits without a time.
    #[cfg(test)]
    pub fn rests(&self) -> bool {
        self.0.queue.is_resting()
    }

    /// Makes the worker look at what there is.
    pub fn rouse(&self) {
        self.0.control().roused = true;
        self.0.changed.notify_all();
    }

    /// Asks for a flush of all that is in the queue now; gives its number.
    pub fn request_flush(&self) -> u64 {
        let mut control = self.0.control();
        control.flush_asked += 1;
        self.0.changed.notify_all();
        control.flush_asked
    }

    /// Waits for a flush; false when the deadline came first.
    pub fn await_flush(&self, number: u64, deadline: Instant) -> bool {
        let mut control = self.0.control();
        while control.flush_done < number && !control.ended {
            if Instant::now() >= deadline {
                return false;
            }
            control = self.0.wait(control, deadline);
        }
        true
    }

    /// Tells the worker to come to its end; gives what was lost so far.
    pub fn begin_stop(&self, deadline: Instant) -> (i64, i64) {
        let lost = self.lost();
        self.0.control().stop_at.get_or_insert(deadline);
        self.0.changed.notify_all();
        lost
    }

    /// Waits for the worker until the deadline, breaks its connection off then, counts
    /// what it left at `latest`; gives what is lost by then.
    pub fn await_stop(&self, deadline: Instant, latest: Instant) -> (i64, i64) {
        let ended_by = |limit: Instant| {
            let mut control = self.0.control();
            while !control.ended && Instant::now() < limit {
                control = self.0.wait(control, limit);
            }
            control.ended
        };
        if !ended_by(deadline) {
            self.0.canceller.cancel();
            ended_by(latest);
        }
        self.0.refuse.store(Reason::Stopped as u8, Relaxed);
        self.0.queue.seal(true);
        self.0.queue.discard(Reason::Stopped);
        self.0.drop_hand(Reason::Stopped);
        self.lost()
    }
}

/// The thread's own side.
struct Run {
    common: Arc<Common>,
    scopes: Arc<Scopes>,
    ticks: Arc<Ticks>,
    problem: Problem,
    note: Problem,
    started: Instant,
    target: Target,
    sender: Box<dyn Sender>,
    pacer: Pacer,
    encoder: Encoder,
    packer: gzip::Packer,
    blocks: Vec<Block>,
    panics: u32,
    rest_ends: Option<Instant>,
    ticked: Instant,
    /// When the delay of what is in the queue began.
    began: Instant,
    /// When a turn last sent all that there was, and that was something.
    sealed: Option<Instant>,
    told: Option<Instant>,
    /// It was told that the signal is not served.
    unserved: bool,
    /// The last turn has begun.
    last: bool,
    /// Stopping, and the collector does not answer.
    hopeless: bool,
}

impl Run {
    /// Keeps `run` running until a stop. A panic is ours or a tick's; the program must
    /// live on and the signal get another chance.
    fn supervise(mut self) {
        let common = Arc::clone(&self.common);
        while catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
            self.panics += 1;
            common.drop_hand(Reason::WorkerPanic);
            let mut control = common.control();
            control.flush_done = control.flush_asked;
            common.changed.notify_all();
            if self.last {
                break;
            }
            let wait = match self.panics {
                1 => Duration::from_millis(100),
                2 => Duration::from_secs(1),
                _ => {
                    common.refuse(ACCEPTING, Reason::WorkerPanic as u8);
                    Duration::from_secs(60)
                }
            };
            let until = Instant::now() + wait;
            while control.stop_at.is_none() && Instant::now() < until {
                control = common.wait(control, until);
            }
            drop(control);
            common.refuse(Reason::WorkerPanic as u8, ACCEPTING);
            self.tell("the worker panicked");
        }
        common.queue.seal(true);
        common.queue.discard(Reason::Stopped);
        drop(self);
        common.control().ended = true;
        common.changed.notify_all();
    }

    fn run(&mut self) {
        loop {
            let (all, flush, last) = self.wait();
            self.last = last;
            self.turn(all, flush.is_some(), last);
            if let Some(number) = flush {
                self.common.control().flush_done = number;
                self.common.changed.notify_all();
            }
            if last {
                return;
            }
        }
    }

    /// Returns when the next tick or batch is due, or earlier when a batch is full, the
    /// first record is there or everything shall be sent: whether all, up to which flush,
    /// whether for the last time.
    fn wait(&mut self) -> (bool, Option<u64>, bool) {
        let rests = self.rest_ends.is_none() && self.common.queue.rest();
        let batch = (!rests).then(|| self.batch_due());
        let due = [self.tick_due(), batch].into_iter().flatten().min();
        let common = Arc::clone(&self.common);
        let mut control = common.control();
        loop {
            let flush = control.flush_asked;
            let flush = (flush > control.flush_done).then_some(flush);
            let last = control.stop_at.is_some();
            let all = flush.is_some() || last || due.is_some_and(|due| Instant::now() >= due);
            let roused = std::mem::take(&mut control.roused);
            if roused && rests {
                self.began = Instant::now();
            }
            if all || roused {
                return (all, flush, last);
            }
            control = common.wait_for(control, due);
        }
    }

    /// When what is in the queue is to go out, full or not.
    fn batch_due(&self) -> Instant {
        let due = self.began + self.target.delay;
        self.sealed.map_or(due, |at| due.max(at + self.target.steady))
    }

    /// When the tick is to be called next, if there is one.
    fn tick_due(&self) -> Option<Instant> {
        // In the child of a fork the lock may be held by nobody for ever.
        let slot = self.ticks[self.common.signal as usize].try_lock().ok()?;
        slot.as_ref().map(|(every, _)| self.ticked + *every)
    }

    /// Sends what there is: all of it, or only full batches.
    fn turn(&mut self, all: bool, flush: bool, last: bool) {
        let all = all && Instant::now() >= self.batch_due() || flush || last;
        if flush || last || self.tick_due().is_some_and(|due| Instant::now() >= due) {
            self.tick(flush || last);
        }
        if all {
            self.began = Instant::now();
            if self.common.queue.seal(last) {
                self.sealed = Some(self.began);
            }
        }
        while self.send_one(all) {}
    }

    /// Takes a batch from the queue and keeps it until it is sent or lost. Says whether
    /// there may be another.
    fn send_one(&mut self, all: bool) -> bool {
        let common = Arc::clone(&self.common);
        if let Some(ends) = self.rest_ends {
            if Instant::now() < ends {
                common.queue.seal(false);
                common.queue.discard(Reason::NotServed);
                return false;
            }
            self.rest_ends = None;
            common.refuse(Reason::NotServed as u8, ACCEPTING);
        }
        if self.hopeless || common.queue.is_empty() {
            return false;
        }
        // While the breaker is open, records stay in the queue, where the oldest give way.
        self.pacer.begin(self.started.elapsed());
        if !self.reach() {
            return false;
        }
        common.queue.take(&mut self.blocks, all);
        if self.blocks.is_empty() {
            return false;
        }
        let records: usize = self.blocks.iter().map(|b| b.records).sum();
        let bytes: usize = self.blocks.iter().map(Block::payload).sum();
        common.hand_records.store(records as i64, Relaxed);
        common.hand_bytes.store(bytes as i64, Relaxed);
        self.encoder.encode(&self.blocks, &self.scopes);
        common.queue.give_back(&mut self.blocks);
        self.packer.pack(self.encoder.body());
        self.pacer.begin(self.started.elapsed());
        self.deliver()
    }

    /// Makes the attempts for the batch in hand.
    fn deliver(&mut self) -> bool {
        let common = Arc::clone(&self.common);
        let key = new_key();
        loop {
            if !self.reach() {
                common.drop_hand(Reason::Stopped);
                return false;
            }
            let answer = self.attempt(&key);
            let verdict = self.pacer.finish(self.started.elapsed(), &answer, random());
            common.counters.breaker.store(self.pacer.breaker(), Relaxed);
            // One failed attempt is nobody's concern.
            if answer.outcome == Outcome::NotServed {
                self.tell_unserved(&answer.text);
            } else if matches!(verdict, Verdict::Dropped | Verdict::GiveUp) || self.pacer.is_open() {
                self.tell(&answer.text);
            }
            match verdict {
                Verdict::Delivered => {
                    self.delivered(&answer);
                    return true;
                }
                Verdict::Dropped => {
                    common.drop_hand(match answer.outcome {
                        Outcome::TooLarge => Reason::TooLarge,
                        Outcome::NotServed => Reason::NotServed,
                        _ => Reason::Refused,
                    });
                    if answer.outcome == Outcome::NotServed {
                        self.rest_ends = Some(Instant::now() + REST);
                        common.refuse(ACCEPTING, Reason::NotServed as u8);
                    }
                    return true;
                }
                Verdict::GiveUp => {
                    let stopped = common.control().stop_at.is_some_and(|at| Instant::now() >= at);
                    common.drop_hand(if stopped { Reason::Stopped } else { Reason::Unreachable });
                    self.hopeless = common.is_stopping();
                    return !self.hopeless;
                }
                Verdict::Again => {
                    let over = self.pacer.is_open() || common.canceller.is_cancelled();
                    if over && common.is_stopping() {
                        self.hopeless = true;
                        common.drop_hand(Reason::Stopped);
                        return false;
                    }
                }
            }
        }
    }

    fn delivered(&mut self, answer: &Answer) {
        self.panics = 0;
        self.unserved = false;
        let common = &self.common;
        let records = common.hand_records.swap(0, Relaxed);
        let bytes = common.hand_bytes.swap(0, Relaxed);
        let rejected = answer.rejected.clamp(0, records);
        common.counters.exported.fetch_add(records - rejected, Relaxed);
        if rejected > 0 {
            let bytes = bytes * rejected / records;
            common.counters.drop_records(Reason::PartialSuccess, rejected, bytes);
            self.tell(&format!("{rejected} records were not taken: {}", answer.text));
        }
    }

    fn attempt(&mut self, key: &str) -> Answer {
        let began = Instant::now();
        let allowed = self.pacer.start(self.started.elapsed(), self.target.timeout);
        let mut deadline = began + allowed;
        if let Some(stop_at) = self.common.control().stop_at {
            deadline = deadline.min(stop_at);
        }
        let counters = self.common.counters;
        counters.breaker.store(self.pacer.breaker(), Relaxed);
        counters.inflight.store(self.common.hand_records.load(Relaxed), Relaxed);
        let (body, gzipped) = self.packer.packed(self.encoder.body());
        let answer = self.sender.send(body, gzipped, key, deadline);
        counters.inflight.store(0, Relaxed);
        counters.durations.record(&answer.word, began.elapsed());
        answer
    }

    /// Waits until the pacer lets an attempt start; ticks go on meanwhile. False when
    /// the time of a stop is over before that.
    fn reach(&mut self) -> bool {
        loop {
            let now = self.started.elapsed();
            let control = self.common.control();
            if let Some(stop_at) = control.stop_at {
                self.pacer.hurry(now);
                let cancelled = self.common.canceller.is_cancelled();
                if cancelled || self.started + self.pacer.ready >= stop_at {
                    self.hopeless = true;
                    return false;
                }
            }
            if now >= self.pacer.ready {
                return true;
            }
            let ready = self.started + self.pacer.ready;
            let due = self.tick_due();
            drop(self.common.wait(control, due.map_or(ready, |due| due.min(ready))));
            if due.is_some_and(|due| Instant::now() >= due) {
                self.tick(false);
            }
        }
    }

    fn tick(&mut self, all: bool) {
        self.ticked = Instant::now();
        let slot = &self.ticks[self.common.signal as usize];
        // In the child of a fork the lock may be held by nobody for ever.
        let tick = slot.try_lock().ok().and_then(|slot| slot.clone());
        if let Some((_, tick)) = tick {
            tick(all);
        }
    }

    /// Passes on a problem, at most once a minute.
    fn tell(&mut self, text: &str) {
        if self.told.is_none_or(|t| t.elapsed() >= TELL_EVERY) {
            self.told = Some(Instant::now());
            self.say(&self.problem, text);
        }
    }

    /// Passes on, once until a batch is delivered, that the collector does not take the
    /// signal: of traces a problem, while many, Clew among them, take nothing but traces.
    fn tell_unserved(&mut self, text: &str) {
        if !self.unserved {
            self.unserved = true;
            let to = if self.common.signal == Signal::Traces { &self.problem } else { &self.note };
            self.say(to, text);
        }
    }

    fn say(&self, to: &Problem, text: &str) {
        let url = super::http::without_secrets(&self.target.url);
        let line = format!("export {} to {url}: {text}", self.common.signal.name());
        // Whoever is told must not end the worker.
        let _ = catch_unwind(AssertUnwindSafe(|| to(&line)));
    }
}

/// An `Idempotency-Key`: 32 hex digits by chance.
fn new_key() -> String {
    format!("{:016x}{:016x}", random_bits(), random_bits())
}

/// In [0, 1).
fn random() -> f64 {
    (random_bits() >> 11) as f64 / (1u64 << 53) as f64
}

/// The standard library's hasher is keyed by the operating system, once a thread: the
/// worker of a forked child is a new thread and repeats nothing of its parent's.
fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn sender(target: &Target, canceller: Canceller) -> Box<dyn Sender> {
    match Address::parse(&target.url) {
        Ok(address) => Box::new(HttpSender { client: Client::new(address, &target.tls, canceller), headers: target.headers.clone() }),
        Err(text) => Box::new(BrokenSender(text)),
    }
}

/// Stands where an address cannot be used.
struct BrokenSender(String);

impl Sender for BrokenSender {
    fn send(&mut self, _: &[u8], _: bool, _: &str, _: Instant) -> Answer {
        Answer { outcome: Outcome::Refused, asked: Duration::ZERO, rejected: 0, word: "address".to_owned(), text: self.0.clone() }
    }
}

struct HttpSender {
    client: Client,
    headers: Vec<(String, String)>,
}

impl Sender for HttpSender {
    fn send(&mut self, body: &[u8], gzipped: bool, key: &str, deadline: Instant) -> Answer {
        let mut headers = vec![("content-type", "application/x-protobuf"), ("idempotency-key", key), ("user-agent", "clew-rust")];
        if gzipped {
            headers.push(("content-encoding", "gzip"));
        }
        headers.extend(self.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let request = Request { method: "POST", headers: &headers, body, deadline, max_answer: MAX_ANSWER };
        match self.client.send(&request) {
            Ok(response) => Answer::of(&response, SystemTime::now()),
            Err(failure) => Answer::failed(&failure),
        }
    }
}
