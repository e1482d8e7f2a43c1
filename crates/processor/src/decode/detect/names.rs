use std::collections::{HashMap, HashSet};

use arrivage_model::ColumnSource;

use crate::decode::header::loosely;

/// PostgreSQL cuts longer ones.
const LONGEST: usize = 63;

/// A name for the table's column, and where its values are found if not by that
/// name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) from: Option<String>,
}

/// Names for the columns of these headers or members, in their order, all
/// different.
pub(super) fn name_all(headers: &[String]) -> Vec<Named> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for header in headers {
        *counts.entry(loosely(header)).or_default() += 1;
    }
    let names = unique(
        headers
            .iter()
            .enumerate()
            .map(|(at, header)| plain(header, at)),
    );
    let named = names.into_iter().zip(headers).map(|(name, header)| {
        let found = loosely(&name) == loosely(header) && counts[&loosely(header)] == 1;
        Named {
            from: (!found).then(|| header.clone()),
            name,
        }
    });
    named.collect()
}

/// Names for columns that have none.
pub(super) fn numbered(count: usize) -> Vec<Named> {
    let name = |at: usize| Named {
        name: format!("column_{}", at + 1),
        from: None,
    };
    (0..count).map(name).collect()
}

/// A name of letters, digits and `_`, as SQL has them without quotes.
fn plain(header: &str, at: usize) -> String {
    let mut name = String::new();
    for c in loosely(header).chars() {
        match c.is_alphanumeric() {
            true => name.push(c),
            false if name.is_empty() || name.ends_with('_') => {}
            false => name.push('_'),
        }
    }
    let name = name.trim_end_matches('_');
    let name = match name.chars().next() {
        None => format!("column_{}", at + 1),
        Some(first) if first.is_numeric() => format!("_{name}"),
        Some(_) => name.to_owned(),
    };
    cut(&name, LONGEST).to_owned()
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut unique = Vec::new();
    for name in names {
        let mut candidate = name.clone();
        let mut number = 2;
        while !taken.insert(loosely(&candidate)) {
            let suffix = format!("_{number}");
            candidate = format!("{}{suffix}", cut(&name, LONGEST - suffix.len()));
            number += 1;
        }
        unique.push(candidate);
    }
    unique
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Where a configuration finds the member of this name: it reads some texts as
/// something else.
pub(super) fn member(name: String) -> ColumnSource {
    match is_special(&name) {
        true => ColumnSource::Pointer(format!("/{}", name.replace('~', "~0").replace('/', "~1"))),
        false => ColumnSource::Name(name),
    }
}

/// Whether `from` takes it for something else than a member's name.
pub(super) fn is_special(name: &str) -> bool {
    name.is_empty() || name.starts_with('/') || is_capture(name)
}

/// What `from` takes for a part of the key.
pub(super) fn is_capture(name: &str) -> bool {
    name.starts_with('{') && name.ends_with('}')
}
