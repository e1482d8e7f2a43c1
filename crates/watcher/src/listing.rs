use std::time::Duration;

use arrivage_model::Location;
use arrivage_store::{Backoff, Policy};
use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::counts;
use crate::health::{Monitor, chain};
use crate::intake::Intake;
use crate::reconcile::{Counts, Place, ReconcileError, Reconciliation, Then};

/// So often one page is asked for; then the pass starts over, in case that its
/// place in the listing is no longer understood.
const TRIES: usize = 10;

/// A bucket, or a part of it, that is looked through now and then for objects
/// that no notification told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingSource {
    /// Its name in logs, metrics and the ledger.
    pub name: String,
    /// The bucket, and as its key the prefix; empty for all of it.
    pub location: Location,
    /// A look begins at most so long after the one before.
    pub every: Duration,
    /// Objects written before are not ours.
    pub since: Option<DateTime<Utc>>,
}

/// Reconciles a bucket with the ledger, again and again.
pub(crate) struct Lister {
    source: ListingSource,
    intake: Intake,
    monitor: Monitor,
    /// The newest object of the last whole look. An object that no pipeline takes
    /// was told of then, unless it is newer.
    told_until: Option<DateTime<Utc>>,
    tries: usize,
}

impl Lister {
    pub(crate) fn new(source: ListingSource, intake: Intake, monitor: Monitor) -> Self {
        Self {
            source,
            intake,
            monitor,
            told_until: None,
            tries: TRIES,
        }
    }

    /// Works until `stop`; what it is doing then is dropped, for a page is
    /// registered as a whole or not at all.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.look_again_and_again()).await;
    }

    async fn look_again_and_again(&mut self) {
        // Between a half and the whole of the period from one beginning to the
        // next, so that many watchers do not look at once and none looks late.
        let period = Policy {
            first: self.source.every,
            cap: self.source.every,
            tries: None,
        };
        let mut period = Backoff::new(period);
        loop {
            let began = Instant::now();
            self.look().await;
            let delay = period.next_delay(None).unwrap_or(self.source.every);
            sleep_until(began + delay).await;
        }
    }

    /// Looks at every page once, however long that takes.
    async fn look(&mut self) {
        let mut backoff = Backoff::new(Policy::default().tries(self.tries));
        let mut pass = self.pass();
        loop {
            let pages = pass.pages();
            match pass.advance().await {
                Ok(Some(_)) => {
                    if pass.pages() > pages {
                        self.monitor.well();
                    }
                    backoff.reset();
                }
                Ok(None) => break,
                Err(error) => {
                    self.report(&error);
                    let Some(delay) = backoff.next_delay(None) else {
                        backoff = Backoff::new(Policy::default().tries(self.tries));
                        pass = self.pass();
                        continue;
                    };
                    sleep(delay).await;
                }
            }
        }
        self.monitor.well();
        self.told_until = pass.newest();
        counts::look(&self.source.name, &pass.counts());
        self.tell(&pass.counts());
    }

    fn pass(&self) -> Reconciliation {
        let place = Place {
            location: self.source.location.clone(),
            since: self.source.since,
            settle: Duration::ZERO,
        };
        Reconciliation::new(place, Then::Register, self.intake.clone()).told_until(self.told_until)
    }

    fn tell(&self, counts: &Counts) {
        let (source, place) = (self.source.name.as_str(), &self.source.location);
        let Counts {
            listed,
            missing,
            changed,
            vanished,
            ignored,
            ..
        } = *counts;
        if missing + changed > 0 {
            info!(
                source,
                listed,
                missing,
                changed,
                vanished,
                ignored,
                "found objects in {place} that no notification told of"
            );
        } else {
            debug!(source, listed, vanished, ignored, "looked through {place}");
        }
    }

    fn report(&self, error: &ReconcileError) {
        let (source, problem) = (self.source.name.as_str(), chain(error));
        let place = &self.source.location;
        if error.is_passing() {
            warn!(
                source,
                "cannot look through {place}, and tries again: {problem}"
            );
        } else {
            error!(
                source,
                "cannot look through {place} until this is mended: {problem}"
            );
        }
        self.monitor.failing(problem);
    }
}

#[cfg(test)]
mod tests;
