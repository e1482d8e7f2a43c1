use std::sync::Arc;

use arrivage_ledger::{Claim, Destination, LedgerError, SharedLedger, TargetRefusal};
use arrivage_model::{Captures, ErrorCode, Pipeline, Router, RowColumn, Table};

use crate::decode::Plan;
use crate::fate::LoadError;

/// A claimed arrival with everything that its load needs to know.
pub(crate) struct Job {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) captures: Captures,
    pub(crate) table: Table,
    pub(crate) plan: Arc<Plan>,
    /// What its records are read with, hashed.
    pub(crate) reading: String,
}

impl Job {
    /// Where the rows of a chunk with these columns go.
    pub(crate) fn destination(&self, columns: &[RowColumn]) -> Destination {
        Destination {
            table: self.table.clone(),
            columns: columns.to_vec(),
            mode: self.pipeline.mode.clone(),
            order: self.pipeline.order,
            atomic: self.pipeline.atomic,
        }
    }
}

/// Finds the pipeline, looks at the table, and joins them.
pub(crate) async fn prepare(
    ledger: &SharedLedger,
    router: &Router,
    claim: &Claim,
) -> Result<Job, LoadError> {
    let arrival = &claim.arrival;
    let Some(pipeline) = router.pipeline(&arrival.pipeline) else {
        let message = format!("the configuration has no pipeline {}", arrival.pipeline);
        return Err(LoadError::Broken(message));
    };
    let table = table(ledger, pipeline).await?;
    let plan = Arc::new(Plan::new(pipeline, &table)?);
    let hash = blake3::hash(pipeline.reading().as_bytes()).to_hex();
    let reading = hash[..16].to_owned();
    if !claim.restart
        && claim
            .reading
            .as_ref()
            .is_some_and(|before| *before != reading)
    {
        let read = if pipeline.atomic {
            "gathered, and not shown yet"
        } else {
            "loaded"
        };
        let message = format!(
            "format or columns of pipeline {} changed after {} records were {read}; \
             restore them, or run `arrivage replay --from-start {}`",
            pipeline.name, claim.checkpoint.records, arrival.id
        );
        return Err(LoadError::file(ErrorCode::ConfigChanged, message));
    }
    let mut captures = router.captures(pipeline, &arrival.location());
    captures.extend(arrival.facts());
    Ok(Job {
        captures,
        pipeline: Arc::clone(pipeline),
        table,
        plan,
        reading,
    })
}

/// Whether pipeline and table fit each other, as far as that can be said before a
/// file is seen.
pub(crate) async fn look(ledger: &SharedLedger, pipeline: &Pipeline) -> Result<(), LoadError> {
    let table = table(ledger, pipeline).await?;
    Plan::new(pipeline, &table)?;
    Ok(ledger.admits(pipeline, &table).await?)
}

/// The pipeline's table, made if it is missing and may be.
async fn table(ledger: &SharedLedger, pipeline: &Pipeline) -> Result<Table, LedgerError> {
    match ledger.table(&pipeline.table).await {
        Err(LedgerError::Target(TargetRefusal::Missing(_))) if pipeline.create_table => {
            ledger.create_table(pipeline).await?;
            ledger.table(&pipeline.table).await
        }
        found => found,
    }
}
