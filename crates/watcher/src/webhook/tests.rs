use anyhow::Result;
use arrivage_model::{Mode, State};
use arrivage_store::{AccessKey, AwsSettings, S3Settings, Stores};
use arrivage_testkit::{Postgres, S3Server};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::testing::{Books, pipeline, router};

/// A webhook source named `hook` with all that is behind it.
struct Bench {
    books: Books,
    s3: S3Server,
    webhook: Webhook,
}

async fn bench(unreadable: UnreadablePolicy) -> Result<Bench> {
    bench_with(Books::new().await?, unreadable).await
}

async fn bench_with(books: Books, unreadable: UnreadablePolicy) -> Result<Bench> {
    let s3 = S3Server::start().await?;
    s3.create_bucket("drop");
    let aws = AwsSettings {
        endpoint: Some(s3.endpoint().to_owned()),
        region: Some(S3Server::REGION.to_owned()),
        access_key: Some(AccessKey {
            id: S3Server::ACCESS_KEY.to_owned(),
            secret: S3Server::SECRET_KEY.to_owned(),
        }),
        ..AwsSettings::default()
    };
    let settings = S3Settings {
        aws,
        path_style: true,
        ..S3Settings::default()
    };
    let stores = Stores::new(settings, Default::default());
    let inbox = TempDir::new()?;
    let pipelines = [pipeline("orders", Mode::Append, &["s3://drop/**"])];
    let intake = books.intake("hook", &stores, &router(&pipelines, inbox.path()));
    let source = WebhookSource {
        name: "hook".to_owned(),
        unreadable,
    };
    let webhook = Webhook::new(source, intake, Monitor::new("hook", "webhook"));
    Ok(Bench { books, s3, webhook })
}

/// What MinIO sends about an object.
fn event(bucket: &str, key: &str, etag: Option<&str>) -> String {
    json!({"EventName": "s3:ObjectCreated:Put", "Key": format!("{bucket}/{key}"), "Records": [{
        "eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
        "eventTime": chrono::Utc::now().to_rfc3339(),
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": etag, "size": 3}},
    }]})
    .to_string()
}

fn recorded(of: impl FnOnce(&mut Tally)) -> Answer {
    let mut tally = Tally::default();
    of(&mut tally);
    Answer::Recorded(tally)
}

#[tokio::test]
async fn what_a_sender_brings_is_in_the_ledger_once_however_often_it_is_brought() -> Result<()> {
    let bench = bench(UnreadablePolicy::Record).await?;
    let body = event("drop", "a.csv", Some("aaaa"));
    let take = async || bench.webhook.take(body.as_bytes()).await;
    assert_eq!(take().await?, recorded(|tally| tally.new = 1));
    let again = [take(), take(), take(), take()];
    for answer in futures::future::join_all(again).await {
        assert_eq!(answer?, recorded(|tally| tally.duplicate = 1));
    }
    let arrivals = bench.books.arrivals().await;
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].duplicate_notifications, 4);
    Ok(())
}

#[tokio::test]
async fn a_redelivery_queues_nothing_again_and_a_later_notification_does() -> Result<()> {
    let bench = bench(UnreadablePolicy::Record).await?;
    let body = event("drop", "a.csv", Some("aaaa"));
    bench.webhook.take(body.as_bytes()).await?;
    let rested = |ago: &str| {
        format!(
            "UPDATE arrivage.arrival SET state = 'failed',
             finished_at = clock_timestamp() - interval '{ago}'"
        )
    };
    bench.books.sql(&rested("1 second")).await;
    let answer = bench.webhook.take(body.as_bytes()).await?;
    assert_eq!(answer, recorded(|tally| tally.duplicate = 1));
    assert_eq!(bench.books.arrivals().await[0].state, State::Failed);
    bench.books.sql(&rested("61 seconds")).await;
    let answer = bench.webhook.take(body.as_bytes()).await?;
    assert_eq!(answer, recorded(|tally| tally.requeued = 1));
    assert_eq!(bench.books.arrivals().await[0].state, State::Waiting);
    Ok(())
}

#[tokio::test]
async fn an_object_that_no_pipeline_takes_is_ignored_and_not_asked_for() -> Result<()> {
    let bench = bench(UnreadablePolicy::Record).await?;
    for bucket in ["169.254.169.254", "other"] {
        let body = event(bucket, "latest/meta-data", None);
        let answer = bench.webhook.take(body.as_bytes()).await?;
        assert_eq!(answer, recorded(|tally| tally.ignored = 1));
    }
    assert_eq!(bench.books.ignored().await, ["latest/meta-data"; 2]);
    assert!(bench.s3.requests().is_empty(), "it asked the store");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_identified_yet_has_to_be_said_again() -> Result<()> {
    let bench = bench(UnreadablePolicy::Record).await?;
    let body = event("drop", "a.csv", None);
    let answer = bench.webhook.take(body.as_bytes()).await?;
    assert!(matches!(answer, Answer::NotYet(_)), "{answer:?}");
    bench.s3.put("drop", "a.csv", "1\n".as_bytes().to_vec());
    let answer = bench.webhook.take(body.as_bytes()).await?;
    assert_eq!(answer, recorded(|tally| tally.new = 1));
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_beside_what_can() -> Result<()> {
    let bench = bench(UnreadablePolicy::Record).await?;
    let body = include_bytes!("../notification/fixtures/aws-mixed.json");
    let answer = bench.webhook.take(body).await?;
    let expect = recorded(|tally| {
        (tally.new, tally.skipped, tally.unreadable) = (2, 3, 4);
    });
    assert_eq!(answer, expect);
    let answer = bench.webhook.take(b"no JSON").await?;
    assert_eq!(answer, recorded(|tally| tally.unreadable = 1));
    let kept = "SELECT source, left(body, 7) FROM arrivage.unreadable ORDER BY id";
    assert_eq!(bench.books.sql(kept).await, "hook|{\"Recor\nhook|no JSON");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_may_be_left_to_the_sender() -> Result<()> {
    let bench = bench(UnreadablePolicy::Leave).await?;
    let body = include_bytes!("../notification/fixtures/aws-mixed.json");
    let answer = bench.webhook.take(body).await?;
    assert!(matches!(&answer, Answer::Unreadable(why) if why.starts_with("Records[3]")));
    assert_eq!(bench.books.keys().await, ["good-1.csv", "good-2.csv"]);
    let kept = bench.books.sql("SELECT count(*) FROM arrivage.unreadable");
    assert_eq!(kept.await, "0");
    Ok(())
}

#[tokio::test]
async fn a_subscription_is_not_confirmed_by_fetching_what_it_names() -> Result<()> {
    let bench = bench(UnreadablePolicy::Record).await?;
    let body = json!({"Type": "SubscriptionConfirmation", "Message": "confirm",
        "SubscribeURL": format!("{}/confirm", bench.s3.endpoint())});
    let answer = bench.webhook.take(body.to_string().as_bytes()).await?;
    assert_eq!(answer, recorded(|tally| tally.unreadable = 1));
    assert!(bench.s3.requests().is_empty(), "it fetched the URL");
    Ok(())
}

#[tokio::test]
async fn nothing_is_acknowledged_while_the_ledger_is_away() -> Result<()> {
    let cluster = Postgres::cluster().await?;
    let books = Books::within(cluster.database().await?).await?;
    let bench = bench_with(books, UnreadablePolicy::Record).await?;
    let bodies = [
        event("drop", "a.csv", Some("aaaa")),
        event("other", "b.csv", None),
        "no JSON".to_owned(),
    ];
    cluster.stop().await?;
    for body in &bodies {
        let answer = bench.webhook.take(body.as_bytes()).await;
        assert!(answer.is_err(), "{body}: {answer:?}");
    }
    assert!(bench.webhook.monitor.health().problem.is_some());
    cluster.start().await?;
    for body in &bodies {
        let answer = bench.webhook.take(body.as_bytes()).await?;
        assert!(matches!(answer, Answer::Recorded(_)), "{body}: {answer:?}");
    }
    assert_eq!(bench.webhook.monitor.health().problem, None);
    assert_eq!(bench.books.keys().await, ["a.csv"]);
    Ok(())
}
