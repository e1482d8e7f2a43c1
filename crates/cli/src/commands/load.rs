use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrivage_ledger::{FoundBy, LedgerError, Registered, Registration, Replay};
use arrivage_model::{
    Arrival, ArrivalId, Location, Mode, Object, Pipeline, Router, State, StoreKind,
};
use arrivage_processor::{Summary, Until};
use arrivage_store::{Backoff, Stores};
use arrivage_watcher::is_finished_name;
use indicatif::{HumanCount, MultiProgress};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::process;
use crate::arguments::Load;
use crate::exit::{self, Failure};
use crate::wiring::Wiring;
use crate::{output, progress, signals};

/// How many objects one transaction registers.
pub(super) const BATCH: usize = 500;

/// `load URL…`: registers the objects, and loads exactly these.
pub(super) async fn load(
    wiring: &Wiring,
    options: &Load,
    bars: &MultiProgress,
) -> Result<u8, Failure> {
    let signals = signals::listen(wiring.config.processor()?.drain, exit::TERMINATED)
        .map_err(Failure::person)?;
    let stores = wiring.stores()?;
    let processor = wiring.processor(stores.clone(), Arc::new(Notify::new()))?;
    wiring
        .open(options.start.schema(), false, &signals.stop)
        .await?;
    let registrar = Registrar {
        wiring,
        stores,
        by: pipeline(wiring, options)?,
    };
    let mut ids = BTreeSet::new();
    for url in &options.urls {
        let location = locate(&wiring.router, url, options.recursive)?;
        let registered = if options.recursive {
            registrar.below(&location).await?
        } else {
            let object = registrar
                .stores
                .get(location.store)
                .head(&location, None)
                .await?;
            registrar.register(&[object]).await?
        };
        if registered.is_empty() {
            return Err(Failure::usage(format!(
                "{url} holds no object that a pipeline takes"
            )));
        }
        ids.extend(registered.iter().map(|registered| registered.id()));
    }
    let (open, mut code) = sort_out(wiring, &ids).await?;
    if !open.is_empty() {
        let shown = progress::show(&processor, bars);
        let summary = processor.work(Until::Resting(open.clone()), &signals).await;
        drop(shown);
        code = code.max(process::trouble(&summary).unwrap_or(exit::DONE));
        let stopped = signals.stop.is_cancelled();
        code = code.max(report(wiring, &open, options.json.json, stopped).await?);
    }
    Ok(code)
}

fn pipeline<'a>(wiring: &'a Wiring, options: &Load) -> Result<Option<&'a Arc<Pipeline>>, Failure> {
    let Some(name) = &options.pipeline else {
        return Ok(None);
    };
    let found = wiring.router.pipeline(name);
    let names = || {
        let names: Vec<_> = wiring
            .router
            .pipelines()
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        names.join(", ")
    };
    found.map(Some).ok_or_else(|| {
        Failure::usage(format!(
            "there is no pipeline {name}; the configuration has: {}",
            names()
        ))
    })
}

/// A URL as it is, a path by the folder source that holds it.
pub(super) fn locate(router: &Router, url: &str, recursive: bool) -> Result<Location, Failure> {
    if url.contains("://") {
        let location: Location = url.parse().map_err(Failure::person)?;
        if !recursive && (location.key.is_empty() || location.key.ends_with('/')) {
            return Err(Failure::usage(format!(
                "{url} is a prefix; add --recursive"
            )));
        }
        return Ok(location);
    }
    let path = Path::new(url)
        .canonicalize()
        .map_err(|error| Failure::usage(format!("{url} cannot be read: {error}")))?;
    if path.is_dir() && !recursive {
        return Err(Failure::usage(format!(
            "{url} is a folder; add --recursive"
        )));
    }
    let text = path.to_str();
    let text = text.ok_or_else(|| Failure::usage(format!("the path of {url} is not UTF-8")))?;
    let folder = if path.is_dir() { "/" } else { "" };
    Ok(router.locate(&format!("{text}{folder}")))
}

pub(super) struct Registrar<'a> {
    pub(super) wiring: &'a Wiring,
    pub(super) stores: Stores,
    /// Whichever matches, or the one that a person chose.
    pub(super) by: Option<&'a Arc<Pipeline>>,
}

impl Registrar<'_> {
    /// Everything below a prefix, a page at a time.
    async fn below(&self, prefix: &Location) -> Result<Vec<Registered>, Failure> {
        let store = self.stores.get(prefix.store);
        let mut registered = Vec::new();
        let mut after = None;
        loop {
            let page = store
                .list(&prefix.bucket, &prefix.key, after.as_deref())
                .await?;
            for batch in self.wanted(prefix, page.objects).chunks(BATCH) {
                registered.extend(self.register(batch).await?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(registered);
            }
        }
    }

    /// Those that a pipeline takes and that are no unfinished files.
    pub(super) fn wanted(&self, prefix: &Location, objects: Vec<Object>) -> Vec<Object> {
        let router = &self.wiring.router;
        let taken = |object: &Object| match self.by {
            Some(_) => !router.is_sidecar(&object.location),
            None => self.route(object).is_some(),
        };
        let finished = |object: &Object| {
            let below = object
                .location
                .key
                .strip_prefix(&prefix.key)
                .unwrap_or_default();
            object.location.store != StoreKind::Folder || is_finished_name(below)
        };
        let objects = objects.into_iter().filter(finished).filter(taken);
        objects.collect()
    }

    /// The pipeline of each, that a person names them.
    pub(super) fn registrations(&self, objects: &[Object]) -> Result<Vec<Registration>, Failure> {
        let mut registrations = Vec::with_capacity(objects.len());
        for object in objects {
            object.location.check().map_err(Failure::person)?;
            let pipeline = self
                .by
                .cloned()
                .or_else(|| self.route(object))
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "no pipeline matches {}; name one with --pipeline, or add a [[pipeline]]",
                        object.location
                    ))
                })?;
            registrations.push(Registration {
                pipeline: pipeline.name.clone(),
                object: object.clone(),
                found_by: FoundBy::Person,
            });
        }
        Ok(registrations)
    }

    async fn register(&self, objects: &[Object]) -> Result<Vec<Registered>, Failure> {
        let registrations = self.registrations(objects)?;
        let ledger = &self.wiring.ledger;
        let mut registered =
            patiently(self.wiring, async || ledger.register(&registrations).await).await?;
        for (answer, found) in registered.iter_mut().zip(&registrations) {
            // It stands at its key again, after another one: a HEAD has just said so.
            if let Registered::LoadedBefore(id) = *answer
                && self
                    .wiring
                    .router
                    .pipeline(&found.pipeline)
                    .is_some_and(|pipeline| pipeline.mode != Mode::Append)
            {
                let now = &found.object;
                patiently(self.wiring, async || ledger.load_anew(id, now).await).await?;
                *answer = Registered::Requeued(id);
            }
        }
        Ok(registered)
    }

    fn route(&self, object: &Object) -> Option<Arc<Pipeline>> {
        self.wiring
            .router
            .route(&object.location)
            .map(|route| route.pipeline)
    }
}

/// Asks the ledger for a minute. A stopped process may hold what is asked for until
/// its backend is ended.
async fn patiently<T>(
    wiring: &Wiring,
    ask: impl AsyncFn() -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let deadline = Instant::now() + Summary::PATIENCE;
    let mut backoff = Backoff::default();
    loop {
        let error = match ask().await {
            Err(error) if error.is_passing() && Instant::now() < deadline => error,
            answer => return answer,
        };
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the ledger did not answer; asking again"
        );
        if let Err(error) = wiring.ledger.reap().await {
            tracing::debug!(%error, "expired leases were not looked for");
        }
        if let Some(delay) = backoff.next_delay(None) {
            sleep(delay).await;
        }
    }
}

/// Those of these that are there.
async fn among(wiring: &Wiring, ids: &[ArrivalId]) -> Result<Vec<Arrival>, Failure> {
    let mut arrivals = Vec::with_capacity(ids.len());
    for some in ids.chunks(BATCH) {
        let found = async || wiring.ledger.arrivals_among(some).await;
        arrivals.extend(patiently(wiring, found).await?);
    }
    Ok(arrivals)
}

/// Those that are to be loaded, and the code of those that are not.
async fn sort_out(
    wiring: &Wiring,
    ids: &BTreeSet<ArrivalId>,
) -> Result<(Vec<ArrivalId>, u8), Failure> {
    let mut open = Vec::new();
    let mut code = exit::DONE;
    let ids: Vec<ArrivalId> = ids.iter().copied().collect();
    for arrival in among(wiring, &ids).await? {
        let id = arrival.id;
        match arrival.state {
            State::Waiting | State::Loading => open.push(id),
            // Its content stands there now: a HEAD has just said so.
            State::Superseded | State::Unloaded => {
                wiring.ledger.replay(&[id], Replay::Continue).await?;
                open.push(id);
            }
            State::Failed | State::Dismissed => code = code.max(process::failed(&arrival)),
            State::Loaded => {
                let when = arrival
                    .finished_at
                    .map(|t| t.to_rfc3339())
                    .unwrap_or_default();
                output::say(&format!(
                    "{} is already loaded: arrival {id}, {when}",
                    arrival.url
                ));
            }
        }
    }
    Ok((open, code))
}

/// What became of each; the code that it asks for.
async fn report(
    wiring: &Wiring,
    ids: &[ArrivalId],
    json: bool,
    stopped: bool,
) -> Result<u8, Failure> {
    let mut code = exit::DONE;
    let arrivals = among(wiring, ids).await?;
    for arrival in &arrivals {
        code = code.max(match arrival.state {
            State::Failed => process::failed(arrival),
            State::Dismissed => exit::FAILED,
            State::Waiting | State::Loading if stopped => exit::TERMINATED,
            State::Waiting | State::Loading => exit::AGAIN,
            _ => exit::DONE,
        });
        let count = |n: i64| HumanCount(n.unsigned_abs());
        let why = match (arrival.state, &arrival.error) {
            (State::Superseded | State::Waiting | State::Dismissed, Some(error)) => {
                format!(": {error}")
            }
            _ => String::new(),
        };
        output::say(&format!(
            "{}  {}: {} records loaded, {} rejected (arrival {}){why}",
            arrival.state,
            output::cell(&arrival.url, usize::MAX),
            count(arrival.records_loaded),
            count(arrival.records_rejected),
            arrival.id
        ));
    }
    if json {
        output::json_lines(&arrivals);
    }
    Ok(code)
}
