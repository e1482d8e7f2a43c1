use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrivage_ledger::{Filter, LedgerError, Paused, Scope};
use arrivage_model::{Arrival, ArrivalId, State};
use arrivage_store::{Backoff, Policy};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::fate::chain;
use crate::open::Open;
use crate::outcome::{Ended, Outcome, Turn};
use crate::process::Processor;

/// How a process is told to end.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Take nothing new; end or give up the chunk.
    pub stop: CancellationToken,
    /// Let go now.
    pub abort: CancellationToken,
}

/// How long to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until stopped.
    Stopped,
    /// Until nothing is claimable, and nothing is being loaded here.
    Empty,
    /// Until all of these rest, whoever loads them; only these are claimed.
    Resting(Vec<ArrivalId>),
}

/// What the claims of this process came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Every claim, in the order of their ends.
    pub ended: Vec<Ended>,
    /// Store or database did not answer for [`Summary::PATIENCE`]; work ended
    /// for it.
    pub away: Option<String>,
    /// Only a person can go on.
    pub blocked: Option<String>,
    /// What was to be loaded waits for its sidecar, and this process no longer.
    pub held: Option<String>,
}

impl Summary {
    /// How long a process that shall end by itself waits for a server.
    pub const PATIENCE: Duration = Duration::from_secs(60);
}

/// What workers share.
struct Shared {
    until: Until,
    /// Of those that are to rest.
    open: Open,
    busy: AtomicUsize,
    progress: Mutex<Progress>,
    /// Ends the others when one finds that the work is over.
    over: CancellationToken,
}

#[derive(Default)]
struct Progress {
    summary: Summary,
    away_since: Option<Instant>,
    /// What waits for its sidecar, and since when.
    held: HashMap<ArrivalId, Instant>,
}

impl Processor {
    /// Loads with all workers.
    pub async fn work(self: &Arc<Self>, until: Until, signals: &Signals) -> Summary {
        let open = match &until {
            Until::Stopped | Until::Empty => Open::new(&[]),
            Until::Resting(ids) => Open::new(ids),
        };
        if until != Until::Stopped
            && let Err(error) = self.resume_mended().await
        {
            tracing::debug!(error = chain(&error), "paused pipelines were not looked at");
        }
        let shared = Arc::new(Shared {
            until,
            open,
            busy: AtomicUsize::new(0),
            progress: Mutex::default(),
            over: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        for _ in 0..self.settings.workers {
            let (this, shared, signals) = (Arc::clone(self), Arc::clone(&shared), signals.clone());
            tasks.spawn(async move { this.worker(&shared, &signals).await });
        }
        let housekeeping = {
            let this = Arc::clone(self);
            tokio::spawn(async move { this.keep_house().await })
        };
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a worker ended by itself");
            }
        }
        housekeeping.abort();
        // Where processors only ever work for a moment, nobody else would.
        if shared.until == Until::Empty && !signals.stop.is_cancelled() {
            self.prune().await;
        }
        std::mem::take(&mut shared.lock().summary)
    }

    /// Claims one arrival and loads it, if there is one to claim.
    pub async fn claim_and_load(
        &self,
        scope: &Scope,
        owner: &str,
        signals: &Signals,
    ) -> Result<Turn, LedgerError> {
        self.turn(scope, owner, signals, false).await
    }

    /// `many`: if it is small, also others that can be loaded together with it.
    async fn turn(
        &self,
        scope: &Scope,
        owner: &str,
        signals: &Signals,
        many: bool,
    ) -> Result<Turn, LedgerError> {
        let lease = self.settings.lease;
        let claimed = self
            .ledger
            .claim(&self.pipelines, scope, owner, lease)
            .await?;
        let used_up = claimed.used_up.into_iter().map(Ended::without_a_word);
        let used_up = used_up.collect();
        let Some(claim) = claimed.claim else {
            let ended = Vec::new();
            return Ok(Turn { used_up, ended });
        };
        let along = match many {
            true => self.claim_along(&claim, scope, owner).await,
            false => Ok(Vec::new()),
        };
        // What was claimed without an answer is found when its lease has run out.
        let along = along.unwrap_or_else(|error| {
            tracing::warn!(
                error = chain(&error),
                "others were not claimed along with it"
            );
            Vec::new()
        });
        let ended = if along.is_empty() {
            vec![self.process(claim, signals).await]
        } else {
            let claims = std::iter::once(claim).chain(along).collect();
            self.process_together(claims, signals).await
        };
        Ok(Turn { used_up, ended })
    }

    /// Of those that are to rest, some are asked for at a time, until one can be claimed.
    async fn shared_turn(
        &self,
        shared: &Shared,
        signals: &Signals,
        many: bool,
    ) -> Result<Turn, LedgerError> {
        let mut scope = match shared.until {
            Until::Stopped | Until::Empty => Scope::Any,
            Until::Resting(_) => Scope::Among(shared.open.after(None)),
        };
        loop {
            let turn = self
                .turn(&scope, &self.settings.owner, signals, many)
                .await?;
            match &scope {
                Scope::Among(some)
                    if turn.is_empty()
                        && !some.is_empty()
                        && !signals.stop.is_cancelled()
                        && !shared.over.is_cancelled() =>
                {
                    scope = Scope::Among(shared.open.after(some.last().copied()));
                }
                _ => return Ok(turn),
            }
        }
    }

    async fn worker(&self, shared: &Shared, signals: &Signals) {
        let mut backoff = Backoff::default();
        // One that comes alone is not kept waiting for others.
        let mut many = false;
        while !signals.stop.is_cancelled() && !shared.over.is_cancelled() {
            shared.busy.fetch_add(1, Ordering::SeqCst);
            let turn = self.shared_turn(shared, signals, many).await;
            many = turn.as_ref().is_ok_and(|turn| !turn.is_empty());
            shared.busy.fetch_sub(1, Ordering::SeqCst);
            let wait = match turn {
                Ok(turn) if !turn.is_empty() => {
                    turn.used_up
                        .into_iter()
                        .for_each(|ended| shared.note(ended));
                    turn.ended.into_iter().for_each(|ended| shared.note(ended));
                    backoff.reset();
                    Duration::ZERO
                }
                Ok(_) => {
                    backoff.reset();
                    if self.is_over(shared).await {
                        shared.over.cancel();
                        return;
                    }
                    jittered(self.settings.poll)
                }
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "the ledger cannot be asked for work; trying again"
                    );
                    shared.note_away(&error);
                    backoff.next_delay(None).unwrap_or(self.settings.poll)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified(), if !wait.is_zero() => {}
                () = signals.stop.cancelled() => {}
                () = shared.over.cancelled() => {}
            }
        }
    }

    /// Whether a worker that found nothing to claim may end.
    async fn is_over(&self, shared: &Shared) -> bool {
        match &shared.until {
            Until::Stopped => false,
            Until::Empty => {
                let over = shared.busy.load(Ordering::SeqCst) == 0;
                if over {
                    self.note_held(shared).await;
                }
                over
            }
            Until::Resting(_) => match self.first_restless(shared).await {
                Ok(None) => true,
                Ok(Some(arrival)) => self.is_held(shared, &arrival).await,
                Err(_) => false,
            },
        }
    }

    async fn note_held(&self, shared: &Shared) {
        if let Ok(Some(paused)) = self.held().await {
            shared.lock().summary.blocked = Some(paused.to_string());
        }
    }

    /// A pause that work waits for: a person has to end it, or to mend what it is for.
    pub async fn held(&self) -> Result<Option<Paused>, LedgerError> {
        for paused in self.ledger.paused(&self.pipelines).await? {
            let filter = Filter {
                state: Some(State::Waiting),
                pipeline: Some(paused.pipeline.clone()),
                ..Filter::default()
            };
            if !self.ledger.arrivals(&filter, 1).await?.is_empty() {
                return Ok(Some(paused));
            }
        }
        Ok(None)
    }

    /// The first that does not rest, but for those that have waited for their sidecars
    /// as long as this process waits for anything.
    async fn first_restless(&self, shared: &Shared) -> Result<Option<Arrival>, LedgerError> {
        let mut held = None;
        let mut last = None;
        loop {
            let some = shared.open.after(last);
            if some.is_empty() {
                break;
            }
            last = some.last().copied();
            let arrivals = self.ledger.arrivals_among(&some).await?;
            let known: HashMap<ArrivalId, Arrival> = arrivals
                .into_iter()
                .map(|arrival| (arrival.id, arrival))
                .collect();
            for id in some {
                match known.get(&id).filter(|arrival| !arrival.rests()) {
                    None => shared.open.rests(id),
                    Some(arrival) if shared.is_held_for_long(id) => held = arrival.error.clone(),
                    Some(arrival) => return Ok(Some(arrival.clone())),
                }
            }
        }
        if held.is_some() {
            shared.lock().summary.held = held;
        }
        Ok(None)
    }

    /// Whether a person has to mend the arrival's pipeline before it goes on.
    async fn is_held(&self, shared: &Shared, arrival: &Arrival) -> bool {
        let paused = self
            .ledger
            .paused(std::slice::from_ref(&arrival.pipeline))
            .await;
        let Some(paused) = paused.unwrap_or_default().pop() else {
            return false;
        };
        shared.lock().summary.blocked = Some(paused.to_string());
        true
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, ended: Ended) {
        if self.until == Until::Stopped {
            return;
        }
        let mut progress = self.lock();
        if !matches!(ended.outcome, Outcome::Held(_)) {
            progress.held.remove(&ended.id);
        }
        if matches!(ended.outcome, Outcome::Loaded) {
            self.open.rests(ended.id);
        }
        match &ended.outcome {
            Outcome::Held(_) => {
                progress.held.entry(ended.id).or_insert_with(Instant::now);
            }
            Outcome::Away(why) => self.away(&mut progress, why.clone()),
            Outcome::Blocked(why) => {
                progress.summary.blocked = Some(why.clone());
                if matches!(self.until, Until::Resting(_)) {
                    self.over.cancel();
                }
            }
            _ => progress.away_since = None,
        }
        progress.summary.ended.push(ended);
    }

    fn is_held_for_long(&self, id: ArrivalId) -> bool {
        let progress = self.lock();
        let since = progress.held.get(&id);
        since.is_some_and(|since| since.elapsed() >= Summary::PATIENCE)
    }

    fn note_away(&self, error: &LedgerError) {
        if self.until != Until::Stopped {
            self.away(&mut self.lock(), chain(error));
        }
    }

    fn away(&self, progress: &mut Progress, why: String) {
        let since = *progress.away_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= Summary::PATIENCE {
            progress.summary.away = Some(why);
            self.over.cancel();
        }
    }
}

/// Between a half and all of it, so that processes do not poll in step.
pub(crate) fn jittered(wait: Duration) -> Duration {
    Backoff::new(Policy {
        first: wait,
        cap: wait,
        tries: None,
    })
    .next_delay(None)
    .unwrap_or(wait)
}
