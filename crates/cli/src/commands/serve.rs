//! `run` and `watch`, and what they share with `process`: services that end
//! only when told to.

use std::sync::Arc;

use arrivage_processor::Until;
use arrivage_store::Stores;
use arrivage_watcher::{Context, Health, Watcher, Webhook};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::orders::Orders;
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
    let watcher = watcher(wiring, stores)?.waking(Arc::clone(&wake));
    let served = serve_watcher(wiring, &watcher, Some(wake), &signals.abort).await?;
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
    let served = serve_watcher(wiring, &watcher, None, &signals.abort).await?;
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
    let stop = abort.child_token();
    let orders = Orders::new(wiring, None, stop.clone())?;
    start(wiring, sources, None, orders, stop).await
}

/// The same, with the watcher's sources; `wake` rings for a processor beside it.
async fn serve_watcher(
    wiring: &Wiring,
    watcher: &Watcher,
    wake: Option<Arc<Notify>>,
    abort: &CancellationToken,
) -> Result<Served, Failure> {
    let stop = abort.child_token();
    let orders = Orders::new(wiring, wake, stop.clone())?;
    let (health, webhook) = (Some(watcher.health()), watcher.webhook());
    start(wiring, health, webhook, orders, stop).await
}

async fn start(
    wiring: &Wiring,
    sources: Option<Health>,
    webhook: Option<Webhook>,
    orders: Orders,
    stop: CancellationToken,
) -> Result<Served, Failure> {
    let metrics = http::record_metrics()?;
    let front = http::Front {
        sources,
        webhook,
        orders,
        metrics,
    };
    let task = http::start(wiring, front, stop.clone()).await?;
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
