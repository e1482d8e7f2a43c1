//! Arrays as PostgreSQL sends them, as `array_recv` reads them.

use arrivage_model::ColumnType;
use arrivage_model::array::ArrayText;

use super::binary::{Form, form};

/// What the elements are written as, and the number that the catalogue has for their type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ArrayForm {
    element: Form,
    oid: u32,
}

/// For elements of the one type in an array of the other.
pub(super) fn array_form(value: ColumnType, column: ColumnType) -> Option<ArrayForm> {
    Some(ArrayForm {
        element: form(value, column)?,
        oid: oid(column)?,
    })
}

/// From pg_type.dat; these never change. An enum's is known to its database alone.
fn oid(kind: ColumnType) -> Option<u32> {
    use ColumnType as T;
    Some(match kind {
        T::Boolean => 16,
        T::Bytea => 17,
        T::BigInt => 20,
        T::SmallInt => 21,
        T::Integer => 23,
        T::Text => 25,
        T::Json => 114,
        T::Real => 700,
        T::DoublePrecision => 701,
        T::Inet => 869,
        T::Char(_) => 1042,
        T::Varchar(_) => 1043,
        T::Date => 1082,
        T::Time => 1083,
        T::Timestamp => 1114,
        T::TimestampTz => 1184,
        T::Interval => 1186,
        T::Numeric(_) => 1700,
        T::Uuid => 2950,
        T::Jsonb => 3802,
        T::Enum(_) | T::Array(_) => return None,
    })
}

impl ArrayForm {
    /// Appends the value that an array's canonical text stands for, without its length.
    pub(super) fn encode(self, text: &[u8], out: &mut Vec<u8>) {
        let array = ArrayText::read(text);
        let has_null = array.elements.iter().any(Option::is_none);
        // A chunk is far smaller than 2 GiB.
        let number = |number: usize| (number as u32).to_be_bytes();
        out.extend_from_slice(&number(array.dimensions.len()));
        out.extend_from_slice(&number(usize::from(has_null)));
        out.extend_from_slice(&self.oid.to_be_bytes());
        for length in &array.dimensions {
            out.extend_from_slice(&number(*length));
            // Where its numbers begin.
            out.extend_from_slice(&number(1));
        }
        for element in &array.elements {
            match element {
                Some(text) => self.element.encode(text, out),
                None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
            }
        }
    }
}
