use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The one byte budget that every chunk of every worker draws from. While a
/// chunk waits for its share, its file is not read on: a slow database slows
/// the download instead of filling memory.
#[derive(Clone)]
pub(crate) struct Budget {
    kibibytes: Arc<Semaphore>,
    share: u32,
}

/// One chunk's share; given back when dropped.
pub(crate) struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    /// So many bytes, for chunks of so many bytes.
    pub(crate) fn new(bytes: u64, chunk: usize) -> Self {
        let kibibytes = usize::try_from(bytes / 1024).unwrap_or(Semaphore::MAX_PERMITS);
        let share = u32::try_from(chunk / 1024).unwrap_or(u32::MAX);
        Self {
            kibibytes: Arc::new(Semaphore::new(kibibytes.max(share as usize))),
            share,
        }
    }

    /// Waits for the share of one chunk. On a blocking thread only.
    pub(crate) fn draw(&self, runtime: &Handle) -> Share {
        let permit = Arc::clone(&self.kibibytes).acquire_many_owned(self.share);
        let permit = runtime
            .block_on(permit)
            .expect("the budget is never closed");
        Share { _permit: permit }
    }
}
