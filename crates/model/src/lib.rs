//! The nouns of Arrivage and the routing of objects to pipelines.
//!
//! Everything here is plain data: no IO, no async, no SQL. The other crates
//! meet in these words, and `docs/architecture.md` explains them.

pub mod array;
mod arrival;
mod catalogue;
mod column;
mod csv;
mod encoding;
mod fixed_width;
mod id;
mod object;
mod pattern;
mod pipeline;
mod reject;
mod route;
mod rows;
mod sidecar;
mod table;
mod trailer;

pub use arrival::{Arrival, Checkpoint, ErrorCode, Failure, State};
pub use catalogue::{Element, Enumeration};
pub use column::{Column, ColumnSource, ColumnType, Range, UnknownType};
pub use csv::{Csv, Delimiter, ExtraColumns, MissingColumns, Ragged, RepeatedHeader};
pub use encoding::{Encoding, InvalidBytes, UnknownEncoding};
pub use fixed_width::{FixedWidth, Positions};
pub use id::{ArrivalId, Fence, Lease, LeaseId, UnknownId};
pub use object::{ETag, Location, LocationError, Object, StoreKind, VersionId};
pub use pattern::{Captures, Pattern, PatternError};
pub use pipeline::{
    Compression, Format, JsonLines, Limits, Mode, Order, Pipeline, RejectBudget, TableName,
    TableNameError,
};
pub use reject::{ReasonCode, Reject};
pub use route::{LOCAL_BUCKET, Route, Router};
pub use rows::{Place, RowColumn, Rows};
pub use sidecar::{Holds, Sidecar, SidecarName, SidecarNameError};
pub use table::{Table, TableColumn};
pub use trailer::{Total, TrailerPattern, TrailerPatternError};
