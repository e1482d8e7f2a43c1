use std::sync::Arc;
use std::time::Duration;

use arrivage_ledger::{FoundBy, LedgerError};
use arrivage_model::{Location, Object};
use arrivage_store::{Backoff, Policy, Store, StoreError, Stores};
use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::health::{Monitor, chain};
use crate::intake::{Found, Intake, Taken};
use crate::notification::Notice;

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

/// Why a look came to no end.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LookError {
    fn is_passing(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_passing(),
            Self::Store(error) => error.is_away() && !error.is_misconfigured(),
        }
    }
}

/// Looks through a bucket page by page and registers what the ledger lacks.
pub(crate) struct Lister {
    source: ListingSource,
    store: Arc<dyn Store>,
    intake: Intake,
    monitor: Monitor,
    /// The newest object of the last whole look. An object that no pipeline takes
    /// was told of then, unless it is newer.
    told_until: Option<DateTime<Utc>>,
    tries: usize,
}

impl Lister {
    pub(crate) fn new(
        source: ListingSource,
        stores: &Stores,
        intake: Intake,
        monitor: Monitor,
    ) -> Self {
        let store = Arc::clone(stores.get(source.location.store));
        Self {
            source,
            store,
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
        let mut newest = self.told_until;
        let mut after = None;
        loop {
            match self.page(after.as_deref(), &mut newest).await {
                Ok(next) => {
                    self.monitor.well();
                    backoff.reset();
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
                Err(error) => {
                    self.report(&error);
                    let Some(delay) = backoff.next_delay(None) else {
                        backoff = Backoff::new(Policy::default().tries(self.tries));
                        after = None;
                        continue;
                    };
                    sleep(delay).await;
                }
            }
        }
        self.told_until = newest;
        debug!(
            source = self.source.name,
            "looked through {}", self.source.location
        );
    }

    /// Registers what one page shows. Returns where the next one begins.
    async fn page(
        &self,
        after: Option<&str>,
        newest: &mut Option<DateTime<Utc>>,
    ) -> Result<Option<String>, LookError> {
        let Location {
            bucket,
            key: prefix,
            ..
        } = &self.source.location;
        let page = self.store.list(bucket, prefix, after).await?;
        let written = page
            .objects
            .iter()
            .filter_map(|object| object.last_modified);
        *newest = written.max().max(*newest);
        let objects = page
            .objects
            .into_iter()
            .filter(|object| self.is_ours(object));
        let found: Vec<Found> = objects.map(found).collect();
        for (found, taken) in found.iter().zip(self.intake.take(&found).await?) {
            if let Taken::NotYet(why) = taken {
                warn!(
                    source = self.source.name,
                    object.key = found.notice.location.key,
                    "left an object for the next look: {why}"
                );
            }
        }
        Ok(page.next)
    }

    fn is_ours(&self, object: &Object) -> bool {
        let too_old = self
            .source
            .since
            .is_some_and(|since| object.last_modified.is_some_and(|written| written < since));
        let told = self
            .told_until
            .is_some_and(|until| object.last_modified <= Some(until));
        !too_old && (!told || self.intake.is_claimed(&object.location))
    }

    fn report(&self, error: &LookError) {
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

fn found(object: Object) -> Found {
    let Object {
        location,
        etag,
        version_id,
        size,
        last_modified,
        sequencer,
    } = object;
    let notice = Notice {
        location,
        etag: Some(etag),
        version_id,
        size,
        last_modified,
        sequencer,
    };
    Found {
        notice,
        by: FoundBy::Listing,
    }
}

#[cfg(test)]
mod tests;
