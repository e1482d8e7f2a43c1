use arrivage_testkit::Nats as Server;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Context, stream};

use super::*;
use crate::nats::{NatsQueue, NatsSource};
use crate::server_url::ServerUrl;

/// A stream of JetStream and a consumer of it.
pub(super) struct Nats {
    server: Server,
    context: Context,
}

impl Nats {
    fn queue(&self, with: &With) -> NatsQueue {
        NatsQueue::new(NatsSource {
            name: SOURCE.to_owned(),
            url: ServerUrl::parse(&self.server.url(), &["nats"]).expect("a URL"),
            credentials: None,
            stream: "DROP".to_owned(),
            consumer: "arrivage".to_owned(),
            subject: None,
            unreadable: with.unreadable,
        })
    }
}

#[async_trait(?Send)]
impl Subject for Nats {
    async fn new() -> Result<Self> {
        let server = Server::start_new().await?;
        let client = async_nats::connect(server.url()).await?;
        let context = jetstream::new(client);
        let stream = stream::Config {
            name: "DROP".to_owned(),
            subjects: vec!["drop.>".to_owned()],
            ..stream::Config::default()
        };
        let stream = context.create_stream(stream).await?;
        let left = stream::Config {
            name: "LEFT".to_owned(),
            subjects: vec!["$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.DROP.>".to_owned()],
            ..stream::Config::default()
        };
        context.create_stream(left).await?;
        // As one that was made by hand, impatiently.
        let consumer = pull::Config {
            durable_name: Some("arrivage".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(1),
            ..pull::Config::default()
        };
        stream.create_consumer(consumer).await?;
        Ok(Self { server, context })
    }

    async fn announce(&mut self, _: &World, key: &str) -> Result<()> {
        self.say(&event(key)).await?;
        Ok(())
    }

    async fn say(&mut self, body: &str) -> Result<bool> {
        let body = body.to_owned().into();
        self.context.publish("drop.minio", body).await?.await?;
        Ok(true)
    }

    /// What is left stays in the stream, and the server says which.
    async fn kept(&mut self) -> Result<Option<usize>> {
        let stream = self.context.get_stream("DROP").await?;
        let consumer = stream.consumer_info("arrivage").await?;
        let waiting = usize::try_from(consumer.num_pending)?;
        let mut left = self.context.get_stream("LEFT").await?;
        let left = usize::try_from(left.info().await?.state.messages)?;
        Ok(Some(waiting + consumer.num_ack_pending + left))
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
