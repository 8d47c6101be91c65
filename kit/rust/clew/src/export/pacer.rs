//! When attempts are made: the attempts of the batch in hand, the waits between
//! them, the breaker over all batches. It neither reads a clock nor waits: instants
//! come in as durations since some start, so that tests are exact.

use std::time::Duration;

const MAX_ATTEMPTS: u32 = 3;
const MAX_AGE: Duration = Duration::from_secs(15);
const FIRST_WAIT: Duration = Duration::from_millis(250);
const MAX_WAIT: Duration = Duration::from_secs(5);
pub(super) const MAX_ASKED: Duration = Duration::from_secs(30);
const BREAKER_FAILURES: u32 = 5;
const BREAKER_FIRST: Duration = Duration::from_secs(1);
const BREAKER_MOST: Duration = Duration::from_secs(30);
const MAX_PROBES: u32 = 8;

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Delivered,
    /// May succeed later: counts for the breaker.
    Retry,
    Refused,
    TooLarge,
    NotServed,
}

/// An attempt's outcome with what goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub outcome: Outcome,
    /// How long the collector wants to be left alone; zero: it said nothing.
    pub asked: Duration,
    /// The records of a partial success that were not taken.
    pub rejected: i64,
    /// A status code in digits, or an error's type where no answer came.
    pub word: String,
    /// Explains a failure to a person.
    pub text: String,
}

/// What the pacer makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Delivered,
    /// Try the batch in hand again, not before [`Pacer::ready`].
    Again,
    /// Its attempts are used up: unreachable.
    GiveUp,
    /// The answer was final; its outcome says why.
    Dropped,
}

#[derive(Debug, Default)]
pub(super) struct Pacer {
    /// In a row, of all batches.
    failures: u32,
    /// Zero: the breaker is closed.
    open_for: Duration,
    /// Half open: a probe is under way.
    probing: bool,
    /// Of any attempt: what the breaker and the collector ask for.
    not_before: Duration,

    /// Made with the batch in hand, without probes.
    attempts: u32,
    /// Made with the batch in hand.
    probes: u32,
    /// Its age counts from here.
    since: Duration,
    /// Its next attempt may start here.
    pub ready: Duration,
}

impl Pacer {
    /// Takes a new batch in hand.
    pub fn begin(&mut self, now: Duration) {
        self.attempts = 0;
        self.probes = 0;
        self.ready = now.max(self.not_before);
        self.since = self.ready;
    }

    /// Says that an attempt starts now; gives how long it may take.
    pub fn start(&mut self, now: Duration, timeout: Duration) -> Duration {
        if self.is_open() {
            self.probing = true;
            return timeout;
        }
        timeout.min((self.since + MAX_AGE).saturating_sub(now))
    }

    /// Takes the answer of an attempt that ended now. `random` in [0, 1) scales the
    /// wait before the next.
    pub fn finish(&mut self, now: Duration, answer: &Answer, random: f64) -> Verdict {
        if answer.outcome != Outcome::Retry {
            self.failures = 0;
            self.open_for = Duration::ZERO;
            self.probing = false;
            return match answer.outcome {
                Outcome::Delivered => Verdict::Delivered,
                _ => Verdict::Dropped,
            };
        }
        let asked = now + answer.asked.min(MAX_ASKED);
        self.failures = self.failures.saturating_add(1);
        if self.probing {
            // A probe tells whether the collector is back. It is none of the batch's
            // attempts, or each probe of an outage would cost what it carried.
            self.probing = false;
            self.probes += 1;
            self.open_for = (self.open_for * 2).min(BREAKER_MOST);
            self.not_before = asked.max(now + self.open_for);
            self.ready = self.not_before;
            self.since = self.ready;
            return if self.probes >= MAX_PROBES { Verdict::GiveUp } else { Verdict::Again };
        }
        self.attempts += 1;
        self.not_before = asked;
        let most = MAX_WAIT.min(FIRST_WAIT * (1 << self.attempts));
        let wait = now + Duration::from_nanos((random * most.as_nanos() as f64) as u64);
        self.ready = wait.max(asked);
        if self.failures >= BREAKER_FAILURES {
            self.open_for = BREAKER_FIRST;
            self.not_before = asked.max(now + self.open_for);
            self.ready = self.ready.max(self.not_before);
        }
        if self.attempts >= MAX_ATTEMPTS || wait.saturating_sub(self.since) >= MAX_AGE {
            return Verdict::GiveUp;
        }
        // What the collector or the breaker demands beyond the batch's own wait does
        // not make the batch older.
        self.since += self.ready - wait;
        Verdict::Again
    }

    pub fn is_open(&self) -> bool {
        !self.open_for.is_zero()
    }

    /// The state as `clew.kit.breaker.state` gives it.
    pub fn breaker(&self) -> i64 {
        match (self.is_open(), self.probing) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        }
    }

    /// Lets the batch in hand be tried now although the breaker is open: stopping has
    /// no time to wait for it, and one probe tells whether more is worth it.
    pub fn hurry(&mut self, now: Duration) {
        if self.is_open() {
            self.ready = now;
        }
    }
}
