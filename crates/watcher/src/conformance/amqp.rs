use std::sync::atomic::{AtomicUsize, Ordering};

use arrivage_testkit::{RabbitMq, unique_name};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use super::*;
use crate::amqp::{AmqpQueue, AmqpSource};
use crate::server_url::ServerUrl;

/// A queue of RabbitMQ with a dead-letter queue.
pub(super) struct Amqp {
    server: RabbitMq,
    channel: Channel,
    queue: String,
    said: AtomicUsize,
}

impl Amqp {
    fn dead_letter_queue(&self) -> String {
        format!("{}-dead", self.queue)
    }

    fn queue(&self, with: &With) -> AmqpQueue {
        AmqpQueue::new(AmqpSource {
            name: SOURCE.to_owned(),
            url: ServerUrl::parse(self.server.url(), &["amqp"]).expect("a URL"),
            queue: self.queue.clone(),
            unreadable: with.unreadable,
        })
    }

    async fn messages(&self, queue: &str) -> Result<usize> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let asked = self
            .channel
            .queue_declare(queue.into(), passive, FieldTable::default());
        Ok(usize::try_from(asked.await?.message_count())?)
    }
}

#[async_trait(?Send)]
impl Subject for Amqp {
    async fn new() -> Result<Self> {
        let server = RabbitMq::shared().await?;
        let connection = Connection::connect(server.url(), ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        let amqp = Self {
            server,
            channel,
            queue: unique_name("drop"),
            said: AtomicUsize::new(0),
        };
        let mut arguments = FieldTable::default();
        let text = |text: &str| AMQPValue::LongString(text.into());
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert(
            "x-dead-letter-routing-key".into(),
            text(&amqp.dead_letter_queue()),
        );
        let (queue, dead) = (amqp.queue.as_str(), amqp.dead_letter_queue());
        let exclusive = QueueDeclareOptions {
            auto_delete: false,
            ..QueueDeclareOptions::default()
        };
        let made = amqp
            .channel
            .queue_declare(queue.into(), exclusive, arguments);
        made.await?;
        let made =
            amqp.channel
                .queue_declare(dead.as_str().into(), exclusive, FieldTable::default());
        made.await?;
        // It closes with the last channel.
        std::mem::forget(connection);
        Ok(amqp)
    }

    async fn announce(&mut self, _: &World, key: &str) -> Result<()> {
        self.say(&event(key)).await?;
        Ok(())
    }

    async fn say(&mut self, body: &str) -> Result<bool> {
        let options = BasicPublishOptions::default();
        let nth = self.said.fetch_add(1, Ordering::Relaxed);
        // Some senders name their messages.
        let properties = match nth % 2 {
            0 => BasicProperties::default(),
            _ => BasicProperties::default().with_message_id(format!("{nth}").into()),
        };
        let queue = self.queue.as_str().into();
        let publish =
            self.channel
                .basic_publish("".into(), queue, options, body.as_bytes(), properties);
        publish.await?.await?;
        Ok(true)
    }

    async fn kept(&mut self) -> Result<Option<usize>> {
        let waiting = self.messages(&self.queue).await?;
        let left = self.messages(&self.dead_letter_queue()).await?;
        Ok(Some(waiting + left))
    }

    fn work(&self, with: With) -> BoxFuture<'static, ()> {
        let receiver = with.receiver(self.queue(&with));
        Box::pin(receiver.run(with.stop))
    }

    async fn die_before_acknowledging(&mut self, with: With) -> Result<()> {
        let receiver = with.receiver(self.queue(&with));
        Ok(receiver.die_before_acknowledging().await?)
    }
}
