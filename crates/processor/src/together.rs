//! Small files share transactions: claimed many at a time, read ahead, and committed
//! together. What cannot be loaded so is loaded alone, as every other file is.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use arrivage_ledger::{Advance, Along, Claim, LedgerError, Scope, Whole};
use arrivage_model::{ArrivalId, Checkpoint, Mode, State};
use arrivage_store::{Backoff, Persistence, Policy};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::board::Entry;
use crate::commit::{AGAIN, count_records, over};
use crate::complete::Announced;
use crate::fate::{LoadError, chain};
use crate::fill::Halves;
use crate::outcome::{Ended, Outcome, report};
use crate::prepare::{Job, prepare};
use crate::process::{Allowance, FREE_WITHIN, Held, Processor, broken, load_span};
use crate::read::Draft;
use crate::work::Signals;

/// Claimed along with one at most.
const MOST: usize = 255;

/// Files that are read at the same time.
const READS: usize = 16;

/// A chunk has room for so many times what one small file may take in memory: with
/// those that are being read, a worker stays within its share.
const PER_CHUNK: usize = 8;

/// Rows and their places take about so many times the bytes of their file.
const GROWS: u64 = 4;

/// How often a transaction is tried again for what may pass, before each file is.
const TRIES: usize = 5;

/// What takes longer to read is read alone, with more patience.
const READ_WITHIN: Duration = Duration::from_secs(10);

/// The others are committed without one that is not read by then.
const SLOW: Duration = Duration::from_millis(500);

const READ: fn() -> Persistence = || Persistence {
    policy: Policy::default().tries(2),
    appears_within: Duration::ZERO,
    ..Persistence::default()
};

/// A claimed file, read to its end.
struct File<'a> {
    claim: &'a Claim,
    entry: Entry,
    began: Instant,
    draft: Draft,
}

impl Processor {
    /// Claims what can be loaded together with a claimed arrival.
    pub(crate) async fn claim_along(
        &self,
        claim: &Claim,
        scope: &Scope,
        owner: &str,
    ) -> Result<Vec<Claim>, LedgerError> {
        let along = Along {
            most: MOST,
            bytes: self.small() as u64 / GROWS,
        };
        let is_small = claim
            .arrival
            .size
            .and_then(|size| u64::try_from(size).ok())
            .is_some_and(|size| size <= along.bytes);
        let shares = self
            .router
            .pipeline(&claim.arrival.pipeline)
            .is_some_and(|pipeline| {
                pipeline.mode == Mode::Append && !pipeline.atomic && pipeline.sidecar.is_none()
            });
        if !is_small || !shares || !is_untried(claim) {
            return Ok(Vec::new());
        }
        let length = self.settings.lease;
        self.ledger
            .claim_along(claim, scope, along, owner, length)
            .await
    }

    /// Loads arrivals that were claimed together, and leaves each in the state that its
    /// own outcome says.
    pub(crate) async fn process_together(
        &self,
        claims: Vec<Claim>,
        signals: &Signals,
    ) -> Vec<Ended> {
        let _kept = self.keep_together(&claims);
        let mut loaded = BTreeSet::new();
        let sharing = AssertUnwindSafe(self.load_together(&claims, &mut loaded, signals));
        let sharing = tokio::time::timeout(self.settings.stall, sharing.catch_unwind());
        tokio::select! {
            shared = sharing => match shared {
                Ok(Ok(())) => {}
                Ok(Err(panic)) => {
                    let error = broken(&*panic);
                    tracing::error!(error = chain(&error), "small files are loaded alone");
                }
                Err(_) => tracing::warn!("small files are loaded alone: no answer came"),
            },
            () = signals.abort.cancelled() => {}
        }
        let (done, alone): (Vec<Claim>, Vec<Claim>) = claims
            .into_iter()
            .partition(|claim| loaded.contains(&claim.arrival.id));
        let mut ended: Vec<Ended> = done
            .into_iter()
            .map(|claim| Ended::of(claim.arrival, Outcome::Loaded))
            .collect();
        let mut alone = alone.into_iter();
        // Nobody else can claim those that wait for their turn here.
        let began = Instant::now();
        while !signals.stop.is_cancelled()
            && began.elapsed() < self.settings.lease
            && let Some(claim) = alone.next()
        {
            let one = self.process(claim, signals).await;
            let is_of_all = matches!(one.outcome, Outcome::Away(_) | Outcome::Blocked(_));
            ended.push(one);
            if is_of_all {
                break;
            }
        }
        ended.extend(self.let_go(alone, signals).await);
        ended
    }

    /// Adds those that are loaded. What it leaves is as it was claimed; or its commit went
    /// unanswered, which the ledger says when it is loaded alone.
    async fn load_together(
        &self,
        claims: &[Claim],
        loaded: &mut BTreeSet<ArrivalId>,
        signals: &Signals,
    ) {
        // What is wrong with it is told of each one.
        let Ok(job) = prepare(&self.ledger, &self.router, self.place(), &claims[0]).await else {
            return;
        };
        let mut reads: Vec<BoxFuture<'_, Option<File<'_>>>> = Vec::with_capacity(claims.len());
        for claim in claims {
            if is_untried(claim) && !claim.overtaken {
                reads.push(self.read_whole(claim, &job).boxed());
            }
        }
        let mut files = stream::iter(reads).buffered(READS);
        let mut group: Vec<File<'_>> = Vec::new();
        loop {
            let file = tokio::select! {
                biased;
                () = signals.stop.cancelled() => return,
                file = files.next() => file,
                // Those that are read do not wait for one that is slow.
                () = tokio::time::sleep(SLOW), if !group.is_empty() => Some(None),
            };
            let ended = file.is_none();
            let file = file.flatten();
            let fits = file
                .as_ref()
                .is_some_and(|file| fits(&group, file, self.settings.chunk_bytes()));
            if !fits {
                let files = std::mem::take(&mut group);
                if !self.commit_together(&job, files, loaded).await {
                    return;
                }
            }
            if ended {
                return;
            }
            group.extend(file);
        }
    }

    /// The file, if it is small and nothing is amiss.
    async fn read_whole<'a>(&self, claim: &'a Claim, job: &Job) -> Option<File<'a>> {
        let began = Instant::now();
        let entry = self.board.enter(&claim.arrival);
        let allowance = Allowance {
            budget: self.budget.sharing(self.small()),
            window: self.settings.window() / READS as u64,
            persistence: READ(),
        };
        let (from, announced) = (Checkpoint::default(), Announced::default());
        let mut reading = self.read(claim, job, from, announced, entry.loading(), allowance);
        let mut draft = match tokio::time::timeout(READ_WITHIN, reading.next()).await {
            Ok(Ok(draft)) => draft,
            Ok(Err(error)) => {
                tracing::debug!(
                    arrival.id = claim.arrival.id.0,
                    error = chain(&error),
                    "is read again"
                );
                return None;
            }
            Err(_) => return None,
        };
        draft.shrink();
        let chunk = &draft.chunk;
        let rejected = chunk.rejects.len() as u64;
        let budget = job.pipeline.rejects;
        let is_over = over(claim.arrival.id, budget, rejected, chunk.records(), true).is_some();
        (chunk.last && !is_over).then_some(File {
            claim,
            entry,
            began,
            draft,
        })
    }

    /// Commits them all at once, or where one is refused, in halves. Whether it is
    /// worth while to go on.
    async fn commit_together(
        &self,
        job: &Job,
        files: Vec<File<'_>>,
        loaded: &mut BTreeSet<ArrivalId>,
    ) -> bool {
        let Some(first) = files.iter().find(|file| file.has_rows()).or(files.first()) else {
            return true;
        };
        let destination = job.destination(&first.draft.chunk.columns);
        let wholes: Vec<Whole<'_>> = files.iter().map(|file| file.whole(job)).collect();
        let mut halves = Halves::of(0..files.len() as u64);
        let mut backoff = Backoff::new(AGAIN.tries(TRIES));
        while let Some(range) = halves.next() {
            let some = range.start as usize..range.end as usize;
            let committed = self
                .ledger
                .load_together(&destination, &wholes[some.clone()])
                .await;
            let committed = match committed {
                Err(LedgerError::Unknown(_))
                    if self.is_committed(&wholes[range.start as usize]).await =>
                {
                    Ok(())
                }
                answer => answer,
            };
            match committed {
                Ok(()) => {
                    for (file, whole) in files[some.clone()].iter().zip(&wholes[some]) {
                        file.report(&whole.advance);
                        loaded.insert(file.claim.arrival.id);
                    }
                }
                Err(error) if error.is_passing() => {
                    tracing::debug!(files = some.len(), error = chain(&error), "trying again");
                    let Some(delay) = backoff.next_delay(None) else {
                        return false;
                    };
                    tokio::time::sleep(delay).await;
                    halves.again(range);
                }
                Err(error) => {
                    tracing::debug!(files = some.len(), error = chain(&error), "not together");
                    let of_one = matches!(
                        error,
                        LedgerError::Row { .. } | LedgerError::NotMatched | LedgerError::Overtaken
                    );
                    if !of_one {
                        return false;
                    }
                    halves.split(range);
                }
            }
        }
        true
    }

    /// What became of a commit without an answer: asks until the database says so.
    async fn is_committed(&self, one: &Whole<'_>) -> bool {
        let mut backoff = Backoff::new(AGAIN);
        loop {
            match self.ledger.standing(&one.lease).await {
                Ok(standing) => return standing.held && standing.state == State::Loaded,
                Err(error) if error.is_passing() => {
                    tracing::debug!(error = chain(&error), "the database is away");
                }
                Err(_) => return false,
            }
            if let Some(delay) = backoff.next_delay(None) {
                tokio::time::sleep(delay).await;
            }
        }
    }

    /// Renews the leases of those that wait for their turn, until dropped.
    fn keep_together(&self, claims: &[Claim]) -> AbortOnDropHandle<()> {
        let ledger = std::sync::Arc::clone(&self.ledger);
        let length = self.settings.lease;
        let mut leases: Vec<_> = claims.iter().map(|claim| claim.lease).collect();
        let keeping = async move {
            loop {
                tokio::time::sleep(length / 3).await;
                let mut standing = Vec::with_capacity(leases.len());
                for lease in leases {
                    match ledger.renew(&lease, length).await {
                        Err(LedgerError::Fenced) => {}
                        _ => standing.push(lease),
                    }
                }
                leases = standing;
            }
        };
        AbortOnDropHandle::new(tokio::spawn(keeping.in_current_span()))
    }

    /// Gives claims back whose loads have not begun, one after the other: their
    /// connections go by one name. A database that does not answer ends their leases.
    async fn let_go(&self, claims: impl Iterator<Item = Claim>, signals: &Signals) -> Vec<Ended> {
        let began = Instant::now();
        let mut ended = Vec::new();
        for claim in claims {
            let stopping = signals.stop.is_cancelled();
            let mut outcome = Outcome::Stopped;
            if !stopping || began.elapsed() < FREE_WITHIN {
                let entry = self.board.enter(&claim.arrival);
                let (loading, lease) = (entry.loading(), claim.lease);
                let held = Held { lease, table: None };
                let why = LoadError::Stopped;
                outcome = self.settle(&held, &claim, &why, loading, signals).await;
                if stopping {
                    load_span(&claim)
                        .in_scope(|| report(&claim, &outcome, loading, Duration::ZERO));
                }
            }
            ended.push(Ended::of(claim.arrival, outcome));
        }
        ended
    }

    /// What a small file may take, in bytes of memory.
    fn small(&self) -> usize {
        self.settings.chunk_bytes() / PER_CHUNK
    }
}

/// Whether nothing of it is committed, nor ended without a word.
fn is_untried(claim: &Claim) -> bool {
    claim.barren == 1 && claim.is_fresh() && !claim.restart
}

/// Whether the file may share the transaction of these.
fn fits(group: &[File<'_>], file: &File<'_>, bytes: usize) -> bool {
    let memory = |file: &File<'_>| file.draft.chunk.heap_bytes();
    let all: usize = group.iter().map(memory).sum();
    let first = group.iter().find(|first| first.has_rows());
    let same = first.is_none_or(|first| first.draft.chunk.columns == file.draft.chunk.columns);
    (same || !file.has_rows()) && all + memory(file) <= bytes
}

impl File<'_> {
    fn has_rows(&self) -> bool {
        !self.draft.chunk.rows.is_empty()
    }

    /// Its one step, from its start to its end.
    fn whole(&self, job: &Job) -> Whole<'_> {
        let chunk = &self.draft.chunk;
        Whole {
            lease: self.claim.lease,
            rows: &chunk.rows,
            rejects: &chunk.rejects,
            advance: Advance {
                from_records: 0,
                from_offset: 0,
                to: chunk.end.clone(),
                loaded: (chunk.rows.len() as u64).cast_signed(),
                rejected: chunk.rejects.len() as u64,
                reading: job.reading.clone(),
                last: true,
            },
        }
    }

    fn report(&self, advance: &Advance) {
        let loading = self.entry.loading();
        loading.committed(advance.to.bytes_read, advance.to.records);
        load_span(self.claim).in_scope(|| {
            count_records(&self.claim.arrival.pipeline, advance);
            report(self.claim, &Outcome::Loaded, loading, self.began.elapsed());
        });
    }
}
