use arrivage_ledger::{LedgerError, Paused};

use crate::fate::chain;
use crate::prepare;
use crate::process::Processor;
use crate::work::jittered;

impl Processor {
    /// Ends what stopped processes left behind, and tries paused pipelines again.
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
