use std::error::Error;
use std::io;
use std::time::Duration;

use arrivage_model::{ErrorCode, Location};

/// What lies beneath an error. Its text holds no credentials, no signed URL
/// and no byte of an object.
pub type Source = Box<dyn Error + Send + Sync>;

/// Why a store did not do what it was asked; a variant for each thing that the
/// caller does next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing stands there any more, or not yet.
    #[error("{0} is not there")]
    Gone(Location),
    /// Another content stands there than the one that was asked for.
    #[error("{0} holds another content now")]
    Changed(Location),
    /// It stands there, and we may not read it. S3 says the same of a missing
    /// object to those who may not list its bucket.
    #[error("the store refuses to hand out {location}")]
    Denied {
        /// What was asked for.
        location: Location,
        /// The store's own words.
        source: Source,
    },
    /// It lies in cold storage until a person restores it.
    #[error("{0} lies in an archive and must be restored before it can be read")]
    Archived(Location),
    /// It is nothing that may ever be read from this folder.
    #[error("{location} {why}")]
    Refused {
        /// What was asked for.
        location: Location,
        /// Completes the sentence that begins with the location.
        why: &'static str,
    },
    /// The bytes that came are not those that the store once took in: they do
    /// not have the checksum that it states.
    #[error("the bytes of {0} do not have the checksum that the store states")]
    Corrupted(Location),
    /// All its bytes came, and they are not those that were meant: it was cut or changed
    /// on its way to the store.
    #[error("{location} is not whole: {what}")]
    Incomplete {
        /// What was asked for.
        location: Location,
        /// What does not agree.
        what: String,
    },
    /// The store lives and asks for less, or for later.
    #[error("the store is busy")]
    Busy {
        /// Not before this time has passed, if it said so.
        retry_after: Option<Duration>,
        /// The store's own words.
        source: Source,
    },
    /// No answer, or one that broke off.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Source),
    /// Bucket, region, credentials or folder are not what the store expects.
    /// Only a person can mend it.
    #[error("{what}")]
    Misconfigured {
        /// What a person has to look at.
        what: String,
        /// The store's own words.
        source: Option<Source>,
    },
    /// The store says things that cannot all be true.
    #[error("the store contradicts itself about {location}: {what}")]
    Contradiction {
        /// What was asked for.
        location: Location,
        /// What does not fit together.
        what: String,
    },
}

impl StoreError {
    /// Whether this says nothing about the object: it is given back, and uses
    /// up no attempt.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::Unavailable(_) | Self::Misconfigured { .. }
        )
    }

    /// Whether only a person can mend it: the configuration, not the object.
    #[must_use]
    pub fn is_misconfigured(&self) -> bool {
        matches!(self, Self::Misconfigured { .. })
    }

    /// The word for it in the ledger, where the arrival fails by it.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Gone(_) => Some(ErrorCode::Gone),
            Self::Denied { .. } => Some(ErrorCode::AccessDenied),
            Self::Archived(_) => Some(ErrorCode::Archived),
            Self::Refused { .. } => Some(ErrorCode::Unsupported),
            Self::Incomplete { .. } | Self::Corrupted(_) => Some(ErrorCode::Incomplete),
            Self::Changed(_)
            | Self::Busy { .. }
            | Self::Unavailable(_)
            | Self::Misconfigured { .. }
            | Self::Contradiction { .. } => None,
        }
    }

    /// How long the store asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The store error inside an [`io::Error`], as it comes out of a
    /// decompressor that read from a store.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// No answer, told in our own words.
    pub(crate) fn cut(what: impl Into<String>) -> Self {
        Self::Unavailable(what.into().into())
    }
}

impl From<StoreError> for io::Error {
    /// So that a reader's stream can stand under tokio-util's `StreamReader`;
    /// [`StoreError::within`] finds it again.
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}
