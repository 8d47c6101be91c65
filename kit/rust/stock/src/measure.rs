//! Caller-thread CPU time and allocations of small pieces of work.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local!(static ALLOCATIONS: Cell<u64> = const { Cell::new(0) });

/// The system's allocator, with a count for each thread.
pub struct Counting;

// SAFETY: everything is handed to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Nanoseconds of CPU that this thread has used.
#[allow(unsafe_code)]
pub fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live value of the right type.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The cost of one piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU nanoseconds of the calling thread.
    pub ns: f64,
    /// Allocations of the calling thread.
    pub allocations: f64,
}

/// Runs `work` in chunks; gives the best chunk, since whatever is slower was disturbed. Each chunk ends with a pause, so that
/// queues behind the work keep up.
pub fn cost<R>(mut work: impl FnMut() -> R) -> Cost {
    const CHUNKS: usize = 15;
    const ROUNDS: u32 = 2_000;
    for _ in 0..ROUNDS {
        black_box(work());
    }
    let mut best = Cost { ns: f64::MAX, allocations: f64::MAX };
    for _ in 0..CHUNKS {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let (cpu, allocations) = (cpu_ns(), ALLOCATIONS.get());
        for _ in 0..ROUNDS {
            black_box(work());
        }
        let ns = (cpu_ns() - cpu) as f64 / f64::from(ROUNDS);
        let allocations = (ALLOCATIONS.get() - allocations) as f64 / f64::from(ROUNDS);
        best = Cost { ns: best.ns.min(ns), allocations: best.allocations.min(allocations) };
    }
    best
}
