//! The ledger: what arrived, how far each arrival got, and the one transaction
//! in which rows, rejects and checkpoint commit.
//!
//! It lives in the destination database, because "loaded" and "the rows are
//! there" must be one commit. [`Ledger`] is the seam; PostgreSQL and SQLite
//! stand behind it and pass one conformance suite. All SQL on the ledger's
//! tables is in this crate.

mod again;
mod connect;
mod declaration;
mod error;
mod postgres;
mod sqlite;
mod words;

use std::sync::Arc;
use std::time::Duration;

use arrivage_model::{
    Arrival, ArrivalId, Checkpoint, Failure, Lease, Pipeline, Reject, Rows, State, Table, TableName,
};
use async_trait::async_trait;

pub use connect::{ConnectOptions, Pooler, connect};
pub use error::{LedgerError, TargetRefusal};
pub use postgres::PostgresLedger;
pub use sqlite::SqliteLedger;
pub use words::{
    Advance, Backlog, Claim, Declared, Destination, Filter, FoundBy, Ignored, Registered,
    Registration, RejectedRecord, Replay, Replayed, Scope, Standing, Unreadable,
};

/// A ledger that several parts of a program share.
pub type SharedLedger = Arc<dyn Ledger>;

type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// What arrived and how far each arrival got.
///
/// Every method may be called again after an error: what it did not commit left
/// nothing behind. All times are the database's.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    // ---- set-up ----------------------------------------------------------

    /// Creates or upgrades the ledger's tables and views. Two at once are safe.
    async fn migrate(&self) -> Result<()>;

    /// Whether the ledger's tables are there and as new as this program wants;
    /// says to migrate if not.
    async fn check_version(&self) -> Result<()>;

    /// Answers when the database takes reads and writes.
    async fn ping(&self) -> Result<()>;

    /// Makes these pipelines known, so that the backlog shows them, at 0 too.
    /// Others stay as they are.
    async fn declare(&self, pipelines: &[Declared]) -> Result<()>;

    /// Forgets pipelines that are not among these and have nothing outstanding.
    async fn retain(&self, pipelines: &[String]) -> Result<()>;

    // ---- watchers --------------------------------------------------------

    /// Records what sources found; one answer for each registration, in order.
    ///
    /// An identity (pipeline, store, bucket, key, ETag) stands once, however
    /// often and from wherever it is registered. What is known already follows
    /// the rules of "Notified again" on the design page.
    async fn register(&self, found: &[Registration]) -> Result<Vec<Registered>>;

    /// Queues a loaded arrival again from its start, because its content stands
    /// at its key once more (A, B, A). Nothing happens unless it is loaded.
    async fn load_anew(&self, id: ArrivalId) -> Result<()>;

    /// Keeps notifications that nobody could read.
    async fn keep_unreadable(&self, notifications: &[Unreadable]) -> Result<()>;

    /// Keeps objects that no pipeline takes; the last thousand are kept.
    async fn keep_ignored(&self, objects: &[Ignored]) -> Result<()>;

    // ---- processors ------------------------------------------------------

    /// Claims one arrival of these pipelines: those whose lease expired first,
    /// then those due, oldest first. Raises its fence, counts an attempt, draws a
    /// lease. Never waits for a lock.
    ///
    /// Expired arrivals without attempts left go to `failed` in the same step.
    async fn claim(
        &self,
        pipelines: &[String],
        scope: &Scope,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<Claim>>;

    /// The arrival that this owner claimed last, as [`Scope::Owner`] keeps it.
    async fn last_claim_of(&self, owner: &str) -> Result<Option<Arrival>>;

    /// Pushes the lease's end back. [`LedgerError::Fenced`] when another has it.
    /// Runs on a connection of its own, so that loads never hold it up.
    async fn renew(&self, lease: &Lease, length: Duration) -> Result<()>;

    /// Takes the arrival back to its start before its first record is read: the
    /// fence rises and the checkpoint goes to 0, then its rejects go, and its
    /// rows where the table can tell them. One transaction; returns the lease
    /// with its new fence. With the old one it may be repeated until it is answered:
    /// the lease's id tells that nobody else was here.
    async fn restart(&self, lease: &Lease, table: &Table) -> Result<Lease>;

    /// Opens the transaction of one chunk.
    async fn begin(
        &self,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Box<dyn ChunkTransaction>>;

    /// How the arrival stands, for a processor whose commit went unanswered or
    /// did not match. Ends the lease's own backends first, and waits for the row.
    async fn standing(&self, lease: &Lease) -> Result<Standing>;

    /// Lets the arrival go: waiting again, due after `delay`, and the claim does
    /// not count against its attempts.
    async fn give_back(&self, lease: &Lease, delay: Duration, why: Option<&Failure>) -> Result<()>;

    /// Ends a claim that failed: waiting again, due after `delay`; or `failed`
    /// when its attempts are used up. Returns which.
    async fn retry_later(&self, lease: &Lease, delay: Duration, why: &Failure) -> Result<State>;

    /// Ends the arrival as `failed`. Its committed rows stay.
    async fn fail(&self, lease: &Lease, why: &Failure) -> Result<()>;

    /// Ends the arrival as `superseded`; where the table can tell its rows, they
    /// and its rejects go in the same transaction.
    async fn supersede(&self, lease: &Lease, table: Option<&Table>, why: &Failure) -> Result<()>;

    /// Ends the database's backends of expired leases. Returns how many.
    async fn reap(&self) -> Result<u64>;

    /// The table as the catalogue has it. [`LedgerError::Target`] when it is
    /// missing, or of a kind that cannot be loaded exactly once.
    async fn table(&self, name: &TableName) -> Result<Table>;

    /// Makes the pipeline's table from its declared columns, with lineage
    /// columns, unless it is there.
    async fn create_table(&self, pipeline: &Pipeline) -> Result<()>;

    /// Holds a pipeline: nothing of it is claimed until it is resumed.
    async fn pause(&self, pipeline: &str, reason: &str) -> Result<()>;

    /// Ends the hold that [`Ledger::pause`] put on a pipeline.
    async fn resume(&self, pipeline: &str) -> Result<()>;

    /// The held ones among these pipelines, with the reasons.
    async fn paused(&self, pipelines: &[String]) -> Result<Vec<(String, String)>>;

    // ---- people ----------------------------------------------------------

    /// Arrivals, newest first, at most `limit`.
    async fn arrivals(&self, filter: &Filter, limit: usize) -> Result<Vec<Arrival>>;

    /// One arrival.
    async fn arrival(&self, id: ArrivalId) -> Result<Option<Arrival>>;

    /// Rejects of one arrival after this record, in the file's order.
    async fn rejects(&self, id: ArrivalId, after: u64, limit: usize)
    -> Result<Vec<RejectedRecord>>;

    /// The objects that no pipeline took, newest first.
    async fn ignored(&self, limit: usize) -> Result<Vec<Ignored>>;

    /// Queues arrivals again; one answer for each, in order.
    async fn replay(&self, ids: &[ArrivalId], how: Replay) -> Result<Vec<Replayed>>;

    /// What is waiting and loading, a row for every declared pipeline.
    async fn backlog(&self) -> Result<Vec<Backlog>>;

    /// Waits for every connection to end; the ledger is of no use afterwards.
    async fn close(&self);
}

/// The transaction of one chunk: rows, rejects, and last the checkpoint, which
/// moves only if the lease still stands.
///
/// Dropped without [`commit`](ChunkTransaction::commit), it leaves nothing.
#[async_trait]
pub trait ChunkTransaction: Send {
    /// Adds these rows to the table. After [`LedgerError::Row`] none of them is
    /// there and the transaction goes on; any other error ends it.
    async fn load(&mut self, rows: &Rows, range: std::ops::Range<usize>) -> Result<()>;

    /// Adds rejects of this arrival.
    async fn reject(&mut self, rejects: &[Reject]) -> Result<()>;

    /// Moves the checkpoint as the last statement and commits.
    ///
    /// [`LedgerError::NotMatched`]: the lease or the checkpoint is not as this
    /// chunk left it, and nothing of it is there; [`LedgerError::Unknown`]: the
    /// answer got lost. For both, [`Ledger::standing`] says what is true.
    async fn commit(self: Box<Self>, advance: &Advance) -> Result<()>;

    /// Ends the transaction without a trace, before the connection is used again.
    async fn roll_back(self: Box<Self>);
}

impl Claim {
    /// Whether nothing of it is committed yet.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.checkpoint == Checkpoint::default()
    }
}
