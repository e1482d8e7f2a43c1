use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrivage_model::{Arrival, ArrivalId};

/// What is being loaded right now, for progress bars and metrics.
#[derive(Clone, Default)]
pub struct Board {
    loading: Arc<Mutex<BTreeMap<ArrivalId, Arc<Loading>>>>,
}

/// How far one load is.
#[derive(Debug)]
pub struct Loading {
    /// The object.
    pub url: String,
    /// In bytes, where known.
    pub size: Option<u64>,
    /// When this process began with it.
    pub since: Instant,
    /// Records that earlier claims committed.
    first: u64,
    bytes_read: AtomicU64,
    records: AtomicU64,
    /// Milliseconds from `since` to the last sign of progress.
    alive: AtomicU64,
}

impl Board {
    /// Every load of this process, by arrival.
    #[must_use]
    pub fn loading(&self) -> Vec<Arc<Loading>> {
        self.lock().values().map(Arc::clone).collect()
    }

    pub(crate) fn enter(&self, arrival: &Arrival) -> Entry {
        let loading = Arc::new(Loading {
            url: arrival.url.clone(),
            size: arrival.size.and_then(|size| u64::try_from(size).ok()),
            since: Instant::now(),
            first: arrival.checkpoint_records.unsigned_abs(),

            bytes_read: AtomicU64::new(arrival.bytes_read.unsigned_abs()),
            records: AtomicU64::new(arrival.checkpoint_records.unsigned_abs()),
            alive: AtomicU64::new(0),
        });
        self.lock().insert(arrival.id, Arc::clone(&loading));
        Entry {
            board: self.clone(),
            id: arrival.id,
            loading,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ArrivalId, Arc<Loading>>> {
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loading {
    /// Records that this claim has committed.
    #[must_use]
    pub fn new_records(&self) -> u64 {
        self.records().saturating_sub(self.first)
    }

    /// Object bytes up to the last committed chunk.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Records up to the last committed chunk.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(crate) fn committed(&self, bytes_read: u64, records: u64) {
        self.bytes_read.store(bytes_read, Ordering::Relaxed);
        self.records.store(records, Ordering::Relaxed);
        self.touch();
    }

    /// Says that the load is alive: a byte, a record, a chunk, or an answer.
    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.alive.fetch_max(now, Ordering::Relaxed);
    }

    /// How long ago it was last alive.
    pub(crate) fn idle(&self) -> Duration {
        let alive = Duration::from_millis(self.alive.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(alive)
    }
}

/// A load's place on the board; it leaves when dropped.
pub(crate) struct Entry {
    board: Board,
    id: ArrivalId,
    loading: Arc<Loading>,
}

impl Entry {
    pub(crate) fn loading(&self) -> &Arc<Loading> {
        &self.loading
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.board.lock().remove(&self.id);
    }
}
