//! The queue's bounds, and the bodies made of what it holds.

use std::sync::atomic::Ordering::Relaxed;

use super::config::MAX_BATCH_RECORDS;
use super::encode::Encoder;
use super::queue::{Block, MAX_BATCH_BYTES, Queue};
use super::scope::{Scopes, append_bytes, append_text};
use crate::selfmetrics::{Counters, Reason, SignalCounters};

const BLOCK: usize = 64 << 10;

fn counters() -> &'static SignalCounters {
    &Box::leak(Box::new(Counters::new())).signal[0]
}

fn lost(counters: &SignalCounters, reason: Reason) -> i64 {
    counters.dropped[reason as usize].load(Relaxed)
}

fn take(queue: &Queue, all: bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    queue.take(&mut blocks, all);
    blocks
}

fn records(blocks: &[Block]) -> Vec<usize> {
    blocks.iter().map(|b| b.records).collect()
}

#[test]
fn the_queue_holds_its_bytes_and_no_more() {
    const BLOCKS: usize = 8;
    const PER_BLOCK: usize = BLOCK / 1008;
    let counters = counters();
    let queue = Queue::new(BLOCKS * BLOCK, MAX_BATCH_RECORDS, 1, counters);
    let fill = |n: usize| (0..n).for_each(|_| _ = queue.add(0, &[0; 1000]));
    fill(BLOCKS * PER_BLOCK);
    assert_eq!(counters.lost(), (0, 0));
    assert_eq!(counters.queue_size.load(Relaxed), (BLOCKS * BLOCK) as i64);
    fill(1);
    assert_eq!(counters.lost(), (PER_BLOCK as i64, PER_BLOCK as i64 * 1000), "the oldest block");
    assert_eq!(lost(counters, Reason::QueueFull), PER_BLOCK as i64);
    fill(20 * BLOCKS * PER_BLOCK);
    assert_eq!(counters.queue_size.load(Relaxed), (BLOCKS * BLOCK) as i64);
    queue.seal(true);
    queue.discard(Reason::Stopped);
    fill(1);
    assert_eq!(counters.lost().0, (21 * BLOCKS * PER_BLOCK + 2) as i64);
    assert_eq!(counters.queue_size.load(Relaxed), 0);
}

#[test]
fn large_records_have_blocks_of_their_own() {
    let counters = counters();
    let queue = Queue::new(2 << 20, MAX_BATCH_RECORDS, 1, counters);
    queue.add(0, &vec![0; MAX_BATCH_BYTES + 1]);
    assert_eq!(lost(counters, Reason::TooLarge), 1);
    queue.add(0, &vec![0; MAX_BATCH_BYTES]);
    queue.add(0, &[0; 10]);
    queue.seal(false);
    let batch = take(&queue, true);
    assert_eq!((batch.len(), batch[0].payload()), (1, MAX_BATCH_BYTES));
    let batch = take(&queue, true);
    assert_eq!((batch.len(), batch[0].payload()), (1, 10));
    let tiny = Queue::new(100 << 10, MAX_BATCH_RECORDS, 1, counters);
    tiny.add(0, &[0; 10]);
    tiny.add(0, &[0; 200 << 10]);
    assert_eq!(lost(counters, Reason::QueueFull), 2, "the oldest gave way in vain");
}

#[test]
fn batches_close_by_bytes_and_records() {
    let queue = Queue::new(16 << 20, 100, 1, counters());
    (0..250).for_each(|_| _ = queue.add(0, &[0; 10]));
    assert_eq!(records(&take(&queue, false)), [100]);
    assert_eq!(records(&take(&queue, false)), [100]);
    assert!(take(&queue, false).is_empty());
    queue.seal(false);
    assert_eq!(records(&take(&queue, true)), [50]);
    let queue = Queue::new(16 << 20, MAX_BATCH_RECORDS, 1, counters());
    (0..2000).for_each(|_| _ = queue.add(0, &[0; 1000]));
    let mut all = 0;
    loop {
        let batch = take(&queue, false);
        if batch.is_empty() {
            break;
        }
        let bytes: usize = batch.iter().map(Block::payload).sum();
        assert!((MAX_BATCH_BYTES / 2..=MAX_BATCH_BYTES).contains(&bytes), "{bytes}");
        all += batch.iter().map(|b| b.records).sum::<usize>();
    }
    assert!(all >= 1500, "{all}");
}

#[test]
fn bodies_have_one_scope_spans_for_each_scope() {
    let field = |number, bytes: &[u8]| {
        let mut out = Vec::new();
        append_bytes(&mut out, number, bytes);
        out
    };
    let text = |number, value| {
        let mut out = Vec::new();
        append_text(&mut out, number, value);
        out
    };
    let scopes = Scopes::new();
    let db = scopes.number("db", "1.2", "https://schema");
    assert_eq!(scopes.number("db", "1.2", "https://schema"), db);
    for i in 0..1100 {
        scopes.number("n", &i.to_string(), "");
    }
    assert_eq!(scopes.number("one too many", "", ""), 0);
    assert_eq!(scopes.since(0).len(), 1024);
    let queue = Queue::new(16 << 20, MAX_BATCH_RECORDS, 1, counters());
    let mut encoder = Encoder::new(b"R", "s");
    for _ in 0..2 {
        queue.add(db, &field(2, b"first"));
        queue.add(0, &field(2, b"second"));
        queue.add(db, &field(2, b"third"));
        // A number of a parent that the child of a fork does not know.
        queue.add(5000, &field(2, b"fourth"));
        queue.seal(false);
        encoder.encode(&take(&queue, true), &scopes);
        let scope = [text(1, "db"), text(1 + 1, "1.2")].concat();
        let of_db = [field(1, &scope), field(2, b"first"), field(2, b"third"), text(3, "https://schema")].concat();
        let of_clew = [field(1, &text(1, "clew")), field(2, b"second"), field(2, b"fourth")].concat();
        let inner = [field(1, b"R"), field(2, &of_db), field(2, &of_clew), text(3, "s")].concat();
        assert_eq!(encoder.body(), field(1, &inner));
    }
}
