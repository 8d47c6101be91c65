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
    /// Of live.
    text: Vec<u8>,
    local: Document,
    /// When live expires.
    expires: Option<SystemTime>,
    /// Live has expired, all but its redaction.
    stale: bool,
    retired: bool,
    current: Arc<Snapshot>,
}

impl Holder {
    /// Starts with the program's own document, and publishes it.
    pub fn new(own: Document, publish: Publish) -> Holder {
        let current = Arc::new(Snapshot::compile(&own, None, None));
        publish(&current);
        let (text, local) = (Vec::new(), Document::default());
        let state = State { own, live: None, text, local, expires: None, stale: false, retired: false, current };
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
        // The same document again goes on with the seconds of its rates: a new snapshot limits nothing in its first.
        let same = state.live.is_some() && !state.stale && state.text == document;
        state.live = Some(live);
        state.renew(now);
        if !same {
            state.text = document.to_vec();
            self.swap(&mut state);
        }
        Ok(())
    }

    /// Publishes nothing from here on: another holder, or none, says what holds. A publication that is under way is waited for.
    pub fn retire(&self) {
        self.state().retired = true;
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
        if state.retired {
            return;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Facts;

    type Published = Arc<Mutex<Vec<Arc<Snapshot>>>>;

    /// A holder and what it published.
    fn holder() -> (Holder, Published) {
        let published = Published::default();
        let to = published.clone();
        (Holder::new(Document::default(), Box::new(move |snapshot| to.lock().unwrap().push(snapshot.clone()))), published)
    }

    fn last(published: &Published) -> Arc<Snapshot> {
        published.lock().unwrap().last().unwrap().clone()
    }

    #[test]
    fn the_same_document_again_goes_on_with_its_rates() {
        let (holder, published) = holder();
        let document = br#"{"version":"1","ttl_seconds":60,"sampling":{"th":"0","per_second":5}}"#;
        let kept = |second: i64| {
            holder.apply(document, SystemTime::UNIX_EPOCH + Duration::from_secs(second as u64)).unwrap();
            let snapshot = last(&published);
            let facts = Facts { kind: "internal", name: "x", route: "", method: "" };
            let spread = |i: u64| crate::TraceId((u128::from(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 7 << 64).to_be_bytes());
            (0..1000).filter(|i| snapshot.sampler(&facts, second).root(spread(*i)).sampled).count()
        };
        assert_eq!(kept(0), 1000, "the first second is not limited");
        for second in 1..5 {
            let kept = kept(second);
            assert!((1..20).contains(&kept), "{kept} in second {second}");
        }
        // Confirmed in second 4, so it has expired now, and holds again once it is sent again.
        holder.expire(SystemTime::UNIX_EPOCH + Duration::from_secs(64));
        assert_eq!(last(&published).version(), "");
        holder.apply(document, SystemTime::UNIX_EPOCH + Duration::from_secs(65)).unwrap();
        assert_eq!(last(&published).version(), "1");
    }

    #[test]
    fn a_holder_that_is_retired_publishes_nothing() {
        let (holder, published) = holder();
        holder.retire();
        holder.apply(br#"{"version":"1","ttl_seconds":1,"level":"off"}"#, SystemTime::UNIX_EPOCH).unwrap();
        holder.expire(SystemTime::now());
        holder.renew(SystemTime::now());
        holder.set_level(Component::App, Level::Off);
        holder.set_log_level(LogLevel::Error);
        holder.clear_local();
        assert_eq!(published.lock().unwrap().len(), 1, "that of its start");
        assert_eq!(holder.load().level(Component::App), Level::Standard);
    }
}
