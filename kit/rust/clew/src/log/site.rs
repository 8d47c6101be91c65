//! Counts the lines of each call site in windows of one second, and says which are too many.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::line::{MAX_MESSAGE, Severity};

/// How many call sites are told apart; the rest share one.
pub const MAX_SITES: usize = 4096;
/// A table of twice as many slots, so that a search ends after a few.
const SLOTS: usize = 2 * MAX_SITES;
/// Ends the search in an unlucky corner of the table.
const MAX_PROBES: usize = 64;
/// The least that a call site may write in a second at level ERROR.
pub const ERROR_LINES: u64 = 100;
/// By how many seconds a line's time must be before the window to begin a new one: less is another thread's line that comes late, more is a
/// clock that was set back and would keep the site silent until it has caught up.
const CLOCK_BACK: i64 = 60;

/// All call sites: 128 KiB, and what the sites' last messages need.
pub struct Sites {
    slots: Box<[OnceLock<Box<Site>>]>,
    known: AtomicUsize,
    others: Site,
}

/// One call site.
pub struct Site {
    key: u64,
    /// `file:line`.
    pub code: String,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    begun: bool,
    /// Seconds since 1970.
    second: i64,
    written: u64,
    rest: More,
}

/// The line that stands for those that a site did not write.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct More {
    pub count: u64,
    /// The end of the window, nanoseconds since 1970.
    pub time: i64,
    pub severity: Severity,
    pub message: String,
    pub code: String,
}

/// What [`Site::admit`] says. A `More` is to be written before anything else.
pub struct Admission {
    pub due: Option<Box<More>>,
    pub admitted: bool,
}

impl Default for Sites {
    fn default() -> Sites {
        Sites { slots: (0..SLOTS).map(|_| OnceLock::new()).collect(), known: AtomicUsize::new(0), others: Site::new(0, String::new()) }
    }
}

impl Sites {
    /// The site with the key. `code` is asked once for a site that is kept.
    pub fn at(&self, key: u64, code: impl FnOnce() -> String) -> &Site {
        let first = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as usize;
        let mut code = Some(code);
        for probe in 0..MAX_PROBES {
            let slot = &self.slots[(first + probe) % SLOTS];
            let site = match slot.get() {
                Some(site) => site,
                // Threads that insert at the same moment may go over the limit by their number.
                None if self.known.load(Ordering::Relaxed) >= MAX_SITES => return &self.others,
                None => slot.get_or_init(|| {
                    self.known.fetch_add(1, Ordering::Relaxed);
                    Box::new(Site::new(key, code.take().map(|code| code()).unwrap_or_default()))
                }),
            };
            if site.key == key {
                return site;
            }
        }
        &self.others
    }

    /// Hands out what is to be written for windows that ended before `now`, for all windows without it.
    pub fn due(&self, now: Option<i64>, mut emit: impl FnMut(More)) {
        for site in self.slots.iter().filter_map(OnceLock::get).map(|b| &**b).chain([&self.others]) {
            let due = {
                let mut window = site.window();
                let ended = now.is_none_or(|now| second(now) > window.second);
                if ended { window.take() } else { None }
            };
            if let Some(more) = due {
                emit(*more);
            }
        }
    }
}

impl Site {
    fn new(key: u64, code: String) -> Site {
        Site { key, code, window: Mutex::default() }
    }

    /// The site stands for all that are over the limit.
    pub fn is_shared(&self) -> bool {
        self.key == 0
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a line of the site may be written when `per_second` are. A line that may not is to go to [`Site::deny`].
    pub fn admit(&self, time: i64, severity: Severity, per_second: u64) -> Admission {
        let limit = if severity >= Severity::Error { per_second.max(ERROR_LINES) } else { per_second };
        let second = second(time);
        let mut window = self.window();
        let mut due = None;
        if !window.begun || second > window.second || second < window.second - CLOCK_BACK {
            due = window.take();
            (window.begun, window.second, window.written) = (true, second, 0);
        }
        let admitted = window.written < limit;
        window.written += u64::from(admitted);
        Admission { due, admitted }
    }

    /// Counts a line that was not admitted. Not part of `admit`, because its message is formatted by foreign code, which may not run under a
    /// lock.
    pub fn deny(&self, severity: Severity, message: &str, code: &str) {
        let mut window = self.window();
        let rest = &mut window.rest;
        rest.count += 1;
        rest.severity = severity;
        rest.message.clear();
        // A little over the limit, so that the line still sees that there was more.
        rest.message.push_str(crate::wire::cut(message, MAX_MESSAGE + 4));
        rest.code.clear();
        rest.code.push_str(code);
    }
}

impl Window {
    /// Ends the count of what was not written.
    fn take(&mut self) -> Option<Box<More>> {
        if self.rest.count == 0 {
            return None;
        }
        let mut more = std::mem::take(&mut self.rest);
        more.time = self.second.saturating_add(1).saturating_mul(1_000_000_000);
        Some(Box::new(more))
    }
}

fn second(unix_nanos: i64) -> i64 {
    unix_nanos.div_euclid(1_000_000_000)
}
