use serde_json::{Value, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Place, Reader, Shape, Typed, expected, step};
use super::schema::TableSchema;
use super::value::unknown_word;
use crate::names::nearest;

/// What stands under a key.
pub(crate) enum Key<T> {
    /// Nothing, and it has no default.
    Absent,
    /// Something unusable; the reader has noted why.
    Unusable,
    /// A value, perhaps the default.
    Here(Typed<T>),
}

impl<T> Key<T> {
    /// The value with its place.
    pub(crate) fn typed(&self) -> Option<&Typed<T>> {
        match self {
            Self::Here(typed) => Some(typed),
            Self::Absent | Self::Unusable => None,
        }
    }

    /// The value.
    pub(crate) fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        self.typed().map(|typed| typed.value.clone())
    }
}

impl<T> From<Option<Typed<T>>> for Key<T> {
    fn from(read: Option<Typed<T>>) -> Self {
        read.map_or(Self::Unusable, Self::Here)
    }
}

/// The values of a list, in order; nothing in place of one that is unusable.
pub(crate) type List<T> = Vec<Option<Typed<T>>>;

/// A table that is being read, key by key.
pub(crate) struct Table<'a> {
    entries: &'a DeTable<'a>,
    place: &'a Place,
    known: Vec<&'static str>,
}

/// The keys that a table may have.
pub(crate) trait Keys: Sized {
    /// Reads them all.
    fn read_keys(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Self;

    /// Adds them to a schema.
    fn describe(schema: &mut TableSchema);
}

/// A type as a key declares it: itself for one that must be there, `Option` of
/// it for one that may be left out.
pub(crate) trait Field {
    type Shape: Shape;
    const REQUIRED: bool;
}

impl<T: Shape> Field for T {
    type Shape = T;
    const REQUIRED: bool = true;
}

impl<T: Shape> Field for Option<T> {
    type Shape = T;
    const REQUIRED: bool = false;
}

impl<'a> Table<'a> {
    pub(crate) fn open(
        value: &'a DeValue<'a>,
        place: &'a Place,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        match value {
            DeValue::Table(entries) => Some(Self {
                entries,
                place,
                known: Vec::new(),
            }),
            other => expected("a table", other, place, reader),
        }
    }

    /// A key without default. An optional one that a variable leaves empty is
    /// as good as absent.
    pub(crate) fn key<F: Field>(
        &mut self,
        key: &'static str,
        reader: &mut Reader<'_>,
    ) -> Key<F::Shape> {
        let Some(value) = self.find(key) else {
            if F::REQUIRED {
                reader.complain(&self.place.key(key), "missing");
                return Key::Unusable;
            }
            return Key::Absent;
        };
        if !F::REQUIRED && reader.is_left_empty(value.get_ref()) {
            return Key::Absent;
        }
        reader.read(self.place.key(key).path, value).into()
    }

    /// A key with a default, which is written as the file would have it.
    pub(crate) fn key_or<T: Shape>(
        &mut self,
        key: &'static str,
        default: &'static str,
        reader: &mut Reader<'_>,
    ) -> Key<T> {
        if let Some(value) = self.find(key) {
            return reader.read(self.place.key(key).path, value).into();
        }
        let default = DeValue::parse(default).expect("a declared default is TOML");
        reader
            .read_at(self.place.key(key), default.get_ref())
            .into()
    }

    /// Which of its kinds the table is; `default`, unless that is empty, when it
    /// does not say.
    pub(crate) fn kind(
        &mut self,
        kinds: &[&'static str],
        default: &'static str,
        reader: &mut Reader<'_>,
    ) -> Option<&'static str> {
        let Some(value) = self.find("kind") else {
            if default.is_empty() {
                let message = format!("missing; the kinds are {}", kinds.join(", "));
                reader.complain(&self.place.key("kind"), message);
                return None;
            }
            return Some(default);
        };
        let kind = reader.read::<String>(self.place.key("kind").path, value)?;
        let known = kinds.iter().find(|known| **known == kind.value).copied();
        reader.take(
            &kind.place,
            known.ok_or_else(|| unknown_word("kind", &kind, kinds)),
        )
    }

    /// Complains about every key that nobody asked for.
    pub(crate) fn close(self, reader: &mut Reader<'_>) {
        for key in self.entries.keys() {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let message = match nearest(name, self.known.iter().copied()) {
                Some(known) => format!("unknown key, did you mean \"{known}\"?"),
                None => format!("unknown key; the keys are {}", self.known.join(", ")),
            };
            let place = reader.place(self.place.key(name).path, key.span().start);
            reader.complain(&place, message);
        }
    }

    fn find(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.entries.get(key)
    }
}

impl<T: Shape> Shape for List<T> {
    fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
        let values = match value {
            DeValue::Array(values) => values,
            DeValue::Table(_) => {
                let header = format!("a list; each begins with [[{}]]", place.path);
                return expected(&header, value, place, reader);
            }
            other => return expected("a list", other, place, reader),
        };
        let mut list = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let path = element_path(&place.path, index, value.get_ref());
            list.push(reader.read(path, value));
        }
        Some(list)
    }

    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

/// An element of a list at the top of the file is called by its name, where it
/// has one; any other by its place, as programs count: the first is 0.
fn element_path(list: &str, index: usize, value: &DeValue<'_>) -> String {
    let name = value.get("name").and_then(|name| name.get_ref().as_str());
    match name {
        Some(name) if !list.contains('.') => format!("{list}.{}", step(name)),
        _ => format!("{list}[{index}]"),
    }
}
