//! The ledger: what arrived, how far each arrival got, and the one transaction
//! in which rows, rejects and checkpoint commit.
//!
//! It lives in the destination database, because "loaded" and "the rows are
//! there" must be one commit. [`Ledger`] is the seam; PostgreSQL and SQLite
//! stand behind it and pass one conformance suite. All SQL on the ledger's
//! tables is in this crate.

mod again;
mod awaiting;
mod connect;
mod declaration;
mod error;
mod orders;
mod postgres;
mod reconciling;
mod retention;
mod sqlite;
mod words;

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use arrivage_model::{
    Arrival, ArrivalId, Checkpoint, Failure, Lease, Location, Object, Pipeline, Reject, Rows,
    State, Table, TableName,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use awaiting::Awaited;
pub use connect::{ConnectOptions, Engine, Pooler, connect};
pub use error::{LedgerError, TargetRefusal};
pub use orders::{Cancelled, Dismissed, Paused, Unloaded};
pub use postgres::PostgresLedger;
pub use reconciling::Content;
pub use retention::{Pruned, removed_rejects};
pub use sqlite::SqliteLedger;
pub use words::{
    Advance, Along, Backlog, Claim, Claimed, Declared, Destination, Filter, FoundBy, Ignored,
    Registered, Registration, RejectedRecord, Replay, Replayed, Request, Scope, Standing,
    Unreadable, Whole,
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
    /// at its key once more (A, B, A), as the store has it now. Nothing happens
    /// unless it is loaded.
    async fn load_anew(&self, id: ArrivalId, now: &Object) -> Result<()>;

    /// Records as loaded, with no record and the code `adopted`, what another tool
    /// has loaded before; one answer for each, in order. What the ledger has stays
    /// as it is.
    async fn adopt(&self, found: &[Registration]) -> Result<Vec<Registered>>;

    /// The arrivals of a place (a bucket, and as its key a prefix) in the order of
    /// key, ETag and pipeline, byte by byte: those after this one, at most `limit`;
    /// fewer when these are the last.
    async fn contents(
        &self,
        place: &Location,
        after: Option<&Content>,
        limit: usize,
    ) -> Result<Vec<Content>>;

    /// These sidecars came: what waits for them is due now. Returns how many arrivals.
    async fn came(&self, sidecars: &[Location]) -> Result<u64>;

    /// Keeps notifications that nobody could read.
    async fn keep_unreadable(&self, notifications: &[Unreadable]) -> Result<()>;

    /// Keeps objects that no pipeline takes; the last thousand are kept.
    async fn keep_ignored(&self, objects: &[Ignored]) -> Result<()>;

    // ---- processors ------------------------------------------------------

    /// Claims one arrival of these pipelines: those whose lease expired first,
    /// then those due, oldest first. Raises its fence, counts an attempt, draws a
    /// lease. Never waits for a lock.
    ///
    /// Expired arrivals without attempts left go to `failed` in the same step. Nothing
    /// of a paused pipeline is touched.
    async fn claim(
        &self,
        pipelines: &[String],
        scope: &Scope,
        owner: &str,
        lease: Duration,
    ) -> Result<Claimed>;

    /// Claims further arrivals of a claim's pipeline under the same lease id, in order:
    /// of those due in this scope, small ones of which nothing is loaded and whose last
    /// claim, if there was one, was given back; none where a single claim is all there may
    /// be. What another claims at the same moment is left to it.
    async fn claim_along(
        &self,
        claim: &Claim,
        scope: &Scope,
        along: Along,
        owner: &str,
        lease: Duration,
    ) -> Result<Vec<Claim>>;

    /// The arrival that this owner claimed last, as [`Scope::Owner`] keeps it.
    async fn last_claim_of(&self, owner: &str) -> Result<Option<Arrival>>;

    /// Pushes the lease's end back. [`LedgerError::Fenced`] when another has it.
    /// Runs on a connection of its own, so that loads never hold it up.
    async fn renew(&self, lease: &Lease, length: Duration) -> Result<()>;

    /// Takes the arrival back to its start before its first record is read: its rejects
    /// go, and its rows where the table can tell them; then the fence rises, the
    /// checkpoint goes to 0, and the lease is renewed. One transaction; returns the
    /// lease with its new fence. With the old one it may be renewed meanwhile, and this
    /// be repeated until it is answered: the lease's id tells that nobody else was here.
    async fn restart(&self, lease: &Lease, table: &Table, length: Duration) -> Result<Lease>;

    /// Opens the transaction of one chunk.
    async fn begin(
        &self,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Box<dyn ChunkTransaction>>;

    /// Loads whole files in one transaction, each with its rejects, and says `loaded` of
    /// each: all of them, or after an error none; after [`LedgerError::Unknown`] all or
    /// none. They were claimed along with each other, and nothing of them is loaded; the
    /// destination is theirs all, appended to, and not atomic. What the error means for
    /// which one is not said: load fewer.
    async fn load_together(&self, destination: &Destination, files: &[Whole<'_>]) -> Result<()>;

    /// The store holds this content at its key now, so that it is the newest one of
    /// its key, whatever the clocks say.
    async fn newest(&self, lease: &Lease) -> Result<()>;

    /// Whether the rows are there that an atomic load has gathered so far.
    async fn is_staged(&self, id: ArrivalId) -> Result<bool>;

    /// How the arrival stands, for a processor whose commit went unanswered or
    /// did not match. Ends the lease's own backends first, and waits for the row.
    async fn standing(&self, lease: &Lease) -> Result<Standing>;

    /// Lets the arrival go: waiting again, due after `delay`, and the claim does
    /// not count against its attempts.
    async fn give_back(&self, lease: &Lease, delay: Duration, why: Option<&Failure>) -> Result<()>;

    /// Lets the arrival go until its sidecar comes: waiting, and looked at again now and
    /// then; or `failed` as `incomplete` when it has been waited for long enough. The
    /// claim counts as none. Returns which.
    async fn hold(&self, lease: &Lease, awaited: &Awaited) -> Result<State>;

    /// Ends a claim that failed: waiting again, due after `delay`; or `failed`
    /// when its attempts are used up. Returns which.
    async fn retry_later(&self, lease: &Lease, delay: Duration, why: &Failure) -> Result<State>;

    /// Ends the arrival as `failed`. Its committed rows stay; those that an atomic
    /// load has gathered go, and it starts over when it is queued again.
    async fn fail(&self, lease: &Lease, why: &Failure) -> Result<()>;

    /// Ends the arrival as `superseded`; where the table can tell its rows, they
    /// and its rejects go in the same transaction.
    async fn supersede(&self, lease: &Lease, table: Option<&Table>, why: &Failure) -> Result<()>;

    /// Ends the database's backends of expired leases. Returns how many.
    async fn reap(&self) -> Result<u64>;

    /// Takes out what nothing needs any more of arrivals that came to rest longer ago than this:
    /// the rejects of what is loaded, superseded or dismissed, and what a loaded one's
    /// checkpoint kept. The arrivals stay, with identity and counts, and say when it was.
    /// Notifications that nobody could read and that are as old go too.
    ///
    /// One transaction for at most `most` of each, which passes by what others hold: say it
    /// again until there is nothing.
    async fn prune(&self, older_than: Duration, most: usize) -> Result<Pruned>;

    /// The table as the catalogue has it. [`LedgerError::Target`] when it is
    /// missing, or of a kind that cannot be loaded exactly once.
    async fn table(&self, name: &TableName) -> Result<Table>;

    /// Whether loads of this pipeline find what they need beside the table's columns:
    /// the rights of its mode, and the unique index for the key of an upsert. Says no
    /// with the [`LedgerError::Target`] that they would end with.
    async fn admits(&self, pipeline: &Pipeline, table: &Table) -> Result<()>;

    /// Makes the pipeline's table from its declared columns, with lineage
    /// columns, unless it is there.
    async fn create_table(&self, pipeline: &Pipeline) -> Result<()>;

    /// Pauses a pipeline: nothing of it is claimed until it is resumed. The pause of
    /// a person stays as it is.
    async fn pause(&self, pipeline: &str, reason: &str) -> Result<()>;

    /// Ends what [`Ledger::pause`] began, and never the pause of a person.
    async fn resume(&self, pipeline: &str) -> Result<()>;

    /// The paused ones among these pipelines.
    async fn paused(&self, pipelines: &[String]) -> Result<Vec<Paused>>;

    // ---- people ----------------------------------------------------------

    /// Arrivals, newest first, at most `limit`.
    async fn arrivals(&self, filter: &Filter, limit: usize) -> Result<Vec<Arrival>>;

    /// One arrival.
    async fn arrival(&self, id: ArrivalId) -> Result<Option<Arrival>>;

    /// What the arrival's last checkpoint keeps of how its file is read.
    async fn checkpoint_state(&self, id: ArrivalId) -> Result<Option<String>>;

    /// Those of these arrivals that are there, by their ids.
    async fn arrivals_among(&self, ids: &[ArrivalId]) -> Result<Vec<Arrival>>;

    /// Rejects of one arrival after this record, in the file's order.
    async fn rejects(&self, id: ArrivalId, after: u64, limit: usize)
    -> Result<Vec<RejectedRecord>>;

    /// When the arrival was pruned, if since then it did not begin anew.
    async fn pruned_at(&self, id: ArrivalId) -> Result<Option<DateTime<Utc>>>;

    /// The objects that no pipeline took, newest first.
    async fn ignored(&self, limit: usize) -> Result<Vec<Ignored>>;

    /// The order that was taken under this key.
    async fn request(&self, key: &str) -> Result<Option<Request>>;

    /// Keeps what an order was answered with. Returns what stands under its key: of
    /// two at once both callers get the first one's. The last ten thousand are kept.
    async fn keep_request(&self, request: &Request) -> Result<Request>;

    /// Queues arrivals again; one answer for each, in order.
    async fn replay(&self, ids: &[ArrivalId], how: Replay) -> Result<Vec<Replayed>>;

    /// Takes the rows and rejects of an arrival out again, in one transaction: the
    /// arrival first, so that its lease is fenced, then they. `table` is its
    /// pipeline's.
    async fn unload(&self, id: ArrivalId, table: &Table) -> Result<Unloaded>;

    /// Takes failed arrivals out of the alerts; one answer for each, in order.
    async fn dismiss(&self, ids: &[ArrivalId]) -> Result<Vec<Dismissed>>;

    /// Lets arrivals rest that wait or are being loaded: whoever loads one is fenced, so
    /// that no chunk of it commits any more. What was committed stays, up to the
    /// checkpoint, where a replay goes on. One answer for each, in order.
    async fn cancel(&self, ids: &[ArrivalId]) -> Result<Vec<Cancelled>>;

    /// Pauses a pipeline until a person resumes it, and takes back what is being
    /// loaded of it: those processors are fenced, so that no chunk of theirs commits
    /// any more, and no attempt is used up. Returns what it took back. A claim that
    /// was under way at the same moment may have come through: say it again until
    /// nothing is taken back.
    async fn pause_by_person(&self, pipeline: &str, reason: &str) -> Result<Vec<ArrivalId>>;

    /// Ends the pause of a pipeline, whoever began it; nothing if it was not paused.
    async fn resume_by_person(&self, pipeline: &str) -> Result<Option<Paused>>;

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
    async fn load(&mut self, rows: &Rows, range: Range<usize>) -> Result<()>;

    /// Adds rejects of this arrival.
    async fn reject(&mut self, rejects: &[Reject]) -> Result<()>;

    /// Before the gathered rows of an atomic load are shown: in `replace` the rows
    /// and rejects of the key's other contents go.
    async fn make_way(&mut self) -> Result<()>;

    /// Moves the gathered rows of these records into the table. After
    /// [`LedgerError::Row`] none of them is there and the transaction goes on.
    async fn publish(&mut self, records: RangeInclusive<u64>) -> Result<()>;

    /// Makes a gathered row that the table refuses a reject.
    async fn reject_staged(&mut self, record: u64, reason: &str) -> Result<()>;

    /// Moves the checkpoint as the last statement and commits.
    ///
    /// [`LedgerError::Overtaken`]: a newer content has come before it.
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
