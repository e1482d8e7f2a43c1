use arrivage_model::ReasonCode;
use memchr::memchr;

use super::fault::Fault;

/// Why a record is no text, and the place in it that shows it.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) at: usize,
    pub(super) fault: Fault,
}

/// Says where a record, which begins at `offset` of the stream, is not UTF-8 or
/// has a U+0000.
pub(super) fn check_text(record: &[u8], offset: u64) -> Option<Flaw> {
    if let Err(error) = std::str::from_utf8(record) {
        let at = error.valid_up_to();
        let fault = invalid_byte("UTF-8", record[at], offset + at as u64);
        return Some(Flaw { at, fault });
    }
    let at = memchr(0, record)?;
    let fault = nul(offset + at as u64);
    Some(Flaw { at, fault })
}

/// A byte that the encoding does not have, or not here.
pub(super) fn invalid_byte(encoding: &str, byte: u8, offset: u64) -> Fault {
    let reason = format!("it is not {encoding}: byte {byte:#04x} at offset {offset} of the stream");
    Fault::new(ReasonCode::InvalidEncoding, reason)
}

pub(super) fn nul(offset: u64) -> Fault {
    let reason = format!("U+0000 at offset {offset} of the stream");
    Fault::new(ReasonCode::Nul, reason)
}

/// Words that mean NULL.
pub(super) struct NullWords {
    empty: bool,
    others: Vec<Vec<u8>>,
}

impl NullWords {
    pub(super) fn new(words: &[String]) -> Self {
        let words = words.iter().map(|word| word.as_bytes().to_vec());
        let (empty, others) = words.partition::<Vec<_>, _>(Vec::is_empty);
        Self {
            empty: !empty.is_empty(),
            others,
        }
    }

    pub(super) fn contain(&self, text: &[u8]) -> bool {
        if text.is_empty() {
            return self.empty;
        }
        !self.others.is_empty() && self.others.iter().any(|word| word == text)
    }
}

/// Text without the blanks around it.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let Some(start) = text.iter().position(is_text) else {
        return &[];
    };
    let end = text
        .iter()
        .rposition(is_text)
        .map_or(start, |last| last + 1);
    &text[start..end]
}
