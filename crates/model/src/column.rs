use std::fmt;
use std::str::FromStr;

use crate::{Element, Enumeration};

/// A type that values are validated for, by PostgreSQL's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Integer,
    /// 64 bits.
    BigInt,
    /// Exact decimal; without precision, as PostgreSQL has it, of any size.
    Numeric(Option<(u16, u16)>),
    /// 32-bit floating point.
    Real,
    /// 64-bit floating point.
    DoublePrecision,
    /// True or false.
    Boolean,
    /// Any length.
    Text,
    /// At most so many characters.
    Varchar(Option<u32>),
    /// At most so many characters, padded with blanks by the database.
    Char(u32),
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// Date and time without zone.
    Timestamp,
    /// A moment.
    TimestampTz,
    /// Months, days and a time, each counted for itself.
    Interval,
    /// An address of a host, or of a net.
    Inet,
    /// 128 bits.
    Uuid,
    /// JSON text as it is.
    Json,
    /// JSON as a value.
    Jsonb,
    /// Bytes.
    Bytea,
    /// One of the labels that the database's catalogue lists.
    Enum(Enumeration),
    /// Any number of one type, in any number of dimensions.
    Array(Element),
}

/// A type's name that nothing here knows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown type {name:?}{}", hint(.nearest))]
pub struct UnknownType {
    name: String,
    nearest: Option<&'static str>,
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest
        .map(|name| format!(", did you mean {name:?}?"))
        .unwrap_or_default()
}

const NAMES: [&str; 20] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "boolean",
    "text",
    "varchar",
    "char",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "inet",
    "uuid",
    "json",
    "jsonb",
    "bytea",
];

impl FromStr for ColumnType {
    type Err = UnknownType;

    /// Takes PostgreSQL's names and their usual aliases, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownType> {
        let unknown = || UnknownType {
            name: text.to_owned(),
            nearest: nearest(text),
        };
        if let Some(element) = text.trim().strip_suffix("[]") {
            // PostgreSQL makes no difference between one dimension and several.
            return match element.parse().map_err(|_| unknown())? {
                array @ Self::Array(_) => Ok(array),
                element => Element::new(element).map(Self::Array).ok_or_else(unknown),
            };
        }
        let lower = text.trim().to_ascii_lowercase();
        let (name, arguments) = split_arguments(&lower).ok_or_else(unknown)?;
        let one = |arguments: &[u32]| match arguments {
            [] => Some(None),
            [length @ 1..=10_485_760] => Some(Some(*length)),
            _ => None,
        };
        let plain = |kind: Self| {
            if arguments.is_empty() {
                Ok(kind)
            } else {
                Err(unknown())
            }
        };
        match name.as_str() {
            "smallint" | "int2" => plain(Self::SmallInt),
            "integer" | "int" | "int4" => plain(Self::Integer),
            "bigint" | "int8" => plain(Self::BigInt),
            "numeric" | "decimal" => match arguments.as_slice() {
                [] => Ok(Self::Numeric(None)),
                [precision @ 1..=1000] => Ok(Self::Numeric(Some((*precision as u16, 0)))),
                [precision @ 1..=1000, scale] if scale <= precision => {
                    Ok(Self::Numeric(Some((*precision as u16, *scale as u16))))
                }
                _ => Err(unknown()),
            },
            "real" | "float4" => plain(Self::Real),
            "double precision" | "float8" | "double" | "float" => plain(Self::DoublePrecision),
            "boolean" | "bool" => plain(Self::Boolean),
            "text" => plain(Self::Text),
            "varchar" | "character varying" => {
                one(&arguments).map(Self::Varchar).ok_or_else(unknown)
            }
            "char" | "character" | "bpchar" => one(&arguments)
                .map(|length| Self::Char(length.unwrap_or(1)))
                .ok_or_else(unknown),
            "date" => plain(Self::Date),
            "time" | "time without time zone" => plain(Self::Time),
            "timestamp" | "timestamp without time zone" => plain(Self::Timestamp),
            "timestamptz" | "timestamp with time zone" => plain(Self::TimestampTz),
            "interval" => plain(Self::Interval),
            "inet" => plain(Self::Inet),
            "uuid" => plain(Self::Uuid),
            "json" => plain(Self::Json),
            "jsonb" => plain(Self::Jsonb),
            "bytea" => plain(Self::Bytea),
            _ => Err(unknown()),
        }
    }
}

/// `numeric(12, 2)` → `("numeric", [12, 2])`; blanks in a name fold to one.
fn split_arguments(text: &str) -> Option<(String, Vec<u32>)> {
    let fold = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((name, rest)) = text.split_once('(') else {
        return Some((fold(text), Vec::new()));
    };
    let arguments = rest.strip_suffix(')')?;
    let numbers = arguments
        .split(',')
        .map(|number| number.trim().parse().ok());
    Some((fold(name), numbers.collect::<Option<_>>()?))
}

fn nearest(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let name = text.split('(').next().unwrap_or_default().trim();
    NAMES
        .into_iter()
        .map(|known| (edit_distance(name, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmallInt => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::BigInt => f.write_str("bigint"),
            Self::Numeric(None) => f.write_str("numeric"),
            Self::Numeric(Some((precision, scale))) => write!(f, "numeric({precision},{scale})"),
            Self::Real => f.write_str("real"),
            Self::DoublePrecision => f.write_str("double precision"),
            Self::Boolean => f.write_str("boolean"),
            Self::Text => f.write_str("text"),
            Self::Varchar(None) => f.write_str("varchar"),
            Self::Varchar(Some(length)) => write!(f, "varchar({length})"),
            Self::Char(length) => write!(f, "char({length})"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampTz => f.write_str("timestamptz"),
            Self::Interval => f.write_str("interval"),
            Self::Inet => f.write_str("inet"),
            Self::Uuid => f.write_str("uuid"),
            Self::Json => f.write_str("json"),
            Self::Jsonb => f.write_str("jsonb"),
            Self::Bytea => f.write_str("bytea"),
            Self::Enum(labels) => f.write_str(labels.name()),
            Self::Array(element) => write!(f, "{}[]", element.kind()),
        }
    }
}

/// Where a column's value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ColumnSource {
    /// The field under this header, or the member of this name.
    Name(String),
    /// The field at this place; the first is 1.
    Position(usize),
    /// What stands between two positions of a line.
    Range(Range),
    /// The value at this JSON pointer (RFC 6901).
    Pointer(String),
    /// The part of the key that `{name}` in the pipeline's `match` captured; or a fact of
    /// the arrival, one of [`Arrival::FACTS`](crate::Arrival::FACTS).
    Capture(String),
    /// The same text in every row, as the file would write it.
    Constant(String),
}

/// Positions of a line; the first of all is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first.
    pub first: usize,
    /// The last; nothing: the line's.
    pub last: Option<usize>,
}

impl Range {
    /// Whether both hold some position.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let last = |range: Self| range.last.unwrap_or(usize::MAX);
        self.first <= last(other) && other.first <= last(self)
    }
}

/// A column as the configuration declares it. The table's own columns fill in
/// what it leaves open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// In the table.
    pub name: String,
    /// Nothing: the table's.
    pub kind: Option<ColumnType>,
    /// Nothing: the header or member of the column's own name.
    pub from: Option<ColumnSource>,
    /// How dates and times are written (strftime); nothing: ISO 8601.
    pub format: Option<String>,
    /// The decimal mark.
    pub decimal: char,
    /// NULL is a reject.
    pub required: bool,
    /// What stands for NULL, in the source's writing.
    pub default: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_by_postgresqls_names() {
        let check = |text: &str, expect: ColumnType| assert_eq!(text.parse(), Ok(expect), "{text}");
        check("numeric(12, 2)", ColumnType::Numeric(Some((12, 2))));
        check("DECIMAL(5)", ColumnType::Numeric(Some((5, 0))));
        check("character varying(20)", ColumnType::Varchar(Some(20)));
        check("Double  Precision", ColumnType::DoublePrecision);
        check("timestamp with time zone", ColumnType::TimestampTz);
        check("char", ColumnType::Char(1));
        let integers = Element::new(ColumnType::Integer).map(ColumnType::Array);
        check("int[]", integers.expect("a type"));
        check("integer[][]", integers.expect("a type"));
        for name in NAMES {
            let kind: ColumnType = name.parse().expect(name);
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
    }

    #[test]
    fn an_unknown_type_is_answered_with_the_nearest() {
        let check = |text: &str, expect: &str| {
            assert_eq!(
                text.parse::<ColumnType>().expect_err(text).to_string(),
                expect
            );
        };
        check("dat", "unknown type \"dat\", did you mean \"date\"?");
        check(
            "integr",
            "unknown type \"integr\", did you mean \"integer\"?",
        );
        check("geometry", "unknown type \"geometry\"");
        check("geometry[]", "unknown type \"geometry[]\"");
        check(
            "numeric(2,3)",
            "unknown type \"numeric(2,3)\", did you mean \"numeric\"?",
        );
    }
}
