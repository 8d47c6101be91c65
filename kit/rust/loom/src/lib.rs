//! The files of the kit in which threads share memory without a plain lock, compiled with the primitives of loom, and models of what they
//! promise. A model is run through the interleavings of its threads and through the values that a weak memory may give them, so that what
//! passes here does not depend on the processor of the test. `cargo test -p clew-loom` runs all; `LOOM_LOG=trace` shows a failing one.
//!
//! What stands beside these files in the kit, such as the record of a span and the counters, is small here: the models look at who may touch
//! what and when, and a record is only something that can be filled and emptied.
#![cfg(test)]

#[path = "../../clew/src/shared.rs"]
mod shared;
mod shared_models;
mod sync;

mod span {
    #[allow(dead_code, reason = "the kit's file; the models need some of it")]
    #[path = "../../../clew/src/span/handle.rs"]
    pub mod handle;
    pub mod record;
    #[path = "../../../clew/src/span/store.rs"]
    pub mod store;
    mod store_models;
}

mod export {
    #[allow(dead_code, reason = "the kit's file; the models need some of it")]
    #[path = "../../../clew/src/export/queue.rs"]
    mod queue;
    mod queue_models;
}

mod selfmetrics;
