mod sharing;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use arrivage_model::{Mode, Router};
use arrivage_store::{AwsSettings, aws_config};
use arrivage_testkit::{Ministack, Place, Postgres, eventually, unique_name};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
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
    fn receiver(&self, queue_url: &str) -> Receiver {
        let source = SqsSource {
            name: "drop".to_owned(),
            queue_url: queue_url.to_owned(),
            endpoint: Some(self.ministack.endpoint().to_owned()),
            region: None,
            unreadable: self.policy,
        };
        let stores = stores(self.folder.path(), Some(&self.ministack));
        let intake = self.books.intake("drop", &stores, &self.router);
        let mut receiver = Receiver::new(source, intake, Monitor::new("drop", "sqs"));
        receiver.access_key = Some(access_key());
        receiver
    }

    fn work(&self) -> Working {
        self.work_on(&self.place.queue_url)
    }

    fn work_on(&self, queue_url: &str) -> Working {
        let receiver = self.receiver(queue_url);
        let (monitor, stop) = (receiver.monitor.clone(), CancellationToken::new());
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
async fn a_crash_before_the_ledger_or_before_the_delete_costs_nothing() -> Result<()> {
    let bench = bench().await?;
    bench
        .set(QueueAttributeName::VisibilityTimeout, "1")
        .await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    let mut receiver = bench.receiver(&bench.place.queue_url);
    let queue = Queue::new(&receiver.source, Some(access_key())).await?;
    let receive = async || {
        eventually(PATIENCE, "the message", async || {
            let deliveries = queue
                .receive(Duration::ZERO)
                .await
                .expect("the queue answers");
            // S3's test event comes first.
            deliveries
                .into_iter()
                .find(|delivery| delivery.body.contains("a.csv"))
        })
        .await
    };

    // Received and not recorded; it comes again.
    let first = receive().await;
    // Recorded and not deleted; it comes again.
    let second = receive().await;
    assert_eq!(second.message_id, first.message_id);
    assert_ne!(second.receipt, first.receipt);
    let recorded = receiver.record(&[second]).await?;
    assert_eq!(recorded.len(), 1);

    let working = bench.work();
    // Until the message is visible again, the queue looks empty.
    eventually(PATIENCE, "the redelivery to be counted", async || {
        let arrivals = bench.books.arrivals().await;
        (arrivals[0].duplicate_notifications > 0).then_some(())
    })
    .await;
    bench.until_empty().await;
    let arrivals = bench.books.arrivals().await;
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].duplicate_notifications, 1);
    working.end().await
}

#[tokio::test]
async fn a_new_message_queues_a_failed_arrival_again_and_a_redelivery_does_not() -> Result<()> {
    let bench = bench().await?;
    let mut receiver = bench.receiver(&bench.place.queue_url);
    let delivery = |message_id: &str| Delivery {
        message_id: message_id.to_owned(),
        receipt: "r".to_owned(),
        body: event("a.csv", "aaaa"),
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

#[tokio::test]
async fn of_a_half_readable_message_the_readable_records_are_registered() -> Result<()> {
    let bench = bench().await?;
    let body = include_str!("../notification/fixtures/aws-mixed.json");
    bench.send(body).await?;
    let working = bench.work();
    bench.until_empty().await;
    assert_eq!(bench.books.keys().await, ["good-1.csv", "good-2.csv"]);
    let kept = bench.unreadable().await;
    assert!(kept.starts_with("drop|{\"Records\":["), "{kept}");
    assert!(
        kept.contains("Records[3]: its key") && kept.contains("; Records[4]:"),
        "{kept}"
    );
    working.end().await
}

#[tokio::test]
async fn poison_is_kept_and_holds_up_nothing() -> Result<()> {
    let bench = bench().await?;
    bench.send("not JSON at all").await?;
    let confirmation = include_str!("../notification/fixtures/sns-subscription.json");
    bench.send(confirmation).await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    bench.send(&"x".repeat(100_000)).await?;
    let working = bench.work();
    bench.until_empty().await;
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    let kept = bench
        .books
        .sql("SELECT left(body, 8), octet_length(body) FROM arrivage.unreadable ORDER BY id")
        .await;
    let confirmation = confirmation.len();
    assert_eq!(
        kept,
        format!("not JSON|15\n{{\"Type\":|{confirmation}\nxxxxxxxx|65536")
    );
    working.end().await
}

#[tokio::test]
async fn poison_that_is_left_goes_to_the_dead_letter_queue() -> Result<()> {
    let mut bench = bench().await?;
    bench.policy = UnreadablePolicy::Leave;
    bench
        .set(QueueAttributeName::VisibilityTimeout, "0")
        .await?;
    let body = include_str!("../notification/fixtures/aws-mixed.json");
    bench.send(body).await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    let working = bench.work();
    eventually(
        PATIENCE,
        "the message in the dead-letter queue",
        async || (bench.messages(&bench.place.dead_letter_queue_url).await == (1, 0)).then_some(()),
    )
    .await;
    bench.until_empty().await;
    assert_eq!(
        bench.books.keys().await,
        ["a.csv", "good-1.csv", "good-2.csv"]
    );
    assert_eq!(bench.unreadable().await, "");
    working.end().await
}

#[tokio::test]
async fn notifications_come_through_topics_and_event_buses() -> Result<()> {
    let bench = bench().await?;
    let ministack = &bench.ministack;
    let name = unique_name("way");
    let arn = |service: &str, name: &str| {
        format!(
            "arn:aws:{service}:{}:000000000000:{name}",
            Ministack::REGION
        )
    };
    ministack
        .aws(&["sns", "create-topic", "--name", &name])
        .await?;
    let topic = arn("sns", &name);
    let mut queues = Vec::new();
    for way in ["wrapped", "raw", "bus"] {
        let queue = format!("{name}-{way}");
        let made = bench
            .client
            .create_queue()
            .queue_name(&queue)
            .send()
            .await?;
        queues.push(made.queue_url.context("a URL")?);
        let queue = arn("sqs", &queue);
        let subscribe = [
            "sns",
            "subscribe",
            "--topic-arn",
            &topic,
            "--protocol",
            "sqs",
            "--notification-endpoint",
            &queue,
        ];
        match way {
            "wrapped" => ministack.aws(&subscribe).await?,
            "raw" => {
                let raw = ["--attributes", "RawMessageDelivery=true"];
                ministack.aws(&[&subscribe[..], &raw].concat()).await?
            }
            _ => {
                let pattern = json!({"source": ["aws.s3"], "detail-type": ["Object Created"],
                    "detail": {"bucket": {"name": [bench.place.bucket]}}});
                let rule = ["events", "put-rule", "--name", &name, "--event-pattern"];
                ministack
                    .aws(&[&rule[..], &[&pattern.to_string()]].concat())
                    .await?;
                let target = format!("Id=1,Arn={queue}");
                ministack
                    .aws(&[
                        "events",
                        "put-targets",
                        "--rule",
                        &name,
                        "--targets",
                        &target,
                    ])
                    .await?
            }
        };
    }
    let configuration = json!({
        "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}],
        "EventBridgeConfiguration": {},
    });
    ministack
        .aws(&[
            "s3api",
            "put-bucket-notification-configuration",
            "--bucket",
            &bench.place.bucket,
            "--notification-configuration",
            &configuration.to_string(),
        ])
        .await?;
    bench.put("in/a b+c é%.csv").await?;

    for (nth, queue_url) in queues.iter().enumerate() {
        let working = bench.work_on(queue_url);
        eventually(PATIENCE, "the way's notification", async || {
            let arrivals = bench.books.arrivals().await;
            let told = arrivals.first()?.duplicate_notifications;
            (told == nth as i64 && bench.messages(queue_url).await == (0, 0)).then_some(())
        })
        .await;
        working.end().await?;
    }
    assert_eq!(bench.books.keys().await, ["in/a b+c é%.csv"]);
    assert_eq!(bench.unreadable().await, "");
    Ok(())
}

#[tokio::test]
async fn while_the_ledger_is_away_nothing_is_received() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let mut bench = bench().await?;
    bench.books = Books::within(cluster.database().await?).await?;
    bench
        .set(QueueAttributeName::VisibilityTimeout, "3600")
        .await?;
    bench.purge().await?;
    cluster.stop().await?;

    bench.send(&event("a.csv", "aaaa")).await?;
    let working = bench.work();
    eventually(PATIENCE, "the complaint about the ledger", async || {
        working
            .monitor
            .health()
            .problem
            .filter(|problem| problem.contains("database"))
    })
    .await;
    assert_eq!(bench.messages(&bench.place.queue_url).await, (1, 0));

    cluster.start().await?;
    bench.until_empty().await;
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    assert_eq!(working.monitor.health().problem, None);
    working.end().await
}

#[tokio::test]
async fn a_batch_that_the_ledger_refuses_is_held_and_nothing_more_is_received() -> Result<()> {
    let bench = bench().await?;
    bench.purge().await?;
    bench.send(&event("a.csv", "aaaa")).await?;
    let refuse = "ADD CONSTRAINT not_now CHECK (false) NOT VALID";
    bench
        .books
        .sql(&format!("ALTER TABLE arrivage.arrival {refuse}"))
        .await;

    let mut receiver = bench.receiver(&bench.place.queue_url);
    let (mut queue, stop) = (None, CancellationToken::new());
    let mut turn = async || receiver.turn(&mut queue, Duration::ZERO, &stop).await;
    for _ in 0..3 {
        let error = turn().await.expect_err("the database refuses");
        assert!(chain(&error).contains("not_now"), "{}", chain(&error));
        bench.send(&event("b.csv", "bbbb")).await?;
    }
    assert_eq!(bench.messages(&bench.place.queue_url).await, (3, 1));

    bench
        .books
        .sql("ALTER TABLE arrivage.arrival DROP CONSTRAINT not_now")
        .await;
    turn().await?;
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    assert_eq!(bench.messages(&bench.place.queue_url).await, (3, 0));
    while bench.messages(&bench.place.queue_url).await != (0, 0) {
        turn().await?;
    }
    assert_eq!(bench.books.keys().await, ["a.csv", "b.csv"]);
    Ok(())
}

#[tokio::test]
async fn a_long_poll_ends_with_the_watcher() -> Result<()> {
    let bench = bench().await?;
    let working = bench.work();
    bench.until_empty().await;
    let monitor = &working.monitor;
    eventually(PATIENCE, "the first answer", async || {
        monitor.health().problem.is_none().then_some(())
    })
    .await;
    let ended = tokio::time::timeout(LONG_POLL / 4, working.end()).await;
    ended.context("it waits for the long poll")?
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_of_and_waited_for() -> Result<()> {
    let bench = bench().await?;
    let name = unique_name("later");
    let queue_url = bench.place.queue_url.replace(&bench.place.bucket, &name);
    let working = bench.work_on(&queue_url);
    let problem = eventually(PATIENCE, "the complaint", async || {
        working
            .monitor
            .health()
            .problem
            .filter(|problem| problem.contains("there is no queue"))
    })
    .await;
    assert!(problem.contains("correct queue_url"), "{problem}");
    bench.client.create_queue().queue_name(&name).send().await?;
    eventually(PATIENCE, "the queue's answer", async || {
        working.monitor.health().problem.is_none().then_some(())
    })
    .await;
    working.end().await
}

#[tokio::test]
async fn a_missing_etag_is_asked_for() -> Result<()> {
    let bench = bench().await?;
    bench.put("in/a.csv").await?;
    bench.purge().await?;

    let without_etag = |key: &str, time: Option<String>| {
        let mut event: Value = serde_json::from_str(&event(key, "")).expect("JSON");
        event["Records"][0]["s3"]["bucket"]["name"] = bench.place.bucket.clone().into();
        event["Records"][0]["eventTime"] = time.into();
        event.to_string()
    };
    let now = Some(chrono::Utc::now().to_rfc3339());
    bench.send(&without_etag("in/a.csv", now.clone())).await?;
    bench.send(&without_etag("in/gone.csv", None)).await?;
    bench.send(&without_etag("in/not-yet.csv", now)).await?;
    let working = bench.work();
    bench.until(0, 1).await;
    let arrivals = bench.books.arrivals().await;
    assert_eq!(arrivals.len(), 1);
    assert_eq!(
        arrivals[0].etag.as_str(),
        "8a80554c91d9fca8acb82f023de02f11"
    );
    working.end().await
}

#[tokio::test]
async fn ten_messages_are_registered_at_once() -> Result<()> {
    let bench = bench().await?;
    let mut receiver = bench.receiver(&bench.place.queue_url);
    let deliveries: Vec<_> = (0..10)
        .map(|nth| Delivery {
            message_id: format!("m{nth}"),
            receipt: format!("r{nth}"),
            body: event(&format!("{}.csv", nth % 5), "aaaa"),
        })
        .collect();
    let recorded = receiver.record(&deliveries).await?;
    assert_eq!(
        recorded,
        ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"]
    );
    let registered_at = bench.books.sql("SELECT count(*), count(DISTINCT registered_at), sum(duplicate_notifications) FROM arrivage.arrivals").await;
    assert_eq!(registered_at, "5|1|5", "one transaction");
    Ok(())
}
