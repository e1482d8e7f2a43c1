mod queue;

use std::collections::VecDeque;
use std::time::Duration;

use arrivage_ledger::{FoundBy, LedgerError};
use arrivage_store::{AccessKey, Backoff};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::queue::{Delivery, Queue, QueueError};
use crate::counts::{self, Outcome};
use crate::health::{Monitor, chain};
use crate::intake::{Found, Intake, Taken};
use crate::notification::{self, Parsed};

/// The longest that SQS lets a call wait for a message.
const LONG_POLL: Duration = Duration::from_secs(20);

/// How many messages that were left are remembered, so that each is told once.
const REMEMBERED: usize = 1000;

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

/// What becomes of a message that cannot be read, or not all of it. What can be
/// read of it is registered either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnreadablePolicy {
    /// The ledger keeps it, and it is acknowledged.
    #[default]
    Record,
    /// It is not acknowledged: a queue moves it to its dead-letter queue, and the
    /// sender of a webhook is told (422).
    Leave,
}

/// Whether the queue is there and may be read; else what to do about it, in a
/// person's words.
pub async fn check_queue(source: &SqsSource) -> Result<(), String> {
    let look = async || Queue::new(source, None).await?.look().await;
    look().await.map_err(|error| chain(&error))
}

/// Why a turn of the loop ended early. Nothing is lost: what was not deleted
/// comes again, and what the ledger has already stays once.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Messages become rows of the ledger, and only then leave the queue.
pub(crate) struct Receiver {
    source: SqsSource,
    intake: Intake,
    monitor: Monitor,
    access_key: Option<AccessKey>,
    /// Received, and not recorded yet. Nothing more is received meanwhile.
    held: Vec<Delivery>,
    /// The last messages that were left to the dead-letter queue.
    left: VecDeque<String>,
}

impl Receiver {
    pub(crate) fn new(source: SqsSource, intake: Intake, monitor: Monitor) -> Self {
        Self {
            source,
            intake,
            monitor,
            access_key: None,
            held: Vec::new(),
            left: VecDeque::new(),
        }
    }

    /// Works until `stop`. A batch that was received by then is still recorded
    /// and deleted, if the ledger takes it at once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        let mut queue = None;
        // The first answer comes at once, and so does the first after a failure.
        let mut wait = Duration::ZERO;
        while !stop.is_cancelled() {
            match self.turn(&mut queue, wait, &stop).await {
                Ok(()) => {
                    self.monitor.well();
                    backoff.reset();
                    wait = LONG_POLL;
                }
                Err(error) => {
                    self.report(&error);
                    wait = Duration::ZERO;
                    let delay = backoff.next_delay(None).unwrap_or(LONG_POLL);
                    stop.run_until_cancelled(tokio::time::sleep(delay)).await;
                }
            }
        }
    }

    /// Receives, records, deletes: in this order, so that at no moment a message
    /// is neither in the queue nor in the ledger.
    async fn turn(
        &mut self,
        queue: &mut Option<Queue>,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<(), TurnError> {
        let queue = match queue {
            Some(queue) => queue,
            None => queue.insert(Queue::new(&self.source, self.access_key.clone()).await?),
        };
        // Messages received again and again for a ledger that is away, or takes
        // nothing in, would end in the dead-letter queue.
        if self.held.is_empty() {
            let Some(ready) = stop.run_until_cancelled(self.intake.ready()).await else {
                return Ok(());
            };
            ready?;
            let Some(received) = stop.run_until_cancelled(queue.receive(wait)).await else {
                return Ok(());
            };
            self.held = received?;
        }
        let deliveries = std::mem::take(&mut self.held);
        let recorded = match self.record(&deliveries).await {
            Ok(recorded) => recorded,
            Err(error) => {
                self.held = deliveries;
                return Err(error.into());
            }
        };
        if recorded.is_empty() {
            return Ok(());
        }
        for why in queue.delete(&recorded).await? {
            warn!(
                source = self.source.name,
                "a recorded message stays in the queue and comes again: {why}"
            );
        }
        Ok(())
    }

    /// Makes all that the messages say durable. Returns the receipts of those
    /// that may leave the queue.
    async fn record(&mut self, deliveries: &[Delivery]) -> Result<Vec<String>, LedgerError> {
        let parsed: Vec<Parsed> = deliveries
            .iter()
            .map(|delivery| notification::parse(delivery.body.as_bytes()))
            .collect();
        let mut found = Vec::new();
        for (delivery, parsed) in deliveries.iter().zip(&parsed) {
            found.extend(parsed.notices.iter().cloned().map(|notice| Found {
                notice,
                by: FoundBy::Message(delivery.message_id.clone()),
            }));
        }
        let mut taken = self.intake.take(&found).await?.into_iter();

        let mut recorded = Vec::new();
        for (delivery, parsed) in deliveries.iter().zip(&parsed) {
            let taken: Vec<Taken> = taken.by_ref().take(parsed.notices.len()).collect();
            self.tell_skipped(delivery, parsed);
            let settled = self.tell_unsettled(delivery, &taken);
            if self.settle_unreadable(delivery, parsed).await? && settled {
                recorded.push(delivery.receipt.clone());
            }
        }
        Ok(recorded)
    }

    fn tell_skipped(&self, delivery: &Delivery, parsed: &Parsed) {
        for skipped in &parsed.skipped {
            counts::add(&self.source.name, Outcome::Skipped, 1);
            info!(
                source = self.source.name,
                message.id = delivery.message_id,
                "skipped a notification: {skipped}"
            );
        }
    }

    /// Whether all that the message announced is settled.
    fn tell_unsettled(&self, delivery: &Delivery, taken: &[Taken]) -> bool {
        for taken in taken {
            if let Taken::NotYet(why) = taken {
                counts::errors(&self.source.name, 1);
                warn!(
                    source = self.source.name,
                    message.id = delivery.message_id,
                    "left a message in the queue, for its object cannot be identified yet: {why}"
                );
            }
        }
        taken.iter().all(Taken::is_settled)
    }

    /// Deals with what could not be read. Returns whether the message may go.
    async fn settle_unreadable(
        &mut self,
        delivery: &Delivery,
        parsed: &Parsed,
    ) -> Result<bool, LedgerError> {
        let reasons = parsed.unreadable.as_slice();
        let Some(reason) = reasons.first() else {
            return Ok(true);
        };
        let (source, id) = (self.source.name.as_str(), delivery.message_id.as_str());
        if self.source.unreadable == UnreadablePolicy::Record {
            self.intake
                .keep_unreadable(delivery.body.as_bytes(), reasons)
                .await?;
            warn!(
                source,
                message.id = id,
                "kept an unreadable notification: {reason}"
            );
            return Ok(true);
        }
        if self.left.iter().any(|left| left == id) {
            debug!(
                source,
                message.id = id,
                "left an unreadable notification once more"
            );
            return Ok(false);
        }
        counts::add(source, Outcome::Unreadable, 1);
        warn!(
            source,
            message.id = id,
            "left an unreadable notification to the dead-letter queue: {reason}"
        );
        self.left.push_back(id.to_owned());
        if self.left.len() > REMEMBERED {
            self.left.pop_front();
        }
        Ok(false)
    }

    fn report(&self, error: &TurnError) {
        let source = self.source.name.as_str();
        let problem = chain(error);
        let passing = match error {
            TurnError::Ledger(error) => error.is_passing(),
            TurnError::Queue(error) => matches!(error, QueueError::Unavailable(_)),
        };
        if passing {
            warn!(
                source,
                "receiving nothing for now, and trying again: {problem}"
            );
        } else {
            error!(source, "receiving nothing until this is mended: {problem}");
        }
        self.monitor.failing(problem);
    }
}

#[cfg(test)]
mod tests;
