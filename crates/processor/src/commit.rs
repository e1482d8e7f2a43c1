//! Chunk by chunk into the database: each one's rows, rejects and checkpoint in
//! one transaction, and no doubt left about what became of it.

use arrivage_ledger::{Advance, ChunkTransaction, LedgerError, SharedLedger, Standing};
use arrivage_model::{Checkpoint, ErrorCode, Lease, ReasonCode, Reject, RejectBudget, State};
use arrivage_store::{Backoff, Policy};
use tokio_util::sync::CancellationToken;

use crate::board::Loading;
use crate::decode::Chunk;
use crate::fate::{LoadError, chain};
use crate::prepare::Job;
use crate::read::Reading;

/// Waits between tries of one chunk.
const AGAIN: Policy = Policy {
    first: std::time::Duration::from_millis(100),
    cap: std::time::Duration::from_secs(10),
    tries: None,
};

/// The ratio of rejects is judged before a file's end only after so many records.
const RATIO_GRACE: u64 = 10_000;

/// Commits the chunks of one arrival, in the file's order.
pub(crate) struct Committer<'a> {
    pub(crate) ledger: &'a SharedLedger,
    pub(crate) lease: Lease,
    pub(crate) job: &'a Job,
    pub(crate) loading: &'a Loading,
    /// How far the committed chunks reach.
    pub(crate) at: Checkpoint,
    /// Rejects so far, those of earlier claims included.
    pub(crate) rejected: u64,
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

impl Committer<'_> {
    /// Commits chunks until the last one, or until `stop`.
    pub(crate) async fn commit_all(
        &mut self,
        reading: &mut Reading,
        stop: &CancellationToken,
    ) -> Result<(), LoadError> {
        if let Some(error) = over(
            self.job.pipeline.rejects,
            self.rejected,
            self.at.records,
            false,
        ) {
            return Err(error);
        }
        loop {
            let draft = tokio::select! {
                draft = reading.next() => draft?,
                () = stop.cancelled() => return Err(LoadError::Stopped),
            };
            self.commit(&draft.chunk).await?;
            if draft.chunk.last {
                return Ok(());
            }
            if stop.is_cancelled() {
                return Err(LoadError::Stopped);
            }
        }
    }

    /// Commits one chunk, however often its transaction has to be tried.
    async fn commit(&mut self, chunk: &Chunk) -> Result<(), LoadError> {
        let mut backoff = Backoff::new(AGAIN);
        let mut tried = None;
        loop {
            let error = match self.attempt(chunk, &mut tried).await {
                Ok(()) => break,
                Err(error) => error,
            };
            self.loading.touch();
            let may_pass = error.is_passing() || matches!(error, LedgerError::NotMatched);
            if !may_pass {
                return Err(error.into());
            }
            tracing::warn!(
                error = chain(&error),
                "a chunk was not committed; looking what became of it"
            );
            match self.resolve(chunk, tried.as_ref(), &mut backoff).await? {
                Doubt::Committed => break,
                Doubt::NotCommitted => {}
                Doubt::Fenced => return Err(LedgerError::Fenced.into()),
                Doubt::Behind => return Err(LoadError::Behind),
            }
            if let Some(delay) = backoff.next_delay(None) {
                tokio::time::sleep(delay).await;
            }
        }
        let Some(step) = tried else {
            return Err(LoadError::Broken(
                "a chunk was committed that was never tried".to_owned(),
            ));
        };
        self.rejected += step.advance.rejected;
        self.loading
            .committed(step.advance.to.bytes_read, step.advance.to.records);
        self.at = step.advance.to;
        self.report(step.advance.loaded, step.advance.rejected);
        step.over.map_or(Ok(()), Err)
    }

    /// One transaction. What it would make true is left in `tried` before COMMIT
    /// is sent.
    async fn attempt(&self, chunk: &Chunk, tried: &mut Option<Step>) -> Result<(), LedgerError> {
        *tried = None;
        let destination = self.job.destination(&chunk.columns);
        let mut tx = self.ledger.begin(&self.lease, &destination).await?;
        let rejects = match self.fill(tx.as_mut(), chunk).await {
            Ok(rejects) => rejects,
            Err(error) => {
                tx.roll_back().await;
                return Err(error);
            }
        };
        let rejected = self.rejected + rejects;
        let over = over(
            self.job.pipeline.rejects,
            rejected,
            chunk.end.records,
            chunk.last,
        );
        let advance = Advance {
            from_records: self.at.records,
            from_offset: self.at.offset,
            to: chunk.end.clone(),
            loaded: chunk.records() - rejects,
            rejected: rejects,
            reading: self.job.reading.clone(),
            last: chunk.last && over.is_none(),
        };
        let step = tried.insert(Step { advance, over });
        tx.commit(&step.advance).await
    }

    /// Puts rows and rejects into the transaction; returns how many rejects.
    async fn fill(&self, tx: &mut dyn ChunkTransaction, chunk: &Chunk) -> Result<u64, LedgerError> {
        let refused = self.load(tx, chunk).await?;
        tx.reject(&chunk.rejects).await?;
        tx.reject(&refused).await?;
        Ok((chunk.rejects.len() + refused.len()) as u64)
    }

    /// Loads the rows, and finds those that the database refuses by halving, in
    /// the file's order.
    async fn load(
        &self,
        tx: &mut dyn ChunkTransaction,
        chunk: &Chunk,
    ) -> Result<Vec<Reject>, LedgerError> {
        let mut refused = Vec::new();
        let mut todo = vec![0..chunk.rows.len()];
        while let Some(range) = todo.pop() {
            let loaded = tx.load(&chunk.rows, range.clone()).await;
            self.loading.touch();
            match loaded {
                Ok(()) => {}
                Err(error @ LedgerError::Row { .. }) if range.len() == 1 => {
                    let reason = error.to_string();
                    refused.push(chunk.reject(range.start, None, ReasonCode::Constraint, reason));
                }
                Err(LedgerError::Row { .. }) => {
                    let middle = range.start + range.len() / 2;
                    todo.push(middle..range.end);
                    todo.push(range.start..middle);
                }
                Err(other) => return Err(other),
            }
        }
        Ok(refused)
    }

    /// Asks until the database says what became of the chunk.
    async fn resolve(
        &self,
        chunk: &Chunk,
        tried: Option<&Step>,
        backoff: &mut Backoff,
    ) -> Result<Doubt, LoadError> {
        loop {
            match self.ledger.standing(&self.lease).await {
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

    fn report(&self, loaded: u64, rejected: u64) {
        let pipeline = self.job.pipeline.name.clone();
        metrics::counter!("arrivage_records_loaded_total", "pipeline" => pipeline.clone())
            .increment(loaded);
        metrics::counter!("arrivage_records_rejected_total", "pipeline" => pipeline)
            .increment(rejected);
        tracing::debug!(
            records.loaded = loaded,
            records.rejected = rejected,
            checkpoint.records = self.at.records,
            checkpoint.offset = self.at.offset,
            "a chunk is committed"
        );
    }
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
fn over(budget: RejectBudget, rejected: u64, records: u64, at_end: bool) -> Option<LoadError> {
    if rejected > budget.max_rows {
        let message = format!(
            "{rejected} of its first {records} records are rejects, and rejects.max_rows is {}; \
             see `arrivage rejects`, then raise it or have the file mended",
            budget.max_rows
        );
        return Some(LoadError::file(ErrorCode::TooManyRejects, message));
    }
    let ratio = budget.max_ratio?;
    let judged = (at_end && records > 0) || records >= RATIO_GRACE;
    if judged && rejected as f64 > ratio * records as f64 {
        let message = format!(
            "{rejected} of its first {records} records are rejects, and rejects.max_ratio is {ratio}; \
             see `arrivage rejects`, then raise it or have the file mended"
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
            assert_eq!(over(budget, rejected, records, at_end).is_some(), expect);
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
