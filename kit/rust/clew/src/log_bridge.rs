//! The `log` crate's records take the way of `tracing` events.

use crate::policy::LogLevel;
use crate::{log as lines, span, switch};

struct Bridge;

/// Becomes the process' logger, unless there is one.
pub fn install() {
    if ::log::set_logger(&Bridge).is_ok() {
        // The policy may lower the level at any time, so the question is asked at each record.
        ::log::set_max_level(::log::LevelFilter::Trace);
    }
}

fn severity(level: ::log::Level) -> LogLevel {
    match level {
        ::log::Level::Error => LogLevel::Error,
        ::log::Level::Warn => LogLevel::Warn,
        ::log::Level::Info => LogLevel::Info,
        ::log::Level::Debug => LogLevel::Debug,
        ::log::Level::Trace => LogLevel::Trace,
    }
}

impl ::log::Log for Bridge {
    fn enabled(&self, metadata: &::log::Metadata<'_>) -> bool {
        severity(metadata.level()) >= switch::log_level()
    }

    fn log(&self, record: &::log::Record<'_>) {
        if ::log::Log::enabled(self, record.metadata()) {
            lines::on_log_record(record, &span::current().span);
        }
    }

    fn flush(&self) {}
}
