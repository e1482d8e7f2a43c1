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
