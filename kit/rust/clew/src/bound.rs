//! What an integration remembers of label sets and statements that it has seen.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{PoisonError, RwLock};

/// The contract's 2,000 series an instrument.
pub(crate) const MAX: usize = 2_000;

/// Remembers what was made for a key. What is over [`MAX`] is made anew each time.
pub(crate) struct Cache<K, V>(RwLock<HashMap<K, V>>);

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Cache(RwLock::default())
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// The value of `key`, made by `build` when it is not known.
    pub(crate) fn get<Q>(&self, key: &Q, build: impl FnOnce() -> V) -> V
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(value) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return value.clone();
        }
        let value = build();
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX {
            return known.entry(key.to_owned()).or_insert(value).clone();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_limit_is_made_each_time() {
        let cache = Cache::<String, usize>::default();
        for number in 0..MAX {
            assert_eq!(cache.get(number.to_string().as_str(), || number), number);
        }
        assert_eq!(cache.get("7", || unreachable!("it is known")), 7);
        assert_eq!(cache.get("over", || 1), 1);
        assert_eq!(cache.get("over", || 2), 2);
    }
}
