mod queue;

pub(crate) use self::queue::AmqpQueue;
use crate::health::chain;
use crate::receiver::UnreadablePolicy;
use crate::server_url::ServerUrl;

/// A queue of RabbitMQ, or of another server that speaks AMQP 0-9-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpSource {
    /// Its name in logs, metrics and the ledger.
    pub name: String,
    /// The server, with what it asks of a user, and as its path the virtual host.
    pub url: ServerUrl,
    /// The queue, bound to the exchange that the sender publishes to.
    pub queue: String,
    /// What becomes of a message that cannot be read.
    pub unreadable: UnreadablePolicy,
}

/// Whether the queue is there; else what to do about it, in a person's words.
pub async fn check_amqp(source: &AmqpSource) -> Result<(), String> {
    let mut queue = AmqpQueue::new(source.clone());
    let look = queue.look().await;
    look.map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests;
