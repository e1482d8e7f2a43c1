//! The ledger in PostgreSQL.
//!
//! Every statement stands inside an explicit transaction and nothing leans on
//! session state, so that a pooler in transaction mode may stand between.

mod admitting;
mod along;
mod awaiting;
mod cancelling;
mod chunk;
mod claiming;
mod classify;
mod copy;
mod history;
mod in_step;
mod intake;
mod kept;
mod leasing;
mod migrating;
mod pipelines;
mod reconciling;
mod requests;
mod retention;
mod staging;
mod statements;
mod target;
mod unloading;

use std::time::Duration;

use arrivage_model::{
    Arrival, ArrivalId, Failure, Lease, LeaseId, Location, Object, Pipeline, State, Table,
    TableName,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};

use self::statements::{Often, query, query_scalar};
pub(crate) use self::target::definition;
use crate::{
    Along, Awaited, Backlog, Cancelled, ChunkTransaction, Claim, Claimed, ConnectOptions, Content,
    Declared, Destination, Dismissed, Filter, Ignored, Ledger, LedgerError, Paused, Pooler, Pruned,
    Registered, Registration, RejectedRecord, Replay, Replayed, Request, Result, Scope, Standing,
    Unloaded, Unreadable, Whole,
};

/// How long a statement waits for a row that another holds before it gives up.
const LOCK_TIMEOUT: &str = "5s";

/// How long a transaction that no lease's name leads the reaper to may wait for its
/// client. One that stops between a statement and COMMIT would hold its rows for as
/// long as it stops.
const IDLE_TIMEOUT: &str = "10s";

/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// The ledger in PostgreSQL.
pub struct PostgresLedger {
    pool: PgPool,
    /// The connection that keeps leases; loads never hold it up.
    keeper: PgPool,
    often: Often,
    walk: claiming::Walk,
}

type PgTransaction = Transaction<'static, Postgres>;

impl PostgresLedger {
    /// Connects at the first call, not here.
    pub fn open(options: &ConnectOptions) -> Result<Self> {
        let mut connection: PgConnectOptions = options.url.parse().map_err(LedgerError::Refused)?;
        connection = connection.application_name("arrivage");
        if options.pooler == Pooler::Transaction {
            connection = connection
                .extra_float_digits(None)
                .statement_cache_capacity(0);
        }
        Ok(Self {
            pool: pool(connection.clone(), options.connections.max(2)),
            keeper: pool(connection, 1),
            often: Often::through(options.pooler),
            walk: claiming::Walk::default(),
        })
    }

    fn claiming<'a>(&'a self, owner: &'a str, length: Duration) -> claiming::Claiming<'a> {
        claiming::Claiming {
            pool: &self.pool,
            often: self.often,
            walk: &self.walk,
            owner,
            length,
        }
    }
}

fn pool(connection: PgConnectOptions, size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(Duration::from_secs(60))
        .after_release(|connection, _| {
            // One that has ended has nothing more to say.
            Box::pin(async move { Ok(in_step::is_in_step(connection).await.unwrap_or(false)) })
        })
        .connect_lazy_with(connection)
}

/// Begins a transaction in which every commit is durable before it is answered.
async fn begin(pool: &PgPool) -> Result<PgTransaction> {
    begin_with(pool, None, "on", &[]).await
}

/// Begins the transaction of one lease: the reaper finds its backend by name.
async fn begin_for(pool: &PgPool, lease: LeaseId) -> Result<PgTransaction> {
    begin_with(pool, Some(lease), "on", &[]).await
}

/// One round trip, with the statements that come next. The level is said, because under a
/// `repeatable read` default a second statement would not see what others committed.
async fn begin_with(
    pool: &PgPool,
    lease: Option<LeaseId>,
    synchronous_commit: &str,
    next: &[&str],
) -> Result<PgTransaction> {
    let mut sql = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
         SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; \
         SET LOCAL synchronous_commit = {synchronous_commit}"
    );
    sql.push_str(&match lease {
        Some(lease) => format!("; SET LOCAL application_name = 'arrivage {lease}'"),
        None => format!("; SET LOCAL idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}'"),
    });
    for statement in next {
        sql.push_str("; ");
        sql.push_str(statement);
    }
    pool.begin_with(sql).await.map_err(classify::beginning)
}

async fn commit(tx: PgTransaction) -> Result<()> {
    tx.commit().await.map_err(classify::statement)
}

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Ledger for PostgresLedger {
    async fn migrate(&self) -> Result<()> {
        migrating::migrate(&self.pool).await
    }

    async fn check_version(&self) -> Result<()> {
        migrating::check_version(&self.pool).await
    }

    async fn ping(&self) -> Result<()> {
        migrating::ping(&self.pool).await
    }

    async fn declare(&self, pipelines: &[Declared]) -> Result<()> {
        pipelines::declare(&self.pool, pipelines).await
    }

    async fn retain(&self, pipelines: &[String]) -> Result<()> {
        pipelines::retain(&self.pool, pipelines).await
    }

    async fn register(&self, found: &[Registration]) -> Result<Vec<Registered>> {
        intake::register(&self.pool, self.often, found).await
    }

    async fn load_anew(&self, id: ArrivalId, now: &Object) -> Result<()> {
        intake::load_anew(&self.pool, id, now).await
    }

    async fn adopt(&self, found: &[Registration]) -> Result<Vec<Registered>> {
        reconciling::adopt(&self.pool, found).await
    }

    async fn contents(
        &self,
        place: &Location,
        after: Option<&Content>,
        limit: usize,
    ) -> Result<Vec<Content>> {
        reconciling::contents(&self.pool, place, after, limit).await
    }

    async fn keep_unreadable(&self, notifications: &[Unreadable]) -> Result<()> {
        kept::keep_unreadable(&self.pool, notifications).await
    }

    async fn keep_ignored(&self, objects: &[Ignored]) -> Result<()> {
        kept::keep_ignored(&self.pool, objects).await
    }

    async fn claim(
        &self,
        pipelines: &[String],
        scope: &Scope,
        owner: &str,
        lease: Duration,
    ) -> Result<Claimed> {
        self.claiming(owner, lease).claim(pipelines, scope).await
    }

    async fn claim_along(
        &self,
        claim: &Claim,
        scope: &Scope,
        along: Along,
        owner: &str,
        lease: Duration,
    ) -> Result<Vec<Claim>> {
        self.claiming(owner, lease).along(claim, scope, along).await
    }

    async fn last_claim_of(&self, owner: &str) -> Result<Option<Arrival>> {
        claiming::last_claim_of(&self.pool, owner).await
    }

    async fn renew(&self, lease: &Lease, length: Duration) -> Result<()> {
        leasing::renew(&self.keeper, lease, length).await
    }

    async fn restart(&self, lease: &Lease, table: &Table, length: Duration) -> Result<Lease> {
        leasing::restart(&self.pool, lease, table, length).await
    }

    async fn begin(
        &self,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Box<dyn ChunkTransaction>> {
        Ok(Box::new(
            chunk::Chunk::begin(&self.pool, self.often, lease, destination).await?,
        ))
    }

    async fn load_together(&self, destination: &Destination, files: &[Whole<'_>]) -> Result<()> {
        chunk::load_together(&self.pool, self.often, destination, files).await
    }

    async fn standing(&self, lease: &Lease) -> Result<Standing> {
        leasing::standing(&self.pool, lease).await
    }

    async fn newest(&self, lease: &Lease) -> Result<()> {
        leasing::newest(&self.pool, lease).await
    }

    async fn is_staged(&self, id: ArrivalId) -> Result<bool> {
        let mut tx = begin(&self.pool).await?;
        let staged = staging::exists(&mut tx, id).await?;
        commit(tx).await?;
        Ok(staged)
    }

    async fn hold(&self, lease: &Lease, awaited: &Awaited) -> Result<State> {
        awaiting::hold(&self.pool, lease, awaited).await
    }

    async fn came(&self, sidecars: &[Location]) -> Result<u64> {
        awaiting::came(&self.pool, sidecars).await
    }

    async fn give_back(&self, lease: &Lease, delay: Duration, why: Option<&Failure>) -> Result<()> {
        leasing::give_back(&self.pool, lease, delay, why).await
    }

    async fn retry_later(&self, lease: &Lease, delay: Duration, why: &Failure) -> Result<State> {
        leasing::retry_later(&self.pool, lease, delay, why).await
    }

    async fn fail(&self, lease: &Lease, why: &Failure) -> Result<()> {
        leasing::fail(&self.pool, lease, why).await
    }

    async fn supersede(&self, lease: &Lease, table: Option<&Table>, why: &Failure) -> Result<()> {
        leasing::supersede(&self.pool, lease, table, why).await
    }

    async fn reap(&self) -> Result<u64> {
        leasing::reap(&self.pool).await
    }

    async fn prune(&self, older_than: Duration, most: usize) -> Result<Pruned> {
        retention::prune(&self.pool, older_than, most).await
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        target::table(&self.pool, self.often, name).await
    }

    async fn admits(&self, pipeline: &Pipeline, table: &Table) -> Result<()> {
        admitting::admits(&self.pool, pipeline, table).await
    }

    async fn create_table(&self, pipeline: &Pipeline) -> Result<()> {
        target::create(&self.pool, pipeline).await
    }

    async fn pause(&self, pipeline: &str, reason: &str) -> Result<()> {
        pipelines::pause(&self.pool, pipeline, reason).await
    }

    async fn resume(&self, pipeline: &str) -> Result<()> {
        pipelines::resume(&self.pool, pipeline).await
    }

    async fn paused(&self, pipelines: &[String]) -> Result<Vec<Paused>> {
        pipelines::paused(&self.pool, pipelines).await
    }

    async fn arrivals(&self, filter: &Filter, limit: usize) -> Result<Vec<Arrival>> {
        history::arrivals(&self.pool, filter, limit).await
    }

    async fn arrival(&self, id: ArrivalId) -> Result<Option<Arrival>> {
        history::arrival(&self.pool, id).await
    }

    async fn checkpoint_state(&self, id: ArrivalId) -> Result<Option<String>> {
        history::checkpoint_state(&self.pool, id).await
    }

    async fn arrivals_among(&self, ids: &[ArrivalId]) -> Result<Vec<Arrival>> {
        history::arrivals_among(&self.pool, ids).await
    }

    async fn rejects(
        &self,
        id: ArrivalId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RejectedRecord>> {
        history::rejects(&self.pool, id, after, limit).await
    }

    async fn pruned_at(&self, id: ArrivalId) -> Result<Option<DateTime<Utc>>> {
        retention::pruned_at(&self.pool, id).await
    }

    async fn ignored(&self, limit: usize) -> Result<Vec<Ignored>> {
        history::ignored(&self.pool, limit).await
    }

    async fn request(&self, key: &str) -> Result<Option<Request>> {
        requests::request(&self.pool, key).await
    }

    async fn keep_request(&self, request: &Request) -> Result<Request> {
        requests::keep_request(&self.pool, request).await
    }

    async fn replay(&self, ids: &[ArrivalId], how: Replay) -> Result<Vec<Replayed>> {
        history::replay(&self.pool, ids, how).await
    }

    async fn unload(&self, id: ArrivalId, table: &Table) -> Result<Unloaded> {
        unloading::unload(&self.pool, id, table).await
    }

    async fn cancel(&self, ids: &[ArrivalId]) -> Result<Vec<Cancelled>> {
        cancelling::cancel(&self.pool, ids).await
    }

    async fn dismiss(&self, ids: &[ArrivalId]) -> Result<Vec<Dismissed>> {
        unloading::dismiss(&self.pool, ids).await
    }

    async fn pause_by_person(&self, pipeline: &str, reason: &str) -> Result<Vec<ArrivalId>> {
        pipelines::pause_by_person(&self.pool, pipeline, reason).await
    }

    async fn resume_by_person(&self, pipeline: &str) -> Result<Option<Paused>> {
        pipelines::resume_by_person(&self.pool, pipeline).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        history::backlog(&self.pool).await
    }

    async fn close(&self) {
        self.pool.close().await;
        self.keeper.close().await;
    }
}
