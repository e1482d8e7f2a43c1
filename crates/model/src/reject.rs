use std::fmt;

/// Why a record was not loaded, in a word that scripts can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonCode {
    /// No number, or more digits after the mark than the type has.
    NotANumber,
    /// A number that the type cannot hold.
    OutOfRange,
    /// None of the words for true and false.
    NotABoolean,
    /// No day of the calendar, or not written as declared.
    NotADate,
    /// No time of day, or not written as declared.
    NotATime,
    /// No interval, or one that mixes its notations.
    NotAnInterval,
    /// No address of the Internet Protocol.
    NotAnAddress,
    /// No array, or one whose rows are of different lengths.
    NotAnArray,
    /// None of the labels of an enum.
    NotALabel,
    /// Not 32 hexadecimal digits.
    NotAUuid,
    /// No JSON, or not of the expected shape.
    NotJson,
    /// Not the hexadecimal form of bytes.
    NotHex,
    /// More characters than the type has.
    TooLong,
    /// A required value is NULL or not there.
    Missing,
    /// More or fewer fields than the header.
    Ragged,
    /// Bytes that the encoding does not have.
    InvalidEncoding,
    /// U+0000.
    Nul,
    /// A quote that is not closed.
    OpenQuote,
    /// Longer than `max_record`.
    RecordTooLong,
    /// The database refused the row.
    Constraint,
}

impl ReasonCode {
    /// The word for it in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotANumber => "not_a_number",
            Self::OutOfRange => "out_of_range",
            Self::NotABoolean => "not_a_boolean",
            Self::NotADate => "not_a_date",
            Self::NotATime => "not_a_time",
            Self::NotAnInterval => "not_an_interval",
            Self::NotAnAddress => "not_an_address",
            Self::NotAnArray => "not_an_array",
            Self::NotALabel => "not_a_label",
            Self::NotAUuid => "not_a_uuid",
            Self::NotJson => "not_json",
            Self::NotHex => "not_hex",
            Self::TooLong => "too_long",
            Self::Missing => "missing",
            Self::Ragged => "ragged",
            Self::InvalidEncoding => "invalid_encoding",
            Self::Nul => "nul",
            Self::OpenQuote => "open_quote",
            Self::RecordTooLong => "record_too_long",
            Self::Constraint => "constraint",
        }
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A record that was read but not loaded, with its place and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// 1 is the first after the header.
    pub record: u64,
    /// The line where it begins; 1 is the file's first.
    pub line: u64,
    /// Where it begins, in bytes of the decompressed stream.
    pub byte_offset: u64,
    /// The guilty column, where it is one.
    pub column: Option<String>,
    /// Why, for scripts.
    pub code: ReasonCode,
    /// Why, for people.
    pub reason: String,
    /// The record as it stood in the file, cut to [`Reject::MAX_RAW`] bytes;
    /// what is no UTF-8, and U+0000, shows as U+FFFD.
    pub raw: String,
}

impl Reject {
    /// How much of a record is kept, in bytes.
    pub const MAX_RAW: usize = 4096;

    /// The text of a record as it is kept.
    #[must_use]
    pub fn keep(record: &[u8]) -> String {
        let mut end = record.len().min(Self::MAX_RAW);
        while end < record.len() && end > 0 && record[end] & 0xC0 == 0x80 {
            end -= 1;
        }
        String::from_utf8_lossy(&record[..end]).replace('\0', "\u{FFFD}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_record_is_cut_between_two_characters() {
        let record = "é".repeat(Reject::MAX_RAW);
        let kept = Reject::keep(&record.as_bytes()[1..]);
        assert!(
            kept.len() <= Reject::MAX_RAW + 3,
            "the first half character became U+FFFD"
        );
        assert_eq!(kept.matches('\u{FFFD}').count(), 1);
        assert_eq!(Reject::keep(b"a\0b"), "a\u{FFFD}b");
    }
}
