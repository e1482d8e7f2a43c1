use arrivage_model::{Column, ColumnType};

use super::kind::{self, Guess};
use super::{DecodeError, names, unreadable};
use crate::decode::cut::{ArrayCutter, ArrayState, Cut};
use crate::decode::json::{document, string};
use crate::decode::value::Writer;

/// So many lines tell whether a text is JSON Lines.
const HEAD: usize = 20;

/// What the values of one member are.
#[derive(Default)]
struct Member {
    strings: Vec<String>,
    numbers: Vec<String>,
    truths: usize,
    nested: usize,
}

/// The columns of JSON objects; nothing: the text is no JSON.
pub(super) fn columns(text: &str, whole: bool) -> Option<Result<Vec<Column>, DecodeError>> {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('[') {
        let is_array = inside.trim_start().starts_with(['{', ']']);
        return is_array.then(|| Ok(of_objects(elements(inside).into_iter())));
    }
    if !text.starts_with('{') {
        return None;
    }
    let mut lines = text.lines();
    if !whole {
        // The sample may end within it.
        lines.next_back();
    }
    let lines: Vec<_> = lines.filter(|line| !line.trim().is_empty()).collect();
    let head = &lines[..lines.len().min(HEAD)];
    let sound = head.iter().filter(|line| is_object(line)).count();
    if sound == 0 || sound * 2 < head.len() {
        let inside = text[1..].trim_start();
        let is_document = inside.starts_with(['"', '}']) || inside.is_empty();
        return is_document.then(|| Err(spread()));
    }
    Some(Ok(of_objects(lines.into_iter())))
}

/// The elements of an array, behind its bracket, that are there as a whole.
fn elements(text: &str) -> Vec<&str> {
    let mut cutter = ArrayCutter::new(text.len(), ArrayState::default());
    let mut elements = Vec::new();
    let mut rest = text;
    while !cutter.is_closed() {
        let length = match cutter.cut(rest.as_bytes(), true) {
            Cut::Record(element) => {
                elements.push(&rest[..element.content]);
                element.length
            }
            Cut::Blank(extent) => extent.length,
            _ => break,
        };
        rest = &rest[length..];
    }
    elements
}

fn is_object(text: &str) -> bool {
    document::members(text.as_bytes(), |_, _| {}).is_ok()
}

fn spread() -> DecodeError {
    unreadable(
        "it is one JSON object over several lines; one in each line, or an array of them, is read",
    )
}

fn of_objects<'a>(objects: impl Iterator<Item = &'a str>) -> Vec<Column> {
    let mut names: Vec<String> = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for object in objects {
        let mut found = Vec::new();
        let text = object.as_bytes();
        let each = |name: &[u8], value: std::ops::Range<usize>| found.push((name.to_vec(), value));
        if document::members(text, each).is_err() {
            continue;
        }
        for (name, value) in found {
            let at = *places.entry(name.clone()).or_insert(names.len());
            if at == names.len() {
                names.push(String::from_utf8_lossy(&name).into_owned());
                members.push(Member::default());
            }
            members[at].add(&text[value]);
        }
    }
    let named = names::name_all(&names).into_iter().zip(names).zip(&members);
    let columns = named.map(|((named, member), values)| {
        let Guess {
            kind,
            format,
            decimal,
            ..
        } = values.guess();
        let from = named
            .from
            .or_else(|| names::is_special(&member).then_some(member));
        Column {
            name: named.name,
            kind: Some(kind),
            from: from.map(names::member),
            format,
            decimal,
            required: false,
            default: None,
        }
    });
    columns.collect()
}

impl Member {
    fn add(&mut self, value: &[u8]) {
        let own = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        match value.first() {
            Some(b'"') => self.strings.push(own(&string::text(value))),
            Some(b't' | b'f') => self.truths += 1,
            Some(b'{' | b'[') => self.nested += 1,
            Some(b'n') | None => {}
            Some(_) => self.numbers.push(own(value)),
        }
    }

    fn guess(&self) -> Guess {
        let kinds = [self.strings.len(), self.numbers.len(), self.truths];
        let mixed = kinds.iter().filter(|count| **count > 0).count() > 1;
        let kind = match () {
            // It takes whatever JSON has.
            () if self.nested > 0 => ColumnType::Jsonb,
            () if mixed => ColumnType::Text,
            () if self.truths > 0 => ColumnType::Boolean,
            () if !self.numbers.is_empty() => number(&self.numbers),
            () => {
                let strings: Vec<_> = self.strings.iter().map(String::as_str).collect();
                return kind::guess_string(&strings);
            }
        };
        Guess {
            kind,
            ..Guess::text()
        }
    }
}

/// The narrowest type that takes all of these numbers.
fn number(numbers: &[String]) -> ColumnType {
    let takes = |kind: &ColumnType| {
        let writer = Writer {
            kind: *kind,
            decimal: b'.',
            format: None,
            key: false,
        };
        let reads = |number: &String| writer.write(number.as_bytes(), &mut Vec::new()).is_ok();
        numbers.iter().all(reads)
    };
    let kinds = [
        ColumnType::BigInt,
        ColumnType::Numeric(None),
        ColumnType::DoublePrecision,
    ];
    kinds.into_iter().find(takes).unwrap_or(ColumnType::Text)
}
