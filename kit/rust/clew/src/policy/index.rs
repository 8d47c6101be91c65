//! Finds the first of many patterns and rules that a text or a root matches, without looking at all of them.

use std::collections::{HashMap, HashSet};

use super::{Facts, Rule};

/// What stands under a pattern's text: exact ones, and prefixes by one look-up for each length that occurs. 10,000 patterns cost as much as
/// their lengths differ.
#[derive(Debug, Default)]
struct Table<V> {
    exact: HashMap<String, V>,
    prefixes: HashMap<String, V>,
    /// Of prefixes, ascending.
    lengths: Vec<usize>,
}

impl<V: Default> Table<V> {
    fn entry(&mut self, pattern: &str) -> &mut V {
        let Some(prefix) = pattern.strip_suffix('*') else {
            return self.exact.entry(pattern.to_owned()).or_default();
        };
        if let Err(at) = self.lengths.binary_search(&prefix.len()) {
            self.lengths.insert(at, prefix.len());
        }
        self.prefixes.entry(prefix.to_owned()).or_default()
    }

    /// Everything under a pattern that `text` matches.
    fn under<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a V> {
        let prefixes = self.lengths.iter().take_while(|n| **n <= text.len());
        // A prefix that ends inside a character of the text is the prefix of none.
        let prefixes = prefixes.filter_map(|n| self.prefixes.get(text.get(..*n)?));
        let exact = if self.exact.is_empty() { None } else { self.exact.get(text) };
        exact.into_iter().chain(prefixes)
    }
}

/// The places of patterns in their order.
#[derive(Debug, Default)]
pub(super) struct Patterns(Table<Option<u32>>);

impl Patterns {
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a str>) -> Patterns {
        let mut table = Table::<Option<u32>>::default();
        for (place, pattern) in (0u32..).zip(patterns) {
            // Of equal patterns the first one counts.
            table.entry(pattern).get_or_insert(place);
        }
        Patterns(table)
    }

    /// The lowest place among the patterns that the text matches.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        self.0.under(text).filter_map(|p| *p).min().map(|p| p as usize)
    }
}

/// The rules of a document. A rule stands in one table, that of its route, else its name, else its method, else its kind. Only rules under the
/// texts that the root has are compared.
#[derive(Debug, Default)]
pub(super) struct Rules {
    matches: Vec<[Option<String>; 4]>,
    tables: [Table<Vec<usize>>; 4],
    /// The first rule that matches everything.
    any: Option<usize>,
}

impl Rules {
    /// Compiles the rules and says which of them are kept: those after an equal one would never be reached.
    pub(super) fn new(rules: &[Rule]) -> (Rules, Vec<&Rule>) {
        let (mut index, mut kept, mut seen) = (Rules::default(), Vec::new(), HashSet::new());
        for rule in rules.iter().filter(|r| seen.insert(&r.matches)) {
            let place = kept.len();
            kept.push(rule);
            index.matches.push(rule.matches.clone());
            match rule.matches.iter().position(Option::is_some) {
                Some(field) => index.tables[field].entry(rule.matches[field].as_deref().unwrap_or_default()).push(place),
                None => index.any = Some(place),
            }
        }
        (index, kept)
    }

    /// The first rule that matches.
    pub(super) fn find(&self, facts: &Facts<'_>) -> Option<usize> {
        if self.matches.is_empty() {
            return None;
        }
        let facts = [facts.route, facts.name, facts.method, facts.kind];
        let mut best = self.any.unwrap_or(self.matches.len());
        for (table, text) in self.tables.iter().zip(facts) {
            for places in table.under(text) {
                if let Some(place) = places.iter().take_while(|p| **p < best).find(|p| self.matches(**p, &facts)) {
                    best = *place;
                }
            }
        }
        (best < self.matches.len()).then_some(best)
    }

    fn matches(&self, place: usize, facts: &[&str; 4]) -> bool {
        self.matches[place].iter().zip(facts).all(|(pattern, text)| match pattern.as_deref() {
            None => true,
            Some(pattern) => match pattern.strip_suffix('*') {
                Some(prefix) => text.starts_with(prefix),
                None => *text == pattern,
            },
        })
    }
}
