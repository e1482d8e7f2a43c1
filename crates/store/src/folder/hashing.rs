use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use arrivage_model::{ETag, Location};
use blake3::{Hash, Hasher};
use lru::LruCache;

use super::Stamp;
use super::open::{Opened, failed};
use crate::StoreError;

/// About 8 MiB when full.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("more than none");

const BLOCK: usize = 256 * 1024;

/// So many bytes are hashed between two signs of life.
const STRIDE: usize = 16 * 1024 * 1024;

/// Nobody waits for the answer any more.
pub(super) struct Stopped;

/// The names of the contents that were looked at lately, by whichever store of
/// this process: a stamp means the same to all of them, and who registers a
/// file and who loads it need not both read it for its name.
static TAGS: LazyLock<Arc<Tags>> = LazyLock::new(|| {
    Arc::new(Tags {
        known: Mutex::new(LruCache::new(REMEMBERED)),
    })
});

pub(super) struct Tags {
    known: Mutex<LruCache<Stamp, Hash>>,
}

impl std::fmt::Debug for Tags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tags").finish_non_exhaustive()
    }
}

impl Tags {
    pub(super) fn shared() -> Arc<Self> {
        Arc::clone(&TAGS)
    }

    /// The name of a content that was looked at before.
    pub(super) fn known(&self, stamp: &Stamp) -> Option<ETag> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(stamp)
            .and_then(|hash| ETag::parse(&hash.to_hex()))
    }

    /// The name of the file's content, or none if it is being written just
    /// now. Reads the whole file unless it is known.
    pub(super) fn tag(
        &self,
        opened: &Opened,
        location: &Location,
        going: &mut dyn FnMut() -> Result<(), Stopped>,
    ) -> Result<Option<ETag>, StoreError> {
        if let Some(etag) = self.known(&opened.stamp) {
            return Ok(Some(etag));
        }
        // Asked before the first byte is read: of a younger file, a change
        // while it is read could leave no trace, and would be remembered.
        let settled = opened.stamp.is_settled();
        let Some(hash) = hash(opened, going)? else {
            return Ok(None);
        };
        if !opened
            .is_untouched()
            .map_err(|errno| failed(location, errno))?
        {
            return Ok(None);
        }
        if settled {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.put(opened.stamp, hash);
        }
        Ok(ETag::parse(&hash.to_hex()))
    }
}

/// Of exactly as many bytes as the stamp says; none if there are others.
fn hash(
    opened: &Opened,
    going: &mut dyn FnMut() -> Result<(), Stopped>,
) -> Result<Option<Hash>, StoreError> {
    let mut hasher = Hasher::new();
    let mut block = vec![0; BLOCK];
    let mut place: u64 = 0;
    let mut since = 0;
    loop {
        let length = match opened.file.read_at(&mut block, place) {
            Ok(0) => return Ok((place == opened.stamp.size).then(|| hasher.finalize())),
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StoreError::Unavailable(error.into())),
        };
        hasher.update(&block[..length]);
        place += length as u64;
        since += length;
        if place > opened.stamp.size {
            return Ok(None);
        }
        if since >= STRIDE {
            since = 0;
            going().map_err(|Stopped| StoreError::cut("nobody waits for the file any more"))?;
        }
    }
}
