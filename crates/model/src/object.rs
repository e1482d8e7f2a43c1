use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::route::LOCAL_BUCKET;

/// Where objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// S3 or anything that speaks its protocol.
    S3,
    /// A directory of this machine or of a share.
    Folder,
}

impl StoreKind {
    /// The word for it in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Folder => "folder",
        }
    }
}

/// Where one object is. Several contents may stand there one after another.
///
/// In a folder, the bucket is the source's name and the key the path below it;
/// the bucket [`LOCAL_BUCKET`] stands for the root of the file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The store that has it.
    pub store: StoreKind,
    /// The bucket, or the name of the folder source.
    pub bucket: String,
    /// The key, exactly as stored: decoded, never normalised.
    pub key: String,
}

impl Location {
    /// The longest key that the ledger takes, in bytes; S3's own limit.
    pub const MAX_KEY: usize = 1024;

    /// An object of a bucket.
    pub fn s3(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            store: StoreKind::S3,
            bucket: bucket.into(),
            key: key.into(),
        }
    }

    /// A file below a folder source.
    pub fn folder(source: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            store: StoreKind::Folder,
            bucket: source.into(),
            key: key.into(),
        }
    }

    /// Whether the ledger can hold it, and if not, why.
    pub fn check(&self) -> Result<(), LocationError> {
        if self.bucket.is_empty() || self.key.is_empty() {
            return Err(LocationError::Incomplete);
        }
        if self.key.len() > Self::MAX_KEY || self.bucket.len() > Self::MAX_KEY {
            return Err(LocationError::TooLong(self.key.len()));
        }
        if self.key.contains('\0') || self.bucket.contains('\0') {
            return Err(LocationError::Nul);
        }
        Ok(())
    }
}

/// A location that the ledger cannot hold, or text that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LocationError {
    /// Bucket or key is empty.
    #[error("an object needs a bucket and a key")]
    Incomplete,
    /// The key is longer than [`Location::MAX_KEY`].
    #[error("the key has {0} bytes; keys have at most 1024")]
    TooLong(usize),
    /// U+0000 stands in it.
    #[error("the key contains U+0000, which no database text can hold")]
    Nul,
    /// The text starts with a scheme that no store has.
    #[error("{0:?} is no object; write s3://bucket/key, or a path")]
    Scheme(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.store {
            StoreKind::S3 => write!(f, "s3://{}/{}", self.bucket, self.key),
            StoreKind::Folder if self.bucket == LOCAL_BUCKET => write!(f, "/{}", self.key),
            StoreKind::Folder => write!(f, "folder://{}/{}", self.bucket, self.key),
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    /// Reads what [`Display`](fmt::Display) writes. The key may be empty: that
    /// names a whole bucket.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(path) = text.strip_prefix('/') {
            return Ok(Self::folder(LOCAL_BUCKET, path));
        }
        let (store, rest) = if let Some(rest) = text.strip_prefix("s3://") {
            (StoreKind::S3, rest)
        } else if let Some(rest) = text.strip_prefix("folder://") {
            (StoreKind::Folder, rest)
        } else {
            return Err(LocationError::Scheme(text.to_owned()));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(LocationError::Incomplete);
        }
        Ok(Self {
            store,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
        })
    }
}

/// Names one content of an object, as every source can say it: without quotes
/// and without the `W/` of weak tags.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(String);

impl ETag {
    /// The longest tag that the ledger takes, in bytes.
    pub const MAX: usize = 256;

    /// Strips quotes and `W/`. Nothing is left of an empty or an over-long tag, and of
    /// one that no header carries.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("W/").unwrap_or(text);
        let text = text.trim_matches('"');
        let fits = !text.is_empty() && text.len() <= Self::MAX;
        let in_header = |byte| matches!(byte, b' '..=b'~') && byte != b'"';
        let sound = fits && text.bytes().all(in_header);
        sound.then(|| Self(text.to_owned()))
    }

    /// One that was kept, as it is: a tag of an earlier version may be one that is not taken
    /// any more.
    #[must_use]
    pub fn kept(text: String) -> Self {
        Self(text)
    }

    /// The bare tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag as HTTP headers carry it.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One version of an object in a versioned bucket. It is not identity but the
/// pin of a read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(String);

impl VersionId {
    /// S3's literal `null`, and nothing, mean that there is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound =
            !text.is_empty() && text != "null" && text.len() <= 1024 && !text.contains('\0');
        sound.then(|| Self(text.to_owned()))
    }

    /// The id as the store says it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One content of one object, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Where it is.
    pub location: Location,
    /// Which content.
    pub etag: ETag,
    /// The pin, on a versioned bucket.
    pub version_id: Option<VersionId>,
    /// In bytes.
    pub size: Option<u64>,
    /// When it was written, by the store's clock.
    pub last_modified: Option<DateTime<Utc>>,
    /// S3's order between events of one key: hexadecimal, compared after
    /// padding to the same length.
    pub sequencer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_back_as_it_was_written() {
        for text in [
            "s3://drop/a/b c+%.csv",
            "s3://drop//x",
            "folder://inbox/é.csv",
            "/data/x.csv",
        ] {
            let location: Location = text.parse().expect(text);
            assert_eq!(location.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_location_is_refused() {
        assert!("http://x/y".parse::<Location>().is_err());
        assert!("s3:///y".parse::<Location>().is_err());
        assert_eq!(
            Location::s3("b", "k".repeat(1025)).check(),
            Err(LocationError::TooLong(1025))
        );
        assert_eq!(Location::s3("b", "k\0").check(), Err(LocationError::Nul));
    }

    #[test]
    fn tags_lose_their_quotes_and_their_weakness() {
        for text in ["abc", "\"abc\"", "W/\"abc\"", " \"abc\" "] {
            assert_eq!(ETag::parse(text).expect(text).as_str(), "abc");
        }
        assert_eq!(ETag::parse("\"\""), None);
        for text in ["a\nb", "a\"b", "a\u{7f}", "\u{e9}", "a\0"] {
            assert_eq!(ETag::parse(text), None, "no header carries {text:?}");
        }
    }

    #[test]
    fn the_literal_null_is_no_version() {
        assert_eq!(VersionId::parse("null"), None);
        assert_eq!(VersionId::parse(""), None);
        assert!(VersionId::parse("3HL4kqtJlcpXroDTDmJ").is_some());
    }
}
