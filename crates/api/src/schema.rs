//! How answers look, for the OpenAPI document, where the types themselves belong to
//! crates that know nothing of HTTP. A test holds every column to what is answered.

use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::pipelines::PipelineRow;

/// A part of the load history.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of an answer")]
pub(crate) struct ArrivalPage {
    items: Vec<ArrivalRow>,
    /// For `after`; null at the end.
    next: Option<String>,
}

/// A part of an arrival's rejects.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of an answer")]
pub(crate) struct RejectPage {
    items: Vec<RejectRow>,
    /// For `after`; null at the end.
    next: Option<String>,
    /// That its rejects were removed, and when; absent unless they were.
    #[schema(required = false, nullable = false)]
    removed: Option<String>,
}

/// Every pipeline.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of an answer")]
pub(crate) struct PipelinePage {
    items: Vec<PipelineRow>,
    /// Null: these are all.
    next: Option<String>,
}

/// What an order to load is answered with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of an answer")]
pub(crate) struct Loads {
    arrivals: Vec<ArrivalRow>,
}

/// A row of the view `arrivage.arrivals`.
pub(crate) struct ArrivalRow;

/// A row of the view `arrivage.rejects`.
pub(crate) struct RejectRow;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    Time,
}

use Kind::{Integer, Text, Time};

/// A column: its name, what it holds, whether it may be null, what it says.
type Column = (&'static str, Kind, bool, &'static str);

const ARRIVAL: [Column; 28] = [
    ("id", Integer, false, ""),
    ("pipeline", Text, false, ""),
    ("url", Text, false, "Where the object is."),
    ("store", Text, false, "s3 or folder."),
    ("bucket", Text, false, "Of a folder: its source's name."),
    ("key", Text, false, ""),
    ("etag", Text, false, "Names the content."),
    ("version_id", Text, true, ""),
    ("size", Integer, true, "In bytes, as stored."),
    ("last_modified", Time, true, ""),
    (
        "sequencer",
        Text,
        true,
        "S3's order between events of one key.",
    ),
    (
        "state",
        Text,
        false,
        "waiting, loading, loaded, failed, superseded, dismissed or unloaded.",
    ),
    ("attempts", Integer, false, "How often it was claimed."),
    ("fence", Integer, false, "Rises with every claim."),
    ("owner", Text, true, "Who claimed it last."),
    ("lease_until", Time, true, "How long that claim stands."),
    ("due_at", Time, false, "When it may be claimed."),
    (
        "bytes_read",
        Integer,
        false,
        "Of the object, up to the checkpoint; of `size` this is the progress.",
    ),
    ("records_loaded", Integer, false, "Committed."),
    ("records_rejected", Integer, false, "Committed."),
    ("checkpoint_records", Integer, false, ""),
    (
        "checkpoint_offset",
        Integer,
        false,
        "In decompressed bytes.",
    ),
    ("duplicate_notifications", Integer, false, ""),
    ("error_code", Text, true, "Why it failed, for scripts."),
    ("error", Text, true, "Why it failed, for people."),
    ("registered_at", Time, false, ""),
    ("started_at", Time, true, ""),
    ("finished_at", Time, true, ""),
];

const REJECT: [Column; 9] = [
    ("arrival_id", Integer, false, ""),
    ("record", Integer, false, "1 is the first after the header."),
    (
        "line",
        Integer,
        false,
        "Where it begins; 1 is the file's first.",
    ),
    (
        "byte_offset",
        Integer,
        false,
        "Where it begins, in the decompressed stream.",
    ),
    ("column_name", Text, true, "The guilty one, if it is one."),
    ("reason_code", Text, false, "Why, for scripts."),
    ("reason", Text, false, "Why, for people."),
    (
        "raw",
        Text,
        false,
        "The record as it stood in the file, cut.",
    ),
    ("rejected_at", Time, false, ""),
];

impl PartialSchema for ArrivalRow {
    fn schema() -> RefOr<Schema> {
        row(&ARRIVAL, "A row of the view arrivage.arrivals.")
    }
}

impl ToSchema for ArrivalRow {}

impl PartialSchema for RejectRow {
    fn schema() -> RefOr<Schema> {
        row(&REJECT, "A row of the view arrivage.rejects.")
    }
}

impl ToSchema for RejectRow {}

fn row(columns: &[Column], about: &str) -> RefOr<Schema> {
    let mut row = ObjectBuilder::new().description(Some(about));
    for column in columns {
        row = row.property(column.0, property(*column)).required(column.0);
    }
    row.into()
}

fn property((_, kind, nullable, about): Column) -> Object {
    let kind_of = match kind {
        Integer => Type::Integer,
        Text | Time => Type::String,
    };
    let kinds = match nullable {
        true => SchemaType::from_iter([kind_of, Type::Null]),
        false => SchemaType::new(kind_of),
    };
    let format = match kind {
        Integer => Some(SchemaFormat::KnownFormat(KnownFormat::Int64)),
        Time => Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)),
        Text => None,
    };
    ObjectBuilder::new()
        .schema_type(kinds)
        .format(format)
        .description((!about.is_empty()).then_some(about))
        .build()
}
