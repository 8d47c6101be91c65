//! Functions of the program that see every span that goes out.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::view::SpanView;
use crate::{panics, problems};

/// Functions that may look at once.
const MOST: usize = 8;
/// How often one may panic before it is taken out.
const PANICS: u32 = 3;

struct Hook {
    see: Box<dyn Fn(&SpanView<'_>) + Send + Sync>,
    panics: AtomicU32,
}

/// The hooks of a kit.
#[derive(Default)]
pub(crate) struct Hooks {
    /// There are some: the only thing that spans look at when there are none.
    any: AtomicBool,
    list: Mutex<Arc<[Arc<Hook>]>>,
}

thread_local!(static SHOWING: Cell<bool> = const { Cell::new(false) });

impl Hooks {
    fn list(&self) -> MutexGuard<'_, Arc<[Arc<Hook>]>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(self: &Arc<Self>, see: Box<dyn Fn(&SpanView<'_>) + Send + Sync>) -> OnEnd {
        let mut list = self.list();
        if list.len() >= MOST {
            drop(list);
            problems::add("on end: there are 8 hooks already; remove one first");
            return OnEnd(None);
        }
        let hook = Arc::new(Hook { see, panics: AtomicU32::new(0) });
        *list = list.iter().cloned().chain([hook.clone()]).collect();
        self.any.store(true, Ordering::Relaxed);
        OnEnd(Some((self.clone(), hook)))
    }

    fn remove(&self, hook: &Arc<Hook>) {
        let mut list = self.list();
        let old = list.clone();
        *list = old.iter().filter(|other| !Arc::ptr_eq(other, hook)).cloned().collect();
        self.any.store(!list.is_empty(), Ordering::Relaxed);
        drop(list);
        // A hook's own drop is the program's code and runs outside of the lock.
        drop(old);
    }

    /// Shows an encoded span to all. Spans that a hook ends are not shown, so that one that makes spans does not run for ever.
    #[inline]
    pub(crate) fn show(&self, record: &[u8], summary: bool) {
        if self.any.load(Ordering::Relaxed) && !SHOWING.get() {
            self.show_all(record, summary);
        }
    }

    #[cold]
    fn show_all(&self, record: &[u8], summary: bool) {
        let Some(view) = SpanView::read(record, summary) else { return };
        let list = self.list().clone();
        SHOWING.set(true);
        for hook in list.iter().filter(|hook| hook.panics.load(Ordering::Relaxed) < PANICS) {
            let seen = panics::contained(|| (hook.see)(&view));
            if seen.is_err() && hook.panics.fetch_add(1, Ordering::Relaxed) + 1 == PANICS {
                problems::add("on end: a hook panicked three times and is not called again");
                self.remove(hook);
            }
        }
        SHOWING.set(false);
    }
}

/// A function that looks at spans, as long as it is not removed. Made by [`Guard::on_end`](crate::Guard::on_end); dropping it changes nothing.
pub struct OnEnd(Option<(Arc<Hooks>, Arc<Hook>)>);

impl OnEnd {
    /// Takes the function out. A call that is under way on another thread goes on to its end.
    pub fn remove(self) {
        if let Some((hooks, hook)) = self.0 {
            hooks.remove(&hook);
        }
    }
}

impl fmt::Debug for OnEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnEnd").field("looks", &self.0.is_some()).finish()
    }
}
