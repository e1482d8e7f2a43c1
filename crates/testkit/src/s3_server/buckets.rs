//! What is stored: buckets, keys and versions. Plain data behind a lock.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use s3s::crypto::{Checksum as _, Md5};
use s3s::{S3Result, s3_error};

/// What an object holds.
#[derive(Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes made when they are asked for; see [`Content::generated`].
    Generated {
        /// How many they are.
        length: u64,
        /// Makes them.
        generate: Arc<dyn Fn(u64) -> Bytes + Send + Sync>,
    },
}

impl Content {
    /// An object of any size in no memory: `generate(offset)` returns some of its bytes, at least
    /// one, beginning at that offset, and the same at every call. Some 64 KiB at a time are a good
    /// size; what lies beyond `length` is cut off.
    pub fn generated(length: u64, generate: impl Fn(u64) -> Bytes + Send + Sync + 'static) -> Self {
        Self::Generated {
            length,
            generate: Arc::new(generate),
        }
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Generated { length, .. } => *length,
        }
    }

    /// Some bytes from `begin` on, none beyond `end`, at least one if `begin < end`.
    pub(super) fn some(&self, begin: u64, end: u64) -> Bytes {
        let (mut bytes, skip) = match self {
            Self::Bytes(bytes) => (bytes.clone(), begin),
            Self::Generated { generate, .. } => (generate(begin), 0),
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
        bytes = bytes.slice(skip..);
        let most = usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX);
        bytes.truncate(most.min(BLOCK));
        assert!(
            begin >= end || !bytes.is_empty(),
            "no bytes were generated at {begin}"
        );
        bytes
    }

    /// As S3 does it, the MD5 of the bytes: the same bytes put again have the same ETag. Of generated
    /// ones only length, begin and end are looked at: it is none, then, and looks like that of parts.
    fn etag(&self) -> String {
        let mut md5 = Md5::new();
        match self {
            Self::Bytes(bytes) => md5.update(bytes),
            Self::Generated { length, .. } => {
                md5.update(&length.to_be_bytes());
                md5.update(&self.some(0, *length));
                md5.update(&self.some(length.saturating_sub(1), *length));
            }
        }
        let digest = md5.finalize();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        match self {
            Self::Bytes(_) => hex,
            Self::Generated { .. } => hex + "-2",
        }
    }
}

/// The most bytes that are sent in one piece.
const BLOCK: usize = 64 * 1024;

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.length())
    }
}

impl<B: Into<Bytes>> From<B> for Content {
    fn from(bytes: B) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// What S3 says of a stored content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Without quotes.
    pub etag: String,
    /// In a versioned bucket.
    pub version_id: Option<String>,
}

/// Which contents of a key a bucket keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    OnlyTheLatest,
    All,
}

/// One content of a key, or a marker that it was deleted.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) id: Option<String>,
    pub(super) etag: String,
    pub(super) last_modified: SystemTime,
    /// None: the delete marker.
    pub(super) content: Option<Content>,
}

#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<BTreeMap<String, Bucket>>);

#[derive(Debug)]
struct Bucket {
    versions: Versions,
    written: u64,
    /// The latest last; never empty.
    keys: BTreeMap<String, Vec<Version>>,
}

impl Buckets {
    /// Does nothing if the bucket is there.
    pub(super) fn create(&self, name: &str, versions: Versions) {
        let bucket = Bucket {
            versions,
            written: 0,
            keys: BTreeMap::new(),
        };
        self.lock().entry(name.to_owned()).or_insert(bucket);
    }

    pub(super) fn versions(&self, bucket: &str) -> S3Result<Versions> {
        self.with(bucket, |bucket| Ok(bucket.versions))
    }

    pub(super) fn put(
        &self,
        bucket: &str,
        key: &str,
        content: Content,
        last_modified: SystemTime,
    ) -> S3Result<Stored> {
        let etag = content.etag();
        self.with(bucket, |bucket| {
            let id = bucket.add(key, Some(content), etag.clone(), last_modified);
            Ok(Stored {
                etag,
                version_id: id,
            })
        })
    }

    /// Deletes one version, or the key, which in a versioned bucket puts a marker on it. Returns the
    /// marker's id. What is not there is deleted already.
    pub(super) fn delete(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> S3Result<Option<String>> {
        self.with(bucket, |bucket| {
            if let Some(id) = version_id {
                if let Some(versions) = bucket.keys.get_mut(key) {
                    versions.retain(|version| version.id.as_deref() != Some(id));
                }
                bucket.keys.retain(|_, versions| !versions.is_empty());
                return Ok(None);
            }
            match bucket.versions {
                Versions::All => Ok(bucket.add(key, None, String::new(), SystemTime::now())),
                Versions::OnlyTheLatest => {
                    bucket.keys.remove(key);
                    Ok(None)
                }
            }
        })
    }

    /// The latest version, or the one of that id; it may be a delete marker.
    pub(super) fn find(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
    ) -> S3Result<Version> {
        self.with(bucket, |bucket| {
            let versions = bucket.keys.get(key).map(Vec::as_slice).unwrap_or_default();
            let found = match version_id {
                None => versions.last().ok_or_else(|| s3_error!(NoSuchKey))?,
                Some(id) => versions
                    .iter()
                    .find(|version| version.id.as_deref() == Some(id))
                    .ok_or_else(|| s3_error!(NoSuchVersion))?,
            };
            Ok(found.clone())
        })
    }

    /// The latest versions below a prefix, without those deleted, in the order of their keys from
    /// the first one beyond `after`; one more than `limit` if there are more.
    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> S3Result<Vec<(String, Version)>> {
        let begin = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.with(bucket, |bucket| {
            let below = bucket
                .keys
                .range::<str, _>((begin, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix));
            let latest = below.filter_map(|(key, versions)| {
                let version = versions
                    .last()
                    .filter(|version| version.content.is_some())?;
                Some((key.clone(), version.clone()))
            });
            Ok(latest.take(limit + 1).collect())
        })
    }

    fn with<T>(&self, name: &str, work: impl FnOnce(&mut Bucket) -> S3Result<T>) -> S3Result<T> {
        work(
            self.lock()
                .get_mut(name)
                .ok_or_else(|| s3_error!(NoSuchBucket))?,
        )
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bucket {
    /// Returns the new version's id, if the bucket gives any.
    fn add(
        &mut self,
        key: &str,
        content: Option<Content>,
        etag: String,
        last_modified: SystemTime,
    ) -> Option<String> {
        self.written += 1;
        let versions = self.keys.entry(key.to_owned()).or_default();
        let id = match self.versions {
            Versions::All => Some(format!("version.{:08}", self.written)),
            Versions::OnlyTheLatest => {
                versions.clear();
                None
            }
        };
        versions.push(Version {
            id: id.clone(),
            etag,
            last_modified,
            content,
        });
        id
    }
}
