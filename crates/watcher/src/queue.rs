use std::time::Duration;

use arrivage_store::Source;
use bytes::Bytes;

/// Hands messages out, and keeps each one until it is told that it may forget it.
pub(crate) trait Queue {
    /// Names one delivery of a message to the queue.
    type Receipt;

    /// Where a message is after [`Verdict::Left`], as a person would say it.
    const LEFT: &'static str;

    /// Some messages; waits for the first one for so long, or less. Connects where
    /// that is needed, also after an error. When this is dropped, what was on its way
    /// comes again.
    async fn receive(&mut self, wait: Duration)
    -> Result<Vec<Delivery<Self::Receipt>>, QueueError>;

    /// Tells the queue what became of deliveries. Returns why some stayed though they
    /// are recorded: they come again, as all of them may after an error.
    async fn settle(
        &mut self,
        settled: Vec<(Self::Receipt, Verdict)>,
    ) -> Result<Vec<String>, QueueError>;
}

/// A message that is ours until the queue gives it to another.
#[derive(Clone, Debug)]
pub(crate) struct Delivery<R> {
    /// The same at every redelivery.
    pub(crate) message_id: String,
    /// Names this delivery of it.
    pub(crate) receipt: R,
    /// What it says, as far as it is [looked at](crate::notification::head).
    pub(crate) body: Bytes,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All that it says is durable: the queue may forget it.
    Recorded,
    /// It cannot be read, and goes where the queue keeps such messages.
    Left,
    /// Not all of it is durable yet: it has to come again, after a while.
    Again,
}

/// Why a queue did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    /// Only a person can mend it.
    #[error("{what}")]
    Misconfigured {
        /// What to look at.
        what: String,
        /// The server's own words.
        source: Option<Source>,
    },
    /// No answer, or one that says: later.
    #[error("the queue did not answer")]
    Unavailable(#[source] Source),
}

impl QueueError {
    pub(crate) fn misconfigured(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Misconfigured {
            what: what.into(),
            source: Some(source.into()),
        }
    }
}
