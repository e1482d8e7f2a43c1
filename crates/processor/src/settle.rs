//! What is written into the ledger when a load did not go well.

use std::time::Duration;

use arrivage_ledger::{Claim, LedgerError};
use arrivage_model::{Failure, State};
use arrivage_store::{Backoff, Policy, StoreError};

use crate::board::Loading;
use crate::fate::{Fate, LoadError, failure, fate};
use crate::outcome::Outcome;
use crate::process::{FREE_WITHIN, Held, Processor, REMOVAL};
use crate::work::Signals;

impl Processor {
    /// Writes into the ledger what became of a load that did not go well.
    pub(crate) async fn settle(
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
                Fate::Hold(awaited) => {
                    let state = self.ledger.hold(&held.lease, awaited).await;
                    state.map(|state| match state {
                        State::Failed => Outcome::Failed(awaited.over.clone()),
                        _ => Outcome::Held(awaited.why.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_twice_as_long_up_to_five_minutes() {
        let seconds: Vec<u64> = [1, 2, 3, 7, 8, 40].map(|n| retry_delay(n).as_secs()).into();
        assert_eq!(seconds, [5, 10, 20, 300, 300, 300]);
    }
}
