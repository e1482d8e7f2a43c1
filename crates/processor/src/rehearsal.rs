//! A load without a ledger: nothing is claimed or written.

use std::sync::Arc;

use arrivage_model::{Captures, Checkpoint, Limits, Object};
use arrivage_store::{Persistence, Store};

use crate::budget::Budget;
use crate::decode::{Chunk, ChunkTarget, Plan};
use crate::fate::{self, LoadError};
use crate::preview::PreviewError;
use crate::read::{Decoding, Reading, Source};

/// How an object is read.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// What its bytes are.
    pub plan: Arc<Plan>,
    /// How far reading goes.
    pub limits: Limits,
    /// A decompressor may keep a window of so many bytes.
    pub window: u64,
    /// Where it begins: a checkpoint of the same content.
    pub from: Checkpoint,
    /// How much makes a chunk full; of its bytes, whole kibibytes count.
    pub target: ChunkTarget,
}

/// Reads and decodes an object from a checkpoint to its end, as a load does. Panics where a thread
/// of it ended by itself, which is a defect.
pub async fn rehearse(
    store: Arc<dyn Store>,
    object: Object,
    rehearsal: Rehearsal,
) -> Result<Vec<Chunk>, PreviewError> {
    let Rehearsal {
        plan,
        limits,
        window,
        from,
        target,
    } = rehearsal;
    let source = Source {
        store,
        object,
        from,
        digests: Vec::new(),
        limits,
        window,
        windows: 8,
        progress: Arc::new(|| {}),
        persistence: Persistence {
            ahead: false,
            ..Persistence::default()
        },
    };
    let decoding = Decoding {
        plan,
        captures: Captures::default(),
        records: None,
        most_records: target.records,
        // Nobody else needs any of it.
        budget: Budget::new(u64::MAX, target.bytes, target.bytes),
        decoders: 1,
    };
    let mut reading = Reading::start(source, decoding);
    let mut chunks = Vec::new();
    loop {
        let draft = reading.next().await.map_err(|error| match error {
            LoadError::Store(error) => PreviewError::Store(error),
            LoadError::Broken(why) => panic!("the load broke off by itself: {why}"),
            other => PreviewError::File(fate::failure(&other)),
        })?;
        let last = draft.chunk.last;
        chunks.push(draft.chunk);
        if last {
            return Ok(chunks);
        }
    }
}
