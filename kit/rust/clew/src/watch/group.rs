//! Which spans belong to which test: those of the traces that were started by it, and of the traces linked to those.

#[cfg(feature = "testing")]
use std::collections::VecDeque;
use std::collections::{HashMap, HashSet};

use super::finding::remember;
use super::{CHANGED, Finding, MARK, MAX_RECORDS, Started, on, with};
#[cfg(feature = "testing")]
use super::{Open, lock};

/// The name of a group; 0 is nobody.
pub(crate) type GroupId = u64;

/// How many traces of finished tests are remembered, so that what they left behind does not land in another test.
#[cfg(feature = "testing")]
const MAX_RETIRED: usize = 16_384;

#[derive(Default)]
pub(super) struct Groups {
    #[cfg(feature = "testing")]
    next: GroupId,
    open: HashMap<GroupId, Group>,
    routes: HashMap<[u8; 16], GroupId>,
    retired: HashSet<[u8; 16]>,
    #[cfg(feature = "testing")]
    retired_order: VecDeque<[u8; 16]>,
}

#[derive(Default)]
struct Group {
    pending: usize,
    serving: usize,
    /// The test says which work is its own, so a root elsewhere has lost its context.
    precise: bool,
    records: Vec<(String, Vec<u8>)>,
    dropped: usize,
    findings: Vec<Finding>,
    traces: Vec<[u8; 16]>,
}

impl Groups {
    /// The group of a span: that of its trace, of a trace that it links to, of its thread, or the only one that there is.
    pub(super) fn route(&mut self, mark: GroupId, span: &Started<'_>) -> GroupId {
        if self.open.is_empty() {
            return 0;
        }
        if let Some(&group) = self.routes.get(&span.trace) {
            return group;
        }
        if self.retired.contains(&span.trace) {
            return 0;
        }
        if let Some(&group) = span.links.iter().find_map(|trace| self.routes.get(trace)) {
            return self.adopt(group, span.trace);
        }
        if mark != 0 {
            return self.adopt(mark, span.trace);
        }
        if span.links.iter().any(|trace| self.retired.contains(trace)) {
            return 0;
        }
        match self.only() {
            Some(group) => self.adopt(group, span.trace),
            None => 0,
        }
    }

    fn adopt(&mut self, id: GroupId, trace: [u8; 16]) -> GroupId {
        match self.open.get_mut(&id) {
            Some(group) if group.traces.len() < MAX_RECORDS => {
                group.traces.push(trace);
                self.routes.insert(trace, id);
                id
            }
            _ => 0,
        }
    }

    fn only(&self) -> Option<GroupId> {
        if self.open.len() == 1 { self.open.keys().next().copied() } else { None }
    }

    pub(super) fn begin(&mut self, id: GroupId) {
        if let Some(group) = self.open.get_mut(&id) {
            group.pending += 1;
        }
    }

    pub(super) fn done(&mut self, id: GroupId) {
        if let Some(group) = self.open.get_mut(&id) {
            group.pending = group.pending.saturating_sub(1);
        }
    }

    pub(super) fn serving(&mut self, id: GroupId, change: isize) {
        if let Some(group) = self.open.get_mut(&id) {
            group.serving = group.serving.saturating_add_signed(change);
        }
    }

    /// Whether the group serves a request, when it says which work is its own.
    pub(super) fn serves_precisely(&self, id: GroupId) -> Option<bool> {
        self.open.get(&id).filter(|group| group.precise).map(|group| group.serving > 0)
    }

    pub(super) fn find(&mut self, id: GroupId, finding: &Finding) {
        if let Some(group) = self.open.get_mut(&id) {
            remember(&mut group.findings, finding.clone());
        }
    }

    pub(super) fn keep(&mut self, id: GroupId, service: &str, record: &[u8]) {
        if let Some(group) = self.open.get_mut(&id) {
            if group.records.len() < MAX_RECORDS {
                group.records.push((service.to_owned(), record.to_vec()));
            } else {
                group.dropped += 1;
            }
        }
    }

    pub(super) fn keep_unknown(&mut self, mark: GroupId, trace: [u8; 16], service: &str, record: &[u8]) {
        let group = match self.routes.get(&trace) {
            Some(&group) => group,
            None if self.retired.contains(&trace) => 0,
            None if mark != 0 => mark,
            None => self.only().unwrap_or(0),
        };
        self.keep(group, service, record);
    }

    #[cfg(feature = "testing")]
    fn retire(&mut self, id: GroupId) {
        let Some(group) = self.open.remove(&id) else { return };
        for trace in group.traces {
            self.routes.remove(&trace);
            if self.retired.insert(trace) {
                self.retired_order.push_back(trace);
            }
        }
        while self.retired_order.len() > MAX_RETIRED {
            if let Some(oldest) = self.retired_order.pop_front() {
                self.retired.remove(&oldest);
            }
        }
    }
}

/// The test that a piece of work belongs to, to be carried into another task or thread. Without tests it is a zero.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Carry(GroupId, bool);

/// Takes the mark of this thread.
#[inline]
pub(crate) fn carry() -> Carry {
    if !on() {
        return Carry::default();
    }
    let (group, own) = MARK.get();
    Carry(group, own)
}

impl Carry {
    /// Marks this thread while `act` runs.
    #[inline]
    pub(crate) fn enter<R>(self, act: impl FnOnce() -> R) -> R {
        if self.0 == 0 {
            return act();
        }
        struct Restore((GroupId, bool));
        impl Drop for Restore {
            fn drop(&mut self) {
                MARK.set(self.0);
            }
        }
        let _restore = Restore(MARK.replace((self.0, self.1)));
        act()
    }
}

/// Work that was handed to another task, so that a test waits for it even before it starts a span. It ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Task(GroupId);

/// Notes work that is handed over in `trace`.
#[inline]
pub(crate) fn task(trace: [u8; 16]) -> Task {
    if !on() {
        return Task(0);
    }
    let mark = MARK.get().0;
    with(|registry| {
        let group = registry.groups.routes.get(&trace).copied().unwrap_or(mark);
        match registry.groups.open.get_mut(&group) {
            Some(known) => {
                known.pending += 1;
                Task(group)
            }
            None => Task(0),
        }
    })
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.0 != 0 {
            with(|registry| registry.groups.done(self.0));
            CHANGED.notify_all();
        }
    }
}

/// Opens a group and marks this thread with it.
#[cfg(feature = "testing")]
pub(crate) fn open() -> GroupId {
    with(|registry| {
        registry.groups.next += 1;
        let id = registry.groups.next;
        registry.groups.open.insert(id, Group::default());
        id
    })
}

/// Marks this thread. `own` says that the work is the test's own: a root in it has lost nothing.
#[cfg(feature = "testing")]
pub(crate) fn mark(id: GroupId, own: bool) -> Carry {
    if own {
        with(|registry| {
            if let Some(group) = registry.groups.open.get_mut(&id) {
                group.precise = true;
            }
        });
    }
    Carry(id, own)
}

/// Sets or takes away the mark of this thread.
#[cfg(feature = "testing")]
pub(crate) fn unmark(id: GroupId) {
    if MARK.get().0 == id {
        MARK.set((0, false));
    }
}

#[cfg(feature = "testing")]
impl Carry {
    /// Marks this thread until [`unmark`].
    pub(crate) fn stay(self) {
        MARK.set((self.0, self.1));
    }
}

/// Forgets a group; what it left behind belongs to nobody.
#[cfg(feature = "testing")]
pub(crate) fn close(id: GroupId) {
    with(|registry| {
        registry.groups.retire(id);
        for open in registry.spans.values_mut() {
            if open.group == id {
                open.group = 0;
            }
        }
    });
}

/// What a group has at one moment.
#[cfg(feature = "testing")]
#[derive(Default)]
pub(crate) struct Result {
    /// Service and encoded record, in the order in which the spans ended.
    pub records: Vec<(String, Vec<u8>)>,
    pub open: Vec<Open>,
    pub findings: Vec<Finding>,
    /// Records over [`MAX_RECORDS`].
    pub dropped: usize,
}

/// What the group has now.
#[cfg(feature = "testing")]
pub(crate) fn result(id: GroupId) -> Result {
    with(|registry| {
        let Some(group) = registry.groups.open.get(&id) else { return Result::default() };
        Result {
            records: group.records.clone(),
            open: registry.spans.values().filter(|open| open.group == id).cloned().collect(),
            findings: group.findings.clone(),
            dropped: group.dropped,
        }
    })
}

/// Returns when the group has at least `ended` records and nothing of it is open, or says what is missing after `limit`.
#[cfg(feature = "testing")]
pub(crate) fn wait(id: GroupId, ended: usize, limit: std::time::Duration) -> std::result::Result<(), String> {
    let deadline = std::time::Instant::now() + limit;
    let mut guard = lock();
    loop {
        let (pending, have) = match guard.as_ref().and_then(|registry| registry.groups.open.get(&id)) {
            Some(group) => (group.pending, group.records.len() + group.dropped),
            None => return Err("wait for spans: the recorder is closed".to_owned()),
        };
        if pending == 0 && have >= ended {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Err(format!(
                "wait for spans: {pending} spans or tasks are open and {have} of at least {ended} have ended after {limit:?}"
            ));
        }
        guard = CHANGED.wait_timeout(guard, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
    }
}
