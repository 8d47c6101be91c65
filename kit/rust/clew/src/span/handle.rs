//! The name of a place in the store: small, copyable, and checked at each use, so that a stale one finds nothing.

use std::num::NonZeroU64;

/// ```text
/// 63            24 23        3  2        1      0
/// +---------------+-----------+--------+------+---------+
/// | generation 40 | place 21  | alias  | none | sampled |
/// +---------------+-----------+--------+------+---------+
/// ```
/// The place is counted from 1. `none`: the place holds a context that is no span of ours. `alias`: it was given out for a span that is not
/// recorded, an unsampled child or one of a component that is off; through it nothing is written, ended or failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handle(NonZeroU64);

const SAMPLED: u64 = 1;
const CARRIED: u64 = 2;
const ALIAS: u64 = 4;
const PLACE_SHIFT: u32 = 3;
/// How many places a handle can name.
pub const PLACES: u32 = (1 << 21) - 1;
/// Generations are counted to here and then from 0 again.
pub const GENERATIONS: u64 = 1 << 40;
const GENERATION_SHIFT: u32 = 24;

/// The id that is given to `tracing` for a span without any context: nothing is below it.
pub const NOTHING: u64 = ALIAS;

impl Handle {
    /// The handle of a place's creator.
    #[inline]
    pub fn new(place: u32, generation: u64, sampled: bool, carried: bool) -> Handle {
        let bits = generation << GENERATION_SHIFT
            | (u64::from(place) + 1) << PLACE_SHIFT
            | if sampled { SAMPLED } else { 0 }
            | if carried { CARRIED } else { 0 };
        // A place counted from 1 makes the number positive.
        Handle(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }

    /// The handle that was turned into `bits`; `None` for [`NOTHING`] and for zero.
    #[inline]
    pub fn from_bits(bits: u64) -> Option<Handle> {
        if bits >> PLACE_SHIFT == 0 { None } else { NonZeroU64::new(bits).map(Handle) }
    }

    /// A number that is not zero.
    #[inline]
    pub fn bits(self) -> NonZeroU64 {
        self.0
    }

    /// The place, counted from 0.
    #[inline]
    pub fn place(self) -> u32 {
        (self.0.get() >> PLACE_SHIFT) as u32 % (PLACES + 1) - 1
    }

    /// The generation of the place.
    #[inline]
    pub fn generation(self) -> u64 {
        self.0.get() >> GENERATION_SHIFT
    }

    /// The trace is kept.
    #[inline]
    pub fn sampled(self) -> bool {
        self.0.get() & SAMPLED != 0
    }

    /// The place holds a context that is no span of ours.
    #[inline]
    pub fn carried(self) -> bool {
        self.0.get() & CARRIED != 0
    }

    /// It does not write.
    #[inline]
    pub fn alias(self) -> bool {
        self.0.get() & ALIAS != 0
    }

    /// The same place, but not written through.
    #[inline]
    pub fn as_alias(self) -> Handle {
        Handle(self.0 | ALIAS)
    }

    /// The same place.
    #[inline]
    pub fn same(self, other: Handle) -> bool {
        self.0.get() | ALIAS == other.0.get() | ALIAS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_keeps_its_parts_at_both_ends_of_their_ranges() {
        for place in [0, 1, PLACES - 1] {
            for generation in [0, 1, GENERATIONS - 1] {
                for bits in 0..4 {
                    let handle = Handle::new(place, generation, bits & 1 != 0, bits & 2 != 0);
                    assert_eq!(Handle::from_bits(handle.bits().get()), Some(handle));
                    assert_eq!(handle.place(), place);
                    assert_eq!(handle.generation(), generation);
                    assert_eq!(handle.sampled(), bits & 1 != 0);
                    assert_eq!(handle.carried(), bits & 2 != 0);
                    assert!(!handle.alias() && handle.as_alias().alias());
                    assert!(handle.same(handle.as_alias()));
                }
            }
        }
        assert_eq!(Handle::from_bits(NOTHING), None);
        assert_eq!(Handle::from_bits(0), None);
    }
}
