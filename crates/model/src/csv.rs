/// A dialect of separated values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Csv {
    /// Between two fields.
    pub delimiter: Delimiter,
    /// Around a field that holds delimiters or line ends; nothing: quotes are
    /// text.
    pub quote: Option<u8>,
    /// Before a quote inside a quoted field. The quote itself: doubled.
    pub escape: Option<u8>,
    /// The first record names the columns.
    pub header: bool,
    /// Physical lines before the first record.
    pub skip_lines: u64,
    /// Lines at the end that are no records; blank ones do not count.
    pub skip_last: u64,
    /// Lines like this are no records; `*` stands for any text.
    pub trailer: Option<String>,
    /// A line that starts with it is skipped.
    pub comment: Option<u8>,
    /// Blanks around unquoted values are not part of them.
    pub trim: bool,
    /// Unquoted words that mean NULL.
    pub null: Vec<String>,
    /// What a record with too few or too many fields is.
    pub ragged: Ragged,
    /// What a later record is that reads as the header does.
    pub repeated_header: RepeatedHeader,
    /// What becomes of fields whose name no column takes.
    pub extra_columns: ExtraColumns,
    /// What becomes of a file that lacks a declared column.
    pub missing_columns: MissingColumns,
}

/// What stands between two fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Delimiter {
    /// This text, which is not empty and holds no line end.
    Text(String),
    /// A comma, a semicolon, a tab or a bar, whichever the file's beginning
    /// shows.
    Auto,
}

/// What a record with a wrong number of fields is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ragged {
    /// A reject.
    Reject,
    /// Missing fields at its end are NULL; too many are still a reject.
    Pad,
}

/// What a record is that repeats the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RepeatedHeader {
    /// A record as any other.
    Record,
    /// None: it is skipped.
    Skip,
}

/// What becomes of fields that the table has no column for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtraColumns {
    /// They are left out, and named once in the log.
    Ignore,
    /// The file fails.
    Reject,
    /// They are gathered, by name, in the column [`ExtraColumns::COLUMN`].
    Keep,
}

impl ExtraColumns {
    /// The json or jsonb column that fields without a column are kept in.
    pub const COLUMN: &str = "_extra";
}

/// What becomes of a file that lacks a declared column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissingColumns {
    /// It fails.
    Reject,
    /// The column is left to the database, unless a value is required.
    Leave,
}

impl Default for Csv {
    /// As RFC 4180 has it, with a header.
    fn default() -> Self {
        Self {
            delimiter: ','.into(),
            quote: Some(b'"'),
            escape: Some(b'"'),
            header: true,
            skip_lines: 0,
            skip_last: 0,
            trailer: None,
            comment: None,
            trim: false,
            null: vec![String::new()],
            ragged: Ragged::Reject,
            repeated_header: RepeatedHeader::Record,
            extra_columns: ExtraColumns::Ignore,
            missing_columns: MissingColumns::Reject,
        }
    }
}

impl From<char> for Delimiter {
    fn from(character: char) -> Self {
        Self::Text(character.into())
    }
}
