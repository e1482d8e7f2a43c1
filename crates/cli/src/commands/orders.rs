//! What the HTTP API sets going, with the same parts as the commands.

mod captured;

use std::sync::Arc;

use arrivage_api::{LoadOrder, Refusal, ReplayOrder};
use arrivage_ledger::{Cancelled, Registered, Registration, Replay, Replayed};
use arrivage_model::{ArrivalId, Location, Mode, Object, Pattern, State, StoreKind};
use arrivage_store::Stores;
use arrivage_watcher::{Place, Reconciliation, Source, Then};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use self::captured::Captured;
use super::load::{BATCH, Registrar};
use super::{reconcile, replay};
use crate::exit::Failure;
use crate::names::nearest;
use crate::wiring::Wiring;

/// An order names at most so many objects, for its answer names them all.
const MOST: usize = 10_000;

/// Carries orders out. Clones are the same.
#[derive(Clone)]
pub(crate) struct Orders {
    wiring: Arc<Wiring>,
    stores: Stores,
    /// Rings for a processor in this process.
    wake: Option<Arc<Notify>>,
    /// One reconciliation at a time.
    reconciling: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Orders {
    pub(super) fn new(
        wiring: &Wiring,
        wake: Option<Arc<Notify>>,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        Ok(Self {
            wiring: Arc::new(wiring.clone()),
            stores: wiring.stores()?,
            wake,
            reconciling: Arc::new(Semaphore::new(1)),
            stop,
        })
    }

    /// Registers what stands at the URL now, or of the pipeline.
    pub(crate) async fn load(self, order: LoadOrder) -> Result<Vec<ArrivalId>, Refusal> {
        let by = order.pipeline.as_deref().map(|name| self.pipeline(name));
        let by = by.transpose()?;
        let registrations = {
            let registrar = Registrar {
                wiring: &self.wiring,
                stores: self.stores.clone(),
                by,
            };
            let objects = match (&order.url, by) {
                (Some(url), _) => self.at(&registrar, url, order.recursive).await?,
                (None, Some(pipeline)) => {
                    let captured = Captured::new(&self.wiring.router, pipeline, &order.parameters);
                    let captured = captured.map_err(Refusal::Invalid)?;
                    self.captured(&registrar, &captured).await?
                }
                (None, None) => {
                    return Err(Refusal::Invalid("name a url, or a pipeline".to_owned()));
                }
            };
            registrar.registrations(&objects).map_err(refusal)?
        };
        if registrations.is_empty() {
            let why = match &order.url {
                Some(url) => format!("{url} holds no object that a pipeline takes"),
                None => "the pipeline has no such object".to_owned(),
            };
            return Err(Refusal::Invalid(why));
        }
        let mut ids = Vec::with_capacity(registrations.len());
        for batch in registrations.chunks(BATCH) {
            ids.extend(self.register(batch).await.map_err(refusal)?);
        }
        self.queue_what_stands_again(&ids).await?;
        tracing::info!(
            url = order.url,
            pipeline = order.pipeline,
            arrivals = ids.len(),
            "took an order to load"
        );
        self.ring();
        Ok(ids)
    }

    /// Queues the arrival again, if that can be done.
    pub(crate) async fn replay(self, id: ArrivalId, order: ReplayOrder) -> Result<(), Refusal> {
        let ledger = &self.wiring.ledger;
        let found = ledger.arrival(id).await.map_err(|e| refusal(e.into()))?;
        let unknown = || Refusal::Unknown(format!("there is no arrival {id}"));
        let arrival = found.ok_or_else(unknown)?;
        if order.from_start {
            let refused = replay::refuse_untold(&self.wiring, &[arrival]).await;
            refused.map_err(refusal)?;
        }
        let how = match (order.from_start, order.force) {
            (false, false) => Replay::Continue,
            (false, true) => Replay::ContinueByForce,
            (true, false) => Replay::FromStart,
            (true, true) => Replay::FromStartByForce,
        };
        let answers = ledger.replay(&[id], how).await;
        let answers = answers.map_err(|error| refusal(error.into()))?;
        match answers.first() {
            Some(Replayed::Queued) => {
                tracing::info!(arrival.id = id.0, "took an order to replay");
                self.ring();
                Ok(())
            }
            Some(Replayed::AlreadyLoaded) => Ok(()),
            Some(Replayed::Loading) => Err(Refusal::Conflict(format!(
                "arrival {id} is being loaded; \"force\": true fences its processor"
            ))),
            Some(Replayed::Unknown) | None => Err(unknown()),
        }
    }

    /// Lets the arrival rest, if it waits or is being loaded.
    pub(crate) async fn cancel(self, id: ArrivalId) -> Result<(), Refusal> {
        let answers = self.wiring.ledger.cancel(&[id]).await;
        let answers = answers.map_err(|error| refusal(error.into()))?;
        match answers.first() {
            Some(Cancelled::Done) => {
                tracing::info!(arrival.id = id.0, "took an order to cancel");
                Ok(())
            }
            Some(Cancelled::Already) => Ok(()),
            Some(Cancelled::Refused(state)) => Err(Refusal::Conflict(format!(
                "arrival {id} is {state}; there is no load to cancel"
            ))),
            Some(Cancelled::Unknown) | None => {
                Err(Refusal::Unknown(format!("there is no arrival {id}")))
            }
        }
    }

    /// Begins to look through the place, or every place that a source names.
    pub(crate) async fn reconcile(self, url: Option<String>) -> Result<Vec<String>, Refusal> {
        if let Some(url) = &url
            && (url.contains("://") || !self.is_folder(url))
        {
            self.locate(url)?;
        }
        let places = reconcile::places(&self.wiring, url.as_deref()).map_err(refusal)?;
        let Ok(turn) = Arc::clone(&self.reconciling).try_acquire_owned() else {
            let why = "a reconciliation is under way; order this one when it has ended";
            return Err(Refusal::Conflict(why.to_owned()));
        };
        let names = places.iter().map(|place| place.location.to_string());
        let names = names.collect();
        tokio::spawn(async move {
            let stop = self.stop.clone();
            stop.run_until_cancelled(self.look_through(places)).await;
            drop(turn);
        });
        Ok(names)
    }

    async fn look_through(&self, places: Vec<Place>) {
        for place in places {
            let name = place.location.to_string();
            let intake = reconcile::intake(&self.wiring, &self.stores).waking(self.wake.clone());
            let pass = Reconciliation::new(place, Then::Register, intake);
            match reconcile::finish(pass, |_| ()).await {
                Ok(counts) => tracing::info!(place = name, ?counts, "reconciled a place"),
                Err(failure) => {
                    let (_, words) = failure.into_words();
                    tracing::error!(place = name, "a place was not reconciled: {words}");
                }
            }
        }
    }

    /// Where a URL leads: only to what the configuration names. Whoever may order
    /// loads may not read any file of this machine.
    fn locate(&self, url: &str) -> Result<Location, Refusal> {
        let parsed = url.parse::<Location>();
        let location = parsed.map_err(|error| Refusal::Invalid(error.to_string()))?;
        self.is_named(&location)?;
        Ok(location)
    }

    fn is_named(&self, location: &Location) -> Result<(), Refusal> {
        let named = match location.store {
            StoreKind::S3 => self.names_bucket(&location.bucket),
            StoreKind::Folder => self.is_folder(&location.bucket),
        };
        if !named {
            let what = match location.store {
                StoreKind::S3 => "pipeline or listing source names the bucket",
                StoreKind::Folder => "folder source is named",
            };
            let why = format!("no {what} {:?}", location.bucket);
            return Err(Refusal::Invalid(why));
        }
        Ok(())
    }

    fn is_folder(&self, name: &str) -> bool {
        let folders = self.wiring.config.folders();
        folders.is_ok_and(|folders| folders.contains_key(name))
    }

    fn names_bucket(&self, bucket: &str) -> bool {
        let pipelines = self.wiring.router.pipelines().iter();
        let mut globs = pipelines.flat_map(|pipeline| &pipeline.patterns);
        let sources = self.wiring.config.sources().unwrap_or_default();
        let mut listed = sources.iter().filter_map(|source| match source {
            Source::Listing(listing) => Some(listing.location.bucket.as_str()),
            _ => None,
        });
        globs.any(|glob| may_lie_in(glob, bucket)) || listed.any(|listed| listed == bucket)
    }

    fn pipeline(&self, name: &str) -> Result<&Arc<arrivage_model::Pipeline>, Refusal> {
        let router = &self.wiring.router;
        let names = router.pipelines().iter().map(|known| known.name.as_str());
        router.pipeline(name).ok_or_else(|| {
            let near = nearest(name, names);
            let near = near.map(|near| format!(", did you mean {near}?"));
            let near = near.unwrap_or_default();
            Refusal::Invalid(format!("there is no pipeline {name}{near}"))
        })
    }

    /// The object that is at the URL now, or all below it.
    async fn at(
        &self,
        registrar: &Registrar<'_>,
        url: &str,
        recursive: bool,
    ) -> Result<Vec<Object>, Refusal> {
        let location = self.locate(url)?;
        if recursive {
            return self.below(registrar, &location, |_| true).await;
        }
        if location.key.is_empty() || location.key.ends_with('/') {
            let why = format!("{url} is a prefix; say \"recursive\": true");
            return Err(Refusal::Invalid(why));
        }
        let object = self.stores.get(location.store).head(&location, None).await;
        Ok(vec![object.map_err(|error| refusal(error.into()))?])
    }

    /// The pipeline's objects with these names.
    async fn captured(
        &self,
        registrar: &Registrar<'_>,
        captured: &Captured<'_>,
    ) -> Result<Vec<Object>, Refusal> {
        let mut objects: Vec<Object> = Vec::new();
        for prefix in captured.prefixes().map_err(Refusal::Invalid)? {
            self.is_named(&prefix)?;
            let more = self.below(registrar, &prefix, |object| captured.holds(object));
            objects.extend(more.await?);
        }
        objects.sort_by_cached_key(|object| object.location.to_string());
        objects.dedup_by(|a, b| a.location == b.location);
        Ok(objects)
    }

    /// Those below a prefix that are wanted. Nothing is registered of an order that is
    /// too large.
    async fn below(
        &self,
        registrar: &Registrar<'_>,
        location: &Location,
        wanted: impl Fn(&Location) -> bool,
    ) -> Result<Vec<Object>, Refusal> {
        let store = self.stores.get(location.store);
        let (mut objects, mut after) = (Vec::new(), None);
        loop {
            let page = store.list(&location.bucket, &location.key, after.as_deref());
            let page = page.await.map_err(|error| refusal(error.into()))?;
            let found = registrar.wanted(location, page.objects).into_iter();
            objects.extend(found.filter(|object| wanted(&object.location)));
            if objects.len() > MOST {
                return Err(Refusal::Invalid(format!(
                    "{location} holds more than {MOST} objects; order a reconciliation of it"
                )));
            }
            after = page.next;
            if after.is_none() {
                return Ok(objects);
            }
        }
    }

    async fn register(&self, registrations: &[Registration]) -> Result<Vec<ArrivalId>, Failure> {
        let ledger = &self.wiring.ledger;
        let registered = ledger.register(registrations).await?;
        for (answer, found) in registered.iter().zip(registrations) {
            // It stands at its key again, after another one: the store has just said so.
            if let Registered::LoadedBefore(id) = *answer
                && let Some(pipeline) = self.wiring.router.pipeline(&found.pipeline)
                && pipeline.mode != Mode::Append
            {
                ledger.load_anew(id, &found.object).await?;
            }
        }
        Ok(registered.iter().map(|answer| answer.id()).collect())
    }

    /// Their content stands there now: a look at the store has just said so.
    async fn queue_what_stands_again(&self, ids: &[ArrivalId]) -> Result<(), Refusal> {
        let ledger = &self.wiring.ledger;
        let known = ledger.arrivals_among(ids).await;
        let known = known.map_err(|error| refusal(error.into()))?;
        let gone = known
            .iter()
            .filter(|arrival| matches!(arrival.state, State::Superseded | State::Unloaded));
        let gone: Vec<ArrivalId> = gone.map(|arrival| arrival.id).collect();
        if !gone.is_empty() {
            let queued = ledger.replay(&gone, Replay::Continue).await;
            queued.map_err(|error| refusal(error.into()))?;
        }
        Ok(())
    }

    fn ring(&self) {
        if let Some(wake) = &self.wake {
            wake.notify_one();
        }
    }
}

/// Whether a glob over URLs may match an object of this bucket.
fn may_lie_in(glob: &Pattern, bucket: &str) -> bool {
    let Some(rest) = glob.as_str().strip_prefix("s3://") else {
        return false;
    };
    let first = rest.split('/').next().unwrap_or_default();
    let first = Pattern::new(&format!("s3://{first}"));
    first.is_ok_and(|first| first.is_match(&format!("s3://{bucket}")))
}

fn refusal(failure: Failure) -> Refusal {
    match failure.into_words() {
        (true, words) => Refusal::Away(words),
        (false, words) => Refusal::Invalid(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_the_first_part_of_a_glob() {
        let check = |glob: &str, bucket: &str, expect: bool| {
            let pattern = Pattern::new(glob).expect(glob);
            assert_eq!(may_lie_in(&pattern, bucket), expect, "{glob} {bucket}");
        };
        check("s3://drop/orders/*.csv", "drop", true);
        check("s3://drop/orders/*.csv", "dropped", false);
        check("s3://drop/**", "drop", true);
        check("s3://{drop,other}/**", "other", true);
        check("s3://drop-*/a", "drop-eu", true);
        check("s3://drop-*/a", "drop", false);
        check("s3://**", "any", true);
        check("/srv/drop/*", "drop", false);
    }
}
