//! Log lines of schema `clew/1`, section 7 of the contract, and the same events as OTLP log records. The Go kit has the same code in
//! `internal/logline`; `kit/contract/logs.json` is run by both.
//!
//! ```text
//! event ──▶ level ──▶ site's limit ──▶ line ──┬─▶ sink ──▶ standard output
//! tracing, log        per second    (redacted)└─▶ exporter, when the component logs is at standard
//! ```
//!
//! `Debug` and `Display` of users run on the caller's thread, never under a lock, and a panic in one becomes the text of its value. Fields of
//! the spans around an event are not repeated on its line: the ids lead to them.

pub mod line;
mod record;
mod sink;
pub mod site;
pub(crate) mod task;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod visit;

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tracing_core::Event;

use crate::engine;
use crate::policy::Snapshot;
use crate::selfmetrics::{Signal, counters};
use crate::shared::{Cached, Shared};
use crate::{Component, Level, SpanContext, panics, switch};
use line::{Line, MAX_MESSAGE, Severity};
use sink::Sink;
use site::{More, Site, Sites};

/// Where lines go.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    /// Nowhere.
    None,
    /// Standard output, through a handle of the kit's own.
    Stdout,
    /// Standard error, for programs whose standard output is not for logs.
    Stderr,
}

/// What [`install`] needs.
pub(crate) struct Config {
    /// `service.name`.
    pub service: String,
    /// Where lines go.
    pub output: Output,
    /// Where records go and under which scope; `None` sends none.
    pub records: Option<(Arc<dyn engine::Sink>, u32)>,
}

thread_local! {
    static PIPELINE_CACHE: RefCell<Cached<Pipeline>> = const { Cached::new() };
    /// A line whose memory is used again. Empty while an event is being written, so that an event within it gets one of its own.
    static SPARE: Cell<Option<Box<Line>>> = const { Cell::new(None) };
    static THREAD: Box<str> = thread_name();
}

static PIPELINE: Shared<Pipeline> = Shared::new(&PIPELINE_CACHE);
/// How many forks deep a process may be to have a state of its own. Deeper ones share the last.
const GENERATIONS: usize = 4;

pub(crate) struct Pipeline {
    service: String,
    output: Output,
    records: Option<(Arc<dyn engine::Sink>, u32)>,
    /// A child of a fork has no thread that writes, and locks may have been held: it starts afresh.
    states: [OnceLock<State>; GENERATIONS],
}

struct State {
    sites: Sites,
    sink: Option<Sink>,
}

/// Starts writing lines.
pub(crate) fn install(config: Config) {
    crate::fork::watch();
    let pipeline = Pipeline {
        service: config.service,
        output: config.output,
        records: config.records,
        states: [const { OnceLock::new() }; GENERATIONS],
    };
    pipeline.state();
    PIPELINE.set(Some(Arc::new(pipeline)));
}

/// Waits until all lines are out; false when the deadline came first.
pub(crate) fn flush(deadline: Instant) -> bool {
    PIPELINE.get().is_none_or(|p| p.state().sink.as_ref().is_none_or(|sink| sink.flush(deadline)))
}

/// The lines of the kit that runs.
pub(crate) struct Lines(Arc<Pipeline>);

pub(crate) fn running() -> Option<Lines> {
    PIPELINE.get().map(Lines)
}

impl Lines {
    /// Writes what is still to be said and ends the thread. Returns how many lines were not written. Later events are still written.
    pub(crate) fn stop(&self, deadline: Instant) -> u64 {
        let state = self.0.state();
        state.sites.due(None, |more| self.0.more(&more));
        state.sink.as_ref().map_or(0, |sink| sink.stop(deadline))
    }
}

#[inline]
fn severity(level: tracing_core::Level) -> Severity {
    match level {
        tracing_core::Level::ERROR => Severity::Error,
        tracing_core::Level::WARN => Severity::Warn,
        tracing_core::Level::INFO => Severity::Info,
        tracing_core::Level::DEBUG => Severity::Debug,
        tracing_core::Level::TRACE => Severity::Trace,
    }
}

/// Writes an event of `tracing` whose level the policy lets through, with the ids of its span; its context is not valid when there is none.
pub(crate) fn on_event(event: &Event<'_>, context: &SpanContext) {
    panics::forget();
    let metadata = event.metadata();
    let severity = severity(*metadata.level());
    PIPELINE.with(|pipeline| {
        let Some(pipeline) = pipeline else { return };
        let place = Place {
            // Metadata is static: its address is the call site.
            key: std::ptr::from_ref(metadata).addr() as u64,
            file: metadata.file(),
            line: metadata.line(),
        };
        // The macros name an event after its place unless the user does.
        let name = if metadata.name().starts_with("event ") { "" } else { metadata.name() };
        pipeline.write(
            severity,
            &place,
            name,
            context,
            |message| event.record(&mut visit::Message(message)),
            |line| event.record(&mut visit::Fields(line)),
        );
    });
}

/// Writes a record of the `log` crate whose level the policy lets through.
pub(crate) fn on_log_record(record: &log::Record<'_>, context: &SpanContext) {
    panics::forget();
    let severity = match record.level() {
        log::Level::Error => Severity::Error,
        log::Level::Warn => Severity::Warn,
        log::Level::Info => Severity::Info,
        log::Level::Debug => Severity::Debug,
        log::Level::Trace => Severity::Trace,
    };
    PIPELINE.with(|pipeline| {
        let Some(pipeline) = pipeline else { return };
        let mut hasher = DefaultHasher::new();
        match (record.file(), record.line()) {
            (Some(file), Some(line)) => (file, line).hash(&mut hasher),
            // Without a place, what it says first is the template; its arguments are not looked at.
            _ => (record.target(), record.args().as_str()).hash(&mut hasher),
        }
        let place = Place { key: hasher.finish() | 1 << 63, file: record.file(), line: record.line() };
        let message = |out: &mut String| line::format_into(out, MAX_MESSAGE, *record.args());
        pipeline.write(severity, &place, "", context, message, |line| message(&mut line.message));
    });
}

/// Writes the counts of lines that were too many in windows that have ended. The sink's thread calls it.
fn tick() {
    if let Some(pipeline) = PIPELINE.get() {
        pipeline.state().sites.due(Some(now()), |more| pipeline.more(&more));
    }
}

/// A call site.
struct Place<'a> {
    key: u64,
    file: Option<&'a str>,
    line: Option<u32>,
}

impl Place<'_> {
    fn code(&self) -> String {
        match (self.file, self.line) {
            (Some(file), Some(line)) => format!("{}:{line}", short_file(file)),
            _ => String::new(),
        }
    }
}

/// The last two elements of a path.
pub fn short_file(path: &str) -> &str {
    path.rmatch_indices(['/', '\\']).nth(1).map_or(path, |(at, _)| &path[at + 1..])
}

impl Pipeline {
    #[inline]
    fn state(&self) -> &State {
        let generation = (crate::fork::generation() as usize).min(GENERATIONS - 1);
        self.states[generation].get_or_init(|| State {
            sites: Sites::default(),
            sink: self.output.open().map(|writer| Sink::new(writer, &counters().log_lost, tick)),
        })
    }

    fn write(
        &self,
        severity: Severity,
        place: &Place<'_>,
        name: &str,
        context: &SpanContext,
        message: impl Fn(&mut String),
        fields: impl FnOnce(&mut Line),
    ) {
        let state = self.state();
        let site = state.sites.at(place.key, || place.code());
        let time = now();
        let per_second = switch::POLICY.with(|policy| policy.map_or(0, Snapshot::log_lines_per_second));
        let admission = site.admit(time, severity, per_second);
        if let Some(more) = admission.due {
            self.more(&more);
        }
        let mut line = SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default();
        let code = site_code(site, place);
        if admission.admitted {
            line.policy = if switch::redacts() { switch::POLICY.get() } else { None };
            fields(&mut line);
            let text = std::mem::take(&mut line.message);
            with_thread_name(|thread| {
                self.end(
                    state,
                    &mut line,
                    &line::Event {
                        time: Some(time),
                        severity,
                        message: &text,
                        name,
                        trace_id: context.trace_id.0,
                        span_id: context.span_id.0,
                        flags: context.flags,
                        service: &self.service,
                        task: task::current(),
                        thread,
                        code: &code,
                        more: 0,
                        observed: time,
                    },
                );
            });
            line.message = text;
        } else {
            counters().log_suppressed.fetch_add(1, Ordering::Relaxed);
            message(&mut line.message);
            site.deny(severity, &line.message, &code);
        }
        line.reset();
        let _ = SPARE.try_with(|spare| spare.set(Some(line)));
    }

    /// Writes the event as a line and as a record.
    fn end(&self, state: &State, line: &mut Line, event: &line::Event<'_>) {
        let mut buffer = std::mem::take(&mut line.buffer);
        if let Some(sink) = &state.sink {
            line.append_line(&mut buffer, event);
            sink.write(&buffer, event.severity >= Severity::Error && event.more == 0);
        }
        if let Some((records, scope)) = &self.records {
            if switch::on(Component::Logs, Level::Standard) {
                buffer.clear();
                line.append_record(&mut buffer, event);
                records.add(Signal::Logs, *scope, &buffer);
            }
        }
        line.buffer = buffer;
    }

    /// Writes the line for those that were too many.
    fn more(&self, more: &More) {
        self.end(
            self.state(),
            &mut Line::default(),
            &line::Event {
                time: Some(more.time),
                severity: more.severity,
                message: &more.message,
                service: &self.service,
                code: &more.code,
                more: more.count,
                observed: more.time,
                ..line::Event::default()
            },
        );
    }
}

/// The site's code; that of the place where the site is shared.
fn site_code<'a>(site: &'a Site, place: &Place<'_>) -> Cow<'a, str> {
    if site.is_shared() { Cow::Owned(place.code()) } else { Cow::Borrowed(&site.code) }
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

fn with_thread_name<R>(f: impl FnOnce(&str) -> R) -> R {
    let mut f = Some(f);
    match THREAD.try_with(|name| f.take().map(|f| f(name))) {
        Ok(Some(result)) => result,
        // The thread is ending; its name is gone.
        _ => match f {
            Some(f) => f(""),
            None => unreachable!("the closure is taken only where its result is returned"),
        },
    }
}

/// The thread's name, or its number.
fn thread_name() -> Box<str> {
    let thread = std::thread::current();
    match thread.name() {
        Some(name) => name.into(),
        None => format!("{:?}", thread.id()).chars().filter(char::is_ascii_digit).collect::<String>().into(),
    }
}

impl Output {
    /// The stream under a handle of its own: the standard library's has a lock that the host's own printing may hold.
    fn open(self) -> Option<Box<dyn Write + Send>> {
        #[cfg(unix)]
        {
            use std::os::fd::AsFd;
            let owned = match self {
                Output::None => return None,
                Output::Stdout => std::io::stdout().as_fd().try_clone_to_owned(),
                Output::Stderr => std::io::stderr().as_fd().try_clone_to_owned(),
            };
            Some(Box::new(std::fs::File::from(owned.ok()?)))
        }
        #[cfg(not(unix))]
        match self {
            Output::None => None,
            Output::Stdout => Some(Box::new(std::io::stdout())),
            Output::Stderr => Some(Box::new(std::io::stderr())),
        }
    }
}
