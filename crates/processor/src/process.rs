use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arrivage_ledger::{Claim, LedgerError, SharedLedger};
use arrivage_model::{
    Arrival, ArrivalId, Checkpoint, ErrorCode, Failure, Lease, Mode, Order, Router, State, Table,
};
use arrivage_store::{Backoff, Policy, StoreError, Stores};
use futures::FutureExt;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::board::{Board, Loading};
use crate::budget::Budget;
use crate::commit::{Committer, Load};
use crate::decode::ChunkTarget;
use crate::fate::{Fate, LoadError, failure, fate};
use crate::keeper::Keeper;
use crate::prepare::{Job, prepare};
use crate::read::{Decoding, Reading, Source};
use crate::work::Signals;
use crate::{Settings, SettingsError};

/// Rows are taken out in one statement, which shows no progress: the lease is renewed
/// for as long as this; or, where that is not possible meanwhile, made this long before.
const REMOVAL: Duration = Duration::from_secs(600);

/// How long a stopping process tries to free a lease.
const FREE_WITHIN: Duration = Duration::from_secs(5);

/// The most records of a chunk, so that a file of tiny records commits now and
/// then too.
const CHUNK_RECORDS: u64 = 50_000;

/// Loads arrivals.
pub struct Processor {
    pub(crate) ledger: SharedLedger,
    pub(crate) router: Arc<Router>,
    pub(crate) settings: Settings,
    pub(crate) wake: Arc<Notify>,
    pub(crate) pipelines: Vec<String>,
    stores: Stores,
    board: Board,
    budget: Budget,
}

/// How one claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The arrival.
    pub id: ArrivalId,
    /// The object.
    pub url: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What one claim came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Arrivals whose last attempt ended without a word: the claim found none left,
    /// and they failed.
    pub used_up: Vec<Ended>,
    /// The one that it claimed.
    pub ended: Option<Ended>,
}

impl Turn {
    /// Nothing was there to claim.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used_up.is_empty() && self.ended.is_none()
    }
}

impl Ended {
    /// Of an arrival whose own claim could not say that it failed: it is said here.
    pub(crate) fn without_a_word(arrival: Arrival) -> Self {
        let why = arrival.error.unwrap_or_default();
        tracing::error!(
            arrival.id = arrival.id.0,
            object.url = ?arrival.url,
            pipeline = arrival.pipeline,
            lease.fence = arrival.fence,
            records = arrival.checkpoint_records,
            error = why,
            "failed"
        );
        count(&arrival.pipeline, "failed");
        Self {
            id: arrival.id,
            url: arrival.url,
            outcome: Outcome::Failed(why),
        }
    }
}

/// What became of a claimed arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All its records are rows or rejects.
    Loaded,
    /// It failed for good.
    Failed(String),
    /// It waits for another attempt.
    Waiting(String),
    /// Store or database was away; no attempt was used up.
    Away(String),
    /// Only a person can mend it; it waits until then.
    Blocked(String),
    /// Another content of its key takes its place; why.
    Superseded(String),
    /// Another process has it now.
    Fenced,
    /// This process stops, and let it go.
    Stopped,
}

/// What a claim turned into while it was loaded.
struct Held {
    lease: Lease,
    table: Option<Table>,
}

impl Processor {
    /// `wake` is notified when there may be work, besides the poll.
    pub fn new(
        ledger: SharedLedger,
        stores: Stores,
        router: Arc<Router>,
        settings: Settings,
        wake: Arc<Notify>,
    ) -> Result<Self, SettingsError> {
        settings.check()?;
        let budget = Budget::new(settings.chunk_memory(), settings.chunk_bytes());
        let pipelines = router
            .pipelines()
            .iter()
            .map(|pipeline| pipeline.name.clone())
            .collect();
        let board = Board::default();
        Ok(Self {
            ledger,
            router,
            settings,
            wake,
            pipelines,
            stores,
            board,
            budget,
        })
    }

    /// What is being loaded right now.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Names this process in the ledger.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.settings.owner
    }

    /// Loads a claimed arrival, and leaves it in the state that the outcome says.
    pub(crate) async fn process(&self, claim: Claim, signals: &Signals) -> Ended {
        let (id, url) = (claim.arrival.id, claim.arrival.url.clone());
        let span = tracing::info_span!(
            "load",
            arrival.id = id.0,
            object.key = ?claim.arrival.key,
            pipeline = %claim.arrival.pipeline,
            lease.fence = claim.lease.fence.0,
        );
        let outcome = async {
            let started = std::time::Instant::now();
            let entry = self.board.enter(&claim.arrival);
            let mut held = Held {
                lease: claim.lease,
                table: None,
            };
            let load = AssertUnwindSafe(self.load(&claim, &mut held, entry.loading(), signals));
            let result = tokio::select! {
                result = load.catch_unwind() => result.unwrap_or_else(|panic| Err(broken(&*panic))),
                () = signals.abort.cancelled() => Err(LoadError::Stopped),
            };
            let outcome = match result {
                Ok(()) => Outcome::Loaded,
                Err(error) => {
                    let loading = entry.loading();
                    self.settle(&held, &claim, &error, loading, signals).await
                }
            };
            report(&claim, &outcome, entry.loading(), started.elapsed());
            outcome
        }
        .instrument(span)
        .await;
        Ended { id, url, outcome }
    }

    /// The whole story of a load that goes well.
    async fn load(
        &self,
        claim: &Claim,
        held: &mut Held,
        loading: &Arc<Loading>,
        signals: &Signals,
    ) -> Result<(), LoadError> {
        let job = prepare(&self.ledger, &self.router, claim).await?;
        let overtaken = claim.overtaken && job.pipeline.order == Order::Newest;
        // Rows that a replay was to bring in anew stay, as it cannot.
        if !(overtaken && claim.restart) {
            held.table = Some(job.table.clone());
        }
        if overtaken {
            return Err(LedgerError::Overtaken.into());
        }
        let (from, rejected) = self
            .start_over_if_ordered(claim, held, &job, loading, signals)
            .await?;
        let mut keeper = self.keep(held.lease, loading, self.settings.stall);
        let mut reading = self.read(claim, &job, from.clone(), loading);
        let load = Load {
            ledger: &self.ledger,
            lease: held.lease,
            job: &job,
            loading,
        };
        let connections = self.settings.connections;
        let mut committer = Committer {
            load,
            at: from,
            rejected,
            connections,
        };
        let mut committing = std::pin::pin!(committer.commit_all(&mut reading, &signals.stop));
        let lost = tokio::select! {
            biased;
            result = &mut committing => return result,
            lost = keeper.lost() => lost,
        };
        if !self.is_loaded(&held.lease, &lost).await {
            return Err(lost);
        }
        let answered = tokio::time::timeout(FREE_WITHIN, committing).await;
        answered.unwrap_or(Ok(()))
    }

    /// What is loaded has no lease any more: the keeper may find that before the answer
    /// to the last COMMIT is here.
    async fn is_loaded(&self, lease: &Lease, lost: &LoadError) -> bool {
        if !matches!(lost, LoadError::Ledger(LedgerError::Fenced)) {
            return false;
        }
        match self.ledger.arrival(lease.arrival).await {
            Ok(Some(now)) => now.state == State::Loaded && now.fence == lease.fence.0,
            Ok(None) | Err(_) => false,
        }
    }

    /// Where to go on, and how many rejects there are already.
    async fn start_over_if_ordered(
        &self,
        claim: &Claim,
        held: &mut Held,
        job: &Job,
        loading: &Arc<Loading>,
        signals: &Signals,
    ) -> Result<(Checkpoint, u64), LoadError> {
        let gathers = job.pipeline.atomic && !claim.is_fresh();
        let gathered = gathers && self.ledger.is_staged(claim.arrival.id).await?;
        // Without the rows it has gathered, an atomic load has made no progress.
        let lost = gathers && !gathered && !claim.restart;
        if !claim.restart && !lost {
            return Ok((
                claim.checkpoint.clone(),
                claim.arrival.records_rejected.unsigned_abs(),
            ));
        }
        let told_apart =
            job.table.has_arrival_id || matches!(job.pipeline.mode, Mode::Upsert { .. });
        if !told_apart && !lost && !gathered && claim.arrival.records_loaded > 0 {
            let message = format!(
                "its {} rows cannot be told from others in table {}, so it cannot start over; \
                 add a column _arrival_id bigint for the next ones",
                claim.arrival.records_loaded, job.table.name
            );
            return Err(LoadError::file(ErrorCode::Target, message));
        }
        let restarting = self.restart(&held.lease, &job.table, signals);
        held.lease = self.kept(held.lease, loading, restarting).await?;
        loading.touch();
        Ok((Checkpoint::default(), 0))
    }

    /// Takes rows out while the lease is renewed on a connection of its own. What ends
    /// the lease is often this work itself, so its own answer is waited for.
    async fn kept<T>(
        &self,
        lease: Lease,
        loading: &Arc<Loading>,
        removing: impl Future<Output = T>,
    ) -> T {
        let patience = REMOVAL.max(self.settings.stall);
        let mut keeper = self.keep(lease, loading, patience);
        let mut removing = std::pin::pin!(removing);
        tokio::select! {
            biased;
            answer = &mut removing => return answer,
            _ = keeper.lost() => {}
        }
        removing.await
    }

    /// Tries until the database says so: if it was done without an answer, who does
    /// not know the new fence would hold the arrival for a long time.
    async fn restart(
        &self,
        lease: &Lease,
        table: &Table,
        signals: &Signals,
    ) -> Result<Lease, LoadError> {
        let mut backoff = Backoff::new(Policy::default());
        loop {
            let error = match self.ledger.restart(lease, table, self.settings.lease).await {
                Err(error) if error.is_passing() => error,
                answer => return Ok(answer?),
            };
            tracing::warn!(
                error = crate::fate::chain(&error),
                "the arrival is not known to be back at its start; trying again"
            );
            let delay = backoff.next_delay(None).unwrap_or(FREE_WITHIN);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = signals.stop.cancelled() => return Err(LoadError::Stopped),
            }
        }
    }

    fn keep(&self, lease: Lease, loading: &Arc<Loading>, stall: Duration) -> Keeper {
        let ledger = Arc::clone(&self.ledger);
        let length = self.settings.lease;
        Keeper::start(ledger, lease, length, stall, Arc::clone(loading))
    }

    fn read(&self, claim: &Claim, job: &Job, from: Checkpoint, loading: &Arc<Loading>) -> Reading {
        let loading = Arc::clone(loading);
        let source = Source {
            store: Arc::clone(self.stores.get(claim.arrival.store)),
            object: claim.arrival.object(),
            from,
            limits: job.pipeline.limits,
            window: self.settings.window(),
            progress: Arc::new(move || loading.touch()),
        };
        let target = ChunkTarget {
            bytes: self.settings.chunk_bytes(),
            records: CHUNK_RECORDS,
        };
        let decoding = Decoding {
            plan: Arc::clone(&job.plan),
            captures: job.captures.clone(),
            target,
            budget: self.budget.clone(),
        };
        Reading::start(source, decoding)
    }

    /// Writes into the ledger what became of a load that did not go well.
    async fn settle(
        &self,
        held: &Held,
        claim: &Claim,
        error: &LoadError,
        loading: &Loading,
        signals: &Signals,
    ) -> Outcome {
        let fate = match error {
            LoadError::Ledger(LedgerError::Overtaken) => self.overtaken(held, claim).await,
            _ => fate(error),
        };
        let why = match error {
            LoadError::Ledger(LedgerError::Refused(_)) => self.refusal(held, claim, error).await,
            _ => failure(error),
        };
        let mut backoff = Backoff::new(Policy::default());
        let mut deadline = None;
        loop {
            let settled = match &fate {
                Fate::Leave => return Outcome::Fenced,
                Fate::GiveBack(delay) => {
                    let why = (!matches!(error, LoadError::Stopped)).then_some(&why);
                    self.ledger
                        .give_back(&held.lease, *delay, why)
                        .await
                        .map(|()| match error {
                            LoadError::Stopped => Outcome::Stopped,
                            LoadError::Store(error) if error.is_misconfigured() => {
                                Outcome::Blocked(
                                    why.map(|why| why.message.clone()).unwrap_or_default(),
                                )
                            }
                            _ => Outcome::Away(
                                why.map(|why| why.message.clone()).unwrap_or_default(),
                            ),
                        })
                }
                Fate::Retry => {
                    let delay = retry_delay(claim.barren);
                    let state = self.ledger.retry_later(&held.lease, delay, &why).await;
                    state.map(|state| match state {
                        State::Failed => Outcome::Failed(why.message.clone()),
                        _ => Outcome::Waiting(why.message.clone()),
                    })
                }
                Fate::Fail => {
                    let failed = self.ledger.fail(&held.lease, &why).await;
                    failed.map(|()| Outcome::Failed(why.message.clone()))
                }
                Fate::Supersede => self
                    .supersede(held, loading.records(), &why)
                    .await
                    .map(|()| Outcome::Superseded(why.message.clone())),
                Fate::Pause => self.pause(held, claim, &why).await,
            };
            let error = match settled {
                Ok(outcome) => return outcome,
                Err(LedgerError::Fenced) => return Outcome::Fenced,
                Err(error) => error,
            };
            // Stopping, it tries for a while; the lease ends by itself otherwise.
            if signals.stop.is_cancelled() {
                let deadline =
                    *deadline.get_or_insert_with(|| tokio::time::Instant::now() + FREE_WITHIN);
                if tokio::time::Instant::now() >= deadline {
                    return Outcome::Stopped;
                }
            }
            tracing::warn!(
                error = crate::fate::chain(&error),
                "what became of the load is not in the ledger yet; trying again"
            );
            if let Some(delay) = backoff.next_delay(None) {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Where a right is missing, the GRANT that gives it; else the database's words.
    async fn refusal(&self, held: &Held, claim: &Claim, error: &LoadError) -> Failure {
        let pipeline = self.router.pipeline(&claim.arrival.pipeline);
        let (Some(pipeline), Some(table)) = (pipeline, &held.table) else {
            return failure(error);
        };
        match self.ledger.admits(pipeline, table).await {
            Err(refusal @ LedgerError::Target(_)) => failure(&refusal.into()),
            _ => failure(error),
        }
    }

    /// A newer content seems to have come before it; but what stands at its key now
    /// is the newest, whatever the clocks of stores and notifications say.
    async fn overtaken(&self, held: &Held, claim: &Claim) -> Fate {
        const SOON: Fate = Fate::GiveBack(Duration::from_secs(5));
        let object = claim.arrival.object();
        let store = self.stores.get(claim.arrival.store);
        match store.head(&object.location, None).await {
            Ok(now) if now.etag == object.etag => match self.ledger.newest(&held.lease).await {
                Ok(()) => Fate::GiveBack(Duration::ZERO),
                Err(LedgerError::Fenced) => Fate::Leave,
                Err(_) => SOON,
            },
            Ok(_) | Err(StoreError::Gone(_)) => Fate::Supersede,
            Err(_) => SOON,
        }
    }

    async fn supersede(&self, held: &Held, records: u64, why: &Failure) -> Result<(), LedgerError> {
        // Should this process die now, the arrival waits for so long: only where there
        // is something to remove.
        if records > 0 {
            let length = REMOVAL.max(self.settings.lease);
            match self.ledger.renew(&held.lease, length).await {
                // It may be done already, without an answer: that says the next one.
                Ok(()) | Err(LedgerError::Fenced) => {}
                Err(error) => return Err(error),
            }
        }
        self.ledger
            .supersede(&held.lease, held.table.as_ref(), why)
            .await
    }

    /// The pipeline first: else the arrival is claimed again at once.
    async fn pause(
        &self,
        held: &Held,
        claim: &Claim,
        why: &Failure,
    ) -> Result<Outcome, LedgerError> {
        self.ledger
            .pause(&claim.arrival.pipeline, &why.message)
            .await?;
        self.ledger
            .give_back(&held.lease, Duration::ZERO, Some(why))
            .await?;
        Ok(Outcome::Blocked(format!(
            "pipeline {} is paused: {}",
            claim.arrival.pipeline, why.message
        )))
    }
}

/// 5 s after the first failure, twice as long after each further one, at most 5
/// minutes.
fn retry_delay(barren: u32) -> Duration {
    let seconds = 5_u64.saturating_mul(1 << barren.saturating_sub(1).min(16));
    Duration::from_secs(seconds.min(300))
}

fn broken(panic: &(dyn std::any::Any + Send)) -> LoadError {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    LoadError::Broken(words.unwrap_or("a panic without words").to_owned())
}

fn report(claim: &Claim, outcome: &Outcome, loading: &Loading, elapsed: Duration) {
    let word = match outcome {
        Outcome::Loaded => "loaded",
        Outcome::Failed(_) => "failed",
        Outcome::Waiting(_) => "waiting",
        Outcome::Away(_) => "away",
        Outcome::Blocked(_) => "blocked",
        Outcome::Superseded(_) => "superseded",
        Outcome::Fenced => "fenced",
        Outcome::Stopped => "stopped",
    };
    count(&claim.arrival.pipeline, word);
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let records = loading.records();
    match outcome {
        Outcome::Loaded => tracing::info!(records, elapsed_ms, "loaded"),
        Outcome::Superseded(why) => tracing::info!(why, "superseded"),
        Outcome::Fenced => tracing::info!("another process has it now"),
        Outcome::Stopped => tracing::info!(records, "let go: this process stops"),
        Outcome::Failed(why) => tracing::error!(records, elapsed_ms, error = why, "failed"),
        Outcome::Blocked(why) => tracing::error!(error = why, "waits for a person"),
        Outcome::Waiting(why) => tracing::warn!(records, error = why, "waits for another attempt"),
        Outcome::Away(why) => tracing::warn!(records, error = why, "waits for store or database"),
    }
}

/// Claims by how they ended.
fn count(pipeline: &str, outcome: &'static str) {
    let pipeline = pipeline.to_owned();
    metrics::counter!("arrivage_claims_total", "pipeline" => pipeline, "outcome" => outcome)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_twice_as_long_up_to_five_minutes() {
        let seconds: Vec<u64> = [1, 2, 3, 7, 8, 40].map(|n| retry_delay(n).as_secs()).into();
        assert_eq!(seconds, [5, 10, 20, 300, 300, 300]);
    }
}
