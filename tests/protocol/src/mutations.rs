//! The protocol with one wall taken out: what each wall is for.

/// A wall that is taken out, or built wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A processor's statements look at the arrival's state alone.
    NoFence,
    /// A processor's statements compare the fence, and not the lease id.
    NoLeaseId,
    /// A processor's statements compare the lease id, and not the fence: a start
    /// over raises the fence of the claim that it belongs to.
    NoFenceInTheLease,
    /// The fence counts from the lease that stands: an arrival let go begins again.
    FenceOfTheLease,
    /// A chunk's transaction locks the arrival's row first, and then brings its rows.
    RowLockedFirst,
    /// An advance that matches nothing says so, and its transaction goes on.
    AdvanceDoesNotRaise,
    /// The advance does not compare where the chunk begins.
    AdvanceIgnoresCheckpoint,
    /// The rescue reads which arrivals have no attempts left, and then writes
    /// what it read: no lock, no second look.
    RescueWithoutGuard,
    /// A chunk's rows commit first, and its checkpoint in a transaction of its own.
    CheckpointApart,
    /// A COMMIT without an answer counts as one that failed.
    RetryBlindly,
    /// The checkpoint is read back by a plain read: it waits for nobody.
    ReadBackPlainly,
    /// The checkpoint is read back, and the old backend is left to itself.
    ReadBackWithoutEnding,
    /// A replay from the start removes the rows itself, before it moves the fence.
    ReplayDeletesFirst,
    /// A start over does not compare the lease when it has removed the rows.
    StartOverUnfenced,
    /// Nobody ends the backends of leases that are over.
    NoReaper,
    /// A transaction without a lease's name may stay idle for ever.
    IdleForEver,
}

impl Mutation {
    /// Every one of them.
    pub const ALL: [Self; 16] = [
        Self::NoFence,
        Self::NoLeaseId,
        Self::NoFenceInTheLease,
        Self::FenceOfTheLease,
        Self::RowLockedFirst,
        Self::AdvanceDoesNotRaise,
        Self::AdvanceIgnoresCheckpoint,
        Self::RescueWithoutGuard,
        Self::CheckpointApart,
        Self::RetryBlindly,
        Self::ReadBackPlainly,
        Self::ReadBackWithoutEnding,
        Self::ReplayDeletesFirst,
        Self::StartOverUnfenced,
        Self::NoReaper,
        Self::IdleForEver,
    ];
}

/// Which walls are out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mutations(u32);

impl Mutations {
    /// These and no others.
    #[must_use]
    pub fn of(mutations: &[Mutation]) -> Self {
        Self(mutations.iter().fold(0, |all, one| all | bit(*one)))
    }

    pub(crate) fn has(self, mutation: Mutation) -> bool {
        self.0 & bit(mutation) != 0
    }
}

fn bit(mutation: Mutation) -> u32 {
    1 << mutation as u32
}
