//! The documents, and what follows from them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::json::Fault;
use super::{Document, LogLevel, Snapshot};
use crate::{Component, Level};

/// Hands a new snapshot to those who read it on hot paths. It is called under the lock of the holder and must not call it.
pub type Publish = Box<dyn Fn(&Arc<Snapshot>) + Send + Sync>;

/// Keeps the program's own document, the live one and the local overrides, and publishes a snapshot when one of them changes.
pub struct Holder {
    publish: Publish,
    refused: AtomicU64,
    skipped: AtomicU64,
    state: Mutex<State>,
}

struct State {
    own: Document,
    live: Option<Document>,
    local: Document,
    /// When live expires.
    expires: Option<SystemTime>,
    /// Live has expired, all but its redaction.
    stale: bool,
    current: Arc<Snapshot>,
}

impl Holder {
    /// Starts with the program's own document, and publishes it.
    pub fn new(own: Document, publish: Publish) -> Holder {
        let current = Arc::new(Snapshot::compile(&own, None, None));
        publish(&current);
        let state = State { own, live: None, local: Document::default(), expires: None, stale: false, current };
        Holder { publish, refused: AtomicU64::new(0), skipped: AtomicU64::new(0), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot that holds now, from the lock.
    pub fn load(&self) -> Arc<Snapshot> {
        self.state().current.clone()
    }

    /// How many documents were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many rules and redactions were left out of applied documents.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Reads a document and puts it in the place of the last one. A document that is refused is counted, and nothing changes.
    pub fn apply(&self, document: &[u8], now: SystemTime) -> Result<(), Fault> {
        let live = Document::parse(document).inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })?;
        self.skipped.fetch_add(live.skipped, Ordering::Relaxed);
        let mut state = self.state();
        state.live = Some(live);
        state.renew(now);
        self.swap(&mut state);
        Ok(())
    }

    /// Says that the live document was confirmed now. One that had expired holds again.
    pub fn renew(&self, now: SystemTime) {
        let mut state = self.state();
        let was_stale = state.stale;
        state.renew(now);
        if was_stale {
            self.swap(&mut state);
        }
    }

    /// Goes back to the program's own document when the live one was not confirmed in time. Its redactions stay. Returns when to ask again,
    /// `None` for never.
    pub fn expire(&self, now: SystemTime) -> Option<SystemTime> {
        let mut state = self.state();
        let expires = state.expires?;
        if now < expires {
            return Some(expires);
        }
        state.expires = None;
        state.stale = true;
        self.swap(&mut state);
        None
    }

    /// Sets the level of a component over what every document says.
    pub fn set_level(&self, component: Component, level: Level) {
        let mut state = self.state();
        state.local.components[component as usize] = Some(level);
        self.swap(&mut state);
    }

    /// Sets the log level over what every document says.
    pub fn set_log_level(&self, level: LogLevel) {
        let mut state = self.state();
        state.local.log_level = Some(level);
        self.swap(&mut state);
    }

    /// Takes back what [`Holder::set_level`] and [`Holder::set_log_level`] have set.
    pub fn clear_local(&self) {
        let mut state = self.state();
        state.local = Document::default();
        self.swap(&mut state);
    }

    fn swap(&self, state: &mut State) {
        let redaction_only;
        let live = match &state.live {
            Some(live) if state.stale => {
                redaction_only = Document { redact: live.redact.clone(), ..Document::default() };
                Some(&redaction_only)
            }
            live => live.as_ref(),
        };
        state.current = Arc::new(Snapshot::compile(&state.own, live, Some(&state.local)));
        (self.publish)(&state.current);
    }
}

impl State {
    fn renew(&mut self, now: SystemTime) {
        let Some(live) = &self.live else {
            return;
        };
        self.stale = false;
        self.expires = match live.ttl_seconds {
            0 => None,
            seconds => now.checked_add(Duration::from_secs(seconds)),
        };
    }
}
