mod queue;

use std::path::PathBuf;

pub(crate) use self::queue::NatsQueue;
use crate::health::chain;
use crate::receiver::UnreadablePolicy;
use crate::server_url::ServerUrl;

/// A durable pull consumer of a stream of NATS JetStream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsSource {
    /// Its name in logs, metrics and the ledger.
    pub name: String,
    /// A server of the cluster, with what it asks of a user.
    pub url: ServerUrl,
    /// A credentials file, where the server wants one.
    pub credentials: Option<PathBuf>,
    /// The stream that senders publish to.
    pub stream: String,
    /// The consumer; made where it is missing. Watchers that name the same one share
    /// its messages.
    pub consumer: String,
    /// The subjects of the stream that a consumer made here reads; all if not said.
    pub subject: Option<String>,
    /// What becomes of a message that cannot be read.
    pub unreadable: UnreadablePolicy,
}

/// Whether the stream is there and its consumer may be read; else what to do about
/// it, in a person's words. A consumer that is missing is not made.
pub async fn check_nats(source: &NatsSource) -> Result<(), String> {
    let mut queue = NatsQueue::new(source.clone());
    let look = queue.look().await;
    look.map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests;
