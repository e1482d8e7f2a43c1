//! Types that a table's catalogue makes of others: arrays and enums.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::ColumnType;

/// What an array holds; never an array itself, because PostgreSQL's type says nothing of
/// dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Element(&'static ColumnType);

/// An enum of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enumeration(&'static Labels);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Labels {
    name: String,
    labels: Vec<String>,
}

impl Element {
    /// Of this type; nothing for an array's own.
    #[must_use]
    pub fn new(kind: ColumnType) -> Option<Self> {
        static KEPT: OnceLock<Mutex<HashSet<&'static ColumnType>>> = OnceLock::new();
        match kind {
            ColumnType::Array(_) => None,
            kind => Some(Self(kept(&KEPT, kind))),
        }
    }

    /// Its type.
    #[must_use]
    pub fn kind(self) -> ColumnType {
        *self.0
    }
}

impl Enumeration {
    /// With its name, as SQL has it, and its labels in their order.
    #[must_use]
    pub fn new(name: String, labels: Vec<String>) -> Self {
        static KEPT: OnceLock<Mutex<HashSet<&'static Labels>>> = OnceLock::new();
        Self(kept(&KEPT, Labels { name, labels }))
    }

    /// As SQL has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        &self.0.name
    }

    /// In their order.
    #[must_use]
    pub fn labels(self) -> &'static [String] {
        &self.0.labels
    }
}

/// Keeps one of each for as long as the process lives, so that a type stays a small value:
/// there are as many as the tables have ever had, and nothing of a file is among them.
fn kept<T: Eq + Hash>(all: &OnceLock<Mutex<HashSet<&'static T>>>, one: T) -> &'static T {
    let all = all.get_or_init(Mutex::default);
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(&one) {
        return known;
    }
    let one: &'static T = Box::leak(Box::new(one));
    all.insert(one);
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_type_is_kept_once() {
        let mood = || Enumeration::new("mood".to_owned(), vec!["sad".to_owned(), "ok".to_owned()]);
        assert_eq!(mood(), mood());
        assert!(std::ptr::eq(mood().labels(), mood().labels()));
        let element = Element::new(ColumnType::Enum(mood())).expect("an element");
        assert_eq!(Element::new(ColumnType::Array(element)), None);
        assert!(std::ptr::eq(
            element.0,
            Element::new(element.kind()).expect("an element").0
        ));
    }
}
