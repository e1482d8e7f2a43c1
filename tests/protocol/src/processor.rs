//! What a processor knows, and how far it got with the arrival it claimed.

use crate::database::{Arrival, MOST_RECORDS, State};

/// The lease as its processor knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease {
    pub fence: u8,
    /// Drawn at random in the code; here a number that never comes again, not
    /// even where the database forgot the claim.
    pub id: u8,
}

/// A processor. One that is stopped (SIGSTOP, a paused machine) does nothing for
/// a while, so no step of its own says so: every order of steps is explored, and
/// with them every pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Processor {
    pub phase: Phase,
    pub lease: Lease,
    /// How far the committed chunks reach, as far as it knows.
    pub at: u8,
}

/// How far it got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It has nothing.
    #[default]
    Idle,
    /// It claimed an arrival that is ordered to start over.
    Ordered,
    /// The transaction that starts over removes the rows that it saw, and has not
    /// touched the arrival's row.
    Removing { seen: [u8; MOST_RECORDS] },
    /// It holds the arrival's row: fence raised, checkpoint 0. COMMIT is not answered
    /// yet.
    Restarting { seen: [u8; MOST_RECORDS] },
    /// It reads, and holds so many filled chunks: transactions with their rows in
    /// the table, which nobody sees, and no lock that another waits for.
    Loading { filled: u8 },
    /// The first of the filled chunks went through its advance, the last
    /// statement before COMMIT: it holds the arrival's row.
    Advanced {
        filled: u8,
        /// The advance found the arrival as the chunk left it. Always so, unless
        /// it does not raise.
        matched: bool,
    },
    /// A chunk was not committed, or nobody said so: it has to ask.
    Doubt {
        /// The chunk's COMMIT or its advance was tried, not only its rows.
        tried: bool,
    },
    /// It gives the arrival back as soon as the database lets it.
    LettingGo,
    /// Rows are committed and their checkpoint is not: [`CheckpointApart`] only.
    ///
    /// [`CheckpointApart`]: crate::Mutation::CheckpointApart
    RowsCommitted,
}

impl Processor {
    pub(crate) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// How many transactions of chunks it has open.
    pub(crate) fn filled(&self) -> u8 {
        match self.phase {
            Phase::Loading { filled } | Phase::Advanced { filled, .. } => filled,
            _ => 0,
        }
    }

    /// Whether it has a transaction open that carries its lease's name.
    pub(crate) fn has_backend(&self) -> bool {
        let starts_over = matches!(
            self.phase,
            Phase::Removing { .. } | Phase::Restarting { .. }
        );
        self.filled() > 0 || starts_over
    }
}

/// What became of a chunk whose commit failed: `doubt()` of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    Committed,
    NotCommitted,
    Fenced,
    Behind,
}

/// What the row, read back, means for the chunk from `from` to `to`.
pub(crate) fn doubt(held: bool, row: &Arrival, from: u8, to: u8, last: bool) -> Doubt {
    if !held {
        return Doubt::Fenced;
    }
    match row.state {
        State::Loaded if last => Doubt::Committed,
        State::Loading if !last && row.checkpoint == to => Doubt::Committed,
        State::Loading if row.checkpoint == from => Doubt::NotCommitted,
        State::Loading => Doubt::Behind,
        _ => Doubt::Fenced,
    }
}
