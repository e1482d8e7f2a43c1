use std::fmt;

use arrivage_model::{ErrorCode, State, Table};

/// A pipeline of which nothing is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// Its name.
    pub pipeline: String,
    /// Why.
    pub reason: String,
    /// Only a person ends it. Else a processor found a table, a column or a right
    /// missing, and goes on by itself when that is mended.
    pub by_person: bool,
}

impl fmt::Display for Paused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pipeline, reason, ..
        } = self;
        write!(f, "pipeline {pipeline} is paused: {reason}")?;
        if self.by_person {
            write!(f, " (`arrivage resume {pipeline}` ends it)")?;
        }
        Ok(())
    }
}

/// What became of an order to unload an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unloaded {
    /// Its rows and rejects are gone.
    Done {
        /// Rows taken out.
        rows: u64,
        /// Rows that were loaded once; more than were taken out where others have
        /// changed or removed some since.
        of: u64,
        /// Rejects taken out.
        rejects: u64,
    },
    /// It was unloaded before.
    Already,
    /// The table cannot tell its rows from others.
    Untold {
        /// So many are there.
        rows: u64,
    },
    /// Another tool loaded it: the ledger never had rows of it.
    Adopted,
    /// Nothing of it rests in the table now: it is in this state.
    Refused(State),
    /// There is no such arrival.
    Unknown,
}

/// What became of an order to dismiss an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dismissed {
    /// It is dismissed.
    Done,
    /// It was dismissed before.
    Already,
    /// It has not failed: it is in this state.
    Refused(State),
    /// There is no such arrival.
    Unknown,
}

/// What became of an order to cancel the load of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// It is dismissed, and whoever loaded it is fenced.
    Done,
    /// It was dismissed before.
    Already,
    /// There is no load to cancel: it rests in this state.
    Refused(State),
    /// There is no such arrival.
    Unknown,
}

/// Why an arrival is not unloaded; nothing if it is.
pub(crate) fn hindrance(
    state: State,
    rows: u64,
    error_code: Option<&str>,
    table: &Table,
) -> Option<Unloaded> {
    match state {
        State::Unloaded => return Some(Unloaded::Already),
        State::Waiting | State::Loading => return Some(Unloaded::Refused(state)),
        // Its rows went when it was superseded, or could not be told then.
        State::Superseded if rows > 0 => return Some(Unloaded::Untold { rows }),
        State::Superseded => return Some(Unloaded::Refused(state)),
        State::Loaded if error_code == Some(ErrorCode::Adopted.as_str()) => {
            return Some(Unloaded::Adopted);
        }
        State::Loaded | State::Failed | State::Dismissed => {}
    }
    (rows > 0 && !table.has_arrival_id).then_some(Unloaded::Untold { rows })
}

/// What an order to cancel the load of an arrival in this state comes to.
pub(crate) fn cancelled(state: State) -> Cancelled {
    match state {
        State::Waiting | State::Loading => Cancelled::Done,
        State::Dismissed => Cancelled::Already,
        State::Loaded | State::Failed | State::Superseded | State::Unloaded => {
            Cancelled::Refused(state)
        }
    }
}

/// What an order to dismiss an arrival in this state comes to.
pub(crate) fn dismissed(state: State) -> Dismissed {
    match state {
        State::Failed => Dismissed::Done,
        State::Dismissed => Dismissed::Already,
        State::Waiting | State::Loading | State::Loaded | State::Superseded | State::Unloaded => {
            Dismissed::Refused(state)
        }
    }
}
