use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream::{ConsumerErrorKind, Stream};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, jetstream};
use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::NatsSource;
use crate::queue::{Delivery, Queue, QueueError, Verdict};

/// How many messages are taken at a time.
const BATCH: usize = 100;

/// What was not acknowledged after so long comes again.
const ACK_WAIT: Duration = Duration::from_secs(30);

const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether the connection stands.
const LOOK: Duration = Duration::from_secs(1);

/// One consumer of JetStream. Nothing outside this file knows the client.
#[derive(Debug)]
pub(crate) struct NatsQueue {
    source: NatsSource,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    client: Client,
    consumer: PullConsumer,
}

impl Queue for NatsQueue {
    type Receipt = Acker;

    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery<Acker>>, QueueError> {
        let received = match self.fetch(BATCH, None).await {
            Ok(none) if none.is_empty() && !wait.is_zero() => self.fetch(1, Some(wait)).await,
            received => received,
        };
        // The client would go on trying by itself, and say nothing.
        received.inspect_err(|_| self.open = None)
    }

    /// What is not recorded is delivered again when the consumer's time for an
    /// acknowledgement is over, as often as the consumer allows.
    async fn settle(&mut self, settled: Vec<(Acker, Verdict)>) -> Result<Vec<String>, QueueError> {
        let recorded = settled
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Recorded);
        let answers = join_all(recorded.map(|(receipt, _)| receipt.double_ack())).await;
        let stayed = answers.into_iter().filter_map(Result::err);
        Ok(stayed.map(|error| error.to_string()).collect())
    }
}

impl NatsQueue {
    /// Asks nobody yet.
    pub(crate) fn new(source: NatsSource) -> Self {
        Self { source, open: None }
    }

    /// Looks at stream and consumer, and takes nothing.
    pub(super) async fn look(&mut self) -> Result<(), QueueError> {
        let (_, stream) = self.stream().await?;
        match stream.consumer_info(&self.source.consumer).await {
            Ok(info) => self.fits(info.config.ack_policy),
            // It is made by the first watcher.
            Err(_) => Ok(()),
        }
    }

    /// What is there at once; or the first message that comes within a time.
    async fn fetch(
        &mut self,
        most: usize,
        wait: Option<Duration>,
    ) -> Result<Vec<Delivery<Acker>>, QueueError> {
        let Open { client, consumer } = self.open().await?;
        let end = Instant::now() + wait.unwrap_or_default() + PATIENCE;
        let asked = match wait {
            None => consumer.fetch().max_messages(most).messages().await,
            Some(wait) => {
                consumer
                    .batch()
                    .max_messages(most)
                    .expires(wait)
                    .messages()
                    .await
            }
        };
        let mut messages = asked.map_err(away)?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deliveries = Vec::new();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                _ = look.tick() => {
                    // A request that was lost with its connection has no answer.
                    if client.connection_state() != State::Connected || Instant::now() > end {
                        return Err(away("the connection is lost"));
                    }
                    continue;
                }
            };
            let Some(message) = message else {
                return Ok(deliveries);
            };
            let message = message.map_err(away)?;
            let info = message.info().map_err(away)?;
            let message_id = format!("{}/{}", info.stream, info.stream_sequence);
            let (message, receipt) = message.split();
            deliveries.push(Delivery {
                message_id,
                receipt,
                body: message.payload.to_vec(),
            });
        }
    }

    async fn open(&mut self) -> Result<&Open, QueueError> {
        if self.open.is_none() {
            let (client, stream) = self.stream().await?;
            let config = Config {
                durable_name: Some(self.source.consumer.clone()),
                ack_policy: AckPolicy::Explicit,
                ack_wait: ACK_WAIT,
                filter_subject: self.source.subject.clone().unwrap_or_default(),
                ..Config::default()
            };
            let name = &self.source.consumer;
            let consumer = stream.get_or_create_consumer(name, config).await;
            let consumer = consumer.map_err(|error| match error.kind() {
                ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request => away(error),
                ConsumerErrorKind::InvalidConsumerType => self.misconfigured(
                    format!("the consumer {name} pushes its messages; name a pull consumer"),
                    error,
                ),
                _ => self.misconfigured(format!("the consumer {name} cannot be used"), error),
            })?;
            self.fits(consumer.cached_info().config.ack_policy)?;
            self.open = Some(Open { client, consumer });
        }
        Ok(self.open.as_ref().expect("set above"))
    }

    async fn stream(&self) -> Result<(Client, Stream), QueueError> {
        let NatsSource {
            url,
            stream,
            credentials,
            ..
        } = &self.source;
        let mut options = ConnectOptions::new()
            .name("arrivage")
            .connection_timeout(PATIENCE);
        if let Some(file) = credentials {
            options = options.credentials_file(file).await.map_err(|error| {
                let what = format!("the credentials {} cannot be read", file.display());
                self.misconfigured(what, error)
            })?;
        }
        let client = options.connect(url.expose()).await.map_err(|error| {
            let what = match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    format!("{url} does not let us in")
                }
                ConnectErrorKind::ServerParse => format!("{url} is no server of NATS"),
                _ => return away(error),
            };
            self.misconfigured(what, error)
        })?;
        let context = jetstream::new(client.clone());
        let found = context.get_stream(stream).await.map_err(|error| {
            let what = match error.kind() {
                GetStreamErrorKind::JetStream(answer) if answer.code() == 404 => {
                    format!("there is no stream {stream}; create it for the subject of the sender")
                }
                GetStreamErrorKind::JetStream(answer) if answer.code() == 503 => {
                    return away(error);
                }
                GetStreamErrorKind::Request => return away(error),
                _ => format!("the stream {stream} cannot be used"),
            };
            self.misconfigured(what, error)
        })?;
        Ok((client, found))
    }

    /// Only what is acknowledged message by message is kept until the ledger has it.
    fn fits(&self, policy: AckPolicy) -> Result<(), QueueError> {
        if policy == AckPolicy::Explicit {
            return Ok(());
        }
        Err(QueueError::Misconfigured {
            what: format!(
                "the consumer {} of {} does not wait for acknowledgements; name another, or make \
                 it with explicit ones",
                self.source.consumer, self.source.stream
            ),
            source: None,
        })
    }

    fn misconfigured(&self, what: String, error: impl Into<arrivage_store::Source>) -> QueueError {
        QueueError::misconfigured(format!("{what} (source.{})", self.source.name), error)
    }
}

fn away(error: impl Into<arrivage_store::Source>) -> QueueError {
    QueueError::Unavailable(error.into())
}
