//! Entries of an archive: each is a file of its own, and their records are counted on.

use std::sync::Arc;

use arrivage_model::Checkpoint;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::input::Input;
use super::reader::Reader;
use super::state::{State, changed};
use super::totals::Totals;
use super::{Begin, DecodeError, Decoder};

/// An entry that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins.
    pub place: EntryPlace,
    /// Its name as it is shown: without control characters, and not longer than a line.
    pub name: Arc<str>,
}

/// Where an entry begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryPlace {
    /// In bytes of the archive: this tells it from every other entry.
    pub at: u64,
    /// In bytes of the decompressed stream, which is all entries one after the other.
    pub start: u64,
}

impl EntryPlace {
    /// Of the entry that a checkpoint is in.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Option<Self> {
        let state: Value = serde_json::from_str(checkpoint.state.as_ref()?).ok()?;
        let entry: EntryState = serde_json::from_value(state.get("entry")?.clone()).ok()?;
        Some(Self {
            at: entry.at,
            start: entry.start,
        })
    }
}

/// What a checkpoint keeps of the entry that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryState {
    /// As in [`EntryPlace`].
    at: u64,
    start: u64,
    /// Records before it.
    records: u64,
    /// How the first entry that shows it is written: its header and delimiter, hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    like: Option<String>,
    /// Another entry is written in another way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) mixed: bool,
}

/// The entry that is being decoded.
pub(super) struct Current {
    state: EntryState,
    name: Arc<str>,
    /// A checkpoint is in it, and its bytes have not begun to come.
    awaited: bool,
}

impl Current {
    /// The one that a checkpoint is in.
    pub(super) fn of_checkpoint(state: EntryState) -> Self {
        Self {
            state,
            name: Arc::from(""),
            awaited: true,
        }
    }

    /// The next one, after so many records. `before`: the one before it, with the state
    /// that the decoder had at its end.
    pub(super) fn next(entry: &Entry, records: u64, before: Option<EntryState>) -> Self {
        let before = before.unwrap_or_default();
        Self {
            state: EntryState {
                at: entry.place.at,
                start: entry.place.start,
                records,
                ..before
            },
            name: Arc::clone(&entry.name),
            awaited: false,
        }
    }

    /// Whether this is the entry that the checkpoint is in, as the first one after it has
    /// to be; it goes by its name from here on.
    pub(super) fn resumes(&mut self, entry: &Entry) -> Result<bool, DecodeError> {
        if !std::mem::take(&mut self.awaited) {
            return Ok(false);
        }
        let known = EntryPlace {
            at: self.state.at,
            start: self.state.start,
        };
        if known != entry.place {
            return Err(changed("its entry is not where it was"));
        }
        self.name = Arc::clone(&entry.name);
        Ok(true)
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Of so many records, those that are its own.
    pub(super) fn own(&self, records: u64) -> u64 {
        records - self.state.records
    }

    /// What a checkpoint keeps of it, beside this state of the decoder.
    pub(super) fn keep(&self, state: &State) -> EntryState {
        let mut kept = self.state.clone();
        let Some(now) = likeness(state) else {
            return kept;
        };
        match &kept.like {
            Some(like) => kept.mixed |= *like != now,
            None => kept.like = Some(now),
        }
        kept
    }
}

impl Decoder {
    /// Begins an entry of an archive: the next bytes are its own. After a checkpoint, the
    /// first one is the entry that the checkpoint is in, from there on.
    pub fn enter(&mut self, entry: &Entry) -> Result<(), DecodeError> {
        self.making.enter(&entry.name);
        if let Some(current) = &mut self.entry
            && current.resumes(entry)?
        {
            return Ok(());
        }
        let before = self.state().entry;
        self.entry = Some(Current::next(entry, self.records, before));
        let reader = Reader::new(&self.plan, self.captured.clone(), State::start())?;
        self.begin = Begin::Lines(reader.skip_lines());
        self.trailer = reader.trailer(&self.plan);
        self.totals = Totals::new(&self.plan.totals, None)?;
        self.input = Input::of_entry(&self.plan, entry.place.start);
        self.skipping = false;
        self.reader = reader;
        self.may_differ = !self.making.complete_rows().is_empty();
        if !self.may_differ {
            self.making.set_columns(self.reader.columns());
        }
        Ok(())
    }

    /// Says that the entry has ended.
    pub fn leave(&mut self) {
        self.input.end();
    }
}

/// How an entry is written, as far as it says that of itself.
fn likeness(state: &State) -> Option<String> {
    if state.header.is_none() && state.delimiter.is_none() {
        return None;
    }
    let header = state.header.as_ref();
    let shown = header.map(|header| (&header.line, &header.fields, header.width));
    let text = format!("{shown:?} {:?}", state.delimiter);
    Some(blake3::hash(text.as_bytes()).to_hex()[..16].to_owned())
}
