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
