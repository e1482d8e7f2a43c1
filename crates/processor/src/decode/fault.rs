use arrivage_model::ReasonCode;

/// Why a record is not loaded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: ReasonCode,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn new(code: ReasonCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
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
