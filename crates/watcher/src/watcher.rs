use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrivage_ledger::SharedLedger;
use arrivage_model::Router;
use arrivage_store::{Backoff, Stores};
use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::amqp::{AmqpQueue, AmqpSource};
use crate::counts;
use crate::folder::{FolderSource, Looker};
use crate::health::{Health, Monitor};
use crate::intake::Intake;
use crate::listing::{Lister, ListingSource};
use crate::nats::{NatsQueue, NatsSource};
use crate::receiver::Receiver;
use crate::sqs::{SqsQueue, SqsSource};
use crate::table::{TableQueue, TableSource};
use crate::webhook::{Webhook, WebhookSource};

/// Where notifications come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A queue.
    Sqs(SqsSource),
    /// A directory.
    Folder(FolderSource),
    /// A bucket that is looked through.
    Listing(ListingSource),
    /// A queue of an AMQP server.
    Amqp(AmqpSource),
    /// A consumer of NATS JetStream.
    Nats(NatsSource),
    /// A table that MinIO writes to.
    Table(TableSource),
    /// Whoever brings notifications over HTTP.
    Webhook(WebhookSource),
}

impl Source {
    /// Its name in logs, metrics and the ledger.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Sqs(source) => &source.name,
            Self::Folder(source) => &source.name,
            Self::Listing(source) => &source.name,
            Self::Amqp(source) => &source.name,
            Self::Nats(source) => &source.name,
            Self::Table(source) => &source.name,
            Self::Webhook(source) => &source.name,
        }
    }

    /// Its kind, in the configuration's word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqs(_) => "sqs",
            Self::Folder(_) => "folder",
            Self::Listing(_) => "listing",
            Self::Amqp(_) => "amqp",
            Self::Nats(_) => "nats",
            Self::Table(_) => "table",
            Self::Webhook(_) => "webhook",
        }
    }
}

/// What sources work with.
#[derive(Clone)]
pub struct Context {
    /// Where arrivals are recorded.
    pub ledger: SharedLedger,
    /// Where objects are.
    pub stores: Stores,
    /// Which pipeline takes which object.
    pub router: Arc<Router>,
}

/// Every source of this process, at work side by side.
pub struct Watcher {
    sources: Vec<(Source, Monitor)>,
    context: Context,
    wake: Option<Arc<Notify>>,
}

impl Watcher {
    /// Starts nothing yet.
    #[must_use]
    pub fn new(sources: Vec<Source>, context: Context) -> Self {
        let monitored = |source: Source| {
            let monitor = Monitor::new(source.name(), source.kind());
            (source, monitor)
        };
        Self {
            sources: sources.into_iter().map(monitored).collect(),
            context,
            wake: None,
        }
    }

    /// Rings whenever there is something new to load, so that a processor beside it
    /// need not wait for its next look.
    #[must_use]
    pub fn waking(self, wake: Arc<Notify>) -> Self {
        Self {
            wake: Some(wake),
            ..self
        }
    }

    /// How the sources are doing, now and while they work.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(
            self.sources
                .iter()
                .map(|(_, monitor)| monitor.clone())
                .collect(),
        )
    }

    /// The way in of the webhook source, if there is one, for whoever serves HTTP.
    /// It works whether the watcher runs or not.
    #[must_use]
    pub fn webhook(&self) -> Option<Webhook> {
        self.sources.iter().find_map(|(source, monitor)| {
            let Source::Webhook(source) = source else {
                return None;
            };
            let intake = intake(&source.name, &self.context, self.wake.clone());
            Some(Webhook::new(source.clone(), intake, monitor.clone()))
        })
    }

    /// Works until `stop`, whatever fails: each source tries again by itself.
    /// Returns when all have come to rest. Dropped, it drops them all.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        for (source, monitor) in self.sources {
            counts::show(source.name());
            tasks.spawn(supervise(
                source,
                monitor,
                self.context.clone(),
                self.wake.clone(),
                stop.clone(),
            ));
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// A source that panics has a defect; the others go on, and it starts anew.
async fn supervise(
    source: Source,
    monitor: Monitor,
    context: Context,
    wake: Option<Arc<Notify>>,
    stop: CancellationToken,
) {
    let mut backoff = Backoff::default();
    info!(source = source.name(), kind = source.kind(), "watching");
    loop {
        let work = run(
            source.clone(),
            monitor.clone(),
            context.clone(),
            wake.clone(),
            stop.clone(),
        );
        let Err(panic) = AssertUnwindSafe(work).catch_unwind().await else {
            return;
        };
        let problem = format!("it panicked: {}", words(panic.as_ref()));
        error!(
            source = source.name(),
            "a source starts anew, for {problem}"
        );
        monitor.failing(problem);
        let delay = backoff.next_delay(None).unwrap_or_default();
        stop.run_until_cancelled(tokio::time::sleep(delay)).await;
    }
}

async fn run(
    source: Source,
    monitor: Monitor,
    context: Context,
    wake: Option<Arc<Notify>>,
    stop: CancellationToken,
) {
    let intake = intake(source.name(), &context, wake);
    let router = context.router;
    match source {
        Source::Sqs(source) => {
            let (name, unreadable) = (source.name.clone(), source.unreadable);
            let queue = SqsQueue::new(source, None);
            let receiver = Receiver::new(name, unreadable, queue, intake, monitor);
            Box::pin(receiver.run(stop)).await;
        }
        Source::Amqp(source) => {
            let (name, unreadable) = (source.name.clone(), source.unreadable);
            let queue = AmqpQueue::new(source);
            let receiver = Receiver::new(name, unreadable, queue, intake, monitor);
            Box::pin(receiver.run(stop)).await;
        }
        Source::Nats(source) => {
            let (name, unreadable) = (source.name.clone(), source.unreadable);
            let queue = NatsQueue::new(source);
            let receiver = Receiver::new(name, unreadable, queue, intake, monitor);
            Box::pin(receiver.run(stop)).await;
        }
        Source::Table(source) => {
            let (name, unreadable) = (source.name.clone(), source.unreadable);
            let queue = TableQueue::new(source);
            let receiver = Receiver::new(name, unreadable, queue, intake, monitor);
            Box::pin(receiver.run(stop)).await;
        }
        Source::Folder(source) => Looker::new(source, router, intake, monitor).run(stop).await,
        Source::Listing(source) => {
            Lister::new(source, intake, monitor).run(stop).await;
        }
        Source::Webhook(source) => Webhook::new(source, intake, monitor).run(stop).await,
    }
}

fn intake(source: &str, context: &Context, wake: Option<Arc<Notify>>) -> Intake {
    let Context {
        ledger,
        stores,
        router,
    } = context.clone();
    Intake::new(source, ledger, stores, router).waking(wake)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no words")
}

#[cfg(test)]
mod tests;
