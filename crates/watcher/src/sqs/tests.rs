mod messages;
mod sharing;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use arrivage_model::{Mode, Router};
use arrivage_store::{AwsSettings, aws_config};
use arrivage_testkit::{Ministack, Place, Postgres, eventually, unique_name};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::health::Monitor;
use crate::queue::{Delivery, Queue as _, Verdict};
use crate::receiver::{LONG_POLL, Receiver};
use crate::testing::{Books, PATIENCE, access_key, pipeline, router, stores};

/// A bucket that announces to a queue, a ledger, and a source between them.
struct Bench {
    books: Books,
    ministack: Ministack,
    place: Place,
    client: Client,
    router: Arc<Router>,
    folder: TempDir,
    policy: UnreadablePolicy,
}

/// A receiver at work.
struct Working {
    task: JoinHandle<()>,
    stop: CancellationToken,
    monitor: Monitor,
}

impl Working {
    async fn end(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

async fn bench() -> Result<Bench> {
    let books = Books::new().await?;
    let ministack = Ministack::shared().await?;
    let place = ministack.place().await?;
    let settings = AwsSettings {
        endpoint: Some(ministack.endpoint().to_owned()),
        region: Some(Ministack::REGION.to_owned()),
        access_key: Some(access_key()),
        ..AwsSettings::default()
    };
    let folder = TempDir::new()?;
    let globs = [
        format!("s3://{}/**/*.csv*", place.bucket),
        "s3://drop/**".to_owned(),
    ];
    let globs: Vec<&str> = globs.iter().map(String::as_str).collect();
    Ok(Bench {
        router: router(&[pipeline("orders", Mode::Append, &globs)], folder.path()),
        client: Client::new(&aws_config(&settings).await),
        books,
        ministack,
        place,
        folder,
        policy: UnreadablePolicy::Record,
    })
}

impl Bench {
    fn queue(&self, queue_url: &str) -> SqsQueue {
        let source = SqsSource {
            name: "drop".to_owned(),
            queue_url: queue_url.to_owned(),
            endpoint: Some(self.ministack.endpoint().to_owned()),
            region: None,
            unreadable: self.policy,
        };
        SqsQueue::new(source, Some(access_key()))
    }

    fn receiver(&self, queue_url: &str) -> Receiver<SqsQueue> {
        let stores = stores(self.folder.path(), Some(&self.ministack));
        let intake = self.books.intake("drop", &stores, &self.router);
        let monitor = Monitor::new("drop", "sqs");
        Receiver::new("drop", self.policy, self.queue(queue_url), intake, monitor)
    }

    fn work(&self) -> Working {
        self.work_on(&self.place.queue_url)
    }

    fn work_on(&self, queue_url: &str) -> Working {
        let receiver = self.receiver(queue_url);
        let (monitor, stop) = (receiver.monitor().clone(), CancellationToken::new());
        Working {
            task: tokio::spawn(receiver.run(stop.clone())),
            stop,
            monitor,
        }
    }

    async fn send(&self, body: &str) -> Result<String> {
        let message = self.client.send_message().queue_url(&self.place.queue_url);
        let sent = message.message_body(body).send().await?;
        sent.message_id.context("a message has an id")
    }

    /// Uploads an object of three bytes.
    async fn put(&self, key: &str) -> Result<()> {
        let file = self.folder.path().join("upload");
        std::fs::write(&file, "{}\n")?;
        let file = file.to_str().context("a readable path")?;
        let put = [
            "s3api",
            "put-object",
            "--bucket",
            &self.place.bucket,
            "--key",
            key,
            "--body",
            file,
        ];
        self.ministack.aws(&put).await?;
        Ok(())
    }

    async fn count(&self, queue_url: &str, name: QueueAttributeName) -> usize {
        let asked = self.client.get_queue_attributes().queue_url(queue_url);
        let answer = asked
            .attribute_names(name.clone())
            .send()
            .await
            .expect("the queue answers");
        let attributes = answer.attributes.expect("attributes");
        attributes[&name].parse().expect("a number")
    }

    /// Messages to be received, and messages that are somebody's now.
    async fn messages(&self, queue_url: &str) -> (usize, usize) {
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let taken = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        (
            self.count(queue_url, visible).await,
            self.count(queue_url, taken).await,
        )
    }

    async fn until_empty(&self) {
        self.until(0, 0).await;
    }

    async fn until(&self, visible: usize, taken: usize) {
        let what = format!("{visible} messages in the queue and {taken} taken");
        eventually(PATIENCE, &what, async || {
            let found = self.messages(&self.place.queue_url).await;
            (found == (visible, taken)).then_some(())
        })
        .await;
    }

    /// Empties the queue: S3's test event may be in the way.
    async fn purge(&self) -> Result<()> {
        self.client
            .purge_queue()
            .queue_url(&self.place.queue_url)
            .send()
            .await?;
        self.until_empty().await;
        Ok(())
    }

    async fn set(&self, name: QueueAttributeName, value: &str) -> Result<()> {
        let set = self
            .client
            .set_queue_attributes()
            .queue_url(&self.place.queue_url);
        set.attributes(name, value).send().await?;
        Ok(())
    }

    async fn unreadable(&self) -> String {
        self.books
            .sql("SELECT source, body, reason FROM arrivage.unreadable ORDER BY id")
            .await
    }
}

/// An event about an object whose content is known.
fn event(key: &str, etag: &str) -> String {
    let object = json!({"key": key, "size": 3, "eTag": etag});
    let record = json!({"eventVersion": "2.1", "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "drop"}, "object": object}});
    json!({"Records": [record]}).to_string()
}

#[tokio::test]
async fn an_uploaded_object_becomes_an_arrival_and_its_message_leaves() -> Result<()> {
    let bench = bench().await?;
    let working = bench.work();
    bench.put("in/a b+c é%.csv").await?;
    bench.put("in/readme.txt").await?;
    let keys = eventually(PATIENCE, "the arrival", async || {
        Some(bench.books.keys().await).filter(|keys| !keys.is_empty())
    });
    assert_eq!(keys.await, ["in/a b+c é%.csv"]);
    eventually(PATIENCE, "the ignored object", async || {
        (bench.books.ignored().await == ["in/readme.txt"]).then_some(())
    })
    .await;
    bench.until_empty().await;
    let arrivals = bench.books.arrivals().await;
    let arrival = &arrivals[0];
    assert_eq!(arrival.bucket, bench.place.bucket);
    assert_eq!(arrival.etag.as_str(), "8a80554c91d9fca8acb82f023de02f11");
    assert_eq!(arrival.size, Some(3));
    assert!(arrival.last_modified.is_some() && arrival.sequencer.is_some());
    assert_eq!(arrival.duplicate_notifications, 0);
    assert_eq!(
        bench.unreadable().await,
        "",
        "S3's test event is no notification to keep"
    );
    assert_eq!(working.monitor.health().problem, None);
    working.end().await
}

#[tokio::test]
async fn a_new_message_queues_a_failed_arrival_again_and_a_redelivery_does_not() -> Result<()> {
    let bench = bench().await?;
    let mut receiver = bench.receiver(&bench.place.queue_url);
    let delivery = |message_id: &str| Delivery {
        message_id: message_id.to_owned(),
        receipt: "r".to_owned(),
        body: event("a.csv", "aaaa").into(),
    };
    receiver.record(&[delivery("m1")]).await?;
    let state = async || bench.books.arrivals().await[0].state.to_string();
    bench
        .books
        .sql("UPDATE arrivage.arrival SET state = 'failed'")
        .await;
    receiver.record(&[delivery("m1")]).await?;
    assert_eq!(state().await, "failed");
    receiver.record(&[delivery("m2")]).await?;
    assert_eq!(state().await, "waiting");
    Ok(())
}
