use std::ops::{Deref, DerefMut};

use arrivage_model::ReasonCode;

/// Why a record is not loaded. A pointer wide: every value that is written
/// returns one or nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault(Box<Why>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) code: ReasonCode,
    pub(super) reason: String,
}

impl Fault {
    #[cold]
    pub(super) fn new(code: ReasonCode, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self(Box::new(Why { code, reason }))
    }

    pub(super) fn into_reason(self) -> String {
        self.0.reason
    }
}

impl Deref for Fault {
    type Target = Why;

    fn deref(&self) -> &Why {
        &self.0
    }
}

impl DerefMut for Fault {
    fn deref_mut(&mut self) -> &mut Why {
        &mut self.0
    }
}

/// The value in quotes, cut so that a reason stays a sentence.
pub(super) fn excerpt(value: &[u8]) -> String {
    const CHARACTERS: usize = 40;
    let head = &value[..value.len().min(4 * CHARACTERS + 4)];
    let text = String::from_utf8_lossy(head);
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

pub(super) fn open_quote() -> Fault {
    let reason =
        "a quote in the record that begins here is not closed; reading goes on at the next line";
    Fault::new(ReasonCode::OpenQuote, reason)
}

pub(super) fn stray_quote() -> Fault {
    let reason = "in the record that begins here text follows a closing quote, so a quote is not closed, or one inside is not doubled; reading goes on at the next line";
    Fault::new(ReasonCode::OpenQuote, reason)
}

pub(super) fn too_long(max_record: usize) -> Fault {
    let reason = format!("it is longer than max_record, {max_record} bytes");
    Fault::new(ReasonCode::RecordTooLong, reason)
}
