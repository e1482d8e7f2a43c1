//! Everything that can happen next.

use crate::database::Loss;
use crate::mutations::Mutation;
use crate::processor::Phase;
use crate::world::World;
use crate::{Protocol, steps};

/// One thing that happens. A number names a processor, or an orphan by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    // ---- a processor, when all goes well ---------------------------------
    /// `ledger::claim`.
    Claim(usize),
    /// `ledger::remove_rows`: the rows of a start over are removed, unseen.
    StartOver(usize),
    /// `ledger::restart`, the last statement of a start over.
    Reset(usize),
    /// Its COMMIT, answered.
    CommitStartOver(usize),
    /// `begin` and COPY: one more chunk's rows are in the table, unseen.
    Fill(usize),
    /// `ledger::advance`, the last statement of the first filled chunk.
    Advance(usize),
    /// COMMIT, answered.
    Commit(usize),
    /// `ledger::renew`, by the keeper.
    Renew(usize),
    // ---- a processor, when it does not -----------------------------------
    /// `ledger::standing`: ends the old backend, waits for the row, and decides.
    ReadBack(usize),
    /// `ledger::give_back`.
    GiveBack(usize),
    /// `ledger::retry_later`.
    Fail(usize),
    /// The connection breaks while a chunk is filled.
    LoseConnection(usize),
    /// The connection breaks when COMMIT may be under way.
    LoseAnswer(usize),
    /// kill -9, or a machine that nobody hears of again.
    Kill(usize),
    /// It stops for ever between a short transaction's statement and its COMMIT.
    Stall(usize),
    /// The second transaction under [`Mutation::CheckpointApart`].
    MoveCheckpoint(usize),
    // ---- the database ----------------------------------------------------
    /// `lease_until` passes.
    LeaseEnds,
    /// The COMMIT of one whose client is gone arrives after all.
    OrphanCommits(usize),
    /// The database notices that the client is gone.
    OrphanEnds(usize),
    /// `idle_in_transaction_session_timeout`.
    EndIdle(usize),
    /// It comes back with what stood before this commit.
    Lose(Loss, usize),
    // ---- others ----------------------------------------------------------
    /// `ledger::reap`, of a processor that is still there.
    Reap(usize),
    /// `ledger::reap`, of one that is not.
    ReapOrphan(usize),
    /// What `ledger::claim` does for arrivals without attempts left.
    Rescue,
    /// `ledger::replay`, by force where it is loading.
    Replay { from_start: bool },
    /// The second half of a replay under [`Mutation::ReplayDeletesFirst`].
    FinishReplay,
}

impl Protocol {
    /// What may happen. Some of it may turn out to be impossible: see [`Self::step`].
    pub(crate) fn possible(&self, world: &World, actions: &mut Vec<Action>) {
        let left = &world.left;
        for p in 0..self.setup.processors {
            self.of_processor(world, p, actions);
            if world.processors[p].has_backend() {
                actions.push(Action::Reap(p));
            }
        }
        for i in 0..world.orphans.len() {
            // Two alike end alike.
            if i > 0 && world.orphans[i] == world.orphans[i - 1] {
                continue;
            }
            actions.extend([
                Action::OrphanCommits(i),
                Action::OrphanEnds(i),
                Action::EndIdle(i),
                Action::ReapOrphan(i),
            ]);
        }
        actions.extend([Action::LeaseEnds, Action::Rescue, Action::FinishReplay]);
        if left.replays > 0 {
            actions.push(Action::Replay { from_start: true });
            actions.push(Action::Replay { from_start: false });
        }
        for (loss, left) in [
            (Loss::Crash, left.crashes),
            (Loss::Failover, left.failovers),
        ] {
            if left > 0 {
                let losses = world.database.after(loss);
                actions.extend(losses.map(|to| Action::Lose(loss, to)));
            }
        }
    }

    fn of_processor(&self, world: &World, p: usize, actions: &mut Vec<Action>) {
        let left = &world.left;
        match world.processors[p].phase {
            // Which one of several idle processors claims makes no difference.
            Phase::Idle => {
                let twin = |q: usize| {
                    world.processors[q].is_idle() && self.setup.cuts[q] == self.setup.cuts[p]
                };
                if !(0..p).any(twin) {
                    actions.push(Action::Claim(p));
                    actions.push(Action::Stall(p));
                }
                return;
            }
            Phase::Ordered => actions.push(Action::StartOver(p)),
            Phase::Removing { .. } => {
                actions.extend([Action::Reset(p), Action::LoseConnection(p)]);
            }
            Phase::Restarting { .. } => {
                actions.extend([Action::CommitStartOver(p), Action::LoseAnswer(p)]);
            }
            Phase::Loading { .. } => {
                actions.extend([
                    Action::Fill(p),
                    Action::Advance(p),
                    Action::LoseConnection(p),
                ]);
                actions.push(Action::Stall(p));
            }
            Phase::Advanced { .. } => actions.extend([Action::Commit(p), Action::LoseAnswer(p)]),
            Phase::Doubt { .. } => actions.extend([Action::ReadBack(p), Action::Stall(p)]),
            Phase::LettingGo => {}
            Phase::RowsCommitted => actions.push(Action::MoveCheckpoint(p)),
        }
        actions.extend([Action::Renew(p), Action::GiveBack(p), Action::Fail(p)]);
        if left.kills > 0 {
            actions.push(Action::Kill(p));
        }
    }

    /// Makes it happen, if it can.
    pub(crate) fn step(&self, world: &mut World, action: Action) -> Option<()> {
        world.event = crate::world::Event::Nothing;
        match action {
            Action::Claim(p) => steps::claim(self, world, p),
            Action::Renew(p) => steps::renew(self, world, p),
            Action::GiveBack(p) => steps::give_back(self, world, p),
            Action::Fail(p) => steps::fail(self, world, p),
            Action::Rescue => steps::rescue(self, world),
            Action::LeaseEnds => steps::lease_ends(world),
            Action::Fill(p) => steps::fill(self, world, p),
            Action::Advance(p) => steps::advance(self, world, p),
            Action::Commit(p) => steps::commit(self, world, p),
            Action::MoveCheckpoint(p) => steps::move_checkpoint(self, world, p),
            Action::ReadBack(p) => steps::read_back(self, world, p),
            Action::Replay { from_start } => steps::replay(self, world, from_start),
            Action::FinishReplay => steps::finish_replay(self, world),
            Action::StartOver(p) => steps::start_over(self, world, p),
            Action::Reset(p) => steps::reset(self, world, p),
            Action::CommitStartOver(p) => steps::commit_start_over(self, world, p),
            Action::LoseConnection(p) => steps::lose_connection(self, world, p),
            Action::LoseAnswer(p) => steps::lose_answer(self, world, p),
            Action::Kill(p) => steps::kill(self, world, p),
            Action::Stall(p) => steps::stall(self, world, p),
            Action::OrphanCommits(i) => steps::orphan_commits(self, world, i),
            Action::OrphanEnds(i) => steps::orphan_ends(world, i),
            Action::EndIdle(i) => steps::end_idle(self, world, i),
            Action::Reap(p) => steps::reap(self, world, p),
            Action::ReapOrphan(i) => steps::reap_orphan(self, world, i),
            Action::Lose(loss, to) => steps::lose(world, loss, to),
        }
    }

    pub(crate) fn without(&self, wall: Mutation) -> bool {
        self.setup.mutations.has(wall)
    }
}
