//! What a file's schema makes of its columns.

use ::parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use ::parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type};
use arrivage_model::{ColumnType, Element};

use crate::read::typed::text::{self, Unit};

/// The most digits behind the point that a column can have.
const MAX_SCALE: usize = 1000;

/// How records are put together again of the values of their columns.
pub(super) struct Tree {
    pub(super) root: Vec<Field>,
    pub(super) leaves: Vec<LeafType>,
}

/// A member of a record or of a group.
pub(super) struct Field {
    /// As JSON has it, with the colon.
    pub(super) name: Vec<u8>,
    pub(super) node: Node,
}

/// `first`: the first of the leaves below.
pub(super) enum Node {
    Leaf(usize),
    Group {
        first: usize,
        last: usize,
        /// On a lower level it is NULL.
        defined: i16,
        fields: Vec<Field>,
    },
    List {
        first: usize,
        last: usize,
        defined: i16,
        /// On a lower level it is empty.
        filled: i16,
        repeats: i16,
        element: Box<Node>,
    },
    /// Of keys that are texts or numbers.
    Map {
        first: usize,
        last: usize,
        defined: i16,
        filled: i16,
        repeats: i16,
        key: usize,
        value: Option<Box<Node>>,
    },
}

/// A column of values.
pub(super) struct LeafType {
    /// Its place among the columns of a row group.
    pub(super) column: usize,
    pub(super) descriptor: ColumnDescPtr,
    pub(super) form: Form,
    pub(super) max_def: i16,
    pub(super) max_rep: i16,
}

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Boolean,
    Integer,
    Unsigned,
    Decimal(usize),
    Date,
    Time(Unit),
    Timestamp(Unit, bool),
    Float,
    Half,
    Text,
    Json,
    Bytes,
    Uuid,
    Interval,
}

struct Builder<'a> {
    schema: &'a SchemaDescriptor,
    leaves: Vec<LeafType>,
    /// The next column of the file.
    column: usize,
}

impl Tree {
    /// Of the members that are wanted.
    pub(super) fn new(
        schema: &SchemaDescriptor,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let mut builder = Builder {
            schema,
            leaves: Vec::new(),
            column: 0,
        };
        let mut root = Vec::new();
        for field in schema.root_schema().get_fields() {
            match wanted(field.name()) {
                true => root.push(builder.field(field, 0, 0)?),
                false => builder.column += columns(field),
            }
        }
        Ok(Self {
            root,
            leaves: builder.leaves,
        })
    }
}

/// How many columns lie below.
fn columns(field: &Type) -> usize {
    match field.is_group() {
        true => field.get_fields().iter().map(|field| columns(field)).sum(),
        false => 1,
    }
}

impl Builder<'_> {
    fn field(&mut self, field: &Type, def: i16, rep: i16) -> Result<Field, String> {
        let mut name = Vec::new();
        text::string(field.name().as_bytes(), &mut name);
        name.push(b':');
        let node = self.node(field, def, rep)?;
        Ok(Field { name, node })
    }

    fn node(&mut self, field: &Type, def: i16, rep: i16) -> Result<Node, String> {
        match repetition(field) {
            // Without a list around it: its elements are never NULL.
            Repetition::REPEATED => {
                let first = self.leaves.len();
                let element = Box::new(self.present(field, def + 1, rep + 1)?);
                Ok(Node::List {
                    first,
                    last: self.leaves.len(),
                    defined: 0,
                    filled: def + 1,
                    repeats: rep + 1,
                    element,
                })
            }
            Repetition::OPTIONAL => self.present(field, def + 1, rep),
            Repetition::REQUIRED => self.present(field, def, rep),
        }
    }

    /// A value that is there from this level on.
    fn present(&mut self, field: &Type, def: i16, rep: i16) -> Result<Node, String> {
        if !field.is_group() {
            return self.leaf(field);
        }
        let first = self.leaves.len();
        match (kind(field), field.get_fields()) {
            (Some(Collection::List), [inner]) if repetition(inner) == Repetition::REPEATED => {
                let element = match list_element(field, inner) {
                    Some(element) => self.node(element, def + 1, rep + 1)?,
                    None => self.present(inner, def + 1, rep + 1)?,
                };
                Ok(Node::List {
                    first,
                    last: self.leaves.len(),
                    defined: def,
                    filled: def + 1,
                    repeats: rep + 1,
                    element: Box::new(element),
                })
            }
            (Some(Collection::Map), [inner]) if is_map(inner) => {
                let entries = inner.get_fields();
                let Node::Leaf(key) = self.node(&entries[0], def + 1, rep + 1)? else {
                    return Err(format!("the keys of {} are nested", field.name()));
                };
                let value = entries
                    .get(1)
                    .map(|value| self.node(value, def + 1, rep + 1));
                Ok(Node::Map {
                    first,
                    last: self.leaves.len(),
                    defined: def,
                    filled: def + 1,
                    repeats: rep + 1,
                    key,
                    value: value.transpose()?.map(Box::new),
                })
            }
            (_, []) => Err(format!("the group {} has no fields", field.name())),
            (_, fields) => {
                let fields = fields.iter().map(|field| self.field(field, def, rep));
                let fields = fields.collect::<Result<_, _>>()?;
                Ok(Node::Group {
                    first,
                    last: self.leaves.len(),
                    defined: def,
                    fields,
                })
            }
        }
    }

    fn leaf(&mut self, field: &Type) -> Result<Node, String> {
        let descriptor = self.schema.column(self.column);
        self.leaves.push(LeafType {
            column: self.column,
            form: form(field)?,
            max_def: descriptor.max_def_level(),
            max_rep: descriptor.max_rep_level(),
            descriptor,
        });
        self.column += 1;
        Ok(Node::Leaf(self.leaves.len() - 1))
    }
}

fn repetition(field: &Type) -> Repetition {
    let info = field.get_basic_info();
    match info.has_repetition() {
        true => info.repetition(),
        false => Repetition::REQUIRED,
    }
}

enum Collection {
    List,
    Map,
}

fn kind(field: &Type) -> Option<Collection> {
    let info = field.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::List), _) | (None, ConvertedType::LIST) => Some(Collection::List),
        (Some(LogicalType::Map), _) | (None, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => {
            Some(Collection::Map)
        }
        _ => None,
    }
}

fn is_map(entries: &Type) -> bool {
    entries.is_group()
        && repetition(entries) == Repetition::REPEATED
        && matches!(entries.get_fields().len(), 1 | 2)
}

/// The element in the group that is repeated; nothing where that is the element itself, as
/// older writers have it (LogicalTypes.md of parquet-format, "backward compatibility").
fn list_element<'a>(list: &Type, repeated: &'a Type) -> Option<&'a Type> {
    if !repeated.is_group() {
        return None;
    }
    match repeated.get_fields() {
        [element] => {
            let name = repeated.name();
            let is_element = name == "array" || name == format!("{}_tuple", list.name());
            (!is_element).then_some(&**element)
        }
        _ => None,
    }
}

fn unit(unit: TimeUnit) -> Unit {
    match unit {
        TimeUnit::MILLIS => Unit::Millis,
        TimeUnit::MICROS => Unit::Micros,
        TimeUnit::NANOS => Unit::Nanos,
    }
}

fn form(field: &Type) -> Result<Form, String> {
    let info = field.get_basic_info();
    let physical = field.get_physical_type();
    let form = match (physical, info.logical_type_ref()) {
        (_, Some(LogicalType::Decimal(_))) if is_whole(physical) => Form::Decimal(scale(field)?),
        (Physical::INT32, Some(LogicalType::Date)) => Form::Date,
        (Physical::INT32 | Physical::INT64, Some(LogicalType::Time(time))) => {
            Form::Time(unit(time.unit))
        }
        (Physical::INT64, Some(LogicalType::Timestamp(stamp))) => {
            Form::Timestamp(unit(stamp.unit), stamp.is_adjusted_to_u_t_c)
        }
        (Physical::INT32 | Physical::INT64, Some(LogicalType::Integer(integer))) => {
            match integer.is_signed {
                true => Form::Integer,
                false => Form::Unsigned,
            }
        }
        (Physical::BYTE_ARRAY, Some(LogicalType::String | LogicalType::Enum)) => Form::Text,
        (Physical::BYTE_ARRAY, Some(LogicalType::Json)) => Form::Json,
        (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Uuid)) => Form::Uuid,
        (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::Float16)) => Form::Half,
        _ => return converted(field, physical, info.converted_type()),
    };
    Ok(form)
}

/// As older writers say it.
fn converted(field: &Type, physical: Physical, kind: ConvertedType) -> Result<Form, String> {
    use ConvertedType as C;
    Ok(match (physical, kind) {
        (_, C::DECIMAL) if is_whole(physical) => Form::Decimal(scale(field)?),
        (Physical::INT32, C::DATE) => Form::Date,
        (Physical::INT32, C::TIME_MILLIS) => Form::Time(Unit::Millis),
        (Physical::INT64, C::TIME_MICROS) => Form::Time(Unit::Micros),
        (Physical::INT64, C::TIMESTAMP_MILLIS) => Form::Timestamp(Unit::Millis, true),
        (Physical::INT64, C::TIMESTAMP_MICROS) => Form::Timestamp(Unit::Micros, true),
        (Physical::INT32, C::UINT_8 | C::UINT_16 | C::UINT_32) => Form::Unsigned,
        (Physical::INT64, C::UINT_64) => Form::Unsigned,
        (Physical::INT32 | Physical::INT64, _) => Form::Integer,
        // Deprecated, and still written: days and nanoseconds, of a clock on a wall.
        (Physical::INT96, _) => Form::Timestamp(Unit::Nanos, false),
        (Physical::BOOLEAN, _) => Form::Boolean,
        (Physical::FLOAT | Physical::DOUBLE, _) => Form::Float,
        (Physical::BYTE_ARRAY, C::UTF8 | C::ENUM) => Form::Text,
        (Physical::BYTE_ARRAY, C::JSON) => Form::Json,
        (Physical::FIXED_LEN_BYTE_ARRAY, C::INTERVAL) => Form::Interval,
        (Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY, _) => Form::Bytes,
    })
}

/// Every value is written with so many digits.
fn scale(field: &Type) -> Result<usize, String> {
    match usize::try_from(field.get_scale()) {
        Ok(scale @ ..=MAX_SCALE) => Ok(scale),
        Ok(scale) => Err(format!(
            "the decimals of its column {} have {scale} digits behind the point; {MAX_SCALE} are read",
            field.name()
        )),
        Err(_) => Err(refused(field)),
    }
}

fn is_whole(physical: Physical) -> bool {
    matches!(
        physical,
        Physical::INT32 | Physical::INT64 | Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY
    )
}

fn refused(field: &Type) -> String {
    format!("the type of its column {} makes no sense", field.name())
}

/// The type of a column that takes all values of the member.
pub(super) fn column_type(field: &Type) -> ColumnType {
    let is_repeated = repetition(field) == Repetition::REPEATED;
    match (field.is_group(), is_repeated) {
        (false, false) => value_type(field),
        (false, true) => array_of(value_type(field)),
        (true, false) => match (kind(field), field.get_fields()) {
            (Some(Collection::List), [inner]) => {
                let element = list_element(field, inner).unwrap_or(inner);
                match element.is_group() {
                    true => ColumnType::Jsonb,
                    false => array_of(value_type(element)),
                }
            }
            _ => ColumnType::Jsonb,
        },
        (true, true) => ColumnType::Jsonb,
    }
}

fn array_of(kind: ColumnType) -> ColumnType {
    Element::new(kind).map_or(ColumnType::Jsonb, ColumnType::Array)
}

fn value_type(field: &Type) -> ColumnType {
    let physical = field.get_physical_type();
    match form(field) {
        Err(_) => ColumnType::Text,
        Ok(form) => match form {
            Form::Boolean => ColumnType::Boolean,
            Form::Integer if physical == Physical::INT32 => ColumnType::Integer,
            Form::Integer => ColumnType::BigInt,
            Form::Unsigned if physical == Physical::INT32 => ColumnType::BigInt,
            Form::Unsigned => ColumnType::Numeric(Some((20, 0))),
            Form::Decimal(scale) => numeric(field.get_precision(), scale),
            Form::Date => ColumnType::Date,
            Form::Time(_) => ColumnType::Time,
            Form::Timestamp(_, true) => ColumnType::TimestampTz,
            Form::Timestamp(_, false) => ColumnType::Timestamp,
            Form::Float if physical == Physical::FLOAT => ColumnType::Real,
            Form::Half => ColumnType::Real,
            Form::Float => ColumnType::DoublePrecision,
            Form::Text => ColumnType::Text,
            Form::Json => ColumnType::Jsonb,
            Form::Bytes => ColumnType::Bytea,
            Form::Uuid => ColumnType::Uuid,
            Form::Interval => ColumnType::Interval,
        },
    }
}

fn numeric(precision: i32, scale: usize) -> ColumnType {
    let size = u16::try_from(precision).ok().zip(u16::try_from(scale).ok());
    ColumnType::Numeric(
        size.filter(|(precision, scale)| (1..=1000).contains(precision) && scale <= precision),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_no_more_digits_than_a_column_can_have() {
        let check = |scale: i32, is_old: bool, expect: Option<Form>| {
            let field = Type::primitive_type_builder("price", Physical::BYTE_ARRAY);
            let field = match is_old {
                true => field.with_converted_type(ConvertedType::DECIMAL),
                false => field.with_logical_type(Some(LogicalType::decimal(scale, i32::MAX))),
            };
            let field = field.with_precision(i32::MAX).with_scale(scale);
            let field = field.build().expect("a type");
            let found = form(&field);
            assert_eq!(found.as_ref().ok().copied(), expect, "{found:?}");
            if let Err(why) = found {
                assert!(why.contains("price"), "{why}");
            }
        };
        for is_old in [true, false] {
            check(1000, is_old, Some(Form::Decimal(1000)));
            check(1001, is_old, None);
            check(i32::MAX, is_old, None);
        }
    }
}
