use arrivage_ledger::{FoundBy, LedgerError, Registered};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::counts::{self, Outcome};
use crate::health::{Monitor, chain};
use crate::intake::{Found, Intake, Taken};
use crate::notification::{self, Parsed};
use crate::receiver::UnreadablePolicy;

/// Senders that bring their notifications over HTTP: MinIO, RustFS, Ceph, whatever
/// speaks CloudEvents. Serving HTTP is for others; they hand in the bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSource {
    /// Its name in logs, metrics and the ledger.
    pub name: String,
    /// What becomes of a body that cannot be read.
    pub unreadable: UnreadablePolicy,
}

/// The way in for what senders bring. Clones are the same source.
#[derive(Clone)]
pub struct Webhook {
    source: WebhookSource,
    intake: Intake,
    monitor: Monitor,
}

/// What the sender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it is durable, and the sender may forget it.
    Recorded(Tally),
    /// Something in it cannot be read, and is kept nowhere: by `unreadable = "leave"`
    /// the sender has to deal with it. What can be read is recorded all the same.
    Unreadable(String),
    /// Not all of it is durable; the sender has to say it again.
    NotYet(String),
}

/// What became of the records of one body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// New arrivals.
    pub new: u64,
    /// Arrivals that were known.
    pub duplicate: u64,
    /// Arrivals that are queued again.
    pub requeued: u64,
    /// Objects that no pipeline takes.
    pub ignored: u64,
    /// Records that announce nothing to load.
    pub skipped: u64,
    /// Records that could not be read, and are kept to be looked at.
    pub unreadable: u64,
}

impl Webhook {
    pub(crate) fn new(source: WebhookSource, intake: Intake, monitor: Monitor) -> Self {
        Self {
            source,
            intake,
            monitor,
        }
    }

    /// Senders come by themselves: until `stop` there is nothing to do.
    pub(crate) async fn run(self, stop: CancellationToken) {
        self.monitor.well();
        stop.cancelled().await;
    }

    /// Makes all that a body says durable. Nothing that it names is fetched but the
    /// object itself, by bucket and key, from the configured store.
    ///
    /// After an error, which is the ledger's, it has to be said again, as after
    /// [`Answer::NotYet`]; what the ledger has by then stays once.
    pub async fn take(&self, body: &[u8]) -> Result<Answer, LedgerError> {
        match self.record(body).await {
            Ok(answer) => {
                self.monitor.well();
                Ok(answer)
            }
            Err(error) => {
                let (source, problem) = (self.source.name.as_str(), chain(&error));
                warn!(source, "refused a notification for now: {problem}");
                self.monitor.failing(problem);
                Err(error)
            }
        }
    }

    async fn record(&self, body: &[u8]) -> Result<Answer, LedgerError> {
        let source = self.source.name.as_str();
        let parsed = notification::parse(body);
        let found = parsed.notices.iter().cloned().map(|notice| Found {
            notice,
            by: FoundBy::Webhook,
        });
        let found: Vec<Found> = found.collect();
        let taken = self.intake.take(&found).await?;
        if let Some(why) = taken.iter().find_map(unsettled) {
            counts::errors(source, 1);
            warn!(
                source,
                "refused a notification for now, for its object cannot be identified yet: {why}"
            );
            return Ok(Answer::NotYet(why.to_owned()));
        }
        for skipped in &parsed.skipped {
            counts::add(source, Outcome::Skipped, 1);
            info!(source, "skipped a notification: {skipped}");
        }
        if let Some(reason) = parsed.unreadable.first() {
            if self.source.unreadable == UnreadablePolicy::Leave {
                counts::add(source, Outcome::Unreadable, 1);
                warn!(source, "refused an unreadable notification: {reason}");
                return Ok(Answer::Unreadable(reason.clone()));
            }
            self.intake
                .keep_unreadable(body, &parsed.unreadable)
                .await?;
            warn!(source, "kept an unreadable notification: {reason}");
        }
        Ok(Answer::Recorded(tally(&parsed, &taken)))
    }
}

fn unsettled(taken: &Taken) -> Option<&str> {
    match taken {
        Taken::NotYet(why) => Some(why),
        Taken::Registered(_) | Taken::Ignored | Taken::Nothing => None,
    }
}

fn tally(parsed: &Parsed, taken: &[Taken]) -> Tally {
    let mut tally = Tally {
        skipped: parsed.skipped.len() as u64,
        unreadable: parsed.unreadable.len() as u64,
        ..Tally::default()
    };
    for taken in taken {
        match taken {
            Taken::Registered(Registered::New(_)) => tally.new += 1,
            Taken::Registered(Registered::Requeued(_)) => tally.requeued += 1,
            Taken::Registered(_) => tally.duplicate += 1,
            Taken::Ignored => tally.ignored += 1,
            Taken::Nothing | Taken::NotYet(_) => tally.skipped += 1,
        }
    }
    tally
}

#[cfg(test)]
mod tests;
