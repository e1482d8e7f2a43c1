use std::collections::BTreeMap;

use arrivage_model::{Checkpoint, ErrorCode};
use serde::{Deserialize, Serialize};

use super::DecodeError;
use super::cut::ArrayState;
use super::entry::EntryState;
use super::totals::TotalsState;

/// What a decoder needs to go on, besides the place: the checkpoint's opaque
/// part, as JSON.
///
/// It holds what was made of the header, not the header: a file that is half
/// loaded is read on in the same way, whatever later versions would make of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The line at the checkpoint; 1 is the first of the file, or of the entry.
    pub(super) line: u64,
    /// CSV with a header that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) header: Option<HeaderState>,
    /// JSON: columns that are filled since a record named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<String>,
    /// JSON: where in an array the checkpoint is; nothing: between lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) array: Option<ArrayState>,
    /// Nothing of the file was read yet.
    #[serde(skip)]
    pub(super) fresh: bool,
    /// How the text is written, where it has to be put into UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) encoding: Option<EncodingState>,
    /// CSV: the delimiter that the file's beginning showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) delimiter: Option<String>,
    /// What the trailer's totals are compared with, as far as it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) totals: Option<TotalsState>,
    /// In an archive: the entry, whose lines and header these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) entry: Option<EntryState>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EncodingState {
    pub(super) name: String,
    /// ISO-2022-JP: the line begins in the Roman set, not in ASCII.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) roman: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HeaderState {
    /// Fields that a record must have.
    pub(super) width: usize,
    /// The field of each column; the first is 0.
    pub(super) fields: BTreeMap<String, usize>,
    /// Of them, so many at the end have no name, and may be left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) unnamed: usize,
    /// Fields that no column takes and that are kept: their names, which differ,
    /// and their places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) extra: Vec<(String, usize)>,
    /// The header itself, hashed, where its repetitions are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// The header as it stands in the file, in UTF-8, for rejects that are given back;
    /// nothing where it is very long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl State {
    /// Of a file of which nothing was read.
    pub(super) fn start() -> Self {
        Self {
            line: 1,
            fresh: true,
            ..Self::default()
        }
    }

    /// Reads it back; nothing at the start of a file.
    pub(super) fn read(from: &Checkpoint) -> Result<Option<Self>, DecodeError> {
        let Some(text) = &from.state else {
            let at_start = from.records == 0 && from.offset == 0;
            return if at_start {
                Ok(None)
            } else {
                Err(changed("it has no state"))
            };
        };
        let state = serde_json::from_str(text).map_err(|error| changed(&error.to_string()))?;
        Ok(Some(state))
    }

    pub(super) fn write(&self) -> String {
        serde_json::to_string(self).expect("names and numbers are JSON")
    }
}

/// Half a file was loaded in a way in which the rest cannot be.
pub(super) fn changed(why: &str) -> DecodeError {
    DecodeError {
        code: ErrorCode::ConfigChanged,
        message: format!(
            "the file was half loaded, and cannot be read on from its checkpoint: {why}; replay it from the start"
        ),
    }
}
