//! Starting and stopping the kit.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::config::{Config, Lines};
use crate::engine::{ENGINE, Engine};
use crate::environment::{self, Environment};
use crate::export::{self, Exporter};
use crate::on_end::{Hooks, OnEnd};
use crate::policy::{self, Holder, fetch};
use crate::problems;
use crate::selfmetrics::{Reason, Signal, counters};
use crate::span::limits::{LIMITS, Limits};
use crate::status::{self, Status};
use crate::subscriber::ClewSubscriber;
use crate::view::SpanView;
use crate::{Component, Level, headers, layer, leak, log, log_bridge, metrics, panics, resource, switch};

/// A flush and a stop take no longer, whatever they are allowed: a time that is far off has no [`Instant`].
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The name of the kit's own instrumentation scope.
const SCOPE: &str = "clew";

/// What runs, for those who have no guard at hand.
struct Running {
    service: String,
    instance: String,
    started: SystemTime,
    holder: Arc<Holder>,
    hooks: Arc<Hooks>,
    exporter: Option<Arc<Exporter>>,
    polling: Option<fetch::Polling>,
}

static RUNNING: Mutex<Option<Arc<Running>>> = Mutex::new(None);

/// Held while a kit takes over or lets go, and never while something is waited for: what a process has once is all of one kit.
static HANDOVER: Mutex<()> = Mutex::new(());

fn handover() -> MutexGuard<'static, ()> {
    HANDOVER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn running() -> Option<Arc<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl crate::engine::Sink for Exporter {
    fn add(&self, signal: Signal, scope: u32, record: &[u8]) {
        Exporter::add(self, signal, scope, record);
    }
}

/// Starts the kit for this process and returns the guard that stops it. It never fails and never waits: what is wrong with the configuration, the
/// environment or the collector is written to standard error in one line each, counted, and kept in [`Guard::status`].
///
/// The kit becomes the process' `tracing` subscriber unless there is one, which then needs [`crate::layer`] among its layers; and the logger of
/// the `log` crate unless there is one. A second start takes over from the first, whose guard does nothing any more.
///
/// ```no_run
/// let kit = clew::start(clew::service!());
/// // … the service …
/// drop(kit); // at the end of main by itself: what was recorded is sent, for 3 s at most
/// ```
pub fn start(config: Config) -> Guard {
    problems::loud(true);
    let guard = begin(config);
    problems::loud(false);
    guard
}

fn begin(mut config: Config) -> Guard {
    let _handover = handover();
    let mut limits = Limits { limited: Some(&counters().span_limited), ..LIMITS };
    let lookup = |name: &str| std::env::var(name).ok();
    let environment = environment::read(&lookup, &mut config, &mut limits);
    if environment.disabled {
        config.own.level = Some(Level::Off);
        config.own.components = [None; 7];
        config.export = false;
    }
    let resource = resource::describe(&config.name, &config.version, &config.resource);
    let to = targets(&mut config, &resource);
    let like = to.signals[Signal::Traces as usize].clone();
    let exporter = config.export.then(|| Arc::new(Exporter::new(to)));
    let sink = exporter.clone().map(|exporter| exporter as Arc<dyn crate::engine::Sink>);
    let scope = exporter.as_ref().map_or(0, |e| e.scope(SCOPE, env!("CARGO_PKG_VERSION"), ""));
    if !resource.problem.is_empty() {
        config.refused.push(resource.problem.clone());
    }

    if resource.service.starts_with("unknown_service:") {
        problems::add(&format!(
            "the service has no name and goes by {}: name it with service!, or set OTEL_SERVICE_NAME",
            resource.service
        ));
    }

    // From here on the policies of the kit before, whose poller may be reading an answer, do not count.
    if let Some(before) = running() {
        before.holder.retire();
    }
    let hooks = Arc::new(Hooks::default());
    headers::set(environment.context, environment.baggage, environment.random_flag);
    let holder = Arc::new(Holder::new(std::mem::take(&mut config.own), Box::new(publish)));
    ENGINE.set(Some(Arc::new(Engine {
        service: resource.service.clone(),
        limits,
        random_flag: environment.random_flag,
        sink: sink.clone(),
        scope,
        hooks: hooks.clone(),
    })));
    log::install(log::Config {
        service: resource.service.clone(),
        output: match config.lines {
            Lines::Stdout => log::Output::Stdout,
            Lines::Stderr => log::Output::Stderr,
            Lines::None => log::Output::None,
        },
        records: sink.map(|sink| (sink, scope)),
    });
    if let Some(exporter) = &exporter {
        collect(exporter, scope, environment.metric_interval, &holder);
    }
    if let Err(line) = leak::begin(&lookup("CLEW_LEAKS").unwrap_or_default()) {
        config.refused.push(line);
    }
    for line in &config.refused {
        counters().config_refused.fetch_add(1, Ordering::Relaxed);
        problems::add(line);
    }
    let polling = if environment.disabled { None } else { ask_for_policies(&holder, &environment, &resource, &like) };
    let (service, instance) = (resource.service, resource.instance);
    let running = Arc::new(Running { service, instance, started: SystemTime::now(), holder, hooks, exporter, polling });
    let before = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).replace(running.clone());
    if let Some(polling) = before.as_ref().and_then(|b| b.polling.as_ref()) {
        polling.stop();
    }
    take_over_process(&config);
    Guard { running, within: config.stop_within, stopped: false }
}

/// What is sent where.
fn targets(config: &mut Config, resource: &resource::Resource) -> export::Config {
    let mut to = export::Config::default();
    to.resource.clone_from(&resource.encoded);
    let base = config.endpoint.trim_end_matches('/');
    if !base.is_empty() {
        for signal in Signal::ALL {
            to.signals[signal as usize].url = format!("{base}/v1/{}", signal.name());
        }
    }
    config.refused.extend(to.from_env(&|name| std::env::var(name).ok()));
    to.problem = Arc::new(problems::add);
    to.note = Arc::new(problems::note);
    to
}

/// Metrics are collected by the thread that sends them.
fn collect(exporter: &Arc<Exporter>, scope: u32, interval: Duration, holder: &Arc<Holder>) {
    if !exporter.is_on(Signal::Metrics) {
        return;
    }
    metrics::standard();
    // Weak, because the exporter holds the tick that holds this.
    let to = Arc::downgrade(exporter);
    let add = move |record: &[u8]| {
        if let Some(exporter) = to.upgrade() {
            exporter.add(Signal::Metrics, scope, record);
        }
    };
    let of = Arc::downgrade(holder);
    let reader = metrics::Reader::new(metrics::engine::global(), interval, Box::new(add));
    exporter.set_tick(
        Signal::Metrics,
        reader.interval(),
        Box::new(move |all| {
            leak::sweep();
            if let Some(holder) = of.upgrade() {
                counters().policy_refused.store(holder.refused() as i64, Ordering::Relaxed);
                counters().policy_skipped.store(holder.skipped() as i64, Ordering::Relaxed);
            }
            reader.tick(all);
        }),
    );
}

/// A new snapshot holds.
fn publish(snapshot: &Arc<crate::policy::Snapshot>) {
    switch::publish(snapshot);
}

/// Asks for live policies, when the environment says where.
fn ask_for_policies(
    holder: &Arc<Holder>,
    environment: &Environment,
    resource: &resource::Resource,
    like: &export::Target,
) -> Option<fetch::Polling> {
    if environment.policy_url.is_empty() {
        return None;
    }
    let url = policy::request_url(&environment.policy_url, &resource.service);
    let (service, instance) = (resource.service.clone(), resource.instance.clone());
    // Weak, because the poller has the holder already, and ends by itself.
    let of = Arc::downgrade(holder);
    let status = move || {
        let snapshot = of.upgrade().map(|holder| holder.load());
        policy::Status {
            language: "rust".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            service: service.clone(),
            instance: instance.clone(),
            applied: snapshot.as_ref().map(|s| s.version().to_owned()).unwrap_or_default(),
            levels: Component::ALL.map(|c| snapshot.as_ref().map_or(Level::Off, |s| s.level(c))),
            dropped: dropped(),
        }
        .render()
    };
    let polling = fetch::Polling::start(fetch::Config {
        holder: holder.clone(),
        url,
        headers: environment.policy_headers.clone(),
        tls: like.tls.clone(),
        status: Box::new(status),
        cache: (!environment.policy_cache.is_empty()).then(|| environment.policy_cache.clone().into()),
    });
    polling.map_err(|error| problems::add(&error)).ok()
}

/// What was lost so far, by reason, over all signals.
fn dropped() -> Vec<(String, u64)> {
    let of = |reason: Reason| counters().signal.iter().map(|s| s.dropped[reason as usize].load(Ordering::Relaxed)).sum::<i64>();
    let lost = Reason::ALL.into_iter().map(|reason| (reason.name().to_owned(), of(reason).try_into().unwrap_or(0)));
    lost.filter(|(_, records)| *records > 0).collect()
}

/// What a process has once: its subscriber, its logger, its panic hook.
fn take_over_process(config: &Config) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if config.subscriber && tracing::subscriber::set_global_default(ClewSubscriber::new()).is_err() && !layer::beside_others() {
            problems::add(
                "start: the process has a tracing subscriber without the kit's layer; add clew::layer() to it or start the kit first",
            );
        }
        if config.log_bridge && config.subscriber {
            log_bridge::install();
        }
        if config.panic_hook {
            panics::install();
        }
        #[cfg(feature = "otel")]
        crate::otel::install();
    });
}

/// Installs engine and subscriber once for the process: everything is kept, nothing is exported, no thread is started.
#[cfg(feature = "testing")]
pub(crate) fn for_tests(service: &str) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limits = Limits { limited: Some(&counters().span_limited), ..LIMITS };
        let hooks = Arc::new(Hooks::default());
        let engine = Engine { service: service.to_owned(), limits, random_flag: true, sink: None, scope: 0, hooks: hooks.clone() };
        ENGINE.set(Some(Arc::new(engine)));
        let holder = Arc::new(Holder::new(policy::Document::default(), Box::new(publish)));
        let (service, instance) = (service.to_owned(), String::new());
        let running = Running { service, instance, started: SystemTime::now(), holder, hooks, exporter: None, polling: None };
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(running));
        panics::install();
        // Another subscriber of the test's own may be there already; the kit's own functions record all the same.
        let _ = tracing::subscriber::set_global_default(ClewSubscriber::new());
    });
}

/// Asks for everything to be sent soon, without waiting.
pub(crate) fn request_flush() {
    if let Some(exporter) = running().and_then(|r| r.exporter.clone()) {
        exporter.request_flush();
    }
}

/// Sets the level of a component over what every policy says, until the process ends or [`clear_levels`] is called.
pub fn set_level(component: Component, level: Level) {
    if let Some(running) = running() {
        running.holder.set_level(component, level);
    }
}

/// Takes back what [`set_level`] has set.
pub fn clear_levels() {
    if let Some(running) = running() {
        running.holder.clear_local();
    }
}

/// Applies a policy, the JSON document of the contract. It is whole or not at all.
///
/// # Errors
/// The document is not understood, or the kit is not started; what held before stays.
pub fn apply_policy(document: &[u8]) -> Result<(), PolicyError> {
    let running = running().ok_or_else(|| PolicyError("apply policy: the kit is not started".to_owned()))?;
    running.holder.apply(document, SystemTime::now()).map_err(|fault| PolicyError(fault.to_string()))
}

/// Says why a policy was refused: what, where, the mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

/// What a stop could not deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost(String);

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lost {}

/// Stops the kit when it is dropped, within the time of [`Config::stop_within`]. Keep it for as long as the service runs.
#[must_use = "the kit stops when its guard is dropped"]
pub struct Guard {
    running: Arc<Running>,
    within: Duration,
    stopped: bool,
}

impl Guard {
    /// Sends what was recorded before the call; false when that took longer than `within`.
    pub fn flush(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within.min(LONGEST);
        let lines = log::flush(deadline);
        let sent = self.running.exporter.as_ref().is_none_or(|exporter| exporter.flush(deadline.saturating_duration_since(Instant::now())));
        lines && sent
    }

    /// Sends what it can within the given time and ends the kit's threads. Spans that start afterwards are not recorded.
    ///
    /// # Errors
    /// Something was lost; the error says how much of what.
    pub fn stop(mut self, within: Duration) -> Result<(), Lost> {
        self.end(within)
    }

    fn end(&mut self, within: Duration) -> Result<(), Lost> {
        if std::mem::replace(&mut self.stopped, true) {
            return Ok(());
        }
        let mine = self.running.clone();
        let within = within.min(LONGEST);
        let (began, deadline) = (Instant::now(), Instant::now() + within);
        let lines = {
            let _handover = handover();
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            if running.as_ref().is_some_and(|r| Arc::ptr_eq(r, &mine)) {
                *running = None;
                drop(running);
                // Its poller may be reading an answer, which must not switch on again what is switched off below.
                mine.holder.retire();
                ENGINE.set(None);
                log::running()
            } else {
                // The lines are those of the kit that runs.
                None
            }
        };
        if let Some(polling) = &mine.polling {
            polling.stop();
        }
        // The lines come first: what the limits of call sites hold back becomes records of the exporter. They have half of the time, so that
        // an output that nobody reads does not cost the records.
        let lines = lines.map_or(0, |lines| lines.stop(began + within / 2));
        let sent = match &mine.exporter {
            Some(exporter) => exporter.stop(deadline.saturating_duration_since(Instant::now())),
            None => Ok(()),
        };
        // Only now, because the exporter collects metrics once more when it stops, and not when another kit was started meanwhile.
        let _handover = handover();
        if running().is_none() {
            switch::clear();
        }
        match (sent, lines) {
            (Ok(()), 0) => Ok(()),
            (Ok(()), lines) => Err(Lost(format!("stop kit: lost {lines} log lines"))),
            (Err(lost), 0) => Err(Lost(lost.to_string())),
            (Err(lost), lines) => Err(Lost(format!("{lost}, {lines} log lines"))),
        }
    }

    /// The state of the kit now.
    pub fn status(&self) -> Status {
        let Running { service, instance, started, holder, .. } = &*self.running;
        status::of(service, instance, *started, &holder.load())
    }

    /// Calls `see` with every span that goes out, on the thread that ended it, so it must be quick and must not wait. At most 8 functions may
    /// look; more are refused with a line on standard error. A panic in `see` is caught; after the third it is not called again. Spans that end
    /// in `see` are not shown.
    ///
    /// It is what span processors are used for: counting, copying, testing. To change or withhold what goes out, use a policy's redaction.
    pub fn on_end(&self, see: impl Fn(&SpanView<'_>) + Send + Sync + 'static) -> OnEnd {
        self.running.hooks.add(Box::new(see))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let within = self.within;
        if let Err(lost) = self.end(within) {
            problems::add(&lost.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part of the test below, which runs it in a process of its own, because a kit belongs to the whole process.
    #[test]
    #[ignore = "part of another test"]
    fn answers_that_come_late() {
        let config = |name: &str| Config::new(name, "1").without_export().without_lines();
        let (now, app) = (SystemTime::now(), Component::App);
        let old = start(config("old"));
        let late = old.running.holder.clone();
        let new = start(config("new"));
        late.apply(br#"{"version":"old","level":"off"}"#, now).unwrap();
        assert!(switch::on(app, Level::Standard), "the kit that was replaced has published");
        new.running.holder.apply(br#"{"version":"new","level":"detailed"}"#, now).unwrap();
        assert!(switch::on(app, Level::Detailed));
        drop(old);
        assert!(switch::on(app, Level::Detailed));
        let late = new.running.holder.clone();
        drop(new);
        late.apply(br#"{"version":"newer","level":"standard"}"#, now).unwrap();
        assert!(!switch::on(app, Level::Edges), "the kit that was stopped has published");
    }

    #[test]
    fn a_policy_that_arrives_late_changes_nothing() {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "start::tests::answers_that_come_late", "--ignored"]);
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "the test was not found");
    }
}
