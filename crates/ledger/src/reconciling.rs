use arrivage_model::{ArrivalId, ETag, State};
use chrono::{DateTime, Utc};

/// An arrival as a reconcile holds it against what stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The key.
    pub key: String,
    /// Which content of it.
    pub etag: ETag,
    /// The pipeline that takes it.
    pub pipeline: String,
    /// The arrival.
    pub id: ArrivalId,
    /// Where it stands.
    pub state: State,
    /// When it came to rest.
    pub finished_at: Option<DateTime<Utc>>,
}
