//! The configuration file as it is typed: every key, its type, its default and
//! what it does, declared once. Reading, the complaints about unknown keys and
//! the JSON Schema (`docs/arrivage.schema.json`) come from these declarations;
//! what the values mean together is for [`crate::config`].

#[macro_use]
mod declare;
mod quantity;
mod reader;
mod schema;
mod table;
mod value;
mod variables;

use std::net::SocketAddr;
use std::time::Duration;

use arrivage_model::{
    ColumnType, Compression, Delimiter, Encoding, ExtraColumns, Holds, InvalidBytes,
    MissingColumns, Positions, Ragged, RepeatedHeader, SidecarName, TableName,
};
use serde_json::{Value, json};
use toml::de::DeValue;

pub(crate) use self::quantity::{Retention, Size};
use self::reader::Shape;
pub(crate) use self::reader::{Place, Problem, Reader, Typed};
use self::schema::TableSchema;
use self::table::{Field, Keys, Table};
pub(crate) use self::table::{Key, List};
pub(crate) use self::value::{Byte, HttpUrl, Mode, Moment, Order, Origin, S3Url, Scalar, Secret};
use self::value::{word, words_schema};
use crate::config::{Pooler, Unreadable};

tables! {
    /// The file.
    struct Settings {
        /// The database that holds the ledger and the tables to load.
        database: Database,
        /// How S3 is reached. Without it: the usual AWS credential chain, region and endpoint.
        s3: S3 = {},
        /// How HTTP is served.
        http: Http = {},
        /// How arrivals are loaded.
        processor: Processor = {},
        /// Where notifications come from.
        source: List<Source> = [],
        /// What is loaded where; the first pipeline that matches takes the object.
        pipeline: List<Pipeline> = [],
    }

    /// `[database]`
    struct Database {
        /// `postgres://…`, or `sqlite://` and a path, which is relative to this file.
        url: Secret,
        /// `transaction` behind PgBouncer in transaction mode.
        pooler: Pooler = "none",
        /// How long the rejects of arrivals that rest are kept, such as `90d`, at least 1h; otherwise for ever. Their identities stay: nothing is loaded twice.
        retention: Option<Retention>,
    }

    /// `[s3]`
    struct S3 {
        /// Of MinIO, LocalStack, SeaweedFS, Ceph, RustFS…; otherwise AWS's own.
        endpoint: Option<HttpUrl>,
        /// Whether the bucket stands in the path instead of the host's name.
        path_style: bool = false,
        /// ETags are no MD5s of their contents, even where they look like it, and are not compared with them.
        opaque_etags: bool = false,
        /// Otherwise the one of the AWS configuration.
        region: Option<String>,
    }

    /// `[http]`
    struct Http {
        /// Address and port. Beyond loopback a token is needed.
        listen: SocketAddr = "127.0.0.1:8080",
        /// What clients show as `Authorization: Bearer …`; empty: none.
        token: Secret = "",
    }

    /// `[processor]`
    struct Processor {
        /// Arrivals loaded at the same time.
        workers: u32 = 2,
        /// COPY connections for one arrival.
        connections: u32 = 2,
        /// Threads that decode one arrival while no other is loaded; otherwise half of the cores, but no more than `connections`, and four.
        decoders: Option<u32>,
        /// Ceiling of the process's resident size; buffers share what code and SDK leave.
        memory: Size = "64MiB",
        /// How long a claim stands without being renewed; at least 3s, with SQLite 10s.
        lease: Duration = "60s",
        /// Without progress for this long, an arrival is let go.
        stall: Duration = "10m",
        /// Between two looks for work.
        poll: Duration = "1s",
        /// The time from SIGTERM to the end.
        drain: Duration = "25s",
        /// Consecutive claims without progress before an arrival fails.
        max_attempts: u32 = 5,
    }

    /// S3→SQS, S3→SNS→SQS, or EventBridge→SQS.
    struct Sqs {
        /// Otherwise the queue's own.
        name: Option<String>,
        /// As SQS gives it.
        queue_url: HttpUrl,
        /// Otherwise `$AWS_ENDPOINT_URL_SQS`, else the origin of `queue_url`.
        endpoint: Option<HttpUrl>,
        /// Otherwise the one in the host of `queue_url`, else that of the AWS configuration.
        region: Option<String>,
        /// What becomes of a message that nobody can read: `record` keeps it in the ledger, `leave` leaves it to the dead-letter queue.
        unreadable: Unreadable = "record",
    }

    /// A gateway share, or a local drop folder.
    struct Folder {
        /// It stands for the folder in the ledger, so keep it when the folder moves.
        name: String,
        /// The folder, relative to this file.
        path: String,
        /// A file counts once its size and its time of change stood still this long.
        settle: Duration = "2s",
    }

    /// Lists a bucket, or a prefix of it, to find what no notification told of.
    struct Listing {
        /// Otherwise its `url`.
        name: Option<String>,
        /// `s3://bucket/prefix`
        url: S3Url,
        /// From the start of one listing to the next.
        every: Duration = "15m",
        /// Older objects are not ours: a date or a time by RFC 3339, compared with last_modified.
        since: Option<Moment>,
    }

    /// Taken in over HTTP at `/notifications`: MinIO, RustFS, Ceph, CloudEvents.
    struct Webhook {
        /// Otherwise `webhook`.
        name: Option<String>,
        /// What senders show as `Authorization`, with or without `Bearer`; empty: none. Beyond loopback it is needed.
        token: Secret = "",
        /// What becomes of a body that nobody can read: `record` keeps it in the ledger, `leave` answers 422.
        unreadable: Unreadable = "record",
    }

    /// A durable pull consumer of a stream of NATS JetStream.
    struct Nats {
        /// Otherwise the stream and the consumer.
        name: Option<String>,
        /// `nats://…` or `tls://…`, with user and password or a token where the server wants them.
        url: Secret,
        /// A credentials file, relative to this file, where the server wants one.
        credentials: Option<String>,
        /// The stream that the sender publishes to.
        stream: String,
        /// Made where it is missing; watchers that name the same one share its messages.
        consumer: String = "arrivage",
        /// What a consumer that is made here reads of the stream; otherwise all of it.
        subject: Option<String>,
        /// What becomes of a message that nobody can read: `record` keeps it in the ledger, `leave` does not acknowledge it.
        unreadable: Unreadable = "record",
    }

    /// A queue of RabbitMQ, or of another server that speaks AMQP 0-9-1.
    struct Amqp {
        /// Otherwise the queue's own.
        name: Option<String>,
        /// `amqp://…` or `amqps://…`, with user and password, and the virtual host as its path.
        url: Secret,
        /// Bound to the exchange that the sender publishes to.
        queue: String,
        /// What becomes of a message that nobody can read: `record` keeps it in the ledger, `leave` rejects it, to the queue's dead-letter exchange.
        unreadable: Unreadable = "record",
    }

    /// A table of PostgreSQL that MinIO writes its events to, in the format `access` or `namespace`. Its rows are taken out.
    struct EventTable {
        /// Otherwise the table's own.
        name: Option<String>,
        /// `postgres://…`; otherwise the one of `[database]`.
        url: Option<Secret>,
        /// With or without its schema, as it is written in the database.
        table: TableName,
        /// Between two looks at an empty table.
        poll: Duration = "1s",
        /// What becomes of a row that nobody can read: `record` keeps it in the ledger, `leave` leaves it in the table.
        unreadable: Unreadable = "record",
    }

    /// `[[pipeline]]`
    struct Pipeline {
        /// Its name in the ledger, in logs and in metrics.
        name: String,
        /// Globs over URLs, or over paths relative to this file: `*` within a segment, `**` across, `{a,b}` one of these, `{name}` captures.
        r#match: List<String>,
        /// Names that do not count though `match` takes them: what uploads are called before they are whole. Globs over what follows the last `/`.
        ignore: List<String> = ["*.part", "*.partial", "*.tmp", "*.filepart"],
        /// The table to load, with or without its schema.
        table: TableName,
        /// `append` adds the rows of each new content; `upsert` replaces rows by `key`; with `replace` a new content of an object replaces the rows of its older ones.
        mode: Mode = "append",
        /// For `upsert`: columns that are unique together.
        key: Option<List<String>>,
        /// Whether an older content of an object may load after a newer one: `any`, or only the `newest`. Otherwise `any` for append, `newest` for upsert and replace.
        order: Option<Order>,
        /// The rows of a file appear all at once, or not at all; costs writing them twice. Replace is always so.
        atomic: Option<bool>,
        /// Makes the table where it is missing: of the declared columns, each with its type; where none is declared, of what the first file shows.
        create_table: bool = false,
        /// Otherwise the processor's.
        max_attempts: Option<u32>,
        /// How the files are written.
        format: Format = {},
        /// Columns as they are to be loaded; otherwise the table's own, matched by header.
        column: List<Column> = [],
        /// How many rejects an arrival may have before it fails.
        rejects: Rejects = {},
        /// What tells that an object is whole.
        complete: Complete = {},
    }

    /// What every format has.
    struct AnyFormat {
        /// `auto`: as the first bytes say, never the name. A tar archive within is read in any case but `none`.
        compression: Compression = "auto",
        /// Of the texts, unless a byte-order mark says otherwise: any label of the WHATWG standard.
        encoding: Encoding = "utf-8",
        /// What becomes of bytes that the encoding does not have: their record is a reject, or they are read as U+FFFD.
        invalid_bytes: InvalidBytes = "reject",
        /// A longer record is a reject.
        max_record: Size = "1MiB",
        /// Decompressed to compressed bytes, judged after 64 MiB.
        max_expansion: u64 = 1000,
    }

    /// Separated values, by RFC 4180.
    struct Csv {
        ..any: AnyFormat,
        /// Between two fields.
        /// `auto`: whichever of comma, semicolon, tab and bar the file's beginning shows.
        delimiter: Delimiter = ",",
        /// Around fields with delimiters or line ends; empty: quotes are text.
        quote: Byte = "\"",
        /// Before a quote in a quoted field; otherwise the quote itself.
        escape: Option<Byte>,
        /// Whether the first record names the columns; otherwise they go by position.
        header: bool = true,
        /// Physical lines before the first record.
        skip_lines: u64 = 0,
        /// Lines at the end that are no records, such as totals, at most 100; blank ones do not count.
        skip_last: u64 = 0,
        /// Lines like this are no records, wherever they stand; `*` stands for any text, as in `Total*`, `{count}` for the number of records, `{sum:amount}` for the sum of a column, which are compared.
        trailer: Option<String>,
        /// Lines that start with it are skipped.
        comment: Option<Byte>,
        /// Whether blanks around unquoted values are left out.
        trim: bool = false,
        /// Unquoted words that mean NULL.
        null: List<String> = [""],
        /// What becomes of a record with too few fields: `pad` fills up with NULL. Too many are always a reject.
        ragged: Ragged = "reject",
        /// What a later record is that reads as the header does: a `record`, or nothing, so that it is skipped.
        repeated_header: RepeatedHeader = "record",
        /// What becomes of fields whose name no column takes: `ignore` leaves them out, `reject` fails the file, `keep` gathers them in the table's column `_extra`, of type jsonb.
        extra_columns: ExtraColumns = "ignore",
        /// What becomes of a file that lacks a declared column: `reject` fails it, `leave` leaves the column to the database's default.
        missing_columns: MissingColumns = "reject",
    }

    /// One JSON object a line, or an array of objects.
    struct JsonLines {
        ..any: AnyFormat,
    }

    /// Columns of values in row groups. The file states their types.
    struct Parquet {
        /// A record that is longer as JSON is a reject.
        max_record: Size = "1MiB",
        /// Bytes of the records as JSON to bytes of the file, judged after 64 MiB.
        max_expansion: u64 = 1000,
    }

    /// Blocks of records. The file states their types.
    struct Avro {
        /// A record that is longer as JSON is a reject.
        max_record: Size = "1MiB",
        /// Bytes of the records as JSON to bytes of the file, judged after 64 MiB.
        max_expansion: u64 = 1000,
    }

    /// Every value has its positions in a line, which the columns say in `from`.
    struct FixedWidth {
        ..any: AnyFormat,
        /// What positions count: `characters` or `bytes`.
        positions: Positions = "characters",
        /// Physical lines before the first record.
        skip_lines: u64 = 0,
        /// Lines at the end that are no records, such as totals, at most 100; blank ones do not count.
        skip_last: u64 = 0,
        /// Lines like this are no records, wherever they stand; `*` stands for any text, as in `Total*`, `{count}` for the number of records, `{sum:amount}` for the sum of a column, which are compared.
        trailer: Option<String>,
        /// Lines that start with it are skipped.
        comment: Option<Byte>,
        /// Whether blanks around values are left out.
        trim: bool = true,
        /// Words that mean NULL.
        null: List<String> = [""],
        /// What becomes of a line that ends before the last position of a column: `pad` fills up with blanks.
        ragged: Ragged = "reject",
    }

    /// `[[pipeline.column]]`
    struct Column {
        /// In the table.
        name: String,
        /// PostgreSQL's name of it; otherwise the table's.
        r#type: Option<ColumnType>,
        /// A header, a position (1 is the first), positions of a line (`1-8`, or `9-` up to its end), a JSON pointer (`/a/b`), a capture of `match` (`{name}`), or what is known of the arrival: `{object.key}`, `{object.url}`, `{object.etag}`, `{object.last_modified}`, `{arrival.id}`; otherwise the column's own name.
        from: Option<Origin>,
        /// The same value in every row, as the file would write it, instead of `from`.
        constant: Option<Scalar>,
        /// How dates and times are written (strftime); otherwise ISO 8601.
        format: Option<String>,
        /// The decimal mark.
        decimal: String = ".",
        /// Whether NULL is a reject.
        required: bool = false,
        /// What stands for NULL, as the file would write it.
        default: Option<Scalar>,
    }

    /// `[pipeline.complete]`
    struct Complete {
        /// An object counts only once this stands beside it: `{name}.done`, where `{name}` is the object's name, `{stem}` the same without its last ending; without either, one for all objects of a folder.
        sidecar: Option<SidecarName>,
        /// What the sidecar says: `nothing`, the `sha256` or `md5` of the object as sha256sum and md5sum write it, or, in a `manifest`, names and numbers of records. Otherwise as its ending (`.sha256`, `.md5`) says.
        holds: Option<Holds>,
        /// A sidecar is waited for this long; then the arrival fails (`incomplete`).
        within: Duration = "24h",
    }

    /// `[pipeline.rejects]`
    struct Rejects {
        /// At most so many.
        max_rows: u64 = 1000,
        /// At most this part of the records, from 0 to 1.
        max_ratio: Option<f64>,
    }
}

kinds! {
    /// `[[source]]`
    enum Source {
        Sqs = "sqs",
        Folder = "folder",
        Listing = "listing",
        Webhook = "webhook",
        Nats = "nats",
        Amqp = "amqp",
        EventTable = "table",
    }

    /// `[pipeline.format]`
    enum Format = "csv" {
        Csv = "csv",
        JsonLines = "json-lines",
        FixedWidth = "fixed-width",
        Parquet = "parquet",
        Avro = "avro",
    }
}

words! {
    Pooler, "pooler" { "none" => Self::None, "transaction" => Self::Transaction, }
    Unreadable, "value" { "record" => Self::Record, "leave" => Self::Leave, }
    Mode, "mode" { "append" => Self::Append, "upsert" => Self::Upsert, "replace" => Self::Replace, }
    Order, "order" { "any" => Self::Any, "newest" => Self::Newest, }
    Compression, "compression" {
        "auto" => Self::Auto,
        "none" => Self::None,
        "gzip" => Self::Gzip,
        "zstd" => Self::Zstd,
        "bzip2" => Self::Bzip2,
        "xz" => Self::Xz,
        "lz4" => Self::Lz4,
        "zip" => Self::Zip,
    }
    InvalidBytes, "value" { "reject" => Self::Reject, "replace" => Self::Replace, }
    Positions, "value" { "characters" => Self::Characters, "bytes" => Self::Bytes, }
    RepeatedHeader, "value" { "record" => Self::Record, "skip" => Self::Skip, }
    ExtraColumns, "value" { "ignore" => Self::Ignore, "reject" => Self::Reject, "keep" => Self::Keep, }
    MissingColumns, "value" { "reject" => Self::Reject, "leave" => Self::Leave, }
    Holds, "value" {
        "nothing" => Self::Nothing,
        "sha256" => Self::Sha256,
        "md5" => Self::Md5,
        "manifest" => Self::Manifest,
    }
    Ragged, "value" { "reject" => Self::Reject, "pad" => Self::Pad, }
}

/// The JSON Schema of the file, for editors; `docs/arrivage.schema.json` is it.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the test below writes it to the docs")
)]
pub(crate) fn schema() -> Value {
    let mut schema = Settings::schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!("The configuration of Arrivage");
    schema
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_schema_in_the_docs_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/arrivage.schema.json");
        let expect = format!("{:#}\n", super::schema());
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        if found != expect {
            std::fs::write(&path, expect).expect("docs can be written");
            panic!("docs/arrivage.schema.json was out of date; it has been written anew");
        }
    }
}
