//! What a message says about objects, told from its bytes alone: no network, no
//! clock, no ledger.

mod key;
mod record;
mod unwrap;

use std::fmt;

use arrivage_model::{ETag, Location, VersionId};
use bytes::Bytes;
use chrono::{DateTime, Utc};

/// The longest message that is read, in bytes: what SQS carries at most, and
/// what the webhook takes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Everything that one message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The objects that it announces, in its order.
    pub notices: Vec<Notice>,
    /// What was understood and announces nothing to load.
    pub skipped: Vec<Skipped>,
    /// Why the message, or a record of it, could not be read. The other records
    /// stand all the same.
    pub unreadable: Vec<String>,
}

/// An object that is said to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Where it is; the ledger can hold it.
    pub location: Location,
    /// Which content, if it was said.
    pub etag: Option<ETag>,
    /// The pin, on a versioned bucket.
    pub version_id: Option<VersionId>,
    /// In bytes.
    pub size: Option<u64>,
    /// When it was written: for an event, when it happened.
    pub last_modified: Option<DateTime<Utc>>,
    /// S3's order between events of one key.
    pub sequencer: Option<String>,
}

/// A record that announces nothing to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What happened, in the sender's word.
    pub event: String,
}

impl Skipped {
    fn new(event: &str) -> Self {
        let event = event.chars().take(100).collect();
        Self { event }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.event)
    }
}

/// Reads every record of a message, however it is wrapped: S3's events, those of
/// MinIO, Ceph and others of this shape, bare, in an SNS envelope or in a queue's,
/// S3's events as EventBridge words them, and any of these as the data of a
/// CloudEvent.
///
/// What cannot be read is told in [`Parsed::unreadable`]. Nothing that the
/// message names is fetched.
#[must_use]
pub fn parse(body: &[u8]) -> Parsed {
    let mut parsed = Parsed::default();
    if let Err(reason) = read(body, &mut parsed) {
        parsed.unreadable.push(reason);
    }
    parsed
}

/// As much of a message as has to be held, if only to tell that it is too long.
pub(crate) fn head(body: impl Into<Bytes>) -> Bytes {
    let body = body.into();
    match body.get(..=MAX_BODY) {
        // A slice of it would hold all of it.
        Some(head) => Bytes::copy_from_slice(head),
        None => body,
    }
}

fn read(body: &[u8], parsed: &mut Parsed) -> Result<(), String> {
    if body.len() > MAX_BODY {
        return Err(format!("it is longer than {MAX_BODY} bytes"));
    }
    let text = std::str::from_utf8(body).map_err(|error| format!("it is not UTF-8: {error}"))?;
    unwrap::message(text, 0, parsed)
}

#[cfg(test)]
mod tests;
