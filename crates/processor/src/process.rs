use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arrivage_ledger::{Claim, LedgerError, SharedLedger};
use arrivage_model::{Checkpoint, ErrorCode, Lease, Mode, Order, Router, State, Table};
use arrivage_store::{Backoff, Persistence, Policy, Stores};
use futures::FutureExt;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::board::{Board, Loading};
use crate::budget::Budget;
use crate::commit::Committer;
use crate::complete::Announced;
use crate::fate::LoadError;
use crate::fill::Load;
use crate::keeper::Keeper;
use crate::outcome::{Ended, Outcome, report};
use crate::prepare::{Job, Place, prepare};
use crate::read::{Decoding, Reading, Source};
use crate::work::Signals;
use crate::{Settings, SettingsError};

/// Rows are taken out in one statement, which shows no progress: the lease is renewed
/// for as long as this; or, where that is not possible meanwhile, made this long before.
pub(crate) const REMOVAL: Duration = Duration::from_secs(600);

/// How long a stopping process tries to free a lease.
pub(crate) const FREE_WITHIN: Duration = Duration::from_secs(5);

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
    pub(crate) stores: Stores,
    pub(crate) board: Board,
    pub(crate) budget: Budget,
}

/// What the reading of a file may take: memory, and tries.
pub(crate) struct Allowance {
    pub(crate) budget: Budget,
    /// For a decompressor, in bytes.
    pub(crate) window: u64,
    pub(crate) persistence: Persistence,
}

/// What a claim turned into while it was loaded.
pub(crate) struct Held {
    pub(crate) lease: Lease,
    pub(crate) table: Option<Table>,
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
        let budget = Budget::new(
            settings.chunk_memory(),
            settings.chunk_bytes(),
            settings.chunk_bytes_alone(),
        );
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
        .instrument(load_span(&claim))
        .await;
        Ended::of(claim.arrival, outcome)
    }

    /// Where the beginning of an object is read.
    pub(crate) fn place(&self) -> Place<'_> {
        Place {
            stores: &self.stores,
            window: self.settings.window(),
        }
    }

    /// The whole story of a load that goes well.
    async fn load(
        &self,
        claim: &Claim,
        held: &mut Held,
        loading: &Arc<Loading>,
        signals: &Signals,
    ) -> Result<(), LoadError> {
        let job = prepare(&self.ledger, &self.router, self.place(), claim).await?;
        let overtaken = claim.overtaken && job.pipeline.order == Order::Newest;
        // Rows that a replay was to bring in anew stay, as it cannot.
        if !(overtaken && claim.restart) {
            held.table = Some(job.table.clone());
        }
        if overtaken {
            return Err(LedgerError::Overtaken.into());
        }
        let announced = self
            .announced(&claim.arrival, held.lease, &job.pipeline, loading)
            .await?;
        let (from, rejected) = self
            .start_over_if_ordered(claim, held, &job, loading, signals)
            .await?;
        let mut keeper = self.keep(held.lease, loading, self.settings.stall);
        let allowance = Allowance {
            budget: self.budget.clone(),
            window: self.settings.window(),
            persistence: Persistence::default(),
        };
        let mut reading = self.read(claim, &job, from.clone(), announced, loading, allowance);
        let load = Load {
            ledger: Arc::clone(&self.ledger),
            lease: held.lease,
            job: Arc::new(job),
            loading: Arc::clone(loading),
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

    /// Works before a load begins, taking rows out above all, while the lease is renewed on
    /// a connection of its own. What ends
    /// the lease is often this work itself, so its own answer is waited for.
    pub(crate) async fn kept<T>(
        &self,
        lease: Lease,
        loading: &Arc<Loading>,
        work: impl Future<Output = T>,
    ) -> T {
        let patience = REMOVAL.max(self.settings.stall);
        let mut keeper = self.keep(lease, loading, patience);
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            answer = &mut work => return answer,
            _ = keeper.lost() => {}
        }
        work.await
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

    pub(crate) fn read(
        &self,
        claim: &Claim,
        job: &Job,
        from: Checkpoint,
        announced: Announced,
        loading: &Arc<Loading>,
        allowance: Allowance,
    ) -> Reading {
        let loading = Arc::clone(loading);
        let source = Source {
            store: Arc::clone(self.stores.get(claim.arrival.store)),
            object: claim.arrival.object(),
            from,
            digests: announced.digests,
            limits: job.pipeline.limits,
            window: allowance.window,
            windows: self.settings.windows(),
            progress: Arc::new(move || loading.touch()),
            persistence: allowance.persistence,
        };
        let place = claim.arrival.location();
        let mut captures = self.router.captures(&job.pipeline, &place);
        captures.extend(claim.arrival.facts());
        let decoding = Decoding {
            plan: Arc::clone(&job.plan),
            captures,
            records: announced.records,
            most_records: CHUNK_RECORDS,
            budget: allowance.budget,
            decoders: self.settings.decoders,
        };
        Reading::start(source, decoding)
    }
}

/// What every word about one load is said within.
pub(crate) fn load_span(claim: &Claim) -> tracing::Span {
    tracing::info_span!(
        "load",
        arrival.id = claim.arrival.id.0,
        object.key = ?claim.arrival.key,
        pipeline = %claim.arrival.pipeline,
        lease.fence = claim.lease.fence.0,
    )
}

pub(crate) fn broken(panic: &(dyn std::any::Any + Send)) -> LoadError {
    let words = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    LoadError::Broken(words.unwrap_or("a panic without words").to_owned())
}
