//! The one place where spans ask the sampler.

use super::begin::Spec;
use crate::headers::DEFERRED;
use crate::policy;
use crate::sampling::{self, Decision, Sampler};
use crate::switch::POLICY;
use crate::{RANDOM, SpanContext, TraceId};

/// What decides about roots like this one. Asking counts it against the limit of its rule.
fn sampler(spec: &Spec<'_>, now_ns: u64) -> Option<Sampler> {
    let facts = policy::Facts { route: spec.facts.route, name: spec.name, method: spec.facts.method, kind: spec.kind.name() };
    POLICY.with(|policy| policy.map(|p| p.sampler(&facts, (now_ns / 1_000_000_000) as i64)))
}

/// A trace that begins here.
pub fn root(spec: &Spec<'_>, id: TraceId, now_ns: u64) -> Decision {
    if spec.keep {
        return sampling::forced(true, None);
    }
    sampler(spec, now_ns).map_or_else(Decision::default, |s| s.root(id))
}

/// A trace that begins here because of another: it has the cause's randomness.
pub fn linked(spec: &Spec<'_>, cause: &SpanContext, now_ns: u64) -> Decision {
    let rv = sampling::cause_randomness(cause.trace_id, cause.state.as_ref());
    let decision = sampler(spec, now_ns).map_or_else(Decision::default, |s| s.linked(rv));
    if spec.keep { sampling::forced(decision.random, decision.state.as_ref()) } else { decision }
}

/// A parent in another process: its flag is the decision, unless it left that to us.
pub fn remote(spec: &Spec<'_>, parent: &SpanContext, now_ns: u64) -> Decision {
    if parent.flags & DEFERRED != 0 {
        return sampler(spec, now_ns).map_or_else(Decision::default, |s| s.deferred(parent.trace_id));
    }
    sampling::child(parent.trace_id, parent.flags, parent.state.as_ref())
}

/// A parent of this process whose place is gone or unknown: its decision, unchanged.
pub fn local(parent: &SpanContext) -> Decision {
    Decision { sampled: parent.is_sampled(), random: parent.flags & RANDOM != 0, state: parent.state.clone() }
}

/// Kept whatever the parent says.
pub fn forced(parent: &SpanContext) -> Decision {
    sampling::forced(parent.flags & RANDOM != 0, parent.state.as_ref())
}
