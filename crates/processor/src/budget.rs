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
    /// What a share may be while nobody else needs it.
    most: u32,
}

/// One chunk's share; given back when dropped.
pub(crate) struct Share {
    permit: OwnedSemaphorePermit,
}

impl Budget {
    /// So many bytes, for chunks of so many bytes, or of `most` while others leave it.
    pub(crate) fn new(bytes: u64, chunk: usize, most: usize) -> Self {
        let all = usize::try_from(bytes / 1024).unwrap_or(Semaphore::MAX_PERMITS);
        let share = kibibytes(chunk);
        Self {
            kibibytes: Arc::new(Semaphore::new(all.max(share as usize))),
            share,
            most: kibibytes(most).max(share),
        }
    }

    /// The same bytes, in shares of so many.
    pub(crate) fn sharing(&self, bytes: usize) -> Self {
        Self {
            kibibytes: Arc::clone(&self.kibibytes),
            share: kibibytes(bytes),
            most: kibibytes(bytes),
        }
    }

    /// Takes the share of one chunk, and waits for it if need be. On a blocking thread only.
    pub(crate) fn draw(&self, runtime: &Handle) -> Share {
        if let Ok(permit) = Arc::clone(&self.kibibytes).try_acquire_many_owned(self.most) {
            return Share { permit };
        }
        let permit = Arc::clone(&self.kibibytes).acquire_many_owned(self.share);
        let permit = runtime
            .block_on(permit)
            .expect("the budget is never closed");
        Share { permit }
    }
}

impl Share {
    /// What it is, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.permit.num_permits() * 1024
    }

    /// Keeps so many bytes of it, and gives the others back.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let surplus = self
            .permit
            .num_permits()
            .saturating_sub(bytes.div_ceil(1024));
        drop(self.permit.split(surplus));
    }
}

fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes / 1024).unwrap_or(u32::MAX)
}
