//! The kit's own voice: a ring of the last lines, and a few of them on standard error. It never goes through `tracing`, so that trouble with
//! telemetry makes no telemetry.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::wire::cut;

/// Lines that are shown by [`crate::Guard::status`].
const KEPT: usize = 32;
/// Between two lines on standard error once the kit runs.
const QUIET: Duration = Duration::from_secs(60);
/// Bytes a line.
const LONGEST: usize = 500;

/// Something that the kit wants a person to know.
#[derive(Clone, Debug)]
pub struct Problem {
    /// When it was noticed.
    pub time: SystemTime,
    /// One line.
    pub text: String,
}

struct Problems {
    ring: VecDeque<Problem>,
    last: Option<Instant>,
    muted: u64,
    /// While the kit starts every line is written.
    loud: bool,
}

static PROBLEMS: Mutex<Problems> = Mutex::new(Problems { ring: VecDeque::new(), last: None, muted: 0, loud: false });

impl Problems {
    /// Keeps a line, and gives it as it is kept.
    fn keep(&mut self, text: &str, time: SystemTime) -> String {
        let text = cut(&text.replace(['\n', '\r'], " "), LONGEST).to_owned();
        if self.ring.len() == KEPT {
            self.ring.pop_front();
        }
        self.ring.push_back(Problem { time, text: text.clone() });
        text
    }

    /// Keeps a line. Gives what to write to standard error.
    fn add(&mut self, text: &str, time: SystemTime, now: Instant) -> Option<String> {
        let text = self.keep(text, time);
        if !self.loud && self.last.is_some_and(|last| now.saturating_duration_since(last) < QUIET) {
            self.muted += 1;
            return None;
        }
        let muted = std::mem::take(&mut self.muted);
        self.last = Some(now);
        Some(match muted {
            0 => format!("clew: {text}\n"),
            muted => format!("clew: {text} (and {muted} more since the last line)\n"),
        })
    }
}

fn with<R>(f: impl FnOnce(&mut Problems) -> R) -> R {
    f(&mut PROBLEMS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps a line and writes it to standard error, once a minute at most.
pub fn add(text: &str) {
    // Not under the lock: a standard error that nobody reads holds up only this thread. What it says is not looked at.
    if let Some(line) = with(|problems| problems.add(text, SystemTime::now(), Instant::now())) {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// Keeps a line that nobody needs to be told: the status shows it.
pub fn note(text: &str) {
    with(|problems| problems.keep(text, SystemTime::now()));
}

/// Writes every line while the kit starts, and few after that.
pub fn loud(loud: bool) {
    with(|problems| problems.loud = loud);
}

/// The lines that are kept, oldest first.
pub fn all() -> Vec<Problem> {
    with(|problems| problems.ring.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_one_line_and_the_ring_the_last_32() {
        let mut problems = Problems { ring: VecDeque::new(), last: None, muted: 0, loud: false };
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut add = |text: &str, s| problems.add(text, SystemTime::UNIX_EPOCH, at(s));
        assert_eq!(add("a\nb", 0).as_deref(), Some("clew: a b\n"));
        for _ in 0..40 {
            assert_eq!(add("muted", 59), None);
        }
        assert_eq!(add("c", 60).as_deref(), Some("clew: c (and 40 more since the last line)\n"));
        let long = add(&"x".repeat(600), 121).unwrap_or_default();
        assert_eq!(long.len(), "clew: \n".len() + LONGEST);
        problems.loud = true;
        assert!(problems.add("loud", SystemTime::UNIX_EPOCH, at(121)).is_some());
        assert_eq!(problems.ring.len(), KEPT);
        assert_eq!(problems.ring.back().map(|p| p.text.as_str()), Some("loud"));
    }
}
