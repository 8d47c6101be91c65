//! Starting and stopping the kit.

use std::sync::{Arc, Mutex, Once, PoisonError};

use crate::engine::{ENGINE, Engine};
use crate::policy::{Document, Holder};
use crate::span::limits::LIMITS;
use crate::subscriber::ClewSubscriber;
use crate::selfmetrics::counters;
use crate::switch;

/// The documents of the running kit.
static HOLDER: Mutex<Option<Arc<Holder>>> = Mutex::new(None);

fn hold(own: Document) -> Arc<Holder> {
    let holder = Arc::new(Holder::new(own, Box::new(switch::publish)));
    *HOLDER.lock().unwrap_or_else(PoisonError::into_inner) = Some(holder.clone());
    holder
}

/// Installs engine and subscriber once for the process: everything is kept, nothing is exported, no thread is started.
pub(crate) fn for_tests(service: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limits = crate::span::limits::Limits { limited: Some(&counters().span_limited), ..LIMITS };
        let engine = Engine { service: service.to_owned(), limits, random_flag: true, sink: None, scope: 0 };
        ENGINE.set(Some(Arc::new(engine)));
        hold(Document::default());
        // Another subscriber of the test's own may be there already; the kit's own functions record all the same.
        let _ = tracing::subscriber::set_global_default(ClewSubscriber::new());
    });
}
