//! Random ids. Every thread has a generator of its own, seeded by the operating system and seeded anew in the child of a fork. It
//! is not for secrets. The time of a span's start is stirred in, so that even two equal states would part.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher};
use std::io::Read;

use crate::{SpanId, TraceId, fork};

thread_local!(static STATE: Cell<[u64; 2]> = const { Cell::new([0; 2]) });
// The fork that the thread's state is from; no number that is ever reached means that it was never seeded.
thread_local!(static SEEN: Cell<u64> = const { Cell::new(u64::MAX) });

#[cold]
fn seed() -> [u64; 2] {
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut bytes));
    let (a, b) = bytes.split_at(8);
    let mut state = [u64_of(a), u64_of(b)];
    // The hasher's keys come from the operating system too; they stand in where there is no such file.
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    state[0] ^= hasher.finish();
    if read.is_err() {
        state[1] ^= std::hash::RandomState::new().build_hasher().finish();
    }
    if state == [0; 2] { [1, 2] } else { state }
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |v, b| v << 8 | u64::from(*b))
}

/// The next 64 random bits (xoroshiro128++), stirred with `salt`.
#[inline]
fn next(salt: u64) -> u64 {
    let generation = fork::generation();
    if SEEN.get() != generation {
        SEEN.set(generation);
        STATE.set(seed());
    }
    let [a, mut b] = STATE.get();
    let result = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
    b ^= a;
    let mut next = [a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28)];
    next[1] ^= salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    STATE.set(if next == [0; 2] { [1, 2] } else { next });
    result ^ salt.wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(32)
}

/// A new trace id; `now_ns` is the time of the root's start.
#[inline]
pub fn trace(now_ns: u64) -> TraceId {
    loop {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&next(now_ns).to_be_bytes());
        id[8..].copy_from_slice(&next(0).to_be_bytes());
        if id != [0; 16] {
            return TraceId(id);
        }
    }
}

/// A new span id; `now_ns` is the time of the span's start.
#[inline]
pub fn span(now_ns: u64) -> SpanId {
    loop {
        let id = next(now_ns).to_be_bytes();
        if id != [0; 8] {
            return SpanId(id);
        }
    }
}

/// Random bits for other uses: back-off, the instance id.
pub fn random() -> u64 {
    next(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_many_threads_differ_and_their_bits_are_even() {
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| (0..20_000).map(|i| trace(i).0).collect::<Vec<_>>())).collect();
        let all: Vec<[u8; 16]> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        for bit in 0..128 {
            let ones = all.iter().filter(|id| id[bit / 8] >> (bit % 8) & 1 == 1).count();
            // Six standard deviations of 80,000 throws.
            assert!(ones.abs_diff(40_000) < 850, "bit {bit}: {ones} of 80,000");
        }
    }

    #[test]
    fn a_fork_seeds_anew() {
        let _ = span(1);
        let before = STATE.get();
        // As if the state came from the process before a fork.
        SEEN.set(fork::generation().wrapping_sub(1));
        let _ = span(1);
        assert_eq!(SEEN.get(), fork::generation());
        assert_ne!(STATE.get(), before);
    }
}
