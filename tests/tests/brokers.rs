//! What brokers bring, with the whole program: a message whose watcher dies before it acknowledges is
//! said again, and its object is loaded once; one that nobody can read holds up nothing.
#![cfg(debug_assertions)]

use std::time::Duration;

use anyhow::{Context, Result};
use arrivage_fault::{Point, VARIABLE};
use arrivage_testkit::{Background, Nats, RabbitMq, S3Server, eventually, unique_name};
use arrivage_tests::{Arrivage, Destination};
use async_nats::jetstream::{self, stream};
use lapin::options::{BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::json;

const SOON: Duration = Duration::from_secs(90);

/// What MinIO sends about an object.
fn event(key: &str) -> String {
    json!({"EventName": "s3:ObjectCreated:Put", "Key": format!("drop/{key}"), "Records": [{
        "eventVersion": "2.0", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put",
        "eventTime": "2026-11-22T10:00:00.000Z",
        "s3": {"bucket": {"name": "drop"}, "object": {"key": key}},
    }]})
    .to_string()
}

/// `say` hands a body to the broker that `source` reads.
async fn is_loaded_once(
    to: &Destination,
    source: &str,
    say: impl AsyncFn(String) -> Result<()>,
) -> Result<()> {
    let s3 = S3Server::start().await?;
    s3.create_bucket("drop");
    let configuration = format!(
        "[s3]\nendpoint = \"{}\"\npath_style = true\n\n[[source]]\n{source}\n\n[[pipeline]]\n\
         name = \"items\"\nmatch = [\"s3://drop/*.csv*\"]\ntable = \"items\"\n",
        s3.endpoint()
    );
    let arrivage = Arrivage::new(&to.url(), &configuration)?.env([
        ("AWS_ACCESS_KEY_ID", S3Server::ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", S3Server::SECRET_KEY),
        ("AWS_REGION", S3Server::REGION),
    ]);
    to.sql("CREATE TABLE items (id bigint)").await?;
    arrivage.run(&["migrate"]).await?.expect(0);
    arrivage
        .run(&["check"])
        .await?
        .expect(0)
        .says("sync_events");

    s3.put("drop", "a.csv", b"id\n1\n2\n".to_vec());
    say(event("a.csv")).await?;
    let mut command = arrivage.command(&["watch"]);
    let fault = format!("{}=kill", Point::QueueBeforeDelete.name());
    command.env(VARIABLE, &fault);
    let mut first = Background::spawn(&fault, command)?;
    first.wait(SOON).await?;
    assert_eq!(
        to.sql("SELECT state FROM arrivage.arrivals").await?,
        "waiting"
    );

    // An object whose upload is not whole; what nobody can read; and one more.
    s3.put("drop", "b.csv.part", b"id\n3\n".to_vec());
    s3.put("drop", "b.csv", b"id\n3\n4\n".to_vec());
    for body in [
        event("b.csv.part"),
        "\"no event\"".to_owned(),
        event("b.csv"),
    ] {
        say(body).await?;
    }
    let mut running = arrivage.start(&["run"])?;
    let told = "SELECT count(*) FROM arrivage.arrivals
        WHERE state = 'loaded' AND (key = 'b.csv' OR duplicate_notifications > 0)";
    eventually(
        SOON,
        "both objects loaded, and the redelivery",
        async || (to.count(told).await == 2).then_some(()),
    )
    .await;
    let check = async |question: &str, expect: &str| {
        let found = to.sql(question).await?;
        anyhow::ensure!(found == expect, "{question}: {found}");
        Ok(())
    };
    check("SELECT id FROM items ORDER BY id", "1\n2\n3\n4").await?;
    check(
        "SELECT key, attempts FROM arrivage.arrivals ORDER BY key",
        "a.csv|1\nb.csv|1",
    )
    .await?;
    check("SELECT key FROM arrivage.ignored", "b.csv.part").await?;
    check("SELECT count(*) FROM arrivage.unreadable", "1").await?;
    let (status, said) = running.get("/readyz").await?;
    anyhow::ensure!(status == 200, "{said}");
    running.process.sigterm()?;
    let status = running.process.wait(SOON).await?;
    anyhow::ensure!(status.success(), "{}", running.process.output());
    Ok(())
}

#[tokio::test]
async fn nats_with_postgres() -> Result<()> {
    let server = Nats::start_new().await?;
    let context = jetstream::new(async_nats::connect(server.url()).await?);
    let stream = stream::Config {
        name: "MINIO".to_owned(),
        subjects: vec!["minio.events".to_owned()],
        ..stream::Config::default()
    };
    context.create_stream(stream).await?;
    let source = format!(
        "kind = \"nats\"\nurl = \"{}\"\nstream = \"MINIO\"",
        server.url()
    );
    let say = async |body: String| {
        context.publish("minio.events", body.into()).await?.await?;
        Ok(())
    };
    is_loaded_once(&Destination::postgres().await?, &source, say).await
}

#[tokio::test]
async fn rabbitmq_with_postgres() -> Result<()> {
    let server = RabbitMq::shared().await?;
    let connection = Connection::connect(server.url(), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let queue = unique_name("drop");
    let name = queue.as_str();
    let declared = channel.queue_declare(
        name.into(),
        QueueDeclareOptions::default(),
        FieldTable::default(),
    );
    declared.await?;
    let source = format!(
        "kind = \"amqp\"\nurl = \"{}\"\nqueue = \"{name}\"",
        server.url()
    );
    let say = async |body: String| {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let said =
            channel.basic_publish("".into(), name.into(), options, body.as_bytes(), properties);
        said.await?.await?;
        Ok(())
    };
    is_loaded_once(&Destination::postgres().await?, &source, say).await
}

#[tokio::test]
async fn table_with_postgres() -> Result<()> {
    let to = Destination::postgres().await?;
    to.sql(
        "CREATE TABLE minio_events
         (event_time TIMESTAMP WITH TIME ZONE NOT NULL, event_data JSONB)",
    )
    .await?;
    let say = async |body: String| {
        let insert = format!("INSERT INTO minio_events VALUES (now(), '{body}')");
        to.sql(&insert).await.context(body)?;
        Ok(())
    };
    is_loaded_once(&to, "kind = \"table\"\ntable = \"minio_events\"", say).await?;
    assert_eq!(to.sql("SELECT count(*) FROM minio_events").await?, "0");
    Ok(())
}
