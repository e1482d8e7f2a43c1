use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{ArrivalId, Captures, ETag, Location, Object, StoreKind, VersionId};

/// Where an arrival stands in its life; `docs/states.md` has the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// To be loaded, now or when due.
    Waiting,
    /// Claimed by a processor.
    Loading,
    /// All its records are rows or rejects.
    Loaded,
    /// Given up; a person decides.
    Failed,
    /// Its key was overwritten before it was loaded.
    Superseded,
    /// Failed, and a person knows.
    Dismissed,
    /// Loaded once, and taken out again.
    Unloaded,
}

impl State {
    /// Every state, in the order of an arrival's life.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Loading,
        Self::Loaded,
        Self::Failed,
        Self::Superseded,
        Self::Dismissed,
        Self::Unloaded,
    ];

    /// The word for it in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Loading => "loading",
            Self::Loaded => "loaded",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Dismissed => "dismissed",
            Self::Unloaded => "unloaded",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| {
                let known: Vec<_> = Self::ALL.iter().map(|state| state.as_str()).collect();
                format!("{text:?} is no state; the states are {}", known.join(", "))
            })
    }
}

/// Why an arrival failed, in a word that scripts can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The object is not there any more.
    Gone,
    /// The store refuses to hand it out.
    AccessDenied,
    /// It lies in cold storage.
    Archived,
    /// Its compression is broken.
    Corrupt,
    /// Its compressed stream ends early.
    Truncated,
    /// Nothing here reads such a file.
    Unsupported,
    /// It grows too much when decompressed.
    ExpandsTooMuch,
    /// A buffer that it needs does not fit the budget.
    NeedsMemory,
    /// Its header lacks a column, or names one twice.
    Header,
    /// More rejects than the pipeline allows.
    TooManyRejects,
    /// Fewer bytes or records than announced.
    Incomplete,
    /// The pipeline's format or columns changed while it was half loaded.
    ConfigChanged,
    /// The table refuses it as a whole.
    Target,
    /// Claim after claim ended without progress.
    AttemptsUsedUp,
    /// Not a failure: another tool had loaded it before.
    Adopted,
    /// Not a failure: a person did not want it loaded.
    Cancelled,
}

impl ErrorCode {
    /// The word for it in the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::AccessDenied => "access_denied",
            Self::Archived => "archived",
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::Unsupported => "unsupported",
            Self::ExpandsTooMuch => "expands_too_much",
            Self::NeedsMemory => "needs_memory",
            Self::Header => "header",
            Self::TooManyRejects => "too_many_rejects",
            Self::Incomplete => "incomplete",
            Self::ConfigChanged => "config_changed",
            Self::Target => "target",
            Self::AttemptsUsedUp => "attempts_used_up",
            Self::Adopted => "adopted",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What went wrong with an arrival, for its row in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The word that scripts compare; nothing fixed for what may yet pass.
    pub code: Option<ErrorCode>,
    /// What a person reads. Holds no record's contents and no secret.
    pub message: String,
}

impl Failure {
    /// Whether what is loaded of the arrival is in doubt, as its bytes were not what was
    /// stated of them: it is loaded from its start the next time.
    #[must_use]
    pub fn is_of_the_bytes(&self) -> bool {
        self.code == Some(ErrorCode::Incomplete)
    }
}

/// How far the committed rows of an arrival reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Records read up to here, rejects and records skipped by rule included.
    pub records: u64,
    /// Where the next record begins, in bytes of the decompressed stream.
    pub offset: u64,
    /// Bytes of the object, as stored, that were needed to get here.
    pub bytes_read: u64,
    /// What the decoder needs to go on from here: its own words, opaque to the
    /// ledger.
    pub state: Option<String>,
}

/// A row of the ledger: the columns of the view `arrivage.arrivals`.
#[derive(Clone, Debug, Serialize)]
pub struct Arrival {
    /// Its number.
    pub id: ArrivalId,
    /// The pipeline that loads it.
    pub pipeline: String,
    /// Where it is, as people write it.
    pub url: String,
    /// The store that has it.
    pub store: StoreKind,
    /// The bucket, or the folder source's name.
    pub bucket: String,
    /// The key.
    pub key: String,
    /// Which content.
    pub etag: ETag,
    /// The pin, on a versioned bucket.
    pub version_id: Option<VersionId>,
    /// In bytes, where known.
    pub size: Option<i64>,
    /// When it was written, by the store's clock.
    pub last_modified: Option<DateTime<Utc>>,
    /// S3's order between events of one key.
    pub sequencer: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Claims so far.
    pub attempts: i32,
    /// Rises with every claim.
    pub fence: i64,
    /// Who claimed it last.
    pub owner: Option<String>,
    /// Until when the claim holds unless renewed.
    pub lease_until: Option<DateTime<Utc>>,
    /// Not before.
    pub due_at: Option<DateTime<Utc>>,
    /// Object bytes up to the checkpoint.
    pub bytes_read: i64,
    /// Rows in the table.
    pub records_loaded: i64,
    /// Records among the rejects.
    pub records_rejected: i64,
    /// Records up to the checkpoint.
    pub checkpoint_records: i64,
    /// Decompressed bytes up to the checkpoint.
    pub checkpoint_offset: i64,
    /// How often it was announced again.
    pub duplicate_notifications: i64,
    /// Why it failed, in a word.
    pub error_code: Option<String>,
    /// Why it failed, or what its last attempt ran into.
    pub error: Option<String>,
    /// First announced.
    pub registered_at: DateTime<Utc>,
    /// Last claimed.
    pub started_at: Option<DateTime<Utc>>,
    /// Came to rest.
    pub finished_at: Option<DateTime<Utc>>,
}

impl Arrival {
    /// What is known of every arrival, and may fill columns as captures do. No glob
    /// captures under such a name.
    pub const FACTS: [&str; 5] = [
        "arrival.id",
        "object.key",
        "object.url",
        "object.etag",
        "object.last_modified",
    ];

    /// Its facts by their names; without a time where nobody told it.
    #[must_use]
    pub fn facts(&self) -> Captures {
        let facts = [
            Some(self.id.to_string()),
            Some(self.key.clone()),
            Some(self.url.clone()),
            Some(self.etag.to_string()),
            self.last_modified.map(|time| time.to_rfc3339()),
        ];
        let named = Self::FACTS.into_iter().zip(facts);
        named
            .filter_map(|(name, fact)| Some((name.to_owned(), fact?)))
            .collect()
    }

    /// Where it is.
    #[must_use]
    pub fn location(&self) -> Location {
        Location {
            store: self.store,
            bucket: self.bucket.clone(),
            key: self.key.clone(),
        }
    }

    /// The content that it stands for.
    #[must_use]
    pub fn object(&self) -> Object {
        Object {
            location: self.location(),
            etag: self.etag.clone(),
            version_id: self.version_id.clone(),
            size: self.size.and_then(|size| u64::try_from(size).ok()),
            last_modified: self.last_modified,
            sequencer: self.sequencer.clone(),
        }
    }

    /// How far its committed rows reach, without the decoder's state.
    #[must_use]
    pub fn rests(&self) -> bool {
        !matches!(self.state, State::Waiting | State::Loading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_read_back_from_its_word() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!(
            "done"
                .parse::<State>()
                .expect_err("no such state")
                .contains("waiting, loading")
        );
    }
}
