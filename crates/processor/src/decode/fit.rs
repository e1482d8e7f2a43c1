use arrivage_model::{ColumnType, Element};

use ColumnType::{
    Array, BigInt, Boolean, Bytea, Char, Date, DoublePrecision, Enum, Inet, Integer, Interval,
    Json, Jsonb, Numeric, Real, SmallInt, Text, Time, Timestamp, TimestampTz, Uuid, Varchar,
};

/// What values must be so that both the declared type and the table's hold them
/// and the database changes nothing; nothing: the types do not fit.
pub(super) fn fit(declared: ColumnType, table: ColumnType) -> Option<ColumnType> {
    let fitting = match (declared, table) {
        (SmallInt | Integer | BigInt, SmallInt | Integer | BigInt) => {
            narrower(declared, table, &[SmallInt, Integer, BigInt])
        }
        (Numeric(a), Numeric(b)) => Numeric(smaller(a, b)),
        (Real | DoublePrecision, Real | DoublePrecision) => {
            narrower(declared, table, &[Real, DoublePrecision])
        }
        (SmallInt | Integer | BigInt, Numeric(_) | Real | DoublePrecision) => declared,
        (Numeric(_), Real | DoublePrecision) => declared,
        (Json | Jsonb, Json | Jsonb) => table,
        (Text, Varchar(_) | Char(_) | Enum(_)) => table,
        (Enum(a), Enum(b)) if a == b => declared,
        (Array(a), Array(b)) => Array(Element::new(fit(a.kind(), b.kind())?)?),
        (Varchar(a), Varchar(b)) => Varchar(shorter(a, b)),
        (Varchar(a), Char(b)) => Char(a.map_or(b, |a| a.min(b))),
        (Char(a), Varchar(b)) => Varchar(shorter(Some(a), b)),
        (Char(a), Char(b)) => Char(a.min(b)),
        // Every canonical text is a text.
        (_, Text | Varchar(_) | Char(_)) => declared,
        (Date, Timestamp) => declared,
        (Boolean, Boolean)
        | (Date, Date)
        | (Time, Time)
        | (Timestamp, Timestamp)
        | (TimestampTz, TimestampTz)
        | (Interval, Interval)
        | (Inet, Inet)
        | (Uuid, Uuid)
        | (Bytea, Bytea) => declared,
        _ => return None,
    };
    Some(fitting)
}

fn narrower(a: ColumnType, b: ColumnType, by_width: &[ColumnType]) -> ColumnType {
    let is_one = |kind: &&ColumnType| **kind == a || **kind == b;
    *by_width.iter().find(is_one).unwrap_or(&a)
}

fn shorter(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    [a, b].into_iter().flatten().min()
}

/// As many digits on either side of the mark as both have.
fn smaller(a: Option<(u16, u16)>, b: Option<(u16, u16)>) -> Option<(u16, u16)> {
    let (Some((a, a_scale)), Some((b, b_scale))) = (a, b) else {
        return a.or(b);
    };
    let whole = a.saturating_sub(a_scale).min(b.saturating_sub(b_scale));
    let scale = a_scale.min(b_scale);
    Some((whole + scale, scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_type_fits_where_the_database_changes_nothing() {
        let check = |declared: &str, table: &str, expect: Option<&str>| {
            let kind = |text: &str| text.parse::<ColumnType>().expect(text);
            let fitting = fit(kind(declared), kind(table));
            assert_eq!(fitting, expect.map(kind), "{declared} into {table}");
        };
        check("integer", "bigint", Some("integer"));
        check("bigint", "smallint", Some("smallint"));
        check("numeric(12,4)", "numeric(10,2)", Some("numeric(10,2)"));
        check("numeric(5,2)", "numeric(10,1)", Some("numeric(4,1)"));
        check("numeric", "numeric(10,2)", Some("numeric(10,2)"));
        check("double precision", "real", Some("real"));
        check("integer", "numeric(10,2)", Some("integer"));
        check("numeric(5,2)", "integer", None);
        check("double precision", "numeric", None);
        check("text", "varchar(5)", Some("varchar(5)"));
        check("varchar(3)", "varchar(5)", Some("varchar(3)"));
        check("varchar", "char(5)", Some("char(5)"));
        check("date", "text", Some("date"));
        check("text", "date", None);
        check("date", "timestamp", Some("date"));
        check("date", "timestamptz", None);
        check("timestamp", "timestamptz", None);
        check("timestamptz", "timestamp", None);
        check("timestamp", "date", None);
        check("json", "jsonb", Some("jsonb"));
        check("uuid", "uuid", Some("uuid"));
        check("uuid", "bytea", None);
        check("smallint[]", "integer[]", Some("smallint[]"));
        check("text[]", "varchar(5)[]", Some("varchar(5)[]"));
        check("integer[]", "text", Some("integer[]"));
        check("integer[]", "integer", None);
        check("text[]", "integer[]", None);
    }
}
