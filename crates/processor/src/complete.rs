//! Whether an object counts yet, and what is announced of it: by what stands beside it.

mod sidecar;

use std::sync::Arc;

use arrivage_ledger::Awaited;
use arrivage_model::{Arrival, ErrorCode, Holds, Lease, Location, Pipeline, Sidecar};
use arrivage_store::{Algorithm, Digest, ObjectReader, Persistence, StoreError};

use crate::board::Loading;
use crate::fate::LoadError;
use crate::process::Processor;

/// A sidecar is no longer, in bytes: the names and digests of ten thousand objects.
const LARGEST: u64 = 1 << 20;

/// What was said of an object beforehand, to be held against what comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announced {
    pub(crate) digests: Vec<Digest>,
    pub(crate) records: Option<Count>,
}

/// How many records an object is said to have, and by whom.
#[derive(Clone, Debug)]
pub(crate) struct Count {
    pub(crate) records: u64,
    pub(crate) stated_by: String,
}

impl Count {
    /// Fails a file that came to its end with another number of records.
    pub(crate) fn compare(&self, records: u64) -> Result<(), LoadError> {
        if records == self.records {
            return Ok(());
        }
        let message = format!(
            "it has {records} records, and {} says {}",
            self.stated_by, self.records
        );
        Err(LoadError::file(ErrorCode::Incomplete, message))
    }
}

impl Processor {
    /// Looks for the arrival's sidecar, if it is to have one, and for what stands in it.
    /// The lease is kept meanwhile.
    pub(crate) async fn announced(
        &self,
        arrival: &Arrival,
        lease: Lease,
        pipeline: &Pipeline,
        loading: &Arc<Loading>,
    ) -> Result<Announced, LoadError> {
        let Some(sidecar) = &pipeline.sidecar else {
            return Ok(Announced::default());
        };
        let place = sidecar.name.of(&arrival.location());
        let looking = self.look_for(sidecar, &place, arrival, loading);
        match self.kept(lease, loading, looking).await {
            // It is as if it were not there, or not yet.
            Err(LoadError::Store(StoreError::Gone(_) | StoreError::Changed(_))) => {
                Err(awaited(sidecar, &place, ""))
            }
            // S3 says the same of what is missing to who may not list the bucket.
            Err(LoadError::Store(StoreError::Denied { .. })) => Err(awaited(
                sidecar,
                &place,
                ", which is missing or may not be read",
            )),
            looked => looked,
        }
    }

    async fn look_for(
        &self,
        sidecar: &Sidecar,
        place: &Location,
        arrival: &Arrival,
        loading: &Arc<Loading>,
    ) -> Result<Announced, LoadError> {
        let store = self.stores.get(place.store);
        let found = store.head(place, None).await?;
        let algorithm = match sidecar.holds {
            Holds::Nothing => return Ok(Announced::default()),
            Holds::Sha256 => Some(Algorithm::Sha256),
            Holds::Md5 => Some(Algorithm::Md5),
            Holds::Manifest => None,
        };
        if let Some(size) = found.size.filter(|size| *size > LARGEST) {
            let message = format!("{place} has {size} bytes, and a sidecar at most {LARGEST}");
            return Err(LoadError::file(ErrorCode::Incomplete, message));
        }
        let loading = Arc::clone(loading);
        let progress = Arc::new(move || loading.touch());
        let persistence = Persistence {
            ahead: false,
            appears_within: std::time::Duration::ZERO,
            ..Persistence::default()
        };
        let mut reader = ObjectReader::new(Arc::clone(store), found, 0, persistence, progress);
        let mut text = Vec::new();
        while let Some(block) = reader.next().await {
            text.extend_from_slice(&block?);
        }
        let name = arrival.key.rsplit('/').next().unwrap_or_default();
        let stated_by = place.to_string();
        let announced = match algorithm {
            Some(algorithm) => {
                let value = sidecar::digest(&text, name, algorithm.length());
                value.map(|value| Announced {
                    digests: vec![Digest {
                        algorithm,
                        value,
                        stated_by,
                    }],
                    records: None,
                })
            }
            None => sidecar::count(&text, name).map(|records| Announced {
                digests: Vec::new(),
                records: Some(Count { records, stated_by }),
            }),
        };
        announced.ok_or_else(|| {
            let how = format!(", which says nothing of {name} yet");
            awaited(sidecar, place, &how)
        })
    }
}

fn awaited(sidecar: &Sidecar, place: &Location, how: &str) -> LoadError {
    LoadError::Awaited(Awaited {
        key: place.key.clone(),
        within: sidecar.within,
        why: format!("it waits for {place}{how}"),
        over: format!("it waited in vain for {place}{how}; complete.within is over"),
    })
}
