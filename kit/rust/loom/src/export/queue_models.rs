//! What the exporter's queue promises while threads add to it, its worker takes from it and a stop closes it.

use loom::thread::spawn;

use super::queue::{Added, Block, Queue};
use crate::selfmetrics::{Reason, SignalCounters, set_stripe};
use crate::sync::{Arc, model};
use std::sync::atomic::Ordering::Relaxed;

/// Half of a block and more, so that each record but the first closes a block.
static RECORD: [u8; 40 << 10] = [0; 40 << 10];
const BLOCK: usize = 64 << 10;

fn queue(blocks: usize) -> (Arc<Queue>, &'static SignalCounters) {
    let counters: &'static SignalCounters = Box::leak(Box::default());
    (Arc::new(Queue::new(blocks * BLOCK, 512, 2, counters)), counters)
}

fn records(blocks: &[Block]) -> usize {
    blocks.iter().map(|block| block.iter().count()).sum()
}

fn lost(counters: &SignalCounters) -> usize {
    counters.dropped.iter().map(|n| n.load(Relaxed) as usize).sum()
}

fn adds(queue: &Arc<Queue>, stripe: usize, count: usize) -> loom::thread::JoinHandle<()> {
    let queue = queue.clone();
    spawn(move || {
        set_stripe(stripe);
        for _ in 0..count {
            assert_eq!(queue.add(0, &RECORD), Added::Quietly);
        }
    })
}

/// Each record is in one batch or counted as lost once, whatever is added while the shards are sealed and the queue is emptied; and no two
/// locks are taken in turn.
#[test]
fn every_record_is_taken_once_or_counted() {
    model(3, || {
        // Room for less than comes: the oldest give way, beside the worker that takes them.
        let (queue, counters) = queue(2);
        let threads = [adds(&queue, 0, 2), adds(&queue, 1, 2)];
        let mut batch = Vec::new();
        queue.seal(false);
        queue.take(&mut batch, true);
        let mut taken = records(&batch);
        queue.give_back(&mut batch);
        for thread in threads {
            thread.join().unwrap();
        }
        queue.seal(true);
        while !queue.is_empty() {
            queue.take(&mut batch, true);
        }
        taken += records(&batch);
        assert_eq!(taken + lost(counters), 4, "{taken} taken");
        assert_eq!(counters.queue_size.load(Relaxed), 0);
    });
}

/// What comes beside a stop is sent or counted as stopped; nothing stays in a shard that nobody will look into again.
#[test]
fn a_stop_leaves_nothing_behind() {
    model(3, || {
        let (queue, counters) = queue(4);
        let threads = [adds(&queue, 0, 1), adds(&queue, 1, 1)];
        queue.seal(true);
        let mut batch = Vec::new();
        while !queue.is_empty() {
            queue.take(&mut batch, true);
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(queue.is_empty(), "a record came after the end");
        let stopped = counters.dropped[Reason::Stopped as usize].load(Relaxed) as usize;
        assert_eq!((records(&batch) + stopped, lost(counters)), (2, stopped));
        assert_eq!(counters.queue_size.load(Relaxed), 0);
    });
}
