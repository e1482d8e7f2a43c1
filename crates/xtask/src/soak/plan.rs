//! What is done to the programs and to their database, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use xtask::chance::Chance;
use xtask::postgres::Cluster;
use xtask::process::PAUSE;
use xtask::proxy::{Proxy, Question, Verdict};

use super::crew::Crew;
use super::faults::{Fault, Tally, around};

/// What the conductor does, and how long it is on average from one to the next. Half an hour has
/// more than a thousand kills.
const PLAN: [(Act, Duration); 7] = [
    (Act::Kill, Duration::from_millis(1_500)),
    (Act::Stop, Duration::from_secs(7)),
    (Act::Terminate, Duration::from_secs(11)),
    (Act::CutOne, Duration::from_secs(5)),
    (Act::CutAll, Duration::from_secs(23)),
    (Act::LoseCommit, Duration::from_secs(8)),
    (Act::LoseAnswer, Duration::from_secs(4)),
];

/// From one restart of PostgreSQL to the next; two of three are immediate.
const RESTART: Duration = Duration::from_secs(22);

#[derive(Clone, Copy, Debug)]
enum Act {
    Kill,
    Stop,
    Terminate,
    CutOne,
    CutAll,
    LoseCommit,
    LoseAnswer,
}

/// Does all but the restarts, until `is_over`.
pub(crate) fn conduct(
    crew: &mut Crew,
    proxy: &Proxy,
    losses: &Losses,
    tally: &Tally,
    mut chance: Chance,
    is_over: impl Fn() -> bool,
) -> Result<()> {
    let mut due = PLAN.map(|(_, mean)| Instant::now() + around(mean, &mut chance));
    while !is_over() {
        for (due, (act, mean)) in due.iter_mut().zip(PLAN) {
            if Instant::now() < *due {
                continue;
            }
            *due = Instant::now() + around(mean, &mut chance);
            match act {
                Act::Kill => crew.kill(&mut chance, tally)?,
                Act::Stop => crew.stop(&mut chance)?,
                Act::Terminate => crew.terminate(&mut chance, tally)?,
                Act::CutOne => {
                    let connections = proxy.connections();
                    if connections > 0 && proxy.cut(chance.index(connections)) {
                        tally.count(Fault::CutOne);
                    }
                }
                Act::CutAll => {
                    if proxy.cut_all() > 0 {
                        tally.count(Fault::CutAll);
                    }
                }
                Act::LoseCommit => losses.expect(Loss::Commit, &mut chance),
                Act::LoseAnswer => losses.expect(Loss::Answer, &mut chance),
            }
        }
        crew.look_after(tally)?;
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Restarts PostgreSQL, until `is_over`.
pub(crate) fn restart(
    cluster: &mut Cluster,
    tally: &Tally,
    mut chance: Chance,
    is_over: impl Fn() -> bool,
) -> Result<()> {
    let mut due = Instant::now() + around(RESTART, &mut chance);
    while !is_over() {
        if Instant::now() > due {
            if chance.below(3) > 0 {
                cluster.restart_immediate()?;
                tally.count(Fault::RestartImmediate);
            } else {
                cluster.stop()?;
                cluster.start()?;
                tally.count(Fault::RestartFast);
            }
            due = Instant::now() + around(RESTART, &mut chance);
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Which half of a COMMIT gets lost.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    Commit,
    Answer,
}

/// Losses that wait for a COMMIT to come by: at most one of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Losses {
    commit: Arc<AtomicU8>,
    answer: Arc<AtomicU8>,
}

/// Waits for nothing, for the COMMIT of a chunk, for any COMMIT.
const NOTHING: u8 = 0;
const OF_CHUNK: u8 = 1;
const OF_ANYTHING: u8 = 2;

impl Losses {
    fn expect(&self, loss: Loss, chance: &mut Chance) {
        let of = if chance.below(3) > 0 {
            OF_CHUNK
        } else {
            OF_ANYTHING
        };
        self.waiting(loss).store(of, Ordering::SeqCst);
    }

    /// Nothing more gets lost.
    pub(crate) fn forget(&self) {
        self.commit.store(NOTHING, Ordering::SeqCst);
        self.answer.store(NOTHING, Ordering::SeqCst);
    }

    pub(crate) fn judge(&self, question: Question<'_>, tally: &Tally) -> Verdict {
        if !question.is_commit() {
            return Verdict::Pass;
        }
        if self.takes(Loss::Answer, question.in_chunk) {
            tally.count(Fault::LostAnswer);
            return Verdict::LoseAnswer;
        }
        if self.takes(Loss::Commit, question.in_chunk) {
            tally.count(Fault::LostCommit);
            return Verdict::Cut;
        }
        Verdict::Pass
    }

    /// True for one of all that ask.
    fn takes(&self, loss: Loss, in_chunk: bool) -> bool {
        let waiting = self.waiting(loss);
        let takes = |of: u8| {
            waiting
                .compare_exchange(of, NOTHING, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        };
        (in_chunk && takes(OF_CHUNK)) || takes(OF_ANYTHING)
    }

    fn waiting(&self, loss: Loss) -> &AtomicU8 {
        match loss {
            Loss::Commit => &self.commit,
            Loss::Answer => &self.answer,
        }
    }
}
