use std::sync::Arc;

use arrivage_ledger::{Claim, Destination, LedgerError, SharedLedger, TargetRefusal};
use arrivage_model::{ErrorCode, Pipeline, Router, RowColumn, Table};
use arrivage_store::Stores;

use crate::decode::detect::{Sample, infer, infer_stated};
use crate::decode::{DecodeError, Plan};
use crate::fate::LoadError;
use crate::read;

/// A claimed arrival with everything that its load needs to know.
pub(crate) struct Job {
    pub(crate) pipeline: Arc<Pipeline>,
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

/// Where an object's beginning is read when the table has to be made of it.
pub(crate) struct Place<'a> {
    pub(crate) stores: &'a Stores,
    /// The largest window of a decompressor, in bytes.
    pub(crate) window: u64,
}

/// Finds the pipeline, looks at the table, and joins them.
pub(crate) async fn prepare(
    ledger: &SharedLedger,
    router: &Router,
    place: Place<'_>,
    claim: &Claim,
) -> Result<Job, LoadError> {
    let arrival = &claim.arrival;
    let Some(pipeline) = router.pipeline(&arrival.pipeline) else {
        let message = format!("the configuration has no pipeline {}", arrival.pipeline);
        return Err(LoadError::Broken(message));
    };
    let table = match table(ledger, pipeline).await {
        Err(error) if is_to_be_inferred(pipeline, &error) => {
            make_table(ledger, pipeline, place, claim).await?
        }
        found => found?,
    };
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
    Ok(Job {
        pipeline: Arc::clone(pipeline),
        table,
        plan,
        reading,
    })
}

/// Whether pipeline and table fit each other, as far as that can be said before a
/// file is seen.
pub(crate) async fn look(ledger: &SharedLedger, pipeline: &Pipeline) -> Result<(), LoadError> {
    let table = match table(ledger, pipeline).await {
        // What a file makes of it is seen when one comes.
        Err(error) if is_to_be_inferred(pipeline, &error) => return Ok(()),
        found => found?,
    };
    Plan::new(pipeline, &table)?;
    Ok(ledger.admits(pipeline, &table).await?)
}

/// The pipeline's table, made if it is missing and its columns are declared.
async fn table(ledger: &SharedLedger, pipeline: &Pipeline) -> Result<Table, LedgerError> {
    match ledger.table(&pipeline.table).await {
        Err(LedgerError::Target(TargetRefusal::Missing(_)))
            if pipeline.create_table && !pipeline.columns.is_empty() =>
        {
            ledger.create_table(pipeline).await?;
            ledger.table(&pipeline.table).await
        }
        found => found,
    }
}

/// Whether the table is missing, and its columns are those of the first file.
fn is_to_be_inferred(pipeline: &Pipeline, error: &LedgerError) -> bool {
    let is_missing = matches!(error, LedgerError::Target(TargetRefusal::Missing(_)));
    is_missing && pipeline.create_table && pipeline.columns.is_empty()
}

/// Makes the table of what the object's beginning shows.
async fn make_table(
    ledger: &SharedLedger,
    pipeline: &Arc<Pipeline>,
    place: Place<'_>,
    claim: &Claim,
) -> Result<Table, LoadError> {
    let store = Arc::clone(place.stores.get(claim.arrival.store));
    let object = claim.arrival.object();
    let beginning = read::beginning(store, object, pipeline.limits, place.window).await?;
    let declared = Arc::clone(pipeline);
    let inferring = tokio::task::spawn_blocking(move || {
        let sample = Sample {
            bytes: &beginning.bytes,
            whole: beginning.whole,
        };
        match &beginning.stated {
            Some(stated) if stated.format == declared.format => infer_stated(&stated.members),
            Some(stated) => Err(DecodeError {
                code: ErrorCode::Unsupported,
                message: format!(
                    "it is {}, and its pipeline has format.kind = \"{}\"; give such files a pipeline of their own",
                    stated.format.as_str(),
                    declared.format.as_str()
                ),
            }),
            None => infer(&declared, sample),
        }
    });
    let columns = inferring
        .await
        .map_err(|error| LoadError::Broken(error.to_string()))??;
    let made = Pipeline {
        columns,
        ..Pipeline::clone(pipeline)
    };
    ledger.create_table(&made).await?;
    tracing::info!(
        table = %pipeline.table,
        columns = made.columns.len(),
        "the table was made of what the file's beginning shows"
    );
    Ok(ledger.table(&pipeline.table).await?)
}
