use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Connection, ConnectionProperties, Consumer, ErrorKind};
use tokio::time::{Instant, timeout};

use super::AmqpSource;
use crate::notification;
use crate::queue::{Delivery, Queue, QueueError, Verdict};

/// How many messages are taken at a time, and are with us at most. AMQP has no way to ask
/// how long a message is, nor to refuse one for it.
const BATCH: u16 = 16;

/// After so long, a message that has to come again is looked at again.
const AGAIN: Duration = Duration::from_secs(10);

/// It is given back to the server after so long: others shall have a turn, and the server
/// closes a channel that keeps a message unanswered for half an hour.
const KEPT: Duration = Duration::from_secs(600);

const PATIENCE: Duration = Duration::from_secs(10);

/// One queue of an AMQP server. Nothing outside this file knows the client.
pub(crate) struct AmqpQueue {
    source: AmqpSource,
    open: Option<Open>,
    again: Duration,
    kept: Duration,
}

struct Open {
    /// What is not acknowledged goes back to the queue when it closes.
    connection: Connection,
    consumer: Consumer,
    /// To be looked at again, and when. Given back, they would come again at once, and a
    /// queue that counts how often they come would soon drop them.
    waiting: Vec<(Instant, Receipt)>,
}

/// One delivery, until the server is told what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Receipt {
    acker: Acker,
    message_id: String,
    body: Bytes,
    came: Instant,
}

impl fmt::Debug for AmqpQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AmqpQueue").field(&self.source).finish()
    }
}

impl Queue for AmqpQueue {
    type Receipt = Receipt;

    const LEFT: &'static str = "to the queue's dead-letter exchange, if it has one";

    async fn receive(&mut self, wait: Duration) -> Result<Vec<Delivery<Receipt>>, QueueError> {
        let received = self.take(wait).await;
        received.inspect_err(|_| self.open = None)
    }

    /// What is left is rejected: the server gives it to the queue's dead-letter
    /// exchange.
    async fn settle(
        &mut self,
        settled: Vec<(Receipt, Verdict)>,
    ) -> Result<Vec<String>, QueueError> {
        let mut stayed = Vec::new();
        for (receipt, verdict) in settled {
            let acker = &receipt.acker;
            let told = match verdict {
                Verdict::Recorded => acker.ack(BasicAckOptions::default()).await,
                Verdict::Left => acker.reject(BasicRejectOptions { requeue: false }).await,
                Verdict::Again if receipt.came.elapsed() < self.kept => {
                    if let Some(open) = &mut self.open {
                        open.waiting.push((Instant::now() + self.again, receipt));
                    }
                    continue;
                }
                Verdict::Again => acker.reject(BasicRejectOptions { requeue: true }).await,
            };
            // It came over a connection that is no more.
            if let Err(error) = told {
                stayed.push(error.to_string());
            }
        }
        Ok(stayed)
    }
}

impl AmqpQueue {
    /// Asks nobody yet.
    pub(crate) fn new(source: AmqpSource) -> Self {
        Self {
            source,
            open: None,
            again: AGAIN,
            kept: KEPT,
        }
    }

    /// Looks at what has to come again this often, for so long.
    #[cfg(test)]
    pub(super) fn with_patience(source: AmqpSource, again: Duration, kept: Duration) -> Self {
        Self {
            again,
            kept,
            ..Self::new(source)
        }
    }

    /// Looks whether the queue is there, and takes nothing from it.
    pub(super) async fn look(&mut self) -> Result<(), QueueError> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let connected = timeout(PATIENCE, self.connect()).await;
        let (connection, channel) =
            connected.map_err(|late| QueueError::Unavailable(late.into()))??;
        let name = self.source.queue.as_str();
        let found = channel.queue_declare(name.into(), passive, FieldTable::default());
        found.await.map_err(|error| explain(&self.source, error))?;
        // Whether the server takes note of the end changes nothing.
        let _ = connection.close(200, "".into()).await;
        Ok(())
    }

    async fn take(&mut self, wait: Duration) -> Result<Vec<Delivery<Receipt>>, QueueError> {
        let end = Instant::now() + wait;
        if self.open.is_none() {
            // A server that is about to start takes connections before it answers.
            let opened = timeout(PATIENCE, self.open()).await;
            self.open = Some(opened.map_err(|late| QueueError::Unavailable(late.into()))??);
        }
        let open = self.open.as_mut().expect("set above");
        if !open.connection.status().connected() {
            return Err(QueueError::Unavailable("the connection is lost".into()));
        }
        let now = Instant::now();
        let due = open.waiting.extract_if(.., |(due, _)| *due <= now);
        let due: Vec<_> = due.map(|(_, receipt)| receipt.delivery()).collect();
        if !due.is_empty() {
            return Ok(due);
        }

        let until = open.waiting.iter().map(|(due, _)| *due).min();
        let until = until.map_or(end, |due| due.min(end));
        let first = tokio::time::timeout_at(until, open.consumer.next()).await;
        let Ok(first) = first else {
            return Ok(Vec::new());
        };
        let mut next = Some(first);
        let mut deliveries = Vec::new();
        while let Some(message) = next {
            let Some(message) = message else {
                return Err(QueueError::Unavailable(
                    "the server ended the consumer".into(),
                ));
            };
            let message = message.map_err(|error| explain(&self.source, error))?;
            let receipt = Receipt {
                message_id: message_id(&message),
                acker: message.acker,
                body: notification::head(message.data),
                came: Instant::now(),
            };
            deliveries.push(receipt.delivery());
            if deliveries.len() >= usize::from(BATCH) {
                break;
            }
            next = open.consumer.next().now_or_never();
        }
        Ok(deliveries)
    }

    async fn open(&self) -> Result<Open, QueueError> {
        let (connection, channel) = self.connect().await?;
        let quality = channel.basic_qos(BATCH, BasicQosOptions::default());
        quality
            .await
            .map_err(|error| explain(&self.source, error))?;
        let consumer = channel
            .basic_consume(
                self.source.queue.as_str().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await;
        Ok(Open {
            connection,
            consumer: consumer.map_err(|error| explain(&self.source, error))?,
            waiting: Vec::new(),
        })
    }

    async fn connect(&self) -> Result<(Connection, Channel), QueueError> {
        let connecting = async {
            let properties =
                ConnectionProperties::default().with_connection_name("arrivage".into());
            let connection = Connection::connect(self.source.url.expose(), properties).await?;
            let channel = connection.create_channel().await?;
            Ok((connection, channel))
        };
        let connected: lapin::Result<_> = connecting.await;
        connected.map_err(|error| explain(&self.source, error))
    }
}

impl Receipt {
    fn delivery(self) -> Delivery<Self> {
        Delivery {
            message_id: self.message_id.clone(),
            body: self.body.clone(),
            receipt: self,
        }
    }
}

fn explain(source: &AmqpSource, error: lapin::Error) -> QueueError {
    let AmqpSource {
        name, url, queue, ..
    } = source;
    let code = match error.kind() {
        ErrorKind::ProtocolError(answer) => answer.get_id(),
        _ => 0,
    };
    let what = match code {
        403 => format!("{url} does not let us in, or not at the queue {queue}"),
        404 => format!(
            "there is no queue {queue} in {url}; declare it, bind it to the exchange of the \
                 sender, or correct source.{name}.queue"
        ),
        530 => format!("there is no virtual host {url}, or it is not for us"),
        _ => return QueueError::Unavailable(error.into()),
    };
    QueueError::misconfigured(what, error)
}

/// Senders need not name their messages, and MinIO does not. What two messages say
/// that are the same to the last byte is the same event. A name that no database keeps is
/// none.
fn message_id(message: &lapin::message::Delivery) -> String {
    match message.properties.message_id() {
        Some(id) if !id.as_str().is_empty() && !id.as_str().contains('\0') => {
            id.as_str().to_owned()
        }
        _ => blake3::hash(&message.data).to_hex().to_string(),
    }
}
