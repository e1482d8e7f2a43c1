//! What the suite of all sources does not know of.

use anyhow::Result;
use arrivage_testkit::{Nats, eventually};
use async_nats::jetstream::consumer::{AckPolicy, pull, push};
use async_nats::jetstream::{self, stream};
use serde_json::json;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::health::Monitor;
use crate::receiver::Receiver;
use crate::testing::{Books, PATIENCE, pipeline, router, stores};

fn source(server: &Nats) -> NatsSource {
    NatsSource {
        name: "nats".to_owned(),
        url: ServerUrl::parse(&server.url(), &["nats"]).expect("a URL"),
        credentials: None,
        stream: "DROP".to_owned(),
        consumer: "arrivage".to_owned(),
        subject: None,
        unreadable: UnreadablePolicy::Record,
    }
}

fn leaving(server: &Nats) -> NatsSource {
    NatsSource {
        unreadable: UnreadablePolicy::Leave,
        ..source(server)
    }
}

async fn made(server: &Nats) -> Result<(jetstream::Context, stream::Stream)> {
    let context = jetstream::new(async_nats::connect(server.url()).await?);
    let stream = context
        .create_stream(stream::Config {
            name: "DROP".to_owned(),
            subjects: vec!["drop.>".to_owned()],
            ..stream::Config::default()
        })
        .await?;
    Ok((context, stream))
}

async fn say(context: &jetstream::Context, key: &str) -> Result<()> {
    let object = json!({"key": key, "size": 3, "eTag": "aaaa"});
    let record = json!({"eventVersion": "2.0", "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "drop"}, "object": object}});
    let body = json!({"Records": [record]}).to_string();
    context.publish("drop.x", body.into()).await?.await?;
    Ok(())
}

#[tokio::test]
async fn postgres_a_server_that_goes_away_is_told_of_and_comes_back() -> Result<()> {
    let (books, inbox) = (Books::new().await?, TempDir::new()?);
    let mut server = Nats::start_new().await?;
    let (context, _) = made(&server).await?;
    let orders = pipeline("orders", arrivage_model::Mode::Append, &["s3://drop/**"]);
    let (stores, router) = (stores(inbox.path(), None), router(&[orders], inbox.path()));
    let intake = books.intake("nats", &stores, &router);
    let (monitor, stop) = (Monitor::new("nats", "nats"), CancellationToken::new());
    let receiver = Receiver::new(
        "nats",
        UnreadablePolicy::Record,
        NatsQueue::new(source(&server)),
        intake,
        monitor.clone(),
    );
    let working = tokio::spawn(receiver.run(stop.clone()));
    say(&context, "a.csv").await?;
    eventually(PATIENCE, "the arrival", async || {
        (books.keys().await == ["a.csv"]).then_some(())
    })
    .await;

    server.stop()?;
    eventually(PATIENCE, "the complaint", async || {
        monitor.health().problem.map(drop)
    })
    .await;
    server.start()?;
    eventually(PATIENCE, "the sender's connection", async || {
        say(&context, "b.csv").await.ok()
    })
    .await;
    eventually(PATIENCE, "the later arrival", async || {
        (books.keys().await == ["a.csv", "b.csv"]).then_some(())
    })
    .await;
    eventually(PATIENCE, "the source to work", async || {
        monitor.health().problem.is_none().then_some(())
    })
    .await;
    stop.cancel();
    Ok(working.await?)
}

/// A consumer waits for so many acknowledgements, and then hands out nothing more.
#[tokio::test]
async fn postgres_what_is_left_holds_up_nothing_behind_it() -> Result<()> {
    let (books, inbox) = (Books::new().await?, TempDir::new()?);
    let server = Nats::start_new().await?;
    let (context, mut stream) = made(&server).await?;
    let consumer = pull::Config {
        durable_name: Some("arrivage".to_owned()),
        ack_policy: AckPolicy::Explicit,
        max_ack_pending: 3,
        ..pull::Config::default()
    };
    stream.create_consumer(consumer).await?;
    for n in 0..7 {
        let body = format!("no JSON {n}").into();
        context.publish("drop.x", body).await?.await?;
    }
    say(&context, "a.csv").await?;
    let orders = pipeline("orders", arrivage_model::Mode::Append, &["s3://drop/**"]);
    let (stores, router) = (stores(inbox.path(), None), router(&[orders], inbox.path()));
    let receiver = Receiver::new(
        "nats",
        UnreadablePolicy::Leave,
        NatsQueue::new(leaving(&server)),
        books.intake("nats", &stores, &router),
        Monitor::new("nats", "nats"),
    );
    let stop = CancellationToken::new();
    let working = tokio::spawn(receiver.run(stop.clone()));
    eventually(Duration::from_secs(20), "the arrival", async || {
        (books.keys().await == ["a.csv"]).then_some(())
    })
    .await;
    eventually(PATIENCE, "an answer to each message", async || {
        let info = stream.consumer_info("arrivage").await.ok()?;
        (info.num_ack_pending == 0).then_some(())
    })
    .await;
    stop.cancel();
    working.await?;
    assert_eq!(stream.info().await?.state.messages, 8, "they stay");
    Ok(())
}

/// What was answered is gone from a stream that is a queue of work: nobody would see
/// again what is left in it.
#[tokio::test]
async fn nothing_is_left_in_a_stream_that_forgets() -> Result<()> {
    let server = Nats::start_new().await?;
    let context = jetstream::new(async_nats::connect(server.url()).await?);
    let config = stream::Config {
        name: "DROP".to_owned(),
        subjects: vec!["drop.>".to_owned()],
        retention: stream::RetentionPolicy::WorkQueue,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    let problem = check_nats(&leaving(&server)).await;
    let problem = problem.expect_err("it would be lost");
    assert!(problem.contains("retention limits"), "{problem}");
    let mut queue = NatsQueue::new(leaving(&server));
    let received = crate::queue::Queue::receive(&mut queue, Duration::ZERO).await;
    assert!(received.is_err(), "it takes messages");
    assert_eq!(check_nats(&source(&server)).await, Ok(()));
    Ok(())
}

#[tokio::test]
async fn long_messages_are_taken_a_few_at_a_time() -> Result<()> {
    use crate::queue::{Queue as _, Verdict};

    const LARGE: usize = 900 * 1024;

    let server = Nats::configured("max_payload: 16MB\n").await?;
    let (context, _) = made(&server).await?;
    let tell = async |length: usize| -> Result<()> {
        context
            .publish("drop.x", vec![b' '; length].into())
            .await?
            .await?;
        Ok(())
    };
    for n in 0..12 {
        // One that is longer than all that is taken at a time.
        tell(if n == 5 { 12 << 20 } else { LARGE }).await?;
    }
    let mut queue = NatsQueue::new(source(&server));
    let mut taken = 0;
    while taken < 12 {
        let received = queue.receive(Duration::ZERO).await?;
        assert!(!received.is_empty(), "after {taken} messages");
        let bytes: usize = received.iter().map(|one| one.body.len()).sum();
        assert!(bytes <= 4 << 20, "{bytes} bytes at a time");
        taken += received.len();
        let recorded = received
            .into_iter()
            .map(|one| (one.receipt, Verdict::Recorded));
        assert_eq!(queue.settle(recorded.collect()).await?, [""; 0]);
    }
    assert!(queue.receive(Duration::ZERO).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_login_of_the_url_is_shown_to_the_server() -> Result<()> {
    let server = Nats::configured("authorization { user: me, password: \"hu@sh\" }\n").await?;
    let check = async |login: &str, expect: &str| {
        let url = server.url().replace("nats://", &format!("nats://{login}"));
        let source = NatsSource {
            url: ServerUrl::parse(&url, &["nats"]).expect("a URL"),
            ..source(&server)
        };
        let problem = check_nats(&source).await.expect_err(expect);
        assert!(problem.contains(expect), "{login}: {problem}");
        assert!(!problem.contains("hush"), "{problem}");
    };
    check("me:hu%40sh@", "there is no stream DROP").await;
    check("me:hush@", "does not let us in").await;
    check("", "does not let us in").await;
    Ok(())
}

#[tokio::test]
async fn a_token_of_the_url_is_shown_to_the_server() -> Result<()> {
    let server = Nats::configured("authorization { token: \"hu@sh\" }\n").await?;
    let url = server.url().replace("nats://", "nats://hu%40sh@");
    let source = NatsSource {
        url: ServerUrl::parse(&url, &["nats"]).expect("a URL"),
        ..source(&server)
    };
    let problem = check_nats(&source).await.expect_err("there is no stream");
    assert!(problem.contains("there is no stream DROP"), "{problem}");
    Ok(())
}

#[tokio::test]
async fn what_a_person_has_to_mend_is_said() -> Result<()> {
    let server = Nats::start_new().await?;
    let problem = check_nats(&source(&server)).await;
    let problem = problem.expect_err("there is no stream");
    assert!(problem.contains("there is no stream DROP"), "{problem}");

    let (_, stream) = made(&server).await?;
    assert_eq!(check_nats(&source(&server)).await, Ok(()), "it is made");
    stream
        .create_consumer(pull::Config {
            durable_name: Some("careless".to_owned()),
            ack_policy: AckPolicy::None,
            ..pull::Config::default()
        })
        .await?;
    stream
        .create_consumer(push::Config {
            durable_name: Some("pushing".to_owned()),
            deliver_subject: "there".to_owned(),
            ..push::Config::default()
        })
        .await?;
    for (consumer, words) in [
        ("careless", "does not wait for acknowledgements"),
        ("pushing", "name a pull consumer"),
    ] {
        let consumer = consumer.to_owned();
        let mut queue = NatsQueue::new(NatsSource {
            consumer,
            ..source(&server)
        });
        let refused = crate::queue::Queue::receive(&mut queue, Duration::ZERO).await;
        let problem = chain(&refused.err().expect("it is refused"));
        assert!(problem.contains(words), "{problem}");
    }
    Ok(())
}
