mod bell;
mod names;
mod sightings;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrivage_ledger::{FoundBy, LedgerError};
use arrivage_model::{Location, Router};
use arrivage_store::{Backoff, Entry, FolderStore, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use self::bell::Bell;
pub use self::names::is_finished_name;
use self::sightings::{Seen, Sightings};
use crate::health::{Monitor, chain};
use crate::intake::{Found, Intake, Taken};
use crate::notification::Notice;

/// So often the whole folder is looked through although nothing rang: shares do
/// not tell of changes that another machine makes.
const RESCAN: Duration = Duration::from_secs(30);

/// How many files are walked past at once.
const PAGE: usize = 10_000;

/// How many files are hashed before they are registered.
const BATCH: usize = 64;

/// After a look, this many times as long is waited as it took, so that a large
/// and busy folder does not keep a processor busy.
const REST: u32 = 5;

/// The shortest wait between two looks.
const SHORTEST: Duration = Duration::from_millis(50);

/// A directory that files are dropped into, here or on a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderSource {
    /// Its name, which is also the bucket of its objects.
    pub name: String,
    /// The directory; absolute.
    pub path: PathBuf,
    /// A file counts once it has not changed for so long.
    pub settle: Duration,
}

/// Why a look came to no end.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(
        "the folder {path} cannot be watched; create it, mount it, or correct the source's path"
    )]
    Missing { path: String, source: io::Error },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks through a folder when its bell rings, when a file has settled, and now
/// and then; the look is what counts.
pub(crate) struct Looker {
    source: FolderSource,
    store: FolderStore,
    router: Arc<Router>,
    intake: Intake,
    monitor: Monitor,
    sightings: Sightings,
    rescan: Duration,
}

/// What a look through the folder showed.
#[derive(Default)]
struct Look {
    /// When the first of the files that settle now may be due.
    due: Option<Instant>,
    /// How long it took, hashing aside.
    walked: Duration,
}

impl Looker {
    pub(crate) fn new(
        source: FolderSource,
        router: Arc<Router>,
        intake: Intake,
        monitor: Monitor,
    ) -> Self {
        let folders = BTreeMap::from([(source.name.clone(), source.path.clone())]);
        let sightings = Sightings::new(source.settle);
        let store = FolderStore::new(folders);
        Self {
            source,
            store,
            router,
            intake,
            monitor,
            sightings,
            rescan: RESCAN,
        }
    }

    /// Works until `stop`; what it is doing then is dropped, for files are
    /// registered as a whole or not at all.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let bell = Bell::new();
        stop.run_until_cancelled(self.look_again_and_again(bell))
            .await;
    }

    async fn look_again_and_again(&mut self, mut bell: Bell) {
        let mut backoff = Backoff::default();
        loop {
            let look = match bell.attend(&self.source.path).await {
                Ok(()) => self.look().await,
                Err(source) => Err(LookError::Missing {
                    path: self.source.path.display().to_string(),
                    source,
                }),
            };
            match look {
                Ok(look) => {
                    self.monitor.well();
                    backoff.reset();
                    sleep((look.walked * REST).clamp(SHORTEST, self.rescan)).await;
                    let due = look
                        .due
                        .map(|due| due.saturating_duration_since(Instant::now()));
                    bell.wait(due.unwrap_or(self.rescan).min(self.rescan)).await;
                }
                Err(error) => {
                    self.report(&error);
                    sleep(backoff.next_delay(None).unwrap_or(self.rescan)).await;
                }
            }
        }
    }

    /// Looks at every file, and records those that have settled.
    async fn look(&mut self) -> Result<Look, LookError> {
        let mut look = Look::default();
        let mut after = None;
        self.sightings.begin();
        loop {
            let began = Instant::now();
            let page = self
                .store
                .entries(&self.source.name, "", after.as_deref(), PAGE)
                .await?;
            let mut due = Vec::new();
            for entry in page.entries {
                if !self.is_ours(&entry.location) {
                    continue;
                }
                match self
                    .sightings
                    .see(&entry.location.key, entry.stamp, Instant::now())
                {
                    Seen::Recorded => {}
                    Seen::Settling(until) => {
                        look.due = Some(look.due.map_or(until, |due| due.min(until)));
                    }
                    Seen::Due => due.push(entry),
                }
            }
            look.walked += began.elapsed();
            for batch in due.chunks(BATCH) {
                self.record(batch).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.sightings.end();
        Ok(look)
    }

    /// A file below a folder source within this one is that one's.
    fn is_ours(&self, location: &Location) -> bool {
        let owner = self
            .router
            .path(location)
            .map(|path| self.router.locate(&path));
        is_finished_name(&location.key) && owner.is_none_or(|owner| owner == *location)
    }

    async fn record(&mut self, entries: &[Entry]) -> Result<(), LookError> {
        let found: Vec<Found> = entries.iter().map(found).collect();
        for (entry, taken) in entries.iter().zip(self.intake.take(&found).await?) {
            let key = entry.location.key.as_str();
            match taken {
                Taken::NotYet(why) if self.sightings.complain(key) => {
                    warn!(
                        source = self.source.name,
                        object.key = key,
                        "cannot record this file yet: {why}"
                    );
                }
                Taken::NotYet(why) => {
                    debug!(
                        source = self.source.name,
                        object.key = key,
                        "still cannot record this file: {why}"
                    );
                }
                Taken::Registered(_) | Taken::Ignored | Taken::Nothing => {
                    self.sightings.recorded(key);
                }
            }
        }
        Ok(())
    }

    fn report(&self, error: &LookError) {
        let (source, problem) = (self.source.name.as_str(), chain(error));
        let passing = match error {
            LookError::Ledger(error) => error.is_passing(),
            LookError::Store(error) => error.is_away() && !error.is_misconfigured(),
            LookError::Missing { .. } => true,
        };
        if passing {
            warn!(
                source,
                "cannot look through the folder, and tries again: {problem}"
            );
        } else {
            error!(
                source,
                "cannot look through the folder until this is mended: {problem}"
            );
        }
        self.monitor.failing(problem);
    }
}

/// Its ETag is left to the store, which hashes it once.
fn found(entry: &Entry) -> Found {
    let notice = Notice {
        location: entry.location.clone(),
        etag: None,
        version_id: None,
        size: Some(entry.stamp.size),
        last_modified: entry.stamp.modified(),
        sequencer: None,
    };
    Found {
        notice,
        by: FoundBy::Listing,
    }
}

#[cfg(test)]
mod tests;
