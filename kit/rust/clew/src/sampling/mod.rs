//! Decides which traces are kept: consistent probability sampling as OpenTelemetry writes it into tracestate. A trace has 56 bits of
//! randomness R, a stage has a threshold T, and the trace is kept when R ≥ T. Two stages that know only T and R therefore agree, in
//! whatever language they run.
//!
//! All of it is integer arithmetic. A ratio is never a float, because three published ways from a float to a threshold give three
//! thresholds. The Go kit has the same code; `kit/contract/sampling.json` is run by both.

mod limiter;
mod ot;
mod ratio;
mod threshold;

pub use limiter::Limiter;
pub use ratio::{ParseRatioError, Ratio};
pub use threshold::{Threshold, parse_randomness, randomness};

use std::sync::Arc;

use crate::propagation::replace_ot;
use crate::{RANDOM, SAMPLED, TraceId};
use ot::Ot;

/// Says whether a trace is kept here, and what goes on to the next service.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Decision {
    /// It is kept.
    pub sampled: bool,
    /// The trace id is known to be random, W3C level 2.
    pub random: bool,
    /// `tracestate`, ready to be written; `None` when empty.
    pub state: Option<Arc<str>>,
}

impl Decision {
    /// The flags of `traceparent` at a level of W3C Trace Context. Level 1 knows only `sampled`; peers of that level refuse any other flag.
    pub fn flags(&self, level: u8) -> u8 {
        let sampled = if self.sampled { SAMPLED } else { 0 };
        let random = if self.random && level != 1 { RANDOM } else { 0 };
        sampled | random
    }
}

/// Decides about roots with one threshold. It carries the text of its tracestate, so that a decision allocates nothing.
#[derive(Clone, Debug)]
pub struct Sampler {
    threshold: Threshold,
    /// The tracestate of a root that is kept.
    kept: Option<Arc<str>>,
}

impl Sampler {
    /// The sampler of a threshold.
    pub fn new(threshold: Threshold) -> Sampler {
        let threshold = threshold.min(Threshold::NEVER);
        let kept = (threshold < Threshold::NEVER).then(|| Arc::from(format!("ot=th:{threshold}")));
        Sampler { threshold, kept }
    }

    /// The T of the sampler.
    pub fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Decides about a trace that begins here under an id of our own.
    pub fn root(&self, trace: TraceId) -> Decision {
        let sampled = randomness(trace) >= self.threshold.0;
        Decision { sampled, random: true, state: if sampled { self.kept.clone() } else { None } }
    }

    /// Decides about a trace that begins here because of another one. It takes the randomness of the cause, see [`cause_randomness`], and
    /// writes it as `rv`, so that the same threshold decides alike about both.
    pub fn linked(&self, rv: u64) -> Decision {
        let rv = rv & ((1 << 56) - 1);
        let sampled = rv >= self.threshold.0;
        let state = match &self.kept {
            Some(kept) if sampled => format!("{kept};rv:{rv:014x}"),
            _ => format!("ot=rv:{rv:014x}"),
        };
        Decision { sampled, random: true, state: Some(state.into()) }
    }

    /// Decides about a trace that a peer began without deciding, as B3 allows. Whether its id is random is not known.
    pub fn deferred(&self, trace: TraceId) -> Decision {
        Decision { random: false, ..self.root(trace) }
    }
}

/// Decides about a span whose parent is remote: the flag of the parent is the decision. A `th` that contradicts the flag would make every
/// estimate from this trace wrong and is erased; nothing else of the tracestate changes.
pub fn child(trace: TraceId, flags: u8, state: Option<&Arc<str>>) -> Decision {
    let sampled = flags & SAMPLED != 0;
    let ot = Ot::parse(state);
    let contradicts = ot.threshold.is_some_and(|t| (ot.randomness(trace) >= t.0) != sampled);
    Decision { sampled, random: flags & RANDOM != 0, state: if contradicts { without_threshold(state, &ot) } else { state.cloned() } }
}

/// The decision about a span that has to be kept: no probability is known of it, so no `th` is written. The `rv` of the trace stays.
pub fn forced(random: bool, state: Option<&Arc<str>>) -> Decision {
    let ot = Ot::parse(state);
    Decision { sampled: true, random, state: if ot.threshold.is_some() { without_threshold(state, &ot) } else { state.cloned() } }
}

/// The R of a trace with this id and tracestate.
pub fn cause_randomness(trace: TraceId, state: Option<&Arc<str>>) -> u64 {
    Ot::parse(state).randomness(trace)
}

/// The T that a tracestate says, if it says one.
pub fn state_threshold(state: Option<&Arc<str>>) -> Option<Threshold> {
    Ot::parse(state).threshold
}

fn without_threshold(state: Option<&Arc<str>>, ot: &Ot<'_>) -> Option<Arc<str>> {
    let text = replace_ot(state.map_or("", |s| s), &ot.without_threshold());
    (!text.is_empty()).then(|| text.into())
}
