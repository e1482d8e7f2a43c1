use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).expect("more than none");

/// What was left out of listings, each said once: a folder is listed again and
/// again.
pub(super) struct Complaints {
    said: Mutex<LruCache<(String, String), ()>>,
}

impl Default for Complaints {
    fn default() -> Self {
        Self {
            said: Mutex::new(LruCache::new(REMEMBERED)),
        }
    }
}

impl std::fmt::Debug for Complaints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Complaints").finish_non_exhaustive()
    }
}

impl Complaints {
    pub(super) fn skipped(&self, bucket: &str, key: &str, why: &'static str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.put((bucket.to_owned(), key.to_owned()), ()).is_none() {
            tracing::warn!(
                object.bucket = bucket,
                object.key = key,
                "left out of the listing: {why}"
            );
        }
    }
}
