//! The instruments that every service has, and the page of all.

use std::sync::Once;
use std::time::Duration;

use super::engine::global;
use super::{own, process};
use crate::{Component, Level};

/// Adds the metrics of the process, of tokio and the kit's own, once for the process.
pub fn standard() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let engine = global();
        engine.produce(Box::new(|e| {
            if e.on(Component::Metrics, Level::Standard) {
                process::emit(e, engine.start, e.time());
                #[cfg(feature = "tokio")]
                super::tokio::emit(e);
            }
        }));
        engine.produce(Box::new(|e| own::emit(e, engine.counters)));
    });
}

/// All metrics as OpenMetrics text, with exemplars, for people and for scrapes; its content type is [`TEXT_TYPE`](super::TEXT_TYPE). What is
/// sent over OTLP is the same and goes on. Callbacks have two seconds together.
pub fn text() -> String {
    // A kit without an exporter has not added them.
    standard();
    let mut text = super::text::Text::default();
    global().collect(&mut text, false, std::time::Instant::now() + Duration::from_secs(2));
    text.finish()
}
