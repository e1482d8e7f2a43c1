//! Avro's schemas, which are JSON (specification 1.12).

use std::collections::HashMap;

use arrivage_model::{ColumnType, Element};
use serde_json::Value;

use crate::read::typed::Members;
use crate::read::typed::text::{self, Unit};

/// The schema of a file whose records have members.
pub(super) struct Schema {
    kinds: Vec<Kind>,
    root: Vec<Member>,
}

/// A member of a record.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// As JSON has it, with the colon.
    pub(super) json: Vec<u8>,
    pub(super) kind: At,
}

/// A place among the kinds of a schema: types may hold themselves.
pub(super) type At = usize;

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(At),
    Map(At),
    Record(Vec<Member>),
    Union(Vec<At>),
    Date,
    Time(Unit),
    Timestamp(Unit, bool),
    /// Of bytes, or of so many.
    Decimal(Option<usize>, Option<u16>, usize),
    /// Of 16 bytes; of a text it is a [`Kind::UuidText`].
    Uuid,
    UuidText,
    /// Of 12 bytes.
    Duration,
}

struct Parser {
    kinds: Vec<Kind>,
    names: HashMap<String, At>,
}

impl Schema {
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text)
            .map_err(|error| format!("its schema is no JSON: {error}"))?;
        let mut parser = Parser {
            kinds: Vec::new(),
            names: HashMap::new(),
        };
        let at = parser.kind(&value, "")?;
        match parser.kinds[at].clone() {
            Kind::Record(root) => Ok(Self {
                kinds: parser.kinds,
                root,
            }),
            _ => Err("its schema is no record, whose members could be columns".to_owned()),
        }
    }

    pub(super) fn kind(&self, at: At) -> &Kind {
        &self.kinds[at]
    }

    pub(super) fn root(&self) -> &[Member] {
        &self.root
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.root
            .iter()
            .map(|member| member.name.as_str())
            .collect()
    }

    /// The members with the types of columns that take all their values.
    pub(super) fn members(&self) -> Members {
        let root = self.root.iter();
        root.map(|member| (member.name.clone(), self.column_type(member.kind)))
            .collect()
    }

    fn column_type(&self, at: At) -> ColumnType {
        match &self.kinds[at] {
            Kind::Null | Kind::String | Kind::Enum(_) => ColumnType::Text,
            Kind::Boolean => ColumnType::Boolean,
            Kind::Int => ColumnType::Integer,
            Kind::Long => ColumnType::BigInt,
            Kind::Float => ColumnType::Real,
            Kind::Double => ColumnType::DoublePrecision,
            Kind::Bytes | Kind::Fixed(_) => ColumnType::Bytea,
            Kind::Map(_) | Kind::Record(_) => ColumnType::Jsonb,
            Kind::Array(element) => match self.column_type(*element) {
                // What holds others is one value of JSON.
                ColumnType::Jsonb | ColumnType::Array(_) => ColumnType::Jsonb,
                element => Element::new(element).map_or(ColumnType::Jsonb, ColumnType::Array),
            },
            Kind::Union(branches) => {
                let is_null = |at: &&At| !matches!(self.kinds[**at], Kind::Null);
                let kinds: Vec<ColumnType> = branches
                    .iter()
                    .filter(is_null)
                    .map(|at| self.column_type(*at))
                    .collect();
                match kinds.as_slice() {
                    [] => ColumnType::Text,
                    [kind] => *kind,
                    [ColumnType::Integer, ColumnType::BigInt]
                    | [ColumnType::BigInt, ColumnType::Integer] => ColumnType::BigInt,
                    [first, rest @ ..] if rest.iter().all(|kind| kind == first) => *first,
                    _ => ColumnType::Jsonb,
                }
            }
            Kind::Date => ColumnType::Date,
            Kind::Time(_) => ColumnType::Time,
            Kind::Timestamp(_, true) => ColumnType::TimestampTz,
            Kind::Timestamp(_, false) => ColumnType::Timestamp,
            Kind::Decimal(_, precision, scale) => {
                let scale = u16::try_from(*scale).ok();
                let size = precision.zip(scale);
                ColumnType::Numeric(size.filter(|(precision, scale)| {
                    (1..=1000).contains(precision) && scale <= precision
                }))
            }
            Kind::Uuid | Kind::UuidText => ColumnType::Uuid,
            Kind::Duration => ColumnType::Interval,
        }
    }
}

impl Parser {
    fn add(&mut self, kind: Kind) -> At {
        self.kinds.push(kind);
        self.kinds.len() - 1
    }

    fn kind(&mut self, value: &Value, space: &str) -> Result<At, String> {
        match value {
            Value::String(name) => self.named(name, space),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.kind(branch, space));
                let branches = branches.collect::<Result<_, _>>()?;
                Ok(self.add(Kind::Union(branches)))
            }
            Value::Object(object) => match object.get("type") {
                Some(Value::String(name)) => match name.as_str() {
                    "record" | "error" | "enum" | "fixed" => self.definition(name, value, space),
                    "array" => {
                        let items = object
                            .get("items")
                            .ok_or("its schema has an array of nothing")?;
                        let items = self.kind(items, space)?;
                        Ok(self.add(Kind::Array(items)))
                    }
                    "map" => {
                        let values = object
                            .get("values")
                            .ok_or("its schema has a map of nothing")?;
                        let values = self.kind(values, space)?;
                        Ok(self.add(Kind::Map(values)))
                    }
                    name => {
                        let at = self.named(name, space)?;
                        let logical = logical(&self.kinds[at], value);
                        Ok(logical.map_or(at, |kind| self.add(kind)))
                    }
                },
                Some(inner) => self.kind(inner, space),
                None => Err("a part of its schema has no type".to_owned()),
            },
            _ => Err("a part of its schema is no type".to_owned()),
        }
    }

    fn named(&mut self, name: &str, space: &str) -> Result<At, String> {
        let kind = match name {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "int" => Kind::Int,
            "long" => Kind::Long,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "bytes" => Kind::Bytes,
            "string" => Kind::String,
            _ => {
                let known = self.names.get(&full(name, space)).or(self.names.get(name));
                return known.copied().ok_or_else(|| {
                    format!("its schema names a type {name:?} that it does not define")
                });
            }
        };
        Ok(self.add(kind))
    }

    /// A type with a name, which it may hold itself.
    fn definition(&mut self, kind: &str, value: &Value, space: &str) -> Result<At, String> {
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let name = text("name").ok_or("a type in its schema has no name")?;
        let full_name = full(name, text("namespace").unwrap_or(space));
        let space = full_name
            .rsplit_once('.')
            .map_or("", |(space, _)| space)
            .to_owned();
        let at = self.add(Kind::Null);
        self.names.insert(full_name, at);
        self.kinds[at] = match kind {
            "enum" => {
                let symbols = value.get("symbols").and_then(Value::as_array);
                let symbols = symbols
                    .ok_or("an enum in its schema has no symbols")?
                    .iter();
                let symbols = symbols.map(|symbol| symbol.as_str().map(str::to_owned));
                Kind::Enum(
                    symbols
                        .collect::<Option<_>>()
                        .ok_or("a symbol in its schema is no text")?,
                )
            }
            "fixed" => {
                let size = value.get("size").and_then(Value::as_u64);
                let size = size.and_then(|size| usize::try_from(size).ok());
                let fixed = Kind::Fixed(size.ok_or("a fixed type in its schema has no size")?);
                logical(&fixed, value).unwrap_or(fixed)
            }
            _ => {
                let fields = value.get("fields").and_then(Value::as_array);
                let mut members = Vec::new();
                for field in fields.ok_or("a record in its schema has no fields")? {
                    let name = field.get("name").and_then(Value::as_str);
                    let name = name.ok_or("a field in its schema has no name")?.to_owned();
                    let kind = field
                        .get("type")
                        .ok_or("a field in its schema has no type")?;
                    let mut json = Vec::new();
                    text::string(name.as_bytes(), &mut json);
                    json.push(b':');
                    let kind = self.kind(kind, &space)?;
                    members.push(Member { name, json, kind });
                }
                Kind::Record(members)
            }
        };
        Ok(at)
    }
}

fn full(name: &str, space: &str) -> String {
    match name.contains('.') || space.is_empty() {
        true => name.to_owned(),
        false => format!("{space}.{name}"),
    }
}

/// What a logical type makes of a type. One that does not fit, or is not known, says nothing, as
/// the specification has it.
fn logical(of: &Kind, value: &Value) -> Option<Kind> {
    let number = |key: &str| value.get(key).and_then(Value::as_u64);
    let decimal = |size: Option<usize>| {
        let precision = number("precision").and_then(|number| u16::try_from(number).ok());
        let scale = usize::try_from(number("scale").unwrap_or_default()).ok()?;
        (scale <= 1000).then_some(Kind::Decimal(size, precision, scale))
    };
    match (of, value.get("logicalType")?.as_str()?) {
        (Kind::Int, "date") => Some(Kind::Date),
        (Kind::Int, "time-millis") => Some(Kind::Time(Unit::Millis)),
        (Kind::Long, "time-micros") => Some(Kind::Time(Unit::Micros)),
        (Kind::Long, "timestamp-millis") => Some(Kind::Timestamp(Unit::Millis, true)),
        (Kind::Long, "timestamp-micros") => Some(Kind::Timestamp(Unit::Micros, true)),
        (Kind::Long, "timestamp-nanos") => Some(Kind::Timestamp(Unit::Nanos, true)),
        (Kind::Long, "local-timestamp-millis") => Some(Kind::Timestamp(Unit::Millis, false)),
        (Kind::Long, "local-timestamp-micros") => Some(Kind::Timestamp(Unit::Micros, false)),
        (Kind::Long, "local-timestamp-nanos") => Some(Kind::Timestamp(Unit::Nanos, false)),
        (Kind::Bytes, "decimal") => decimal(None),
        (Kind::Fixed(size), "decimal") => decimal(Some(*size)),
        (Kind::String, "uuid") => Some(Kind::UuidText),
        (Kind::Fixed(16), "uuid") => Some(Kind::Uuid),
        (Kind::Fixed(12), "duration") => Some(Kind::Duration),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_says_which_columns_take_its_values() {
        let check = |kind: &str, expect: &str| {
            let text = format!(
                r#"{{"type":"record","name":"a.R","fields":[{{"name":"c","type":{kind}}}]}}"#
            );
            let found =
                Schema::read(text.as_bytes()).map(|schema| schema.members()[0].1.to_string());
            assert_eq!(found.as_deref(), Ok(expect), "{kind}");
        };
        check("\"int\"", "integer");
        check("[\"null\",\"long\"]", "bigint");
        check("[\"int\",\"long\"]", "bigint");
        check("[\"null\",\"int\",\"string\"]", "jsonb");
        check(r#"{"type":"int","logicalType":"date"}"#, "date");
        check(r#"{"type":"string","logicalType":"date"}"#, "text");
        check(
            r#"{"type":{"type":"long","logicalType":"timestamp-micros"}}"#,
            "timestamptz",
        );
        check(
            r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
            "numeric(9,2)",
        );
        check(
            r#"{"type":"fixed","name":"u","size":16,"logicalType":"uuid"}"#,
            "uuid",
        );
        check(r#"{"type":"array","items":["null","string"]}"#, "text[]");
        check(
            r#"{"type":"array","items":{"type":"array","items":"int"}}"#,
            "jsonb",
        );
        check(r#"{"type":"map","values":"int"}"#, "jsonb");
        check(r#"["null","R"]"#, "jsonb");
        check(r#"{"type":"enum","name":"e","symbols":["x"]}"#, "text");
    }

    #[test]
    fn what_is_no_schema_of_records_is_refused() {
        for text in [
            "",
            "\"int\"",
            "[]",
            r#"{"type":"record","name":"r","fields":[{"name":"c","type":"other"}]}"#,
            r#"{"type":"record","name":"r"}"#,
            r#"{"type":"record","fields":[]}"#,
            r#"{"type":"array"}"#,
        ] {
            assert!(Schema::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
