/// Declares tables of the file: a struct of [`Key`](super::table::Key)s, how it
/// is read, and its JSON Schema, all from the same names and texts.
///
/// `key: Type` must be there, `key: Option<Type>` may be left out, and
/// `key: Type = default` is the default when left out, written as in the file.
/// `..rest: Keys` adds another table's keys to this one.
macro_rules! tables {
    ($(
        $(#[doc = $about:literal])*
        struct $Name:ident {
            $(..$rest:ident: $Rest:ty,)?
            $($(#[doc = $doc:literal])* $key:ident: $type:ty $(= $default:tt)?,)*
        }
    )*) => {$(
        $(#[doc = $about])*
        pub(crate) struct $Name {
            $(pub(crate) $rest: $Rest,)?
            $($(#[doc = $doc])* pub(crate) $key: Key<<$type as Field>::Shape>,)*
        }

        impl Keys for $Name {
            fn read_keys(table: &mut Table<'_>, reader: &mut Reader<'_>) -> Self {
                Self {
                    $($key: read_key!(table, reader, $key, $type $(, $default)?),)*
                    $($rest: <$Rest as Keys>::read_keys(table, reader),)?
                }
            }

            fn describe(schema: &mut TableSchema) {
                $(describe_key!(schema, concat!($($doc),*), $key, $type $(, $default)?);)*
                $(<$Rest as Keys>::describe(schema);)?
            }
        }

        impl Shape for $Name {
            fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
                let mut table = Table::open(value, place, reader)?;
                let read = Self::read_keys(&mut table, reader);
                table.close(reader);
                Some(read)
            }

            fn schema() -> Value {
                let mut schema = TableSchema::default();
                Self::describe(&mut schema);
                schema.finish()
            }
        }
    )*};
}

macro_rules! read_key {
    ($table:ident, $reader:ident, $key:ident, $type:ty) => {
        $table.key::<$type>(key_name!($key), $reader)
    };
    ($table:ident, $reader:ident, $key:ident, $type:ty, $default:tt) => {
        $table.key_or::<$type>(key_name!($key), stringify!($default), $reader)
    };
}

macro_rules! describe_key {
    ($schema:ident, $doc:expr, $key:ident, $type:ty) => {
        $schema.key::<$type>(key_name!($key), $doc)
    };
    ($schema:ident, $doc:expr, $key:ident, $type:ty, $default:tt) => {
        $schema.key_or::<$type>(key_name!($key), stringify!($default), $doc)
    };
}

/// `r#type` is the key `type`.
macro_rules! key_name {
    ($key:ident) => {
        stringify!($key).trim_start_matches("r#")
    };
}

/// Declares tables that come in kinds: which one, says the key `kind`; what it
/// is when left out may follow `=`.
macro_rules! kinds {
    ($(
        $(#[doc = $about:literal])*
        enum $Name:ident $(= $default:literal)? { $($Kind:ident = $word:literal,)* }
    )*) => {$(
        $(#[doc = $about])*
        pub(crate) enum $Name { $($Kind(Box<$Kind>),)* }

        impl $Name {
            const DEFAULT: &'static str = concat!($($default)?);
        }

        impl Shape for $Name {
            fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
                let mut table = Table::open(value, place, reader)?;
                let read = match table.kind(&[$($word),*], Self::DEFAULT, reader)? {
                    $($word => Self::$Kind(Box::new(Keys::read_keys(&mut table, reader))),)*
                    _ => return None,
                };
                table.close(reader);
                Some(read)
            }

            fn schema() -> Value {
                let kinds = [$({
                    let mut schema = TableSchema::of_kind($word, Self::DEFAULT);
                    $Kind::describe(&mut schema);
                    schema.finish()
                }),*];
                json!({"oneOf": kinds})
            }
        }
    )*};
}

/// Declares the words that may stand for the values of a type. `what` is the
/// word for one of them in messages.
macro_rules! words {
    ($($Name:ident, $what:literal { $($word:literal => $value:expr,)* })*) => {$(
        impl Shape for $Name {
            fn read(value: &DeValue<'_>, place: &Place, reader: &mut Reader<'_>) -> Option<Self> {
                match word($what, &[$($word),*], value, place, reader)? {
                    $($word => Some($value),)*
                    _ => None,
                }
            }

            fn schema() -> Value {
                words_schema(&[$($word),*])
            }
        }
    )*};
}
