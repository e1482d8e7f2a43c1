use std::fmt;
use std::ops::Range;

use arrivage_model::{Location, Object, VersionId};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;

use crate::{Digest, StoreError};

/// Holds objects: says what stands where, and hands out exactly one content.
///
/// Every call may be repeated. None tries again by itself: who calls knows how
/// long it may take. Dropping a future or a body ends the work behind it.
#[async_trait]
pub trait Store: Send + Sync {
    /// What stands at the location now, or that version of it. Size, time and
    /// version are filled in as far as the store knows them.
    async fn head(
        &self,
        location: &Location,
        version: Option<&VersionId>,
    ) -> Result<Object, StoreError>;

    /// What the store says of the bytes of this content, for who reads it in more than
    /// one range: of an answer with all bytes the store compares it itself. Nothing where
    /// it says nothing, or compares every byte that it hands out.
    async fn digests(&self, _object: &Object) -> Result<Vec<Digest>, StoreError> {
        Ok(Vec::new())
    }

    /// What stands below a prefix, a page at a time. Pages follow each other
    /// in the order of the keys; `after` is the [`Page::next`] of the page
    /// before. An empty prefix lists the whole bucket.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, StoreError>;

    /// Bytes of exactly this content: [`StoreError::Changed`] rather than a
    /// byte of another one. The range is not empty, unless the object is, and
    /// ends at the object's end or before.
    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Body, StoreError>;
}

/// Some of the objects below a prefix.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order of the keys. May be empty although more pages follow.
    pub objects: Vec<Object>,
    /// Asks for the page after this one; none after the last. Only the store
    /// that gave it understands it.
    pub next: Option<String>,
}

/// The bytes that a store hands out to one [`Store::read`].
pub struct Body {
    /// Which bytes of the object these are. It starts where the caller asked,
    /// and reaches further only if the store cannot cut.
    pub range: Range<u64>,
    /// The size of the whole object.
    pub total: u64,
    /// When the content was written, by the store's clock.
    pub last_modified: Option<DateTime<Utc>>,
    /// Exactly the bytes of `range`, then the end; anything else is an error.
    /// An empty block is a sign of life from a store that is at work although
    /// no byte is due yet.
    pub chunks: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("range", &self.range)
            .field("total", &self.total)
            .field("last_modified", &self.last_modified)
            .finish_non_exhaustive()
    }
}
