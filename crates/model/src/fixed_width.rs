use crate::Ragged;

/// Lines in which every value has its positions; the columns say which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FixedWidth {
    /// What positions count.
    pub positions: Positions,
    /// Physical lines before the first record.
    pub skip_lines: u64,
    /// Lines at the end that are no records; blank ones do not count.
    pub skip_last: u64,
    /// Lines like this are no records; `*` stands for any text.
    pub trailer: Option<String>,
    /// A line that starts with it is skipped.
    pub comment: Option<u8>,
    /// Blanks around values are not part of them.
    pub trim: bool,
    /// Words that mean NULL.
    pub null: Vec<String>,
    /// What a line is that ends before the last position of a column.
    pub ragged: Ragged,
}

/// What the positions of a line count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Positions {
    /// Characters.
    Characters,
    /// Bytes of the text as UTF-8.
    Bytes,
}

impl Default for FixedWidth {
    /// As the configuration has it when it says nothing.
    fn default() -> Self {
        Self {
            positions: Positions::Characters,
            skip_lines: 0,
            skip_last: 0,
            trailer: None,
            comment: None,
            trim: true,
            null: vec![String::new()],
            ragged: Ragged::Reject,
        }
    }
}
