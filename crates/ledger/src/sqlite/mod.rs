//! The ledger in SQLite: the embedded default, for one machine.
//!
//! SQLite takes one writer at a time, so every writing transaction takes the
//! write lock as it begins, and the writers of one process take turns on one
//! connection, lease keeping with them: another one would wait for the same lock.
//! Times are text in UTC with milliseconds, always the database's clock.

mod awaiting;
mod cancelling;
mod candidates;
mod chunk;
mod claiming;
mod classify;
mod database;
mod history;
mod insert;
mod intake;
mod json;
mod kept;
mod leasing;
mod migrating;
mod order;
mod pipelines;
mod reconciling;
mod replaying;
mod requests;
mod retention;
mod staging;
mod target;
mod together;
mod unloading;

use std::time::Duration;

use arrivage_model::{
    Arrival, ArrivalId, Failure, Lease, Location, Object, Pipeline, State, Table, TableName,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::{
    Along, Awaited, Backlog, Cancelled, ChunkTransaction, Claim, Claimed, Content, Declared,
    Destination, Dismissed, Filter, Ignored, Ledger, Paused, Pruned, Registered, Registration,
    RejectedRecord, Replay, Replayed, Request, Result, Scope, Standing, Unloaded, Unreadable,
    Whole,
};
use database::Database;
pub(crate) use target::definition;

/// The ledger in an SQLite file.
pub struct SqliteLedger {
    database: Database,
}

impl SqliteLedger {
    /// Takes a path, or a URL as sqlx has them (`sqlite://arrivage.db`). Connects
    /// at the first call, which creates the file where there is none.
    pub fn open(url_or_path: &str, max_connections: u32) -> Result<Self> {
        Ok(Self {
            database: Database::open(url_or_path, max_connections)?,
        })
    }
}

/// As SQLite keeps a number.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A span as SQLite's date functions take it. Beyond a century they may answer NULL,
/// and an arrival that is due at no time is never claimed.
fn from_now(span: Duration) -> String {
    let span = span.min(Duration::from_secs(100 * 365 * 24 * 3600));
    format!("+{}.{:03} seconds", span.as_secs(), span.subsec_millis())
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn migrate(&self) -> Result<()> {
        migrating::migrate(&self.database).await
    }

    async fn check_version(&self) -> Result<()> {
        migrating::check_version(&self.database).await
    }

    async fn ping(&self) -> Result<()> {
        migrating::ping(&self.database).await
    }

    async fn declare(&self, pipelines: &[Declared]) -> Result<()> {
        pipelines::declare(&self.database, pipelines).await
    }

    async fn retain(&self, pipelines: &[String]) -> Result<()> {
        pipelines::retain(&self.database, pipelines).await
    }

    async fn register(&self, found: &[Registration]) -> Result<Vec<Registered>> {
        intake::register(&self.database, found).await
    }

    async fn load_anew(&self, id: ArrivalId, now: &Object) -> Result<()> {
        replaying::load_anew(&self.database, id, now).await
    }

    async fn adopt(&self, found: &[Registration]) -> Result<Vec<Registered>> {
        reconciling::adopt(&self.database, found).await
    }

    async fn contents(
        &self,
        place: &Location,
        after: Option<&Content>,
        limit: usize,
    ) -> Result<Vec<Content>> {
        reconciling::contents(&self.database, place, after, limit).await
    }

    async fn keep_unreadable(&self, notifications: &[Unreadable]) -> Result<()> {
        kept::keep_unreadable(&self.database, notifications).await
    }

    async fn keep_ignored(&self, objects: &[Ignored]) -> Result<()> {
        kept::keep_ignored(&self.database, objects).await
    }

    async fn claim(
        &self,
        pipelines: &[String],
        scope: &Scope,
        owner: &str,
        lease: Duration,
    ) -> Result<Claimed> {
        claiming::claim(&self.database, pipelines, scope, owner, lease).await
    }

    async fn claim_along(
        &self,
        claim: &Claim,
        scope: &Scope,
        along: Along,
        owner: &str,
        lease: Duration,
    ) -> Result<Vec<Claim>> {
        claiming::claim_along(&self.database, claim, scope, along, owner, lease).await
    }

    async fn last_claim_of(&self, owner: &str) -> Result<Option<Arrival>> {
        claiming::last_claim_of(&self.database, owner).await
    }

    async fn renew(&self, lease: &Lease, length: Duration) -> Result<()> {
        leasing::renew(&self.database, lease, length).await
    }

    async fn restart(&self, lease: &Lease, table: &Table, length: Duration) -> Result<Lease> {
        leasing::restart(&self.database, lease, table, length).await
    }

    async fn begin(
        &self,
        lease: &Lease,
        destination: &Destination,
    ) -> Result<Box<dyn ChunkTransaction>> {
        Ok(Box::new(
            chunk::Chunk::begin(&self.database, lease, destination).await?,
        ))
    }

    async fn load_together(&self, destination: &Destination, files: &[Whole<'_>]) -> Result<()> {
        together::load_together(&self.database, destination, files).await
    }

    async fn standing(&self, lease: &Lease) -> Result<Standing> {
        leasing::standing(&self.database, lease).await
    }

    async fn newest(&self, lease: &Lease) -> Result<()> {
        leasing::newest(&self.database, lease).await
    }

    async fn is_staged(&self, id: ArrivalId) -> Result<bool> {
        let mut connection = self
            .database
            .reading()
            .acquire()
            .await
            .map_err(classify::statement)?;
        staging::exists(&mut connection, id).await
    }

    async fn hold(&self, lease: &Lease, awaited: &Awaited) -> Result<State> {
        awaiting::hold(&self.database, lease, awaited).await
    }

    async fn came(&self, sidecars: &[Location]) -> Result<u64> {
        awaiting::came(&self.database, sidecars).await
    }

    async fn give_back(&self, lease: &Lease, delay: Duration, why: Option<&Failure>) -> Result<()> {
        leasing::give_back(&self.database, lease, delay, why).await
    }

    async fn retry_later(&self, lease: &Lease, delay: Duration, why: &Failure) -> Result<State> {
        leasing::retry_later(&self.database, lease, delay, why).await
    }

    async fn fail(&self, lease: &Lease, why: &Failure) -> Result<()> {
        leasing::fail(&self.database, lease, why).await
    }

    async fn supersede(&self, lease: &Lease, table: Option<&Table>, why: &Failure) -> Result<()> {
        leasing::supersede(&self.database, lease, table, why).await
    }

    /// SQLite has no backends: what holds the write lock is a process of this
    /// machine, and when it is killed its transaction is gone.
    async fn reap(&self) -> Result<u64> {
        Ok(0)
    }

    async fn prune(&self, older_than: Duration, most: usize) -> Result<Pruned> {
        retention::prune(&self.database, older_than, most).await
    }

    async fn table(&self, name: &TableName) -> Result<Table> {
        target::table(&self.database, name).await
    }

    async fn admits(&self, pipeline: &Pipeline, table: &Table) -> Result<()> {
        target::admits(&self.database, pipeline, table).await
    }

    async fn create_table(&self, pipeline: &Pipeline) -> Result<()> {
        target::create(&self.database, pipeline).await
    }

    async fn pause(&self, pipeline: &str, reason: &str) -> Result<()> {
        pipelines::pause(&self.database, pipeline, reason).await
    }

    async fn resume(&self, pipeline: &str) -> Result<()> {
        pipelines::resume(&self.database, pipeline).await
    }

    async fn paused(&self, pipelines: &[String]) -> Result<Vec<Paused>> {
        pipelines::paused(&self.database, pipelines).await
    }

    async fn arrivals(&self, filter: &Filter, limit: usize) -> Result<Vec<Arrival>> {
        history::arrivals(&self.database, filter, limit).await
    }

    async fn arrival(&self, id: ArrivalId) -> Result<Option<Arrival>> {
        history::arrival(&self.database, id).await
    }

    async fn checkpoint_state(&self, id: ArrivalId) -> Result<Option<String>> {
        history::checkpoint_state(&self.database, id).await
    }

    async fn arrivals_among(&self, ids: &[ArrivalId]) -> Result<Vec<Arrival>> {
        history::arrivals_among(&self.database, ids).await
    }

    async fn rejects(
        &self,
        id: ArrivalId,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RejectedRecord>> {
        history::rejects(&self.database, id, after, limit).await
    }

    async fn pruned_at(&self, id: ArrivalId) -> Result<Option<DateTime<Utc>>> {
        retention::pruned_at(&self.database, id).await
    }

    async fn ignored(&self, limit: usize) -> Result<Vec<Ignored>> {
        kept::ignored(&self.database, limit).await
    }

    async fn request(&self, key: &str) -> Result<Option<Request>> {
        requests::request(&self.database, key).await
    }

    async fn keep_request(&self, request: &Request) -> Result<Request> {
        requests::keep_request(&self.database, request).await
    }

    async fn replay(&self, ids: &[ArrivalId], how: Replay) -> Result<Vec<Replayed>> {
        replaying::replay(&self.database, ids, how).await
    }

    async fn unload(&self, id: ArrivalId, table: &Table) -> Result<Unloaded> {
        unloading::unload(&self.database, id, table).await
    }

    async fn cancel(&self, ids: &[ArrivalId]) -> Result<Vec<Cancelled>> {
        cancelling::cancel(&self.database, ids).await
    }

    async fn dismiss(&self, ids: &[ArrivalId]) -> Result<Vec<Dismissed>> {
        unloading::dismiss(&self.database, ids).await
    }

    async fn pause_by_person(&self, pipeline: &str, reason: &str) -> Result<Vec<ArrivalId>> {
        pipelines::pause_by_person(&self.database, pipeline, reason).await
    }

    async fn resume_by_person(&self, pipeline: &str) -> Result<Option<Paused>> {
        pipelines::resume_by_person(&self.database, pipeline).await
    }

    async fn backlog(&self) -> Result<Vec<Backlog>> {
        pipelines::backlog(&self.database).await
    }

    async fn close(&self) {
        self.database.close().await;
    }
}
