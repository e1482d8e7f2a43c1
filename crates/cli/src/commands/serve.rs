//! `run` and `watch`, and what they share with `process`: services that end
//! only when told to.

use std::sync::Arc;

use arrivage_processor::Until;
use arrivage_store::Stores;
use arrivage_watcher::{Context, Health, Watcher};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::arguments::Start;
use crate::exit::{self, Failure};
use crate::wiring::{Schema, Wiring};
use crate::{http, signals};

impl Start {
    pub(super) fn schema(&self) -> Schema {
        if self.no_migrate {
            Schema::Check
        } else {
            Schema::Migrate
        }
    }
}

/// Sources, processors and HTTP in one process.
pub(super) async fn run(wiring: &Wiring, start: &Start) -> Result<u8, Failure> {
    let signals =
        signals::listen(wiring.config.processor()?.drain, exit::DONE).map_err(Failure::person)?;
    let wake = Arc::new(Notify::new());
    let stores = wiring.stores()?;
    let processor = wiring.processor(stores.clone(), Arc::clone(&wake))?;
    let watcher = watcher(wiring, stores)?.waking(wake);
    let served = serve(wiring, Some(watcher.health()), &signals.abort).await?;
    if open(wiring, start, &signals.stop).await? {
        tokio::join!(
            watcher.run(signals.stop.clone()),
            processor.work(Until::Stopped, &signals),
        );
    }
    served.end().await;
    Ok(exit::DONE)
}

/// Sources and HTTP only.
pub(super) async fn watch(wiring: &Wiring, start: &Start) -> Result<u8, Failure> {
    let signals =
        signals::listen(wiring.config.processor()?.drain, exit::DONE).map_err(Failure::person)?;
    let watcher = watcher(wiring, wiring.stores()?)?;
    let served = serve(wiring, Some(watcher.health()), &signals.abort).await?;
    if open(wiring, start, &signals.stop).await? {
        watcher.run(signals.stop.clone()).await;
    }
    served.end().await;
    Ok(exit::DONE)
}

/// HTTP while it is served.
pub(super) struct Served {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Ends it, after the requests that are under way.
    pub(super) async fn end(self) {
        self.stop.cancel();
        // What it had to say is in the log.
        let _ = self.task.await;
    }
}

/// Serves HTTP, also while the ledger is not open yet: a probe asks early.
pub(super) async fn serve(
    wiring: &Wiring,
    sources: Option<Health>,
    abort: &CancellationToken,
) -> Result<Served, Failure> {
    let metrics = http::record_metrics()?;
    let stop = abort.child_token();
    let ledger = Arc::clone(&wiring.ledger);
    let task = http::start(
        wiring.config.http()?,
        ledger,
        sources,
        metrics,
        stop.clone(),
    )
    .await?;
    Ok(Served { stop, task })
}

/// Opens the ledger, however long its database is away; false when told to stop
/// before.
pub(super) async fn open(
    wiring: &Wiring,
    start: &Start,
    stop: &CancellationToken,
) -> Result<bool, Failure> {
    match wiring.open(start.schema(), true, stop).await {
        Ok(()) => Ok(true),
        Err(_) if stop.is_cancelled() => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn watcher(wiring: &Wiring, stores: Stores) -> Result<Watcher, Failure> {
    let sources = wiring.config.sources()?.to_vec();
    if sources.is_empty() {
        return Err(Failure::usage(format!(
            "{} names no [[source]]; add one, or use `arrivage process`",
            wiring.config.file().display()
        )));
    }
    let (ledger, router) = (Arc::clone(&wiring.ledger), Arc::clone(&wiring.router));
    Ok(Watcher::new(
        sources,
        Context {
            ledger,
            stores,
            router,
        },
    ))
}
