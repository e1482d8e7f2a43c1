//! Chunk by chunk into the database: each one's rows, rejects and checkpoint in
//! one transaction, and no doubt left about what became of it.

use std::collections::VecDeque;
use std::sync::Arc;

use arrivage_ledger::{Advance, LedgerError, Standing};
use arrivage_model::{ArrivalId, Checkpoint, ErrorCode, Mode, RejectBudget, State};
use arrivage_store::{Backoff, Policy};
use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio_util::sync::CancellationToken;

use crate::decode::Chunk;
use crate::fate::{LoadError, chain};
use crate::fill::{Filled, Filling, Load};
use crate::read::{Draft, Reading};

/// Waits between tries of one chunk.
pub(crate) const AGAIN: Policy = Policy {
    first: std::time::Duration::from_millis(100),
    cap: std::time::Duration::from_secs(10),
    tries: None,
};

/// The ratio of rejects is judged before a file's end only after so many records.
const RATIO_GRACE: u64 = 10_000;

/// Commits the chunks of one arrival, in the file's order.
pub(crate) struct Committer {
    pub(crate) load: Load,
    /// How far the committed chunks reach.
    pub(crate) at: Checkpoint,
    /// Rejects so far, those of earlier claims included.
    pub(crate) rejected: u64,
    /// Connections that take chunks at the same time.
    pub(crate) connections: usize,
}

/// What one try of a chunk would make true.
struct Step {
    advance: Advance,
    /// It breaks the budget of rejects: it is committed, and then the arrival fails.
    over: Option<LoadError>,
}

/// What became of a chunk whose commit failed.
#[derive(Debug, PartialEq, Eq)]
enum Doubt {
    Committed,
    NotCommitted,
    Fenced,
    Behind,
}

impl Committer {
    /// Commits chunks until the last one, or until `stop`. Where the table allows
    /// it, several transactions are filled at the same time; they commit one after
    /// another, each from the end of the one before.
    pub(crate) async fn commit_all(
        &mut self,
        reading: &mut Reading,
        stop: &CancellationToken,
    ) -> Result<(), LoadError> {
        if let Some(error) = over(
            self.id(),
            self.budget(),
            self.rejected,
            self.at.records,
            false,
        ) {
            return Err(error);
        }
        let pipeline = &self.load.job.pipeline;
        let parallel =
            self.load.job.table.parallel && pipeline.mode == Mode::Append && !pipeline.atomic;
        let width = if parallel { self.connections } else { 1 };
        let mut drafts: VecDeque<Arc<Draft>> = VecDeque::new();
        let mut filling: FuturesOrdered<Filling> = FuturesOrdered::new();
        let mut end: Option<Result<(), LoadError>> = None;
        loop {
            if drafts.is_empty()
                && let Some(end) = end
            {
                return end;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return Err(LoadError::Stopped),
                Some(filled) = filling.next(), if !filling.is_empty() => {
                    let Some(draft) = drafts.pop_front() else { continue };
                    if self.commit(&draft, filled, &mut filling).await? {
                        filling = drafts.iter().map(|draft| self.load.fill(draft)).collect();
                    }
                    if let Some(draft) = Arc::into_inner(draft) {
                        draft.give_back();
                    }
                }
                draft = reading.next(), if end.is_none() && drafts.len() < width => match draft {
                    Ok(draft) => {
                        end = draft.chunk.last.then_some(Ok(()));
                        let draft = Arc::new(draft);
                        filling.push_back(self.load.fill(&draft));
                        drafts.push_back(draft);
                    }
                    // What was read before is good.
                    Err(error) => end = Some(Err(error)),
                },
            }
        }
    }

    /// Commits one chunk, however often its transaction has to be tried. If more
    /// than once, the later ones were rolled back, so as not to stand in its way:
    /// then they have to be filled again, and the answer is true.
    async fn commit(
        &mut self,
        draft: &Arc<Draft>,
        filled: Result<Filled, LoadError>,
        later: &mut FuturesOrdered<Filling>,
    ) -> Result<bool, LoadError> {
        let chunk = &draft.chunk;
        let mut backoff = Backoff::new(AGAIN);
        let mut again = false;
        let mut filled = filled;
        let step = loop {
            let tried = match filled {
                Ok(filled) => self.try_commit(chunk, filled).await,
                Err(error) => Err((None, error)),
            };
            let (step, error) = match tried {
                Ok(step) => break step,
                Err((step, LoadError::Ledger(error))) => (step, error),
                Err((_, other)) => return Err(other),
            };
            self.load.loading.touch();
            if !error.is_passing() && !matches!(error, LedgerError::NotMatched) {
                return Err(error.into());
            }
            tracing::warn!(
                error = chain(&error),
                "a chunk was not committed; looking what became of it"
            );
            again = true;
            later.clear();
            match (
                self.resolve(chunk, step.as_ref(), &mut backoff).await?,
                step,
            ) {
                (Doubt::Committed, Some(step)) => break step,
                (Doubt::Committed | Doubt::Behind, _) => return Err(LoadError::Behind),
                (Doubt::NotCommitted, _) => {}
                (Doubt::Fenced, _) => return Err(LedgerError::Fenced.into()),
            }
            if let Some(delay) = backoff.next_delay(None) {
                tokio::time::sleep(delay).await;
            }
            filled = self.load.fill(draft).await;
        };
        self.rejected += step.advance.rejected;
        self.load
            .loading
            .committed(step.advance.to.bytes_read, step.advance.to.records);
        self.report(&step.advance);
        self.at = step.advance.to;
        step.over.map_or(Ok(again), Err)
    }

    /// One try: the last chunk of an atomic load shows all its rows before. On an
    /// error also the step that may have been committed.
    async fn try_commit(
        &self,
        chunk: &Chunk,
        mut filled: Filled,
    ) -> Result<Step, (Option<Step>, LoadError)> {
        let mut step = self.step(chunk, filled.rejected, 0);
        if step.advance.last && self.load.job.pipeline.atomic {
            let shown = self
                .load
                .publish(filled.tx.as_mut(), chunk.end.records)
                .await;
            let over = match shown {
                Ok(withdrawn) => {
                    step = self.step(chunk, filled.rejected, withdrawn);
                    step.over.take()
                }
                Err(error) => Some(error),
            };
            if let Some(error) = over {
                filled.tx.roll_back().await;
                return Err((None, error));
            }
        }
        match filled.tx.commit(&step.advance).await {
            Ok(()) => Ok(step),
            Err(error) => Err((Some(step), error.into())),
        }
    }

    /// The step that the chunk makes from here. `withdrawn`: rows of it and of
    /// chunks before it that were gathered, and then refused.
    fn step(&self, chunk: &Chunk, rejected: u64, withdrawn: u64) -> Step {
        let loaded = chunk.records() - rejected;
        let rejected = rejected + withdrawn;
        let over = over(
            self.id(),
            self.budget(),
            self.rejected + rejected,
            chunk.end.records,
            chunk.last,
        );
        let advance = Advance {
            from_records: self.at.records,
            from_offset: self.at.offset,
            to: chunk.end.clone(),
            loaded: loaded.cast_signed() - withdrawn.cast_signed(),
            rejected,
            reading: self.load.job.reading.clone(),
            last: chunk.last && over.is_none(),
        };
        Step { advance, over }
    }

    fn id(&self) -> ArrivalId {
        self.load.lease.arrival
    }

    fn budget(&self) -> RejectBudget {
        self.load.job.pipeline.rejects
    }

    /// Asks until the database says what became of the chunk.
    async fn resolve(
        &self,
        chunk: &Chunk,
        tried: Option<&Step>,
        backoff: &mut Backoff,
    ) -> Result<Doubt, LoadError> {
        loop {
            match self.load.ledger.standing(&self.load.lease).await {
                Ok(standing) => {
                    let last = tried.is_some_and(|step| step.advance.last);
                    return Ok(doubt(&standing, &self.at, &chunk.end, last));
                }
                Err(error) if error.is_passing() => {
                    tracing::debug!(error = chain(&error), "the database is away");
                    if let Some(delay) = backoff.next_delay(None) {
                        tokio::time::sleep(delay).await;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn report(&self, advance: &Advance) {
        count_records(&self.load.job.pipeline.name, advance);
        tracing::debug!(
            records.loaded = advance.loaded,
            records.rejected = advance.rejected,
            checkpoint.records = advance.to.records,
            checkpoint.offset = advance.to.offset,
            "a chunk is committed"
        );
    }
}

/// Counts what a step brought.
pub(crate) fn count_records(pipeline: &str, advance: &Advance) {
    let pipeline = pipeline.to_owned();
    metrics::counter!("arrivage_records_loaded_total", "pipeline" => pipeline.clone())
        .increment(advance.loaded.max(0).unsigned_abs());
    metrics::counter!("arrivage_records_rejected_total", "pipeline" => pipeline)
        .increment(advance.rejected);
}

/// What the ledger's answer means for the chunk from `from` to `to`.
fn doubt(standing: &Standing, from: &Checkpoint, to: &Checkpoint, last: bool) -> Doubt {
    let at = (standing.records, standing.offset);
    if !standing.held {
        return Doubt::Fenced;
    }
    match standing.state {
        State::Loaded if last => Doubt::Committed,
        State::Loading if !last && at == (to.records, to.offset) => Doubt::Committed,
        State::Loading if at == (from.records, from.offset) => Doubt::NotCommitted,
        State::Loading => Doubt::Behind,
        _ => Doubt::Fenced,
    }
}

/// Why a file with so many rejects among its records fails, if it does.
pub(crate) fn over(
    id: ArrivalId,
    budget: RejectBudget,
    rejected: u64,
    records: u64,
    at_end: bool,
) -> Option<LoadError> {
    if rejected > budget.max_rows {
        let message = format!(
            "{rejected} of its first {records} records are rejects, and rejects.max_rows is {}; \
             see `arrivage rejects {id}`, then raise it or have the file mended",
            budget.max_rows
        );
        return Some(LoadError::file(ErrorCode::TooManyRejects, message));
    }
    let ratio = budget.max_ratio?;
    let judged = (at_end && records > 0) || records >= RATIO_GRACE;
    if judged && rejected as f64 > ratio * records as f64 {
        let message = format!(
            "{rejected} of its first {records} records are rejects, and rejects.max_ratio is {ratio}; \
             see `arrivage rejects {id}`, then raise it or have the file mended"
        );
        return Some(LoadError::file(ErrorCode::TooManyRejects, message));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledgers_answer_leaves_no_doubt() {
        let at = |records, offset| Checkpoint {
            records,
            offset,
            ..Checkpoint::default()
        };
        let check = |held, state, records, last, expect: Doubt| {
            let standing = Standing {
                held,
                state,
                records,
                offset: records * 10,
            };
            assert_eq!(doubt(&standing, &at(5, 50), &at(9, 90), last), expect);
        };
        check(true, State::Loading, 9, false, Doubt::Committed);
        check(true, State::Loading, 5, false, Doubt::NotCommitted);
        check(true, State::Loading, 2, false, Doubt::Behind);
        check(true, State::Loaded, 9, true, Doubt::Committed);
        check(true, State::Loading, 5, true, Doubt::NotCommitted);
        check(false, State::Loading, 9, false, Doubt::Fenced);
        check(false, State::Loaded, 9, true, Doubt::Fenced);
        check(true, State::Failed, 5, false, Doubt::Fenced);
    }

    #[test]
    fn a_budget_is_broken_by_count_at_once_and_by_ratio_at_the_end() {
        let check = |max_rows, max_ratio, rejected, records, at_end, expect: bool| {
            let budget = RejectBudget {
                max_rows,
                max_ratio,
            };
            assert_eq!(
                over(ArrivalId(7), budget, rejected, records, at_end).is_some(),
                expect
            );
        };
        check(10, None, 10, 10, true, false);
        check(10, None, 11, 1_000_000, false, true);
        check(0, None, 1, 1, false, true);
        check(1000, Some(0.01), 1, 100, true, false);
        check(1000, Some(0.01), 2, 100, true, true);
        check(1000, Some(0.01), 2, 100, false, false);
        check(1000, Some(0.01), 101, 10_000, false, true);
        check(1000, Some(0.0), 0, 0, true, false);
    }
}
