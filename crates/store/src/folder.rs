mod complaints;
mod hashing;
mod open;
mod reading;
mod stamp;
mod walk;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrivage_model::{ETag, LOCAL_BUCKET, Location, Object, VersionId};
use async_trait::async_trait;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use self::complaints::Complaints;
use self::hashing::{Stopped, Tags};
use self::open::Opened;
pub use self::stamp::Stamp;
pub use self::walk::{Entry, EntryPage};
use crate::StoreError;
use crate::store::{Body, Page, Store};

/// So many objects make a page.
const PAGE: usize = 1000;

/// A page ends early once so many bytes were hashed for it.
const PAGE_BYTES: u64 = 1 << 30;

/// Directories of this machine, or of a share that it mounts.
///
/// A bucket is the name of a folder source, and [`LOCAL_BUCKET`] the root of
/// the file system. Only regular files are objects, and only by the path that
/// has no symbolic link below the bucket's directory: a link that leads out is
/// refused, and so is one that stays inside, for what it names is an object
/// already. An object's ETag is the BLAKE3 of its bytes.
///
/// Stamps tell one content from another between two looks. On a file system
/// that counts time in ticks, a file that is written in place twice within one
/// tick can fool them; a file that is put there by a rename cannot.
#[derive(Clone, Debug)]
pub struct FolderStore {
    roots: Arc<BTreeMap<String, PathBuf>>,
    tags: Arc<Tags>,
    complaints: Arc<Complaints>,
}

impl FolderStore {
    /// `folders` gives each folder source's absolute path by its name. Nothing
    /// is opened yet.
    #[must_use]
    pub fn new(folders: BTreeMap<String, PathBuf>) -> Self {
        Self {
            roots: Arc::new(folders),
            tags: Tags::shared(),
            complaints: Arc::new(Complaints::default()),
        }
    }

    /// What is there without a look at its bytes: for who waits until a file
    /// is written to its end.
    pub async fn entry(&self, location: &Location) -> Result<Entry, StoreError> {
        let root = self.root(&location.bucket)?;
        let location = location.clone();
        blocking(move |_| {
            let opened = open::file(&root, &location)?;
            Ok(Entry {
                stamp: opened.stamp,
                location,
            })
        })
        .await
    }

    /// The regular files below a prefix, in the order of their keys, without a
    /// look at their bytes; at most `limit` of them. `after` is the
    /// [`EntryPage::next`] of the page before. File names that are not UTF-8,
    /// or too long to be keys, are skipped with a warning, and so are
    /// directories that we may not read.
    pub async fn entries(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<EntryPage, StoreError> {
        let root = self.root(bucket)?;
        let directory = Location::folder(bucket, prefix);
        let after = after.map(str::to_owned);
        let complaints = Arc::clone(&self.complaints);
        blocking(move |_| walk::entries(&complaints, &root, &directory, after.as_deref(), limit))
            .await
    }

    fn root(&self, bucket: &str) -> Result<PathBuf, StoreError> {
        if bucket == LOCAL_BUCKET {
            return Ok(PathBuf::from("/"));
        }
        self.roots
            .get(bucket)
            .cloned()
            .ok_or_else(|| StoreError::Misconfigured {
                what: format!("there is no folder source named {bucket:?}"),
                source: None,
            })
    }
}

#[async_trait]
impl Store for FolderStore {
    async fn head(
        &self,
        location: &Location,
        _version: Option<&VersionId>,
    ) -> Result<Object, StoreError> {
        let root = self.root(&location.bucket)?;
        let location = location.clone();
        let tags = Arc::clone(&self.tags);
        blocking(move |stop| head(&tags, &root, &location, &stop)).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Page, StoreError> {
        let root = self.root(bucket)?;
        let EntryPage { entries, mut next } = self.entries(bucket, prefix, after, PAGE).await?;
        let tags = Arc::clone(&self.tags);
        blocking(move |stop| {
            let mut objects = Vec::new();
            let mut hashed = 0;
            let mut entries = entries.into_iter().peekable();
            while let Some(Entry { location, stamp }) = entries.next() {
                let unknown = tags.known(&stamp).is_none();
                match head(&tags, &root, &location, &stop) {
                    Ok(object) => objects.push(object),
                    Err(StoreError::Gone(_) | StoreError::Refused { .. }) => continue,
                    Err(error @ (StoreError::Busy { .. } | StoreError::Denied { .. })) => {
                        tracing::warn!(
                            object.location = %location,
                            error = &error as &dyn std::error::Error,
                            "left a file out of a listing"
                        );
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                hashed += if unknown { stamp.size } else { 0 };
                if hashed > PAGE_BYTES && entries.peek().is_some() {
                    next = Some(location.key);
                    break;
                }
            }
            Ok(Page { objects, next })
        })
        .await
    }

    async fn read(&self, object: &Object, range: Range<u64>) -> Result<Body, StoreError> {
        let root = self.root(&object.location.bucket)?;
        reading::read(Arc::clone(&self.tags), root, object.clone(), range).await
    }
}

fn head(
    tags: &Tags,
    root: &Path,
    location: &Location,
    stop: &CancellationToken,
) -> Result<Object, StoreError> {
    let going = || {
        if stop.is_cancelled() {
            Err(Stopped)
        } else {
            Ok(())
        }
    };
    let (opened, etag) = tagged(tags, root, location, going)?;
    Ok(Object {
        location: location.clone(),
        etag,
        version_id: None,
        size: Some(opened.stamp.size),
        last_modified: opened.stamp.modified(),
        sequencer: None,
    })
}

/// The file as it is now, and the name of its content. `going` is called now
/// and then while it is hashed.
fn tagged(
    tags: &Tags,
    root: &Path,
    location: &Location,
    mut going: impl FnMut() -> Result<(), Stopped>,
) -> Result<(Opened, ETag), StoreError> {
    // A writer that is at work three times is at work.
    for _ in 0..3 {
        let opened = open::file(root, location)?;
        if let Some(etag) = tags.tag(&opened, location, &mut going)? {
            return Ok((opened, etag));
        }
    }
    Err(StoreError::Busy {
        retry_after: None,
        source: format!("{location} is being written").into(),
    })
}

/// Runs what blocks where it may; tells it to stop when nobody waits for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce(CancellationToken) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    match spawn_blocking(move || work(stop)).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Unavailable(error.into())),
    }
}
