//! The records of one signal, at most so many bytes of memory. Adding takes the
//! lock of one shard; once a block it takes the queue's lock too, always in this
//! order. No lock is held over I/O.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use crate::selfmetrics::{Reason, Signal, SignalCounters, stripe};
use crate::sync::{Mutex, MutexGuard};

/// The memory that a shard fills before it hands it to the queue, and what is lost
/// at once when the queue is full.
const BLOCK_BYTES: usize = 64 << 10;
/// Stand before each record in a block: the scope's number and the record's length,
/// four bytes each.
const HEADER_BYTES: usize = 8;
/// Empty blocks that are kept for use again.
const MAX_FREE: usize = 8;
/// Closes a batch; a record over it is too large to be sent.
pub(super) const MAX_BATCH_BYTES: usize = 512 << 10;

/// A run of records, each behind its header.
#[derive(Debug)]
pub(super) struct Block {
    data: Vec<u8>,
    pub records: usize,
}

impl Block {
    fn with_room(bytes: usize) -> Block {
        Block { data: Vec::with_capacity(bytes), records: 0 }
    }

    /// The bytes of its records alone.
    pub fn payload(&self) -> usize {
        self.data.len() - HEADER_BYTES * self.records
    }

    fn fits(&self, record: usize) -> bool {
        self.data.len() + HEADER_BYTES + record <= self.data.capacity()
    }

    fn push(&mut self, scope: u32, record: &[u8]) {
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&scope.to_le_bytes());
        header[4..].copy_from_slice(&(record.len() as u32).to_le_bytes());
        self.data.extend_from_slice(&header);
        self.data.extend_from_slice(record);
        self.records += 1;
    }

    /// Scope and bytes of each record.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let mut rest = self.data.as_slice();
        std::iter::from_fn(move || {
            let (scope, tail) = rest.split_first_chunk::<4>()?;
            let (length, tail) = tail.split_first_chunk::<4>()?;
            let (record, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = tail;
            Some((u32::from_le_bytes(*scope), record))
        })
    }
}

/// On a cache line of its own.
#[repr(align(64))]
struct Shard(Mutex<ShardState>);

#[derive(Default)]
struct ShardState {
    open: Option<Block>,
    closed: bool,
}

#[derive(Default)]
struct Full {
    /// Oldest first.
    blocks: VecDeque<Block>,
    free: Vec<Block>,
    /// Capacities of full blocks and of those open in shards.
    memory: usize,
    bytes: usize,
    records: usize,
    /// The worker waits for the first record.
    resting: bool,
}

pub(super) struct Queue {
    counters: &'static SignalCounters,
    limit: usize,
    batch_records: usize,
    shards: Box<[Shard]>,
    full: Mutex<Full>,
}

/// What came of adding a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is in the queue, or it was counted as lost.
    Quietly,
    /// So it is, and the worker has something to look at: enough for a batch, or the first record since it went to rest.
    Rousing,
}

/// Shards that keep the cores out of each other's way: a power of two between 2 and
/// 8. Metrics have one writer, their collection.
pub(super) fn shards_for(signal: Signal) -> usize {
    if signal == Signal::Metrics {
        return 1;
    }
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    cores.next_power_of_two().clamp(2, 8)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that could panic leaves the state half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    pub fn new(limit: usize, batch_records: usize, shards: usize, counters: &'static SignalCounters) -> Queue {
        counters.queue_capacity.store(limit as i64, Relaxed);
        counters.queue_size.store(0, Relaxed);
        Queue { counters, limit, batch_records, shards: (0..shards).map(|_| Shard(Mutex::default())).collect(), full: Mutex::default() }
    }

    /// Copies the record into a shard or counts it as lost.
    pub fn add(&self, scope: u32, record: &[u8]) -> Added {
        let lost = |reason| {
            self.counters.drop_records(reason, 1, record.len() as i64);
            Added::Quietly
        };
        if record.len() > MAX_BATCH_BYTES {
            return lost(Reason::TooLarge);
        }
        let shard = &self.shards[stripe() & (self.shards.len() - 1)];
        let mut state = lock(&shard.0);
        if let Some(open) = &mut state.open {
            if open.records < self.batch_records && open.fits(record.len()) {
                open.push(scope, record);
                return Added::Quietly;
            }
        }
        if state.closed {
            return lost(Reason::Stopped);
        }
        let filled = state.open.take();
        let (empty, added) = self.exchange(filled, HEADER_BYTES + record.len());
        let Some(mut block) = empty else {
            lost(Reason::QueueFull);
            return added;
        };
        block.push(scope, record);
        state.open = Some(block);
        added
    }

    /// Takes a filled block and gives an empty one with room for `need` bytes, or none
    /// when there is no memory left. Older blocks give way.
    fn exchange(&self, filled: Option<Block>, need: usize) -> (Option<Block>, Added) {
        let mut full = lock(&self.full);
        let mut added = Added::Quietly;
        if let Some(filled) = filled {
            full.push(filled);
            if self.ready(&full) {
                added = Added::Rousing;
            }
        }
        let size = need.max(BLOCK_BYTES);
        while full.memory + size > self.limit {
            let Some(oldest) = full.pop() else { return (None, added) };
            self.counters.drop_records(Reason::QueueFull, oldest.records as i64, oldest.payload() as i64);
            full.recycle(oldest);
        }
        let block = if size == BLOCK_BYTES { full.free.pop() } else { None };
        let block = block.unwrap_or_else(|| Block::with_room(size));
        full.memory += block.data.capacity();
        self.counters.queue_size.store(full.memory as i64, Relaxed);
        if std::mem::take(&mut full.resting) {
            added = Added::Rousing;
        }
        (Some(block), added)
    }

    /// Says whether there is nothing at all, and if so has the first record say that it
    /// is: a program that makes nothing is not to wake once a second for it.
    pub fn rest(&self) -> bool {
        let mut full = lock(&self.full);
        full.resting = full.memory == 0;
        full.resting
    }

    fn ready(&self, full: &Full) -> bool {
        full.bytes >= MAX_BATCH_BYTES - BLOCK_BYTES || full.records >= self.batch_records
    }

    /// Moves the oldest blocks that make one batch to the caller. Unless `all` is true
    /// it does so only when they fill a batch.
    pub fn take(&self, into: &mut Vec<Block>, all: bool) {
        let mut full = lock(&self.full);
        if !all && !self.ready(&full) {
            return;
        }
        let (mut bytes, mut records) = (0, 0);
        while let Some(next) = full.blocks.front() {
            bytes += next.payload();
            records += next.records;
            if !into.is_empty() && (bytes > MAX_BATCH_BYTES || records > self.batch_records) {
                break;
            }
            into.extend(full.pop());
        }
        self.counters.queue_size.store(full.memory as i64, Relaxed);
    }

    #[cfg(test)]
    pub fn is_resting(&self) -> bool {
        lock(&self.full).resting
    }

    pub fn is_empty(&self) -> bool {
        lock(&self.full).blocks.is_empty()
    }

    /// Returns the memory of taken blocks.
    pub fn give_back(&self, blocks: &mut Vec<Block>) {
        let mut full = lock(&self.full);
        blocks.drain(..).for_each(|b| full.recycle(b));
    }

    /// Moves what the shards hold to the queue. With `closing`, the shards take nothing
    /// any more: what comes is lost as stopped.
    pub fn seal(&self, closing: bool) -> bool {
        let mut any = false;
        for shard in &self.shards {
            let mut state = lock(&shard.0);
            state.closed |= closing;
            if let Some(open) = state.open.take() {
                lock(&self.full).push(open);
                any = true;
            }
        }
        any
    }

    /// Counts everything in the queue as lost.
    pub fn discard(&self, reason: Reason) {
        let mut full = lock(&self.full);
        while let Some(block) = full.pop() {
            self.counters.drop_records(reason, block.records as i64, block.payload() as i64);
            full.recycle(block);
        }
        self.counters.queue_size.store(full.memory as i64, Relaxed);
    }
}

impl Full {
    fn push(&mut self, block: Block) {
        self.bytes += block.payload();
        self.records += block.records;
        self.blocks.push_back(block);
    }

    fn pop(&mut self) -> Option<Block> {
        let block = self.blocks.pop_front()?;
        self.bytes -= block.payload();
        self.records -= block.records;
        self.memory -= block.data.capacity();
        Some(block)
    }

    fn recycle(&mut self, mut block: Block) {
        if block.data.capacity() == BLOCK_BYTES && self.free.len() < MAX_FREE {
            block.data.clear();
            block.records = 0;
            self.free.push(block);
        }
    }
}
