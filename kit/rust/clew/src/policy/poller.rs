//! Asks Clew for the document again and again. The server holds a question back until the document changes, so a change arrives at once and an
//! unchanged one costs two requests a minute.

use std::fs;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Holder, MAX_BYTES};

/// One question.
pub struct Request<'a> {
    /// Empty for none.
    pub if_none_match: &'a str,
    /// What the kit says about itself, see [`Status::render`](super::Status::render).
    pub clew_kit: &'a str,
}

/// The answer to it.
pub struct Response {
    /// Of HTTP.
    pub status: u16,
    /// The tag of the document, empty for none.
    pub etag: String,
    /// The document.
    pub body: Vec<u8>,
}

/// What the poller needs of the world: the server, a clock, chance.
pub trait World {
    /// Asks once, for at most [`ATTEMPT_TIMEOUT`], and reads no more than [`MAX_BYTES`] + 1 of an answer. `None` when there is no answer.
    fn ask(&mut self, request: &Request<'_>) -> Option<Response>;
    /// The time.
    fn now(&self) -> SystemTime;
    /// Sleeps; ends early when the kit stops.
    fn sleep(&mut self, duration: Duration);
    /// A number in [0, 1).
    fn random(&mut self) -> f64;
    /// The kit has stopped.
    fn stopped(&self) -> bool;
    /// What to say about ourselves.
    fn status(&self) -> String;
    /// The poller panicked, which a person should know.
    fn panicked(&self);
}

/// How long the server may hold a question back, in seconds.
pub const WAIT_SECONDS: u64 = 30;
/// Bounds one question: the wait and what a slow net needs.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(WAIT_SECONDS + 10);
/// Between questions, whatever a server that does not wait answers.
const MIN_GAP: Duration = Duration::from_secs(1);
/// After an error, doubling.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// After a panic, which is a defect of the kit; from the third on the last holds.
const PANIC_PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_secs(1), Duration::from_secs(60)];

/// Keeps a [`Holder`] up to date.
pub struct Poller {
    holder: Arc<Holder>,
    /// File of the last good document.
    cache: Option<PathBuf>,
    etag: String,
}

impl Poller {
    /// A poller for a holder; `cache` names the file of the last good document.
    pub fn new(holder: Arc<Holder>, cache: Option<PathBuf>) -> Poller {
        Poller { holder, cache, etag: String::new() }
    }

    /// Asks until the kit stops. A panic costs the service some answers and nothing else.
    pub fn run(&mut self, world: &mut dyn World) {
        self.restore(world.now());
        let mut panics = 0;
        while catch_unwind(AssertUnwindSafe(|| self.follow(world))).is_err() {
            world.panicked();
            self.pause(world, PANIC_PAUSES[panics]);
            panics = (panics + 1).min(PANIC_PAUSES.len() - 1);
        }
    }

    fn follow(&mut self, world: &mut dyn World) {
        let mut ceiling = FIRST_PAUSE;
        while !world.stopped() {
            let started = world.now();
            if self.ask(world) {
                ceiling = FIRST_PAUSE;
                let took = world.now().duration_since(started).unwrap_or_default();
                self.pause(world, MIN_GAP.saturating_sub(took));
            } else {
                let share = world.random();
                self.pause(world, ceiling.mul_f64(share));
                ceiling = (2 * ceiling).min(LAST_PAUSE);
            }
        }
    }

    /// Asks once and says whether the server answered with a document or with none newer. A document that is refused is an answer too: its
    /// tag is kept, so that the server does not send it again and again.
    fn ask(&mut self, world: &mut dyn World) -> bool {
        let status = world.status();
        let Some(answer) = world.ask(&Request { if_none_match: &self.etag, clew_kit: &status }) else {
            return false;
        };
        match answer.status {
            200 => {
                self.etag = answer.etag;
                if self.holder.apply(&answer.body, world.now()).is_ok() {
                    self.store(&answer.body, world.now());
                }
            }
            304 => {
                self.holder.renew(world.now());
                if let Some(file) = self.cache.as_deref().and_then(|path| fs::File::options().append(true).open(path).ok()) {
                    let _ = file.set_modified(world.now());
                }
            }
            _ => return false,
        }
        true
    }

    /// Sleeps, and lets the document expire on time in between.
    fn pause(&self, world: &mut dyn World, duration: Duration) {
        // What was slept counts, not the time of day: a clock that is set back would hold the next question up for as long.
        let mut left = duration;
        while !world.stopped() {
            let now = world.now();
            let expires = self.holder.expire(now).and_then(|at| at.duration_since(now).ok());
            if left.is_zero() {
                return;
            }
            let step = expires.map_or(left, |expires| expires.min(left));
            world.sleep(step);
            left -= step;
        }
    }

    /// Applies the document of the last run as if it had come when the file was written. A file that cannot be read is as good as none.
    fn restore(&self, now: SystemTime) {
        let Some((body, written)) = self.cache.as_deref().and_then(read) else {
            return;
        };
        if self.holder.apply(&body, written.min(now)).is_ok() {
            self.holder.expire(now);
        }
    }

    /// Writes the file beside and puts it in place in one step. A disk that does not take it costs the next start its document, nothing else.
    fn store(&self, body: &[u8], now: SystemTime) {
        let Some(path) = &self.cache else {
            return;
        };
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(name);
        let written = fs::File::create(&beside)
            .and_then(|mut file| file.write_all(body).and_then(|()| file.set_modified(now)))
            .and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
    }
}

fn read(path: &Path) -> Option<(Vec<u8>, SystemTime)> {
    let about = fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > MAX_BYTES as u64 {
        return None;
    }
    let mut body = Vec::new();
    fs::File::open(path).ok()?.take(MAX_BYTES as u64 + 1).read_to_end(&mut body).ok()?;
    Some((body, about.modified().ok()?))
}
