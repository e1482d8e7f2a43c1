use std::collections::VecDeque;
use std::time::Duration;

use arrivage_fault::{Point, reach};
use arrivage_ledger::{FoundBy, LedgerError};
use arrivage_store::Backoff;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::counts::{self, Outcome};
use crate::health::{Monitor, chain};
use crate::intake::{Found, Intake, Taken};
use crate::notification::{self, Parsed};
use crate::queue::{Delivery, Queue, QueueError, Verdict};

/// The longest that a queue is asked to wait for a message: as long as SQS lets a
/// call wait.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(20);

/// How many messages that were left are remembered, so that each is told once.
const REMEMBERED: usize = 1000;

/// What becomes of a message that cannot be read, or not all of it. What can be
/// read of it is registered either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnreadablePolicy {
    /// The ledger keeps it, and it is acknowledged.
    #[default]
    Record,
    /// It stays with whoever keeps such messages: SQS and RabbitMQ have dead-letter
    /// queues, NATS its stream, a table its row. The sender of a webhook is told (422).
    Leave,
}

/// Why a turn of the loop ended early. Nothing is lost: what was not acknowledged
/// comes again, and what the ledger has already stays once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// Messages become rows of the ledger, and only then leave the queue.
pub(crate) struct Receiver<Q: Queue> {
    source: String,
    unreadable: UnreadablePolicy,
    queue: Q,
    intake: Intake,
    monitor: Monitor,
    /// Received, and not recorded yet. Nothing more is received meanwhile.
    held: Vec<Delivery<Q::Receipt>>,
    /// The last messages that were left as unreadable.
    left: VecDeque<String>,
}

impl<Q: Queue> Receiver<Q> {
    pub(crate) fn new(
        source: impl Into<String>,
        unreadable: UnreadablePolicy,
        queue: Q,
        intake: Intake,
        monitor: Monitor,
    ) -> Self {
        Self {
            source: source.into(),
            unreadable,
            queue,
            intake,
            monitor,
            held: Vec::new(),
            left: VecDeque::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// Receives and records, and is gone before it can acknowledge.
    #[cfg(test)]
    pub(crate) async fn die_before_acknowledging(mut self) -> Result<(), TurnError> {
        let mut received = Vec::new();
        while received.is_empty() {
            received = self.queue.receive(LONG_POLL).await?;
        }
        self.record(&received).await?;
        Ok(())
    }

    /// Works until `stop`. A batch that was received by then is still recorded
    /// and acknowledged, if the ledger takes it at once.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        // The first answer comes at once, and so does the first after a failure.
        let mut wait = Duration::ZERO;
        while !stop.is_cancelled() {
            match self.turn(wait, &stop).await {
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

    /// Receives, records, acknowledges: in this order, so that at no moment a message
    /// is neither in the queue nor in the ledger.
    pub(crate) async fn turn(
        &mut self,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<(), TurnError> {
        // Messages received again and again for a ledger that is away, or takes
        // nothing in, would end in the dead-letter queue.
        if self.held.is_empty() {
            let Some(ready) = stop.run_until_cancelled(self.intake.ready()).await else {
                return Ok(());
            };
            ready?;
            let Some(received) = stop.run_until_cancelled(self.queue.receive(wait)).await else {
                return Ok(());
            };
            let received = received?;
            reach(Point::QueueReceived).map_err(broken)?;
            self.held = received;
        }
        let deliveries = std::mem::take(&mut self.held);
        let verdicts = match self.record(&deliveries).await {
            Ok(verdicts) => verdicts,
            Err(error) => {
                self.held = deliveries;
                return Err(error.into());
            }
        };
        if verdicts.is_empty() {
            return Ok(());
        }
        reach(Point::QueueBeforeDelete).map_err(broken)?;
        let receipts = deliveries.into_iter().map(|delivery| delivery.receipt);
        let stayed = self.queue.settle(receipts.zip(verdicts).collect()).await?;
        reach(Point::QueueDeleted).map_err(broken)?;
        for why in stayed {
            warn!(
                source = self.source,
                "a recorded message stays in the queue and comes again: {why}"
            );
        }
        Ok(())
    }

    /// Makes all that the messages say durable. Returns what became of each.
    pub(crate) async fn record(
        &mut self,
        deliveries: &[Delivery<Q::Receipt>],
    ) -> Result<Vec<Verdict>, LedgerError> {
        let parsed: Vec<Parsed> = deliveries
            .iter()
            .map(|delivery| notification::parse(&delivery.body))
            .collect();
        let mut found = Vec::new();
        for (delivery, parsed) in deliveries.iter().zip(&parsed) {
            found.extend(parsed.notices.iter().cloned().map(|notice| Found {
                notice,
                by: FoundBy::Message(delivery.message_id.clone()),
            }));
        }
        let mut taken = self.intake.take(&found).await?.into_iter();

        let mut verdicts = Vec::with_capacity(deliveries.len());
        for (delivery, parsed) in deliveries.iter().zip(&parsed) {
            let taken: Vec<Taken> = taken.by_ref().take(parsed.notices.len()).collect();
            let id = delivery.message_id.as_str();
            self.tell_skipped(id, parsed);
            let settled = self.tell_unsettled(id, &taken);
            let verdict = self.settle_unreadable(id, &delivery.body, parsed).await?;
            verdicts.push(if settled { verdict } else { Verdict::Again });
        }
        Ok(verdicts)
    }

    fn tell_skipped(&self, id: &str, parsed: &Parsed) {
        for skipped in &parsed.skipped {
            counts::add(&self.source, Outcome::Skipped, 1);
            info!(
                source = self.source,
                message.id = id,
                "skipped a notification: {skipped}"
            );
        }
    }

    /// Whether all that the message announced is settled.
    fn tell_unsettled(&self, id: &str, taken: &[Taken]) -> bool {
        for taken in taken {
            if let Taken::NotYet(why) = taken {
                counts::errors(&self.source, 1);
                warn!(
                    source = self.source,
                    message.id = id,
                    "left a message in the queue, for its object cannot be identified yet: {why}"
                );
            }
        }
        taken.iter().all(Taken::is_settled)
    }

    /// Deals with what could not be read.
    async fn settle_unreadable(
        &mut self,
        id: &str,
        body: &[u8],
        parsed: &Parsed,
    ) -> Result<Verdict, LedgerError> {
        let reasons = parsed.unreadable.as_slice();
        let Some(reason) = reasons.first() else {
            return Ok(Verdict::Recorded);
        };
        let source = self.source.as_str();
        if self.unreadable == UnreadablePolicy::Record {
            self.intake.keep_unreadable(body, reasons).await?;
            warn!(
                source,
                message.id = id,
                "kept an unreadable notification: {reason}"
            );
            return Ok(Verdict::Recorded);
        }
        if self.left.iter().any(|left| left == id) {
            debug!(
                source,
                message.id = id,
                "left an unreadable notification once more"
            );
            return Ok(Verdict::Left);
        }
        counts::add(source, Outcome::Unreadable, 1);
        warn!(
            source,
            message.id = id,
            "left an unreadable notification {}: {reason}",
            Q::LEFT
        );
        self.left.push_back(id.to_owned());
        if self.left.len() > REMEMBERED {
            self.left.pop_front();
        }
        Ok(Verdict::Left)
    }

    fn report(&self, error: &TurnError) {
        let source = self.source.as_str();
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

fn broken(connection: std::io::Error) -> QueueError {
    QueueError::Unavailable(connection.into())
}
