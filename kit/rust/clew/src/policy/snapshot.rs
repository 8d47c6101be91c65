//! What holds now.

use super::index::{Patterns, Rules};
use super::{Action, Document, Facts, LogLevel, Redaction, Sampling};
use crate::propagation::Targets;
use crate::sampling::{Limiter, Sampler, Threshold};
use crate::{Component, Level};

/// What holds now. It is immutable, but for the counts of its rate limits.
#[derive(Debug)]
pub struct Snapshot {
    version: String,
    levels: [Level; 7],
    log_level: LogLevel,
    log_lines: u64,
    summary: bool,
    fallback: Decider,
    rules: Rules,
    deciders: Vec<Decider>,
    redact: Patterns,
    actions: Vec<Action>,
    targets: Targets,
    baggage: Option<Patterns>,
}

/// A threshold with its limit.
#[derive(Debug)]
enum Decider {
    Plain(Sampler),
    Limited(Limiter),
}

impl Decider {
    fn new(threshold: Threshold, per_second: Option<u64>) -> Decider {
        let sampler = Sampler::new(threshold);
        match per_second {
            Some(limit) => Decider::Limited(Limiter::new(sampler, limit)),
            None => Decider::Plain(sampler),
        }
    }
}

/// How many lines a template may write in a second when no document says it.
pub const DEFAULT_LOG_LINES_PER_SECOND: u64 = 100;

impl Snapshot {
    /// Makes the snapshot of the program's own document, the live one and the local overrides. Every value is that of the last document that
    /// has it, except redactions: they add up, the own ones first.
    pub fn compile(own: &Document, live: Option<&Document>, local: Option<&Document>) -> Snapshot {
        let documents = [Some(own), live, local];
        let (mut version, mut levels) = ("", [Level::Standard; 7]);
        let (mut log_level, mut log_lines) = (LogLevel::Info, DEFAULT_LOG_LINES_PER_SECOND);
        let mut sampling = Sampling::default();
        let (mut targets, mut keys): (&[String], _) = (&[], None);
        let mut redactions: Vec<&Redaction> = Vec::new();
        for d in documents.into_iter().flatten() {
            if !d.version.is_empty() {
                version = &d.version;
            }
            for (level, own) in levels.iter_mut().zip(d.components) {
                *level = own.or(d.level).unwrap_or(*level);
            }
            log_level = d.log_level.unwrap_or(log_level);
            log_lines = d.log_lines_per_second.unwrap_or(log_lines);
            if d.sampling.threshold.is_some() {
                (sampling.threshold, sampling.per_second) = (d.sampling.threshold, d.sampling.per_second);
            } else if d.sampling.per_second.is_some() {
                sampling.per_second = d.sampling.per_second;
            }
            sampling.summary_on_error = d.sampling.summary_on_error.or(sampling.summary_on_error);
            if d.sampling.rules.is_some() {
                sampling.rules.clone_from(&d.sampling.rules);
            }
            targets = d.propagate_to.as_deref().unwrap_or(targets);
            keys = d.baggage_keys.as_ref().or(keys);
            redactions.extend(&d.redact);
        }
        let threshold = sampling.threshold.unwrap_or_default();
        let (rules, kept) = Rules::new(sampling.rules.as_deref().unwrap_or_default());
        Snapshot {
            version: version.to_owned(),
            levels,
            log_level,
            log_lines,
            summary: sampling.summary_on_error.unwrap_or(true),
            fallback: Decider::new(threshold, sampling.per_second),
            deciders: kept.iter().map(|r| Decider::new(r.threshold.unwrap_or(threshold), r.per_second)).collect(),
            rules,
            redact: Patterns::new(redactions.iter().map(|r| r.key.as_str())),
            actions: redactions.iter().map(|r| r.action).collect(),
            targets: Targets::new(targets),
            baggage: keys.map(|k| Patterns::new(k.iter().map(String::as_str))),
        }
    }

    /// That of the live document, empty without one.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// That of a component.
    pub fn level(&self, component: Component) -> Level {
        self.levels[component as usize]
    }

    /// Whether a component says what needs a level.
    pub fn on(&self, component: Component, need: Level) -> bool {
        self.level(component) >= need && need > Level::Off
    }

    /// The least severity of lines on standard output.
    pub fn log_level(&self) -> LogLevel {
        self.log_level
    }

    /// How many lines a template may write in a second.
    pub fn log_lines_per_second(&self) -> u64 {
        self.log_lines
    }

    /// Whether a failed root that was not kept is sent as one span.
    pub fn summary_on_error(&self) -> bool {
        self.summary
    }

    /// What decides about a root with these facts. Asking counts the root against the rate limit of its rule. `second` is the whole second of
    /// the clock.
    pub fn sampler(&self, facts: &Facts<'_>, second: i64) -> Sampler {
        match self.rules.find(facts).map_or(&self.fallback, |i| &self.deciders[i]) {
            Decider::Plain(sampler) => sampler.clone(),
            Decider::Limited(limiter) => limiter.sampler(second),
        }
    }

    /// Whether there is any redaction at all.
    pub fn redacts(&self) -> bool {
        !self.actions.is_empty()
    }

    /// What happens to an attribute with this key, if anything.
    pub fn redact(&self, key: &str) -> Option<Action> {
        if self.actions.is_empty() {
            return None;
        }
        self.redact.find(key).map(|i| self.actions[i])
    }

    /// Whether baggage may go to a host or subject.
    pub fn propagate_to(&self, target: &str) -> bool {
        self.targets.matches(target)
    }

    /// Whether baggage with this key may leave at all.
    pub fn baggage_key(&self, key: &str) -> bool {
        self.baggage.as_ref().is_none_or(|keys| keys.find(key).is_some())
    }
}
