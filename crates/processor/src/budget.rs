use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::decode::Spare;

/// The one byte budget that every chunk of every worker draws from. While a
/// chunk waits for its share, its file is not read on: a slow database slows
/// the download instead of filling memory.
#[derive(Clone)]
pub(crate) struct Budget {
    pool: Arc<Pool>,
    share: u32,
    /// What a share is while nobody else needs any, from a file's second chunk on: the
    /// first one shows how much room its like need, and grows bit by bit.
    most: u32,
}

/// What those share that draw from one budget.
struct Pool {
    all: usize,
    kibibytes: Arc<Semaphore>,
    readers: AtomicUsize,
    /// Memory of chunks that are done, and the bytes that each had drawn: never more than
    /// what nobody has drawn now. Asking the system for it again would cost time, and what
    /// that keeps is never all of one size.
    spares: Mutex<Vec<(usize, Spare)>>,
}

/// One file that draws, until dropped.
pub(crate) struct Reader {
    budget: Budget,
    begun: bool,
}

/// One chunk's share; given back when dropped.
pub(crate) struct Share {
    permit: OwnedSemaphorePermit,
    pool: Arc<Pool>,
}

impl Budget {
    /// So many bytes, for chunks of so many bytes, or of `most` for a file that has all
    /// for itself.
    pub(crate) fn new(bytes: u64, chunk: usize, most: usize) -> Self {
        let share = kibibytes(chunk);
        let most = kibibytes(most).max(share);
        let all = usize::try_from(bytes / 1024).unwrap_or(Semaphore::MAX_PERMITS);
        let all = all.clamp(most as usize, Semaphore::MAX_PERMITS);
        let pool = Pool {
            all,
            kibibytes: Arc::new(Semaphore::new(all)),
            readers: AtomicUsize::new(0),
            spares: Mutex::default(),
        };
        Self {
            pool: Arc::new(pool),
            share,
            most,
        }
    }

    /// The same bytes, in shares of so many.
    pub(crate) fn sharing(&self, bytes: usize) -> Self {
        Self {
            pool: Arc::clone(&self.pool),
            share: kibibytes(bytes),
            most: kibibytes(bytes),
        }
    }

    /// Another file that draws.
    pub(crate) fn reader(&self) -> Reader {
        self.pool.readers.fetch_add(1, Ordering::SeqCst);
        Reader {
            budget: self.clone(),
            begun: false,
        }
    }

    /// Keeps no memory while no chunk is there.
    pub(crate) fn rest(&self) {
        let mut spares = self.pool.lock();
        if self.pool.kibibytes.available_permits() == self.pool.all {
            spares.clear();
        }
    }
}

impl Reader {
    /// Whether nobody else needs any of it.
    pub(crate) fn is_alone(&self) -> bool {
        self.budget.pool.readers.load(Ordering::SeqCst) == 1
    }

    /// Takes the share of one chunk, and waits for it if need be; with memory of an
    /// earlier one, if there is some. On a blocking thread only.
    pub(crate) fn draw(&mut self, runtime: &Handle) -> (Share, Spare) {
        let kibibytes = Arc::clone(&self.budget.pool.kibibytes);
        let permit = runtime.block_on(kibibytes.acquire_many_owned(self.next()));
        self.drawn(permit.expect("the budget is never closed"))
    }

    /// The same, if there is nothing to wait for.
    pub(crate) fn try_draw(&mut self) -> Option<(Share, Spare)> {
        let kibibytes = Arc::clone(&self.budget.pool.kibibytes);
        let permit = kibibytes.try_acquire_many_owned(self.next()).ok()?;
        Some(self.drawn(permit))
    }

    /// What the next share comes to.
    fn next(&self) -> u32 {
        match self.begun && self.is_alone() {
            true => self.budget.most,
            false => self.budget.share,
        }
    }

    fn drawn(&mut self, permit: OwnedSemaphorePermit) -> (Share, Spare) {
        self.begun = true;
        let pool = Arc::clone(&self.budget.pool);
        let share = Share { permit, pool };
        let spare = share.pool.spare(share.bytes());
        (share, spare)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.budget.pool.readers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Pool {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(usize, Spare)>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One for who has drawn so many bytes; of the others as many stay as there is room for.
    fn spare(&self, bytes: usize) -> Spare {
        let mut spares = self.lock();
        let fitting = spares.iter().rposition(|(_, spare)| spare.fits(bytes));
        let spare = fitting.map(|at| spares.swap_remove(at).1);
        let mut room = self.kibibytes.available_permits().saturating_mul(1024);
        spares.retain(|(drawn, _)| {
            let fits = *drawn <= room;
            room = room.saturating_sub(*drawn);
            fits
        });
        spare.unwrap_or_default()
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

    /// Gives it back, with the memory that it stood for, unless that has outgrown it.
    pub(crate) fn give_back(self, spare: Spare) {
        if spare.fits(self.bytes()) {
            self.pool.lock().push((self.bytes(), spare));
        }
    }
}

fn kibibytes(bytes: usize) -> u32 {
    u32::try_from(bytes / 1024).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 64 * 1024;

    fn budget() -> Budget {
        Budget::new(4 * CHUNK as u64, CHUNK, 2 * CHUNK)
    }

    fn used(bytes: usize) -> Spare {
        Spare::of(Vec::with_capacity(bytes))
    }

    #[test]
    fn a_file_that_has_all_for_itself_draws_more_after_its_first_chunk() {
        let runtime = tokio::runtime::Runtime::new().expect("starts");
        let budget = budget();
        let mut one = budget.reader();
        let drawn = |reader: &mut Reader| reader.draw(runtime.handle()).0.bytes();
        assert_eq!([drawn(&mut one), drawn(&mut one)], [CHUNK, 2 * CHUNK]);
        let mut other = budget.sharing(CHUNK / 8).reader();
        assert_eq!([drawn(&mut other), drawn(&mut one)], [CHUNK / 8, CHUNK]);
        drop(other);
        assert_eq!(drawn(&mut one), 2 * CHUNK);
    }

    #[test]
    fn the_memory_of_chunks_is_used_again_and_never_more_than_nobody_has_drawn() {
        let runtime = tokio::runtime::Runtime::new().expect("starts");
        let budget = budget();
        let mut reader = budget.reader();
        let mut draw = || reader.draw(runtime.handle());
        let (first, spare) = draw();
        assert_eq!(spare.heap_bytes(), 0);
        drop(first);
        let (one, _) = draw();
        let (other, _) = draw();
        one.give_back(used(2 * CHUNK + CHUNK / 4));
        other.give_back(used(2 * CHUNK + CHUNK / 4));
        let left = || budget.pool.lock().len();
        let (again, spare) = draw();
        assert_eq!(spare.heap_bytes(), 2 * CHUNK + CHUNK / 4);
        assert_eq!(left(), 1, "as much as is left");
        let mut small = budget.sharing(CHUNK / 8).reader();
        let (third, too_large) = small.draw(runtime.handle());
        assert_eq!(
            too_large.heap_bytes(),
            0,
            "it would not be a chunk of this size"
        );
        assert_eq!(left(), 0, "there is no room for it any more");
        third.give_back(used(CHUNK));
        assert_eq!(left(), 0, "it has outgrown its share");
        again.give_back(spare);
        assert_eq!(left(), 1);
        budget.rest();
        assert_eq!(left(), 0);
    }
}
