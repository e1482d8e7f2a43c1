//! Holds what stands in a store against what stands in the ledger, and registers
//! what the ledger lacks.

mod merge;
mod words;

use std::sync::Arc;

use arrivage_ledger::{Content, Filter, FoundBy, Registered};
use arrivage_model::{Location, Mode, Object, State, StoreKind};
use arrivage_store::{Store, StoreError};
use chrono::{DateTime, Utc};
use tracing::warn;

use self::merge::{Listed, Merge, Met, Step, Taker, Unsorted};
pub use self::words::{Counts, Finding, Item, Place, ReconcileError, Then};
use crate::folder::is_finished_name;
use crate::intake::{Found, Intake, Taken};
use crate::notification::Notice;

/// How many arrivals are fetched from the ledger at a time.
const PAGE: usize = 1000;

/// How many findings are settled at a time.
const BATCH: usize = 500;

/// One pass over a place, page by page: memory holds a page of the store and one of
/// the ledger. Two at once are harmless, and neither queues a failed arrival again.
pub struct Reconciliation {
    place: Place,
    then: Then,
    intake: Intake,
    store: Arc<dyn Store>,
    counts: Counts,
    /// Pages of the store that were read.
    pages: u64,
    /// Compares; none where the store's keys are in no order.
    merge: Option<Merge>,
    /// Set at the first step.
    began: bool,
    unsorted: bool,
    objects_after: Option<String>,
    contents_after: Option<Content>,
    pending: Vec<Met>,
    is_over: bool,
    /// An object that no pipeline takes was told of before, unless it is newer.
    told_until: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
}

impl Reconciliation {
    /// Nothing is asked for yet.
    #[must_use]
    pub fn new(place: Place, then: Then, intake: Intake) -> Self {
        let store = Arc::clone(intake.stores().get(place.location.store));
        Self {
            place,
            then,
            intake,
            store,
            counts: Counts::default(),
            pages: 0,
            merge: None,
            began: false,
            unsorted: false,
            objects_after: None,
            contents_after: None,
            pending: Vec::new(),
            is_over: false,
            told_until: None,
            newest: None,
        }
    }

    pub(crate) fn told_until(self, told_until: Option<DateTime<Utc>>) -> Self {
        Self {
            told_until,
            newest: told_until,
            ..self
        }
    }

    /// What is reconciled.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The newest object that was seen.
    pub(crate) fn newest(&self) -> Option<DateTime<Utc>> {
        self.newest
    }

    /// How many pages of the store were read.
    pub(crate) fn pages(&self) -> u64 {
        self.pages
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The store lists its keys in no order, so nobody knows what vanished.
    #[must_use]
    pub fn is_unsorted(&self) -> bool {
        self.unsorted
    }

    /// Goes on by one request to store or ledger; returns what was found out, or
    /// nothing when all is done. After an error it may be called again, and asks
    /// the same once more.
    pub async fn advance(&mut self) -> Result<Option<Vec<Item>>, ReconcileError> {
        if !self.began {
            let newest = self.intake.ledger().arrivals(&Filter::default(), 1).await?;
            self.merge = Some(Merge::new(newest.first().map(|arrival| arrival.id)));
            self.began = true;
        }
        while self.pending.len() < BATCH && !self.is_over {
            let step = match &mut self.merge {
                Some(merge) => merge.step(),
                None => Step::WantObjects,
            };
            match step {
                Step::Met(met) => self.meet(met),
                Step::WantObjects => {
                    self.objects().await?;
                    break;
                }
                Step::WantContents => {
                    self.contents().await?;
                    return Ok(Some(Vec::new()));
                }
                Step::Over => self.is_over = true,
            }
        }
        if self.pending.len() >= BATCH || (self.is_over && !self.pending.is_empty()) {
            return self.settle().await.map(Some);
        }
        Ok((!self.is_over).then(Vec::new))
    }

    async fn objects(&mut self) -> Result<(), ReconcileError> {
        let Location { bucket, key, .. } = &self.place.location;
        let page = self
            .store
            .list(bucket, key, self.objects_after.as_deref())
            .await?;
        self.pages += 1;
        let is_last = page.next.is_none();
        let count = page.objects.len() as u64;
        let written = page.objects.iter().filter_map(|o| o.last_modified).max();
        let listed = page.objects.into_iter().map(|object| Listed {
            taker: self.taker(&object),
            object,
        });
        let listed: Vec<Listed> = listed.collect();
        match &mut self.merge {
            Some(merge) => {
                if merge.push_objects(listed, is_last) == Err(Unsorted) {
                    return self.begin_again();
                }
            }
            None => {
                for listed in listed {
                    let met = match listed.taker {
                        Taker::Pipeline { .. } => Met::Missing(listed),
                        _ => Met::Aside(listed),
                    };
                    self.meet(met);
                }
                self.is_over = is_last;
            }
        }
        self.newest = self.newest.max(written);
        self.counts.listed += count;
        self.objects_after = page.next;
        Ok(())
    }

    /// Registers all that is listed, page by page; the ledger says what it knew.
    fn begin_again(&mut self) -> Result<(), ReconcileError> {
        if self.then == Then::Look {
            return Err(ReconcileError::Unsorted(self.place.location.clone()));
        }
        warn!(
            "{} is not listed in the order of its keys; what vanished is not told",
            self.place.location
        );
        self.counts = Counts::default();
        self.merge = None;
        self.unsorted = true;
        self.objects_after = None;
        self.pending.clear();
        Ok(())
    }

    async fn contents(&mut self) -> Result<(), ReconcileError> {
        let page = self
            .intake
            .ledger()
            .contents(&self.place.location, self.contents_after.as_ref(), PAGE)
            .await?;
        let is_last = page.len() < PAGE;
        if let Some(last) = page.last() {
            self.contents_after = Some(last.clone());
        }
        if let Some(merge) = &mut self.merge {
            merge.push_contents(page, is_last);
        }
        Ok(())
    }

    fn taker(&self, object: &Object) -> Taker {
        let location = &object.location;
        if location.store == StoreKind::Folder {
            let owner = self.intake.router().path(location);
            let owner = owner.map(|path| self.intake.router().locate(&path));
            if !is_finished_name(&location.key) || owner.is_some_and(|owner| owner != *location) {
                return Taker::Elsewhere;
            }
        }
        let written = object.last_modified;
        let is_older = |since| written.is_some_and(|written| written < since);
        if self.place.since.is_some_and(is_older) {
            return Taker::Older;
        }
        let stands_for_a_folder = object.size == Some(0) && location.key.ends_with('/');
        let route = self.intake.router().route(location);
        let Some(route) = route.filter(|_| !stands_for_a_folder && location.check().is_ok()) else {
            return Taker::Nobody;
        };
        let age = written.map(|written| Utc::now() - written);
        let is_fresh = age.is_some_and(|age| age.to_std().is_ok_and(|age| age < self.place.settle));
        if location.store == StoreKind::Folder && is_fresh {
            return Taker::Unsettled;
        }
        Taker::Pipeline {
            name: route.pipeline.name.clone(),
            latest_counts: route.pipeline.mode != Mode::Append,
        }
    }

    fn meet(&mut self, met: Met) {
        match &met {
            Met::Known => self.counts.known += 1,
            Met::Settled => {}
            Met::Missing(_) | Met::Changed(_) | Met::Vanished(_) => self.pending.push(met),
            Met::Aside(listed) => match listed.taker {
                Taker::Older => self.counts.older += 1,
                Taker::Unsettled => self.counts.left += 1,
                Taker::Nobody if self.is_told(&listed.object) => self.counts.ignored += 1,
                Taker::Nobody => self.pending.push(met),
                Taker::Elsewhere | Taker::Pipeline { .. } => {}
            },
        }
    }

    fn is_told(&self, object: &Object) -> bool {
        let before = |until| object.last_modified <= Some(until);
        self.then == Then::Look || self.told_until.is_some_and(before)
    }

    /// Does what is to be done about what was found out. All of it may be done
    /// again after an error.
    async fn settle(&mut self) -> Result<Vec<Item>, ReconcileError> {
        let listed = self.pending.iter().filter_map(|met| match met {
            Met::Missing(listed) | Met::Changed(listed) | Met::Aside(listed) => Some(listed),
            _ => None,
        });
        let found: Vec<Found> = listed.map(|listed| found(&listed.object)).collect();
        let taken = match self.then {
            Then::Look => Vec::new(),
            Then::Register => self.intake.take(&found).await?,
            Then::Adopt => self.intake.adopt(&found).await?,
        };
        let mut taken = taken.into_iter();
        let mut items = Vec::new();
        let mut counts = self.counts;
        for met in &self.pending {
            match met {
                Met::Missing(listed) => {
                    let finding = Finding::Missing;
                    items.extend(self.note(finding, listed, taken.next(), &mut counts));
                }
                Met::Changed(listed) => {
                    let finding = Finding::Changed;
                    items.extend(self.note(finding, listed, taken.next(), &mut counts));
                }
                Met::Aside(_) => {
                    taken.next();
                    counts.ignored += 1;
                }
                Met::Vanished(content) if self.is_gone(content).await? => {
                    counts.vanished += 1;
                    items.push(Item {
                        finding: Finding::Vanished,
                        location: self.location_of(content),
                        pipeline: content.pipeline.clone(),
                        arrival: Some((content.id, content.state)),
                    });
                }
                Met::Vanished(_) => counts.left += 1,
                Met::Known | Met::Settled => {}
            }
        }
        self.counts = counts;
        self.pending.clear();
        Ok(items)
    }

    fn note(
        &self,
        finding: Finding,
        listed: &Listed,
        taken: Option<Taken>,
        counts: &mut Counts,
    ) -> Option<Item> {
        let arrival = match taken {
            None => None,
            Some(Taken::Registered(Registered::New(id))) => Some((
                id,
                match self.then {
                    Then::Adopt => State::Loaded,
                    Then::Look | Then::Register => State::Waiting,
                },
            )),
            Some(Taken::Registered(Registered::Requeued(id))) => Some((id, State::Waiting)),
            // Another one was faster, or nothing is to be done about it.
            Some(Taken::Registered(Registered::Known(..) | Registered::LoadedBefore(_))) => {
                counts.known += 1;
                return None;
            }
            Some(Taken::Ignored | Taken::Nothing) => {
                counts.ignored += 1;
                return None;
            }
            Some(Taken::NotYet(why)) => {
                warn!(
                    object.key = listed.object.location.key,
                    "left an object for the next look: {why}"
                );
                counts.left += 1;
                return None;
            }
        };
        match finding {
            Finding::Changed => counts.changed += 1,
            Finding::Missing | Finding::Vanished => counts.missing += 1,
        }
        let Taker::Pipeline { name, .. } = &listed.taker else {
            return None;
        };
        Some(Item {
            finding,
            location: listed.object.location.clone(),
            pipeline: name.clone(),
            arrival,
        })
    }

    /// A folder's listing leaves out what it may not read just now.
    async fn is_gone(&self, content: &Content) -> Result<bool, ReconcileError> {
        if self.place.location.store != StoreKind::Folder {
            return Ok(true);
        }
        match self.store.head(&self.location_of(content), None).await {
            Err(StoreError::Gone(_) | StoreError::Refused { .. }) => Ok(true),
            Ok(_) | Err(StoreError::Busy { .. } | StoreError::Denied { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn location_of(&self, content: &Content) -> Location {
        Location {
            key: content.key.clone(),
            ..self.place.location.clone()
        }
    }
}

fn found(object: &Object) -> Found {
    let Object {
        location,
        etag,
        version_id,
        size,
        last_modified,
        sequencer,
    } = object.clone();
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
