use std::time::{Duration, Instant};

use arrivage_ledger::{LedgerError, Paused, Pruned};

use crate::fate::chain;
use crate::prepare;
use crate::process::Processor;
use crate::work::jittered;

/// How many old arrivals are pruned in one transaction.
const PRUNED_TOGETHER: usize = 500;

/// How long one turn of it takes at most: loads want the database too.
const PRUNING: Duration = Duration::from_secs(2);

impl Processor {
    /// Ends what stopped processes left behind, tries paused pipelines again, and prunes
    /// what is older than the retention.
    pub(crate) async fn keep_house(&self) {
        loop {
            match self.ledger.reap().await {
                Ok(0) => {}
                Ok(ended) => tracing::warn!(ended, "ended database backends of expired leases"),
                Err(error) => {
                    tracing::debug!(error = chain(&error), "expired leases were not looked for")
                }
            }
            if let Err(error) = self.resume_mended().await {
                tracing::debug!(error = chain(&error), "paused pipelines were not looked at");
            }
            self.budget.rest();
            tokio::time::sleep(jittered(self.settings.lease / 2)).await;
            // Last, as who works until nothing is left prunes at its end.
            self.prune().await;
        }
    }

    /// What it does not come to is for the next turn, or for another process.
    pub(crate) async fn prune(&self) {
        let Some(retention) = self.settings.retention else {
            return;
        };
        let began = Instant::now();
        let mut all = Pruned::default();
        while began.elapsed() < PRUNING {
            match self.ledger.prune(retention, PRUNED_TOGETHER).await {
                Ok(pruned) if pruned.is_empty() => break,
                Ok(pruned) => all += pruned,
                Err(error) => {
                    tracing::debug!(error = chain(&error), "old arrivals were not pruned");
                    break;
                }
            }
        }
        if !all.is_empty() {
            tracing::info!(
                arrivals = all.arrivals,
                rejects = all.rejects,
                notifications = all.notifications,
                "removed what is older than database.retention"
            );
        }
    }

    /// Never what a person paused: that is not for us to end, nor to look at.
    pub(crate) async fn resume_mended(&self) -> Result<(), LedgerError> {
        let paused = self.ledger.paused(&self.pipelines).await?;
        for paused in paused.into_iter().filter(|paused| !paused.by_person) {
            let Paused {
                pipeline: name,
                reason,
                ..
            } = paused;
            let Some(pipeline) = self.router.pipeline(&name) else {
                continue;
            };
            if prepare::look(&self.ledger, pipeline).await.is_err() {
                continue;
            }
            self.ledger.resume(&name).await?;
            tracing::info!(
                pipeline = name,
                reason,
                "the pipeline goes on: this was mended"
            );
        }
        Ok(())
    }
}
