mod queue;

pub(crate) use self::queue::SqsQueue;
use crate::health::chain;
use crate::receiver::UnreadablePolicy;

/// A queue of SQS that S3, SNS or EventBridge sends notifications to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqsSource {
    /// Its name in logs, metrics and the ledger.
    pub name: String,
    /// The queue.
    pub queue_url: String,
    /// Where SQS answers; `$AWS_ENDPOINT_URL_SQS` if not said, else the origin of
    /// `queue_url`.
    pub endpoint: Option<String>,
    /// The queue's region; that of `queue_url`'s host if not said, else the usual
    /// chain's.
    pub region: Option<String>,
    /// What becomes of a message that cannot be read.
    pub unreadable: UnreadablePolicy,
}

/// Whether the queue is there and may be read; else what to do about it, in a
/// person's words.
pub async fn check_queue(source: &SqsSource) -> Result<(), String> {
    let mut queue = SqsQueue::new(source.clone(), None);
    let look = queue.look().await;
    look.map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests;
