//! What the suite of all sources does not know of.

use std::time::Duration;

use anyhow::{Context as _, Result};
use arrivage_testkit::{RabbitMq, eventually, unique_name};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use super::*;
use crate::amqp::queue::Receipt;
use crate::notification::MAX_BODY;
use crate::queue::{Delivery, Queue as _, Verdict};
use crate::testing::PATIENCE;

/// A queue of its own, and who publishes to it.
struct Broker {
    _connection: Connection,
    channel: Channel,
    source: AmqpSource,
}

impl Broker {
    async fn new(server: &RabbitMq, arguments: &[(&str, AMQPValue)]) -> Result<Self> {
        let connection = Connection::connect(server.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let mut table = FieldTable::default();
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        let queue = unique_name("drop");
        let durable = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        channel
            .queue_declare(queue.as_str().into(), durable, table)
            .await?;
        let source = AmqpSource {
            name: "amqp".to_owned(),
            url: ServerUrl::parse(server.url(), &["amqp"]).expect("a URL"),
            queue,
            unreadable: UnreadablePolicy::Record,
        };
        Ok(Self {
            _connection: connection,
            channel,
            source,
        })
    }

    async fn say(&self, body: &[u8]) -> Result<()> {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let queue = self.source.queue.as_str().into();
        let said = self
            .channel
            .basic_publish("".into(), queue, options, body, properties);
        said.await?.await?;
        Ok(())
    }

    /// How many messages are with nobody.
    async fn ready(&self) -> Result<u32> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let queue = self.source.queue.as_str().into();
        let asked = self
            .channel
            .queue_declare(queue, passive, FieldTable::default());
        Ok(asked.await?.message_count())
    }
}

/// What comes next.
async fn some(queue: &mut AmqpQueue) -> Result<Vec<Delivery<Receipt>>> {
    loop {
        let received = queue.receive(PATIENCE).await?;
        if !received.is_empty() {
            return Ok(received);
        }
    }
}

#[tokio::test]
async fn rabbitmq_few_messages_are_with_us_and_of_long_ones_the_head() -> Result<()> {
    let server = RabbitMq::shared().await?;
    let broker = Broker::new(&server, &[]).await?;
    let long = vec![b' '; 3 * MAX_BODY];
    broker.say(&long).await?;
    for n in 0..40 {
        broker.say(format!("{n}").as_bytes()).await?;
    }
    let mut queue = AmqpQueue::new(broker.source.clone());
    let first = queue.receive(PATIENCE).await?;
    // It is long enough to be known as too long.
    assert_eq!(first[0].body.len(), MAX_BODY + 1);
    eventually(PATIENCE, "the others to stay in the queue", async || {
        (broker.ready().await.ok()? == 25).then_some(())
    })
    .await;
    Ok(())
}

/// Such a queue drops what was given back to it too often.
#[tokio::test]
async fn rabbitmq_what_has_to_come_again_is_not_given_back() -> Result<()> {
    let server = RabbitMq::shared().await?;
    let quorum = [
        ("x-queue-type", AMQPValue::LongString("quorum".into())),
        ("x-delivery-limit", AMQPValue::LongInt(2)),
    ];
    let broker = Broker::new(&server, &quorum).await?;
    broker.say(b"a").await?;
    let again = Duration::from_millis(20);
    let mut queue = AmqpQueue::with_patience(broker.source.clone(), again, PATIENCE);
    for nth in 0..6 {
        let received = tokio::time::timeout(Duration::from_secs(10), some(&mut queue)).await;
        let received = received.with_context(|| format!("waiting for it the {nth}. time"))??;
        let verdicts = received
            .into_iter()
            .map(|one| (one.receipt, Verdict::Again));
        assert_eq!(queue.settle(verdicts.collect()).await?, [""; 0]);
    }
    Ok(())
}

#[tokio::test]
async fn rabbitmq_what_was_kept_for_long_is_given_back_as_often_as_the_queue_likes() -> Result<()> {
    let server = RabbitMq::shared().await?;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let dead = Broker::new(&server, &[]).await?;
    let quorum = [
        ("x-queue-type", text("quorum")),
        ("x-delivery-limit", AMQPValue::LongInt(2)),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(&dead.source.queue)),
    ];
    let broker = Broker::new(&server, &quorum).await?;
    broker.say(b"a").await?;
    let mut queue = AmqpQueue::with_patience(broker.source.clone(), Duration::ZERO, Duration::ZERO);
    eventually(
        PATIENCE,
        "the message in the dead-letter queue",
        async || {
            let received = queue.receive(Duration::from_millis(50)).await.ok()?;
            let verdicts = received
                .into_iter()
                .map(|one| (one.receipt, Verdict::Again));
            queue.settle(verdicts.collect()).await.ok()?;
            (dead.ready().await.ok()? == 1).then_some(())
        },
    )
    .await;
    Ok(())
}

#[tokio::test]
async fn rabbitmq_what_a_person_has_to_mend_is_said() -> Result<()> {
    let server = RabbitMq::shared().await?;
    let check = async |url: &str, expect: &str| {
        let source = AmqpSource {
            name: "amqp".to_owned(),
            url: ServerUrl::parse(url, &["amqp"]).expect("a URL"),
            queue: "nowhere".to_owned(),
            unreadable: UnreadablePolicy::Record,
        };
        let problem = check_amqp(&source).await.expect_err(expect);
        assert!(problem.contains(expect), "{problem}");
        assert!(!problem.contains("hush"), "{problem}");
    };
    check(server.url(), "there is no queue nowhere").await;
    let wrong = server.url().replace("guest:guest", "guest:hush");
    check(&wrong, "does not let us in").await;
    check(
        &format!("{}/nowhere", server.url()),
        "there is no virtual host",
    )
    .await;
    Ok(())
}
