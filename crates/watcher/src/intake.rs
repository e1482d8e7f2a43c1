use std::sync::Arc;

use arrivage_ledger::{
    FoundBy, Ignored, LedgerError, Registered, Registration, SharedLedger, Unreadable,
};
use arrivage_model::{ArrivalId, Location, Mode, Object, Pipeline, Router};
use arrivage_store::{StoreError, Stores};
use chrono::{TimeDelta, Utc};
use futures::{StreamExt, stream};
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use crate::counts::{self, Outcome};
use crate::health::chain;
use crate::notification::Notice;

/// How many objects one transaction registers.
const BATCH: usize = 500;

/// How many objects are asked for at the same time.
const HEADS: usize = 4;

/// An object that was announced and is not there may still come for so long.
const APPEARS_WITHIN: TimeDelta = TimeDelta::seconds(60);

/// The way from what a source found to the ledger; every source takes it.
#[derive(Clone)]
pub struct Intake {
    source: String,
    ledger: SharedLedger,
    stores: Stores,
    router: Arc<Router>,
    wake: Option<Arc<Notify>>,
}

/// An object, and how it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What was said about it.
    pub notice: Notice,
    /// Who said so.
    pub by: FoundBy,
}

/// What became of something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It stands in the ledger.
    Registered(Registered),
    /// No pipeline takes it; it stands among the ignored.
    Ignored,
    /// There is nothing to load.
    Nothing,
    /// Nothing is recorded, because of this: the source has to say it again.
    NotYet(String),
}

impl Taken {
    /// Whether the source may forget it.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::NotYet(_))
    }
}

/// As what something found is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recording {
    /// To be loaded.
    Register,
    /// As loaded.
    Adopt,
}

/// What routing and the store made of something found.
enum Identified {
    Content(Object, Arc<Pipeline>),
    Unclaimed,
    /// It says something of an object, and is none.
    Sidecar,
    Nothing,
    NotYet(String),
}

impl Intake {
    /// The intake of one source.
    #[must_use]
    pub fn new(
        source: impl Into<String>,
        ledger: SharedLedger,
        stores: Stores,
        router: Arc<Router>,
    ) -> Self {
        let source = source.into();
        Self {
            source,
            ledger,
            stores,
            router,
            wake: None,
        }
    }

    /// Rings whenever there is something new to load.
    #[must_use]
    pub fn waking(self, wake: Option<Arc<Notify>>) -> Self {
        Self { wake, ..self }
    }

    /// Records what was found: one answer for each, in order.
    ///
    /// All that is [settled](Taken::is_settled) is durable when this returns. An
    /// error is the ledger's; everything may then be said again, for what stands
    /// in the ledger already stays once.
    pub async fn take(&self, found: &[Found]) -> Result<Vec<Taken>, LedgerError> {
        let mut taken = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH) {
            taken.extend(self.take_batch(batch, Recording::Register).await?);
        }
        Ok(taken)
    }

    /// Records as loaded, in the same way, what another tool has loaded before; what
    /// the ledger has already stays as it is.
    pub(crate) async fn adopt(&self, found: &[Found]) -> Result<Vec<Taken>, LedgerError> {
        let mut taken = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH) {
            taken.extend(self.take_batch(batch, Recording::Adopt).await?);
        }
        Ok(taken)
    }

    pub(crate) fn ledger(&self) -> &SharedLedger {
        &self.ledger
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    /// Keeps a message that could not be read, or not all of it.
    pub async fn keep_unreadable(
        &self,
        body: &[u8],
        reasons: &[String],
    ) -> Result<(), LedgerError> {
        let notification = Unreadable {
            source: self.source.clone(),
            body: head_of(body, Unreadable::MAX_BODY),
            reason: head_of(reasons.join("; ").as_bytes(), Unreadable::MAX_BODY),
        };
        self.ledger.keep_unreadable(&[notification]).await?;
        counts::add(&self.source, Outcome::Unreadable, 1);
        Ok(())
    }

    /// Answers when the ledger can take something in.
    pub async fn ready(&self) -> Result<(), LedgerError> {
        self.ledger.ping().await
    }

    async fn take_batch(
        &self,
        found: &[Found],
        recording: Recording,
    ) -> Result<Vec<Taken>, LedgerError> {
        let questions: Vec<_> = found
            .iter()
            .map(|found| self.identify(&found.notice))
            .collect();
        let identified: Vec<Identified> = stream::iter(questions).buffered(HEADS).collect().await;

        let mut unclaimed = Vec::new();
        let mut registrations = Vec::new();
        let mut sidecars = Vec::new();
        for (found, identified) in found.iter().zip(&identified) {
            match identified {
                Identified::Content(object, pipeline) => registrations.push(Registration {
                    pipeline: pipeline.name.clone(),
                    object: object.clone(),
                    found_by: found.by.clone(),
                }),
                Identified::Unclaimed => unclaimed.push(Ignored {
                    location: found.notice.location.clone(),
                    size: found.notice.size,
                    source: self.source.clone(),
                    seen_at: None,
                }),
                Identified::Sidecar => sidecars.push(found.notice.location.clone()),
                Identified::Nothing | Identified::NotYet(_) => {}
            }
        }
        let answers = match registrations.as_slice() {
            [] => Vec::new(),
            registrations => match recording {
                Recording::Register => self.ledger.register(registrations).await?,
                Recording::Adopt => self.ledger.adopt(registrations).await?,
            },
        };
        if !unclaimed.is_empty() {
            self.ledger.keep_ignored(&unclaimed).await?;
        }

        // After the registrations: one of them may be what it belongs to.
        if !sidecars.is_empty()
            && self.ledger.came(&sidecars).await? > 0
            && let Some(wake) = &self.wake
        {
            wake.notify_one();
        }

        let mut answers = answers.into_iter();
        let mut taken = Vec::with_capacity(found.len());
        for (found, identified) in found.iter().zip(identified) {
            taken.push(match identified {
                Identified::Content(object, pipeline) => {
                    let answer = answers
                        .next()
                        .expect("the ledger answers each registration");
                    match (recording, answer) {
                        (Recording::Adopt, Registered::New(id)) => {
                            self.tell(Outcome::Adopted, id, &object, &pipeline);
                            Taken::Registered(answer)
                        }
                        (Recording::Adopt, answer) => Taken::Registered(answer),
                        (Recording::Register, answer) => {
                            self.registered(answer, &object, &pipeline, &found.by)
                                .await?
                        }
                    }
                }
                Identified::Unclaimed => {
                    counts::add(&self.source, Outcome::Ignored, 1);
                    debug!(
                        source = self.source,
                        object.key = found.notice.location.key,
                        object.bucket = found.notice.location.bucket,
                        "no pipeline takes this object"
                    );
                    Taken::Ignored
                }
                Identified::Nothing | Identified::Sidecar => {
                    counts::add(&self.source, Outcome::Skipped, 1);
                    Taken::Nothing
                }
                Identified::NotYet(why) => Taken::NotYet(why),
            });
        }
        Ok(taken)
    }

    /// Finds the pipeline, and the content where the notice does not say it.
    async fn identify(&self, notice: &Notice) -> Identified {
        let location = &notice.location;
        if let Err(error) = location.check() {
            self.refused(location, &error.to_string());
            return Identified::Nothing;
        }
        if self.router.is_sidecar(location) {
            return Identified::Sidecar;
        }
        let Some(route) = self.router.route(location) else {
            return Identified::Unclaimed;
        };
        if notice.size == Some(0) && location.key.ends_with('/') {
            self.skipped(location, "it only stands for a folder");
            return Identified::Nothing;
        }
        if let Some(etag) = &notice.etag {
            let object = Object {
                location: location.clone(),
                etag: etag.clone(),
                version_id: notice.version_id.clone(),
                size: notice.size,
                last_modified: notice.last_modified,
                sequencer: notice.sequencer.clone(),
            };
            return Identified::Content(object, route.pipeline);
        }
        let store = self.stores.get(location.store);
        match store.head(location, notice.version_id.as_ref()).await {
            Ok(object) => {
                let object = Object {
                    sequencer: notice.sequencer.clone(),
                    ..object
                };
                Identified::Content(object, route.pipeline)
            }
            Err(StoreError::Gone(_)) if !is_fresh(notice) => {
                self.skipped(location, "it is gone already");
                Identified::Nothing
            }
            Err(error @ StoreError::Refused { .. }) => {
                self.refused(location, &error.to_string());
                Identified::Nothing
            }
            Err(error) => Identified::NotYet(chain(&error)),
        }
    }

    /// Looks whether a content that was loaded before another one of its key
    /// stands there again.
    async fn registered(
        &self,
        answer: Registered,
        object: &Object,
        pipeline: &Pipeline,
        by: &FoundBy,
    ) -> Result<Taken, LedgerError> {
        let mut answer = answer;
        if let Registered::LoadedBefore(id) = answer
            && pipeline.mode != Mode::Append
        {
            let store = self.stores.get(object.location.store);
            match store.head(&object.location, None).await {
                Ok(now) if now.etag == object.etag => {
                    self.ledger.load_anew(id, &now).await?;
                    answer = Registered::Requeued(id);
                }
                Ok(_) | Err(StoreError::Gone(_) | StoreError::Refused { .. }) => {}
                Err(error) => return Ok(Taken::NotYet(chain(&error))),
            }
        }
        match answer {
            Registered::New(id) => self.tell(Outcome::New, id, object, pipeline),
            Registered::Requeued(id) => self.tell(Outcome::Requeued, id, object, pipeline),
            // That a listing sees what is known is no notification.
            Registered::Known(..) | Registered::LoadedBefore(_) if *by == FoundBy::Listing => {}
            Registered::Known(id, _) | Registered::LoadedBefore(id) => {
                self.tell(Outcome::Duplicate, id, object, pipeline);
            }
        }
        Ok(Taken::Registered(answer))
    }

    fn tell(&self, outcome: Outcome, id: ArrivalId, object: &Object, pipeline: &Pipeline) {
        counts::add(&self.source, outcome, 1);
        if let (Outcome::New | Outcome::Requeued, Some(wake)) = (outcome, &self.wake) {
            wake.notify_one();
        }
        let (source, pipeline) = (self.source.as_str(), pipeline.name.as_str());
        let Location { bucket, key, .. } = &object.location;
        match outcome {
            Outcome::New => {
                info!(
                    source,
                    pipeline,
                    arrival.id = id.0,
                    object.bucket = bucket,
                    object.key = key,
                    "registered a new arrival"
                );
            }
            Outcome::Requeued => {
                info!(
                    source,
                    pipeline,
                    arrival.id = id.0,
                    object.bucket = bucket,
                    object.key = key,
                    "queued an arrival again"
                );
            }
            Outcome::Adopted => {
                info!(
                    source,
                    pipeline,
                    arrival.id = id.0,
                    object.bucket = bucket,
                    object.key = key,
                    "adopted what another tool has loaded"
                );
            }
            _ => {
                debug!(
                    source,
                    pipeline,
                    arrival.id = id.0,
                    object.bucket = bucket,
                    object.key = key,
                    "knew this arrival"
                );
            }
        }
    }

    fn refused(&self, location: &Location, why: &str) {
        warn!(
            source = self.source,
            object.bucket = location.bucket,
            object.key = location.key,
            "refused an object: {why}"
        );
    }

    fn skipped(&self, location: &Location, why: &str) {
        info!(
            source = self.source,
            object.bucket = location.bucket,
            object.key = location.key,
            "skipped an object: {why}"
        );
    }
}

/// Whether the object was announced so recently that it may yet appear.
fn is_fresh(notice: &Notice) -> bool {
    notice
        .last_modified
        .is_some_and(|time| Utc::now() - time < APPEARS_WITHIN)
}

/// As much of a text as fits, cut between two characters.
fn head_of(text: &[u8], length: usize) -> String {
    let mut text = String::from_utf8_lossy(text).replace('\0', "\u{FFFD}");
    text.truncate(text.floor_char_boundary(length));
    text
}

#[cfg(test)]
mod tests;
