use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::message::{AckKind, Acker};
use async_nats::jetstream::stream::{ConsumerErrorKind, RetentionPolicy, Stream};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, jetstream};
use futures::StreamExt;
use futures::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::NatsSource;
use crate::notification;
use crate::queue::{Delivery, Queue, QueueError, Verdict};
use crate::receiver::UnreadablePolicy;

/// How many messages are taken at a time.
const BATCH: usize = 100;

/// How many bytes of messages are taken at a time, beside one that is longer by itself.
const BYTES: usize = 4 * 1024 * 1024;

/// What the server says when the next message is longer than what is left of these.
const TOO_LONG: &str = "Message Size Exceeds MaxBytes";

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

    const LEFT: &'static str = "in the stream, where it stays and does not come again";

    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery<Acker>>, QueueError> {
        let received = match self.fetch(BATCH, None).await {
            // Perhaps the next one is too long to be taken with others.
            Ok(none) if none.is_empty() => self.fetch(1, Some(wait)).await,
            received => received,
        };
        // The client would go on trying by itself, and say nothing.
        received.inspect_err(|_| self.open = None)
    }

    /// What has to come again is delivered when the consumer's time for an acknowledgement
    /// is over, as often as the consumer allows. What is left is not: unanswered, it would
    /// count for ever among those that the consumer waits for, of which there may be a
    /// thousand.
    async fn settle(&mut self, settled: Vec<(Acker, Verdict)>) -> Result<Vec<String>, QueueError> {
        let told = settled.iter().filter_map(|(receipt, verdict)| {
            let answer = match verdict {
                Verdict::Recorded => AckKind::Ack,
                Verdict::Left => AckKind::Term,
                Verdict::Again => return None,
            };
            Some(receipt.double_ack_with(answer))
        });
        let answers = join_all(told).await;
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
        self.keeps_what_is_left(&stream)?;
        match stream.consumer_info(&self.source.consumer).await {
            Ok(info) => self.fits(info.config.ack_policy),
            // It is made by the first watcher.
            Err(_) => Ok(()),
        }
    }

    /// What is there at once, as far as it fits; or the first message that comes within a
    /// time, however long it is.
    async fn fetch(
        &mut self,
        most: usize,
        wait: Option<Duration>,
    ) -> Result<Vec<Delivery<Acker>>, QueueError> {
        let Open { client, consumer } = self.open().await?;
        let end = Instant::now() + wait.unwrap_or_default() + PATIENCE;
        let asked = match wait {
            None => {
                let some = consumer.fetch().max_messages(most).max_bytes(BYTES);
                some.messages().await
            }
            Some(Duration::ZERO) => consumer.fetch().max_messages(most).messages().await,
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
        let (mut deliveries, mut seen) = (Vec::new(), 0);
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                _ = look.tick() => {
                    // A consumer that waits for as many acknowledgements as it may says nothing
                    // of it, and keeps the rest.
                    if !deliveries.is_empty() && deliveries.len() == seen {
                        return Ok(deliveries);
                    }
                    seen = deliveries.len();
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
            let message = match message {
                Err(error) if error.to_string().contains(TOO_LONG) => return Ok(deliveries),
                message => message.map_err(away)?,
            };
            let info = message.info().map_err(away)?;
            let message_id = format!("{}/{}", info.stream, info.stream_sequence);
            let (message, receipt) = message.split();
            deliveries.push(Delivery {
                message_id,
                receipt,
                body: notification::head(message.payload),
            });
        }
    }

    async fn open(&mut self) -> Result<&Open, QueueError> {
        if self.open.is_none() {
            let (client, stream) = self.stream().await?;
            self.keeps_what_is_left(&stream)?;
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
        // The client takes neither out of the URL, and writes that into its log.
        options = match url.login() {
            Some((user, Some(password))) => options.user_and_password(user, password),
            Some((token, None)) => options.token(token),
            None => options,
        };
        let client = options
            .connect(url.without_login())
            .await
            .map_err(|error| {
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

    /// A stream that forgets what was answered would lose what is left in it.
    fn keeps_what_is_left(&self, stream: &Stream) -> Result<(), QueueError> {
        let retention = stream.cached_info().config.retention;
        let leaves = self.source.unreadable == UnreadablePolicy::Leave;
        if !leaves || retention == RetentionPolicy::Limits {
            return Ok(());
        }
        Err(QueueError::Misconfigured {
            what: format!(
                "the stream {} would forget what is left in it as unreadable; make it with the \
                 retention limits, or set source.{}.unreadable = \"record\"",
                self.source.stream, self.source.name
            ),
            source: None,
        })
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
