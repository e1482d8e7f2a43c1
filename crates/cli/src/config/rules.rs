use std::collections::BTreeMap;

use crate::settings::{Key, Place, Reader, Typed};

/// A name that every table, log and metric can hold.
pub(super) fn name(typed: &Typed<String>, reader: &mut Reader<'_>) -> Option<String> {
    if typed.is_empty() || typed.len() > 128 || typed.contains(char::is_control) {
        reader.complain(
            &typed.place,
            "a name has 1 to 128 bytes and no control characters",
        );
        return None;
    }
    Some(typed.value.clone())
}

/// Complains about a value that was met before, else notes where it was.
pub(super) fn unique(
    key: &str,
    value: &str,
    place: &Place,
    met: &mut BTreeMap<String, usize>,
    reader: &mut Reader<'_>,
) {
    if let Some(line) = met.get(value) {
        let message = format!("line {line} has the same {key}, {value:?}");
        reader.complain(place, message);
    } else {
        met.insert(value.to_owned(), place.line);
    }
}

/// Complains about a value below `least`, which `name` says in words.
pub(super) fn at_least<T: PartialOrd>(key: &Key<T>, least: T, name: &str, reader: &mut Reader<'_>) {
    if let Some(Typed { value, place }) = key.typed()
        && *value < least
    {
        reader.complain(place, format!("too little; at least {name}"));
    }
}
