//! A chunk's rows and rejects in a transaction of their own, and what the table
//! refuses of them.

use std::ops::Range;
use std::sync::Arc;

use arrivage_ledger::{ChunkTransaction, LedgerError, SharedLedger};
use arrivage_model::{ErrorCode, Lease, ReasonCode, Reject};
use futures::future::BoxFuture;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::board::Loading;
use crate::decode::Chunk;
use crate::fate::LoadError;
use crate::prepare::Job;
use crate::read::Draft;

/// Rows of an atomic load that are shown in one statement; between two of them the
/// load is seen to move.
const SHOWN_TOGETHER: u64 = 50_000;

/// The load that chunks belong to.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) ledger: SharedLedger,
    pub(crate) lease: Lease,
    pub(crate) job: Arc<Job>,
    pub(crate) loading: Arc<Loading>,
}

/// A transaction that holds a chunk's rows and rejects, and no checkpoint yet.
pub(crate) struct Filled {
    pub(crate) tx: Box<dyn ChunkTransaction>,
    pub(crate) rejected: u64,
}

pub(crate) type Filling = BoxFuture<'static, Result<Filled, LoadError>>;

impl Load {
    /// Puts a chunk's rows and rejects into a transaction of their own, which goes on
    /// while another one commits, and is rolled back when dropped.
    pub(crate) fn fill(&self, draft: &Arc<Draft>) -> Filling {
        let (load, draft) = (self.clone(), Arc::clone(draft));
        let filling = async move {
            let chunk = &draft.chunk;
            let destination = load.job.destination(&chunk.columns);
            let mut tx = load.ledger.begin(&load.lease, &destination).await?;
            match load.add(tx.as_mut(), chunk).await {
                Ok(rejected) => Ok(Filled { tx, rejected }),
                Err(error) => {
                    tx.roll_back().await;
                    Err(error)
                }
            }
        };
        let filling = AbortOnDropHandle::new(tokio::spawn(filling.in_current_span()));
        Box::pin(async move {
            let filled = filling.await;
            filled.unwrap_or_else(|ended| Err(LoadError::Broken(ended.to_string())))
        })
    }

    /// Returns how many rejects there are.
    async fn add(&self, tx: &mut dyn ChunkTransaction, chunk: &Chunk) -> Result<u64, LoadError> {
        let refused = self.load(tx, chunk).await?;
        tx.reject(&chunk.rejects).await?;
        tx.reject(&refused).await?;
        Ok((chunk.rejects.len() + refused.len()) as u64)
    }

    /// Loads the rows, and finds those that the database refuses by halving, in
    /// the file's order. A chunk that alone breaks the budget of rejects is given up.
    async fn load(
        &self,
        tx: &mut dyn ChunkTransaction,
        chunk: &Chunk,
    ) -> Result<Vec<Reject>, LoadError> {
        let mut refused = Vec::new();
        let mut halves = Halves::of(0..chunk.rows.len() as u64);
        while let Some(range) = halves.next() {
            let rows = range.start as usize..range.end as usize;
            let loaded = tx.load(&chunk.rows, rows).await;
            self.loading.touch();
            match loaded {
                Ok(()) => {}
                Err(error @ LedgerError::Row { .. }) => {
                    self.give_up_beyond_budget(refused.len() as u64, &error, || {
                        chunk.rows.places()[range.start as usize].line
                    })?;
                    if let Some(row) = halves.split(range) {
                        let reason = error.to_string();
                        let code = ReasonCode::Constraint;
                        refused.push(chunk.reject(row as usize, None, code, reason));
                    }
                }
                Err(other) => return Err(other.into()),
            }
        }
        Ok(refused)
    }

    /// Shows the gathered rows of these records, in the file's order, and returns
    /// how many of them the table refused: they are rejects then.
    pub(crate) async fn publish(
        &self,
        tx: &mut dyn ChunkTransaction,
        records: u64,
    ) -> Result<u64, LoadError> {
        tx.make_way().await?;
        let mut refused = 0;
        let mut first = 1;
        while first <= records {
            let end = (first + SHOWN_TOGETHER).min(records + 1);
            let mut halves = Halves::of(first..end);
            while let Some(range) = halves.next() {
                let shown = tx.publish(range.start..=range.end - 1).await;
                self.loading.touch();
                match shown {
                    Ok(()) => {}
                    Err(error @ LedgerError::Row { .. }) => {
                        self.give_up_beyond_budget(refused, &error, || range.start)?;
                        if let Some(record) = halves.split(range) {
                            tx.reject_staged(record, &error.to_string()).await?;
                            refused += 1;
                        }
                    }
                    Err(other) => return Err(other.into()),
                }
            }
            first = end;
        }
        Ok(refused)
    }

    /// Looking for more than may be rejected would take long and change nothing.
    fn give_up_beyond_budget(
        &self,
        refused: u64,
        error: &LedgerError,
        place: impl FnOnce() -> u64,
    ) -> Result<(), LoadError> {
        let most = self.job.pipeline.rejects.max_rows;
        if refused < most {
            return Ok(());
        }
        let word = if self.job.pipeline.atomic {
            "record"
        } else {
            "line"
        };
        let message = format!(
            "the table refuses more than rejects.max_rows = {most} of its records; \
             one at {word} {} or soon after: {error}",
            place()
        );
        Err(LoadError::file(ErrorCode::TooManyRejects, message))
    }
}

/// What is left to try where the database takes rows only together: what it
/// refused, in halves, in order.
pub(crate) struct Halves(Vec<Range<u64>>);

impl Halves {
    pub(crate) fn of(all: Range<u64>) -> Self {
        Self(vec![all])
    }

    pub(crate) fn next(&mut self) -> Option<Range<u64>> {
        self.0.pop()
    }

    /// Tries the same next.
    pub(crate) fn again(&mut self, passed: Range<u64>) {
        self.0.push(passed);
    }

    /// Tries the halves next; or says which single one was refused.
    pub(crate) fn split(&mut self, refused: Range<u64>) -> Option<u64> {
        let length = refused.end - refused.start;
        if length <= 1 {
            return Some(refused.start);
        }
        let middle = refused.start + length / 2;
        self.0.push(middle..refused.end);
        self.0.push(refused.start..middle);
        None
    }
}
