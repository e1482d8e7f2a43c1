//! What every source promises, told once. A source takes part with a [`Subject`].

mod amqp;
mod folder;
mod listing;
mod nats;
mod sqs;
mod table;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use arrivage_model::{Mode, Router};
use arrivage_store::Stores;
use arrivage_testkit::{Postgres, eventually};
use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::health::Monitor;
use crate::intake::Intake;
use crate::queue::Queue;
use crate::receiver::{Receiver, UnreadablePolicy};
use crate::testing::{Books, PATIENCE, pipeline, router, stores};

/// A source, and whoever tells it of objects.
#[async_trait(?Send)]
trait Subject: Sized {
    async fn new() -> Result<Self>;

    /// Where its objects are; `inbox` is an empty directory.
    fn stores(&self, world: &World) -> Stores {
        stores(world.inbox.path(), None)
    }

    /// Has an object announced to the source: one that is there, for a source that
    /// looks for itself.
    async fn announce(&mut self, world: &World, key: &str) -> Result<()>;

    /// Says this to the source; false where nothing can be said to it.
    async fn say(&mut self, body: &str) -> Result<bool>;

    /// How many messages are kept for it, or because it left them, while it is away.
    /// Nothing where nobody keeps any: it looks for itself.
    async fn kept(&mut self) -> Result<Option<usize>>;

    /// The source at work, until it is told to stop.
    fn work(&self, with: With) -> BoxFuture<'static, ()>;

    /// Takes what was announced into the ledger, and dies before it says so.
    async fn die_before_acknowledging(&mut self, with: With) -> Result<()>;
}

/// What a source works with.
struct With {
    intake: Intake,
    router: Arc<Router>,
    monitor: Monitor,
    unreadable: UnreadablePolicy,
    stop: CancellationToken,
}

impl With {
    fn receiver<Q: Queue>(&self, queue: Q) -> Receiver<Q> {
        let (intake, monitor) = (self.intake.clone(), self.monitor.clone());
        Receiver::new(SOURCE, self.unreadable, queue, intake, monitor)
    }
}

const SOURCE: &str = "inbox";

/// A ledger, an empty directory, and pipelines for `.csv`.
struct World {
    books: Books,
    inbox: TempDir,
}

/// A source while it is at work.
struct Working {
    task: JoinHandle<()>,
    monitor: Monitor,
    stop: CancellationToken,
}

impl Working {
    async fn until_well(&self) {
        eventually(PATIENCE, "the source to work", async || {
            self.monitor.health().problem.is_none().then_some(())
        })
        .await;
    }

    async fn end(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

impl World {
    async fn new() -> Result<Self> {
        Self::with(Books::new().await?)
    }

    fn with(books: Books) -> Result<Self> {
        let inbox = TempDir::new()?;
        Ok(Self { books, inbox })
    }

    fn start(&self, subject: &impl Subject, unreadable: UnreadablePolicy) -> With {
        let everything = format!("{}/**/*.csv", self.inbox.path().display());
        let globs = ["s3://drop/**/*.csv", &everything];
        let orders = pipeline("orders", Mode::Append, &globs);
        let router = router(&[orders], self.inbox.path());
        With {
            intake: self.books.intake(SOURCE, &subject.stores(self), &router),
            router,
            monitor: Monitor::new(SOURCE, "any"),
            unreadable,
            stop: CancellationToken::new(),
        }
    }

    fn work(&self, subject: &impl Subject, unreadable: UnreadablePolicy) -> Working {
        let with = self.start(subject, unreadable);
        let (monitor, stop) = (with.monitor.clone(), with.stop.clone());
        let task = tokio::spawn(subject.work(with));
        Working {
            task,
            monitor,
            stop,
        }
    }

    async fn until_arrived(&self, expect: &[&str]) {
        let what = format!("{expect:?} in the ledger");
        eventually(PATIENCE, &what, async || {
            (self.books.keys().await == expect).then_some(())
        })
        .await;
    }
}

/// S3's event about an object whose content is known.
fn event(key: &str) -> String {
    let object = json!({"key": key, "size": 3, "eTag": "aaaa", "sequencer": "01"});
    let record = json!({"eventVersion": "2.0", "eventName": "s3:ObjectCreated:Put",
        "eventTime": "2026-11-22T10:00:00.000Z",
        "s3": {"bucket": {"name": "drop"}, "object": object}});
    let name = format!("drop/{key}");
    json!({"EventName": "s3:ObjectCreated:Put", "Key": name, "Records": [record]}).to_string()
}

async fn until_kept(subject: &mut impl Subject, expect: usize) -> Result<()> {
    if subject.kept().await?.is_none() {
        return Ok(());
    }
    let what = format!("{expect} messages to be kept");
    eventually(PATIENCE, &what, async || {
        let kept = subject.kept().await.expect("who keeps messages answers");
        (kept == Some(expect)).then_some(())
    })
    .await;
    Ok(())
}

async fn until_redelivered(world: &World, subject: &mut impl Subject) -> Result<()> {
    if subject.kept().await?.is_some() {
        eventually(PATIENCE, "the redelivery", async || {
            let arrivals = world.books.arrivals().await;
            (arrivals[0].duplicate_notifications > 0).then_some(())
        })
        .await;
    }
    Ok(())
}

/// What stands in the ledger is not said again, and what no pipeline takes is counted.
async fn what_is_announced_is_recorded_and_forgotten<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    subject.announce(&world, "a.csv").await?;
    subject.announce(&world, "readme.txt").await?;
    let working = world.work(&subject, UnreadablePolicy::Record);
    world.until_arrived(&["a.csv"]).await;
    subject.announce(&world, "b.csv").await?;
    world.until_arrived(&["a.csv", "b.csv"]).await;
    eventually(PATIENCE, "the ignored object", async || {
        (world.books.ignored().await == ["readme.txt"]).then_some(())
    })
    .await;
    working.until_well().await;
    working.end().await?;
    until_kept(&mut subject, 0).await
}

/// It is said again, and the ledger has it once.
async fn a_crash_before_the_acknowledgement_costs_nothing<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    subject.announce(&world, "a.csv").await?;
    let with = world.start(&subject, UnreadablePolicy::Record);
    subject.die_before_acknowledging(with).await?;
    world.until_arrived(&["a.csv"]).await;
    until_kept(&mut subject, 1).await?;

    let working = world.work(&subject, UnreadablePolicy::Record);
    working.until_well().await;
    until_redelivered(&world, &mut subject).await?;
    working.end().await?;
    until_kept(&mut subject, 0).await?;
    ensure!(world.books.keys().await == ["a.csv"], "it arrived twice");
    Ok(())
}

/// A failed arrival rests: only a new message about it queues it again.
async fn a_redelivery_queues_nothing_again<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    subject.announce(&world, "a.csv").await?;
    let with = world.start(&subject, UnreadablePolicy::Record);
    subject.die_before_acknowledging(with).await?;
    let failed = "UPDATE arrivage.arrival
        SET state = 'failed', finished_at = clock_timestamp()";
    world.books.sql(failed).await;
    let working = world.work(&subject, UnreadablePolicy::Record);
    subject.announce(&world, "b.csv").await?;
    world.until_arrived(&["a.csv", "b.csv"]).await;
    until_redelivered(&world, &mut subject).await?;
    working.end().await?;
    until_kept(&mut subject, 0).await?;
    let state = "SELECT state FROM arrivage.arrivals WHERE key = 'a.csv'";
    assert_eq!(world.books.sql(state).await, "failed");
    Ok(())
}

/// Nothing is acknowledged that the ledger does not have.
async fn what_comes_while_the_ledger_is_away_is_kept<S: Subject>() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let books = Books::within(cluster.database().await?).await?;
    let (world, mut subject) = (World::with(books)?, S::new().await?);
    cluster.stop().await?;
    subject.announce(&world, "a.csv").await?;
    let working = world.work(&subject, UnreadablePolicy::Record);
    eventually(PATIENCE, "the complaint about the ledger", async || {
        let problem = working.monitor.health().problem?;
        problem.contains("database").then_some(())
    })
    .await;
    working.end().await?;
    until_kept(&mut subject, 1).await?;

    let working = world.work(&subject, UnreadablePolicy::Record);
    cluster.start().await?;
    world.until_arrived(&["a.csv"]).await;
    working.until_well().await;
    working.end().await?;
    until_kept(&mut subject, 0).await
}

/// Nor is anything that the ledger refuses.
async fn what_the_ledger_refuses_is_kept<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    let refuse = "ALTER TABLE arrivage.arrival ADD CONSTRAINT not_now CHECK (false) NOT VALID";
    world.books.sql(refuse).await;
    subject.announce(&world, "a.csv").await?;
    let working = world.work(&subject, UnreadablePolicy::Record);
    eventually(PATIENCE, "the complaint about the ledger", async || {
        let problem = working.monitor.health().problem?;
        problem.contains("not_now").then_some(())
    })
    .await;
    working.end().await?;
    until_kept(&mut subject, 1).await?;

    let allow = "ALTER TABLE arrivage.arrival DROP CONSTRAINT not_now";
    world.books.sql(allow).await;
    let working = world.work(&subject, UnreadablePolicy::Record);
    world.until_arrived(&["a.csv"]).await;
    working.end().await?;
    until_kept(&mut subject, 0).await
}

const MIXED: &str = include_str!("notification/fixtures/aws-mixed.json");

/// Poison is kept in the ledger and holds up nothing; of a message that is half
/// readable, the readable half is registered.
async fn what_cannot_be_read_is_recorded<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    if !subject.say("no JSON").await? {
        return Ok(());
    }
    subject.say(MIXED).await?;
    subject.announce(&world, "a.csv").await?;
    let working = world.work(&subject, UnreadablePolicy::Record);
    world
        .until_arrived(&["a.csv", "good-1.csv", "good-2.csv"])
        .await;
    let count = "SELECT source, count(*) FROM arrivage.unreadable GROUP BY source";
    eventually(PATIENCE, "both unreadable messages", async || {
        (world.books.sql(count).await == "inbox|2").then_some(())
    })
    .await;
    working.end().await?;
    until_kept(&mut subject, 0).await
}

/// What is left is kept by who keeps messages, and holds up nothing either.
async fn what_cannot_be_read_may_be_left<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    if !subject.say(MIXED).await? {
        return Ok(());
    }
    subject.announce(&world, "a.csv").await?;
    let working = world.work(&subject, UnreadablePolicy::Leave);
    world
        .until_arrived(&["a.csv", "good-1.csv", "good-2.csv"])
        .await;
    working.until_well().await;
    working.end().await?;
    until_kept(&mut subject, 1).await?;
    let count = "SELECT count(*) FROM arrivage.unreadable";
    assert_eq!(world.books.sql(count).await, "0");
    Ok(())
}

/// While it waits for something to come, and also for one that comes thereafter.
async fn it_stops_promptly<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    let working = world.work(&subject, UnreadablePolicy::Record);
    working.until_well().await;
    let ended = tokio::time::timeout(Duration::from_secs(5), working.end()).await;
    ended.context("it goes on")??;
    subject.announce(&world, "a.csv").await?;
    until_kept(&mut subject, 1).await?;
    ensure!(world.books.keys().await.is_empty(), "it goes on");
    Ok(())
}

/// However many watchers there are, an object is one arrival.
async fn two_watchers_register_each_object_once<S: Subject>() -> Result<()> {
    let (world, mut subject) = (World::new().await?, S::new().await?);
    let keys: Vec<String> = (0..40).map(|nth| format!("{nth:02}.csv")).collect();
    let expect: Vec<&str> = keys.iter().map(String::as_str).collect();
    for key in &keys[..20] {
        subject.announce(&world, key).await?;
    }
    let working = [(); 2].map(|()| world.work(&subject, UnreadablePolicy::Record));
    for key in &keys[20..] {
        subject.announce(&world, key).await?;
    }
    world.until_arrived(&expect).await;
    for one in working {
        one.end().await?;
    }
    until_kept(&mut subject, 0).await
}

/// For one that looks for itself: it is killed when the ledger has what it found.
async fn die_after_recording(subject: &impl Subject, with: With) -> Result<()> {
    let intake = with.intake.clone();
    let task = tokio::spawn(subject.work(with));
    eventually(PATIENCE, "an arrival", async || {
        let filter = arrivage_ledger::Filter::default();
        let arrivals = intake.ledger().arrivals(&filter, 1).await;
        arrivals.is_ok_and(|all| !all.is_empty()).then_some(())
    })
    .await;
    task.abort();
    Ok(())
}

macro_rules! conform {
    ($($name:ident: $Subject:ty;)*) => {
        /// All of them need PostgreSQL for the ledger.
        mod postgres {
            $(mod $name {
                use super::super::*;

                conform!(@each $Subject:
                    what_is_announced_is_recorded_and_forgotten,
                    a_crash_before_the_acknowledgement_costs_nothing,
                    a_redelivery_queues_nothing_again,
                    what_comes_while_the_ledger_is_away_is_kept,
                    what_the_ledger_refuses_is_kept,
                    what_cannot_be_read_is_recorded,
                    what_cannot_be_read_may_be_left,
                    it_stops_promptly,
                    two_watchers_register_each_object_once,
                );
            })*
        }
    };
    (@each $Subject:ty: $($promise:ident,)*) => {$(
        #[tokio::test]
        async fn $promise() -> Result<()> {
            super::super::$promise::<$Subject>().await
        }
    )*};
}

conform! {
    amqp_of_rabbitmq: amqp::Amqp;
    folder: folder::Folder;
    listing: listing::Listing;
    nats: nats::Nats;
    sqs_of_ministack: sqs::Sqs;
    table_of_events: table::Events;
    table_of_names: table::Names;
    webhook: webhook::Hook;
}
