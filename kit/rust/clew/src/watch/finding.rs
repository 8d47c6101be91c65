//! Judges the life of spans: children that outlive their parents, and contexts that were lost on the way.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::selfmetrics::counters;

use super::{MAX_FINDINGS, Open, Registry};

/// What can be wrong with the life of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// A root of kind INTERNAL, CLIENT or PRODUCER started while a request was being served, in a task that has no context.
    Lost,
    /// The span ended, or even started, after its local parent had ended.
    Late,
}

/// One problem, with the place in the code where its span was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub problem: Problem,
    pub name: String,
    pub site: Option<(&'static str, u32)>,
}

impl fmt::Display for Finding {
    /// Says what happened, where, and the mend.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "span {:?} ({}) ", self.name, place(self.site))?;
        match self.problem {
            Problem::Lost => f.write_str("context lost: start the task with clew::spawn"),
            Problem::Late => f.write_str("outlives its parent: finish it before its parent, or start the work with clew::detach"),
        }
    }
}

/// `file:line` with the last two elements of the file.
pub(crate) fn place(site: Option<(&'static str, u32)>) -> String {
    let Some((file, line)) = site else { return "unknown place".to_owned() };
    let cut = file.rmatch_indices(['/', '\\']).nth(1).map_or(0, |(at, _)| at + 1);
    format!("{}:{line}", &file[cut..])
}

impl Registry {
    pub(super) fn judge_start(&mut self, open: &Open, asked: bool, mark: (u64, bool)) {
        if open.has_local_parent() {
            self.judge_end(open);
            return;
        }
        if open.parent.is_some() || open.serves() || asked || mark.1 {
            return;
        }
        // A test that says which work is its own is judged by its own requests; otherwise any request counts.
        let serving = match self.groups.serves_precisely(open.group) {
            Some(serving) => serving,
            None => open.group == 0 && self.serving > 0,
        };
        if serving {
            counters().context_lost.fetch_add(1, Ordering::Relaxed);
            self.find(open, Problem::Lost);
        }
    }

    pub(super) fn judge_end(&mut self, open: &Open) {
        let Some(parent) = open.parent else { return };
        if !open.remote && !self.spans.contains_key(&(open.trace, parent)) {
            self.find(open, Problem::Late);
        }
    }

    /// Remembers a finding once for each place, for the process and for the test that it belongs to.
    fn find(&mut self, open: &Open, problem: Problem) {
        let finding = Finding { problem, name: open.name.clone(), site: open.site };
        self.groups.find(open.group, &finding);
        remember(&mut self.findings, finding);
    }
}

pub(super) fn remember(list: &mut Vec<Finding>, finding: Finding) {
    if list.len() < MAX_FINDINGS && !list.contains(&finding) {
        list.push(finding);
    }
}
