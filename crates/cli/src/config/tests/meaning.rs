//! What sound text means.

use std::time::Duration;

use arrivage_model::{
    ColumnSource, ColumnType, Compression, Csv, Encoding, ExtraColumns, Format, Holds,
    InvalidBytes, Limits, Location, MissingColumns, Mode, Ragged, RejectBudget, RepeatedHeader,
};
use chrono::{TimeZone, Utc};

use super::*;
use crate::config::sections::Token;
use crate::config::source::{FolderSource, ListingSource, SqsSource, WebhookSource};

/// The only pipeline of a configuration in which `text` follows what every
/// pipeline needs.
fn pipeline(text: &str) -> Arc<Pipeline> {
    let config = sound(&format!(
        "database.url = 'sqlite://a.db'\n[[pipeline]]\nname = 'p'\nmatch = ['{{day}}/*.csv']\ntable = 't'\n{text}"
    ));
    Arc::clone(&config.pipelines().expect("no variable")[0])
}

#[test]
fn the_contracts_example_is_read_as_it_is_meant() {
    let text = include_str!("contract.toml");
    let config = parse(text, &[("ARRIVAGE_TOKEN", "hush")]).expect("sound");
    config
        .require(&Section::ALL)
        .expect("all variables have values");

    let database = config.database().expect("sound");
    assert_eq!(
        database.url.to_string(),
        "sqlite:///etc/arrivage/arrivage.db"
    );
    assert_eq!(database.pooler, Pooler::None);
    let s3 = config.s3().expect("sound");
    assert_eq!(s3.endpoint.as_deref(), Some("http://localhost:4566"));
    assert!(s3.path_style);
    let http = config.http().expect("sound");
    assert_eq!(http.token.as_ref().map(Token::expose), Some("hush"));
    assert_eq!(config.processor().expect("sound").memory, 64 << 20);

    let queue_url = "https://sqs.eu-west-3.amazonaws.com/123456789012/drop";
    let expect = [
        Source::Sqs(SqsSource {
            name: "drop".into(),
            queue_url: queue_url.into(),
            endpoint: None,
            region: None,
            unreadable: Unreadable::Record,
        }),
        Source::Folder(FolderSource {
            name: "inbox".into(),
            path: "/etc/arrivage/samples/inbox".into(),
            settle: Duration::from_secs(1),
        }),
        Source::Listing(ListingSource {
            name: "s3://drop/".into(),
            location: Location::s3("drop", ""),
            every: Duration::from_secs(900),
            since: Some(Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap()),
        }),
    ];
    assert_eq!(config.sources().expect("sound"), expect);

    let orders = &config.pipelines().expect("sound")[0];
    assert_eq!(
        orders.mode,
        Mode::Upsert {
            key: vec!["order_id".into()]
        }
    );
    let Format::Csv(csv) = &orders.format else {
        panic!("{:?}", orders.format)
    };
    assert_eq!(csv.delimiter, ';'.into());
    let amount = &orders.columns[0];
    assert_eq!(amount.kind, Some(ColumnType::Numeric(Some((12, 2)))));
    assert_eq!(amount.from, Some(ColumnSource::Name("Amount EUR".into())));
    assert_eq!(amount.decimal, ',');
    assert_eq!(
        orders.rejects,
        RejectBudget {
            max_rows: 1000,
            max_ratio: Some(0.01)
        }
    );

    let router = config.router().expect("sound");
    let check = |location: Location, expect: bool| {
        assert_eq!(router.route(&location).is_some(), expect, "{location}");
    };
    check(Location::s3("drop", "orders/2026-11-20/a.csv.gz"), true);
    check(Location::folder("inbox", "orders-1.csv"), true);
    check(Location::folder("inbox", "deep/orders-1.csv"), false);
    check(Location::s3("drop", "orders/2026-11-20/a.csv.part"), false);
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_contract() {
    let config = sound("database.url = 'postgres://db/sales'");
    let http = config.http().expect("sound");
    assert_eq!(
        (http.listen.to_string().as_str(), &http.token),
        ("127.0.0.1:8080", &None)
    );
    assert_eq!(config.s3().expect("sound"), &S3::default());
    let expect = Processor {
        workers: 2,
        connections: 2,
        decoders: None,
        memory: 64 << 20,
        lease: Duration::from_secs(60),
        stall: Duration::from_secs(600),
        poll: Duration::from_secs(1),
        drain: Duration::from_secs(25),
        max_attempts: 5,
    };
    assert_eq!(config.processor().expect("sound"), &expect);
    assert_eq!(config.database().expect("sound").retention, None);
    assert!(config.sources().expect("sound").is_empty());
    assert!(config.pipelines().expect("sound").is_empty());

    let pipeline = pipeline("");
    assert_eq!(pipeline.patterns[0].as_str(), "/etc/arrivage/{day}/*.csv");
    assert_eq!(
        (&pipeline.mode, pipeline.create_table, pipeline.max_attempts),
        (&Mode::Append, false, 5)
    );
    let csv = Csv {
        delimiter: ','.into(),
        quote: Some(b'"'),
        escape: Some(b'"'),
        header: true,
        skip_lines: 0,
        skip_last: 0,
        trailer: None,
        comment: None,
        trim: false,
        null: vec![String::new()],
        ragged: Ragged::Reject,
        repeated_header: RepeatedHeader::Record,
        extra_columns: ExtraColumns::Ignore,
        missing_columns: MissingColumns::Reject,
    };
    assert_eq!(pipeline.format, Format::Csv(csv));
    let limits = Limits {
        compression: Compression::Auto,
        encoding: Encoding::UTF_8,
        invalid_bytes: InvalidBytes::Reject,
        max_record: 1 << 20,
        max_expansion: 1000,
    };
    assert_eq!(pipeline.limits, limits);
    assert!(pipeline.columns.is_empty());
    assert_eq!(
        pipeline.rejects,
        RejectBudget {
            max_rows: 1000,
            max_ratio: None
        }
    );
}

#[test]
fn a_dialect_follows_its_quote() {
    let check = |text: &str, expect: (char, Option<u8>, Option<u8>, Option<u8>)| {
        let pipeline = pipeline(&format!("[pipeline.format]\n{text}"));
        let Format::Csv(csv) = &pipeline.format else {
            panic!("{text}")
        };
        assert_eq!(
            (&csv.delimiter, csv.quote, csv.escape, csv.comment),
            (&expect.0.into(), expect.1, expect.2, expect.3),
            "{text}"
        );
    };
    check(r#"delimiter = "\t""#, ('\t', Some(b'"'), Some(b'"'), None));
    check(r#"quote = "'""#, (',', Some(b'\''), Some(b'\''), None));
    check(r#"quote = """#, (',', None, None, None));
    check(r#"escape = "\\""#, (',', Some(b'"'), Some(b'\\'), None));
    check(
        r##"comment = "#""##,
        (',', Some(b'"'), Some(b'"'), Some(b'#')),
    );
}

#[test]
fn from_is_a_name_a_position_a_pointer_or_a_capture() {
    let check = |format: &str, from: &str, expect: ColumnSource| {
        let text =
            format!("format.kind = '{format}'\n[[pipeline.column]]\nname = 'c'\nfrom = {from}");
        assert_eq!(pipeline(&text).columns[0].from, Some(expect), "{from}");
    };
    check(
        "csv",
        "'Amount EUR'",
        ColumnSource::Name("Amount EUR".into()),
    );
    check("csv", "'/a'", ColumnSource::Name("/a".into()));
    check("csv", "3", ColumnSource::Position(3));
    check("csv", "'{day}'", ColumnSource::Capture("day".into()));
    let key = ColumnSource::Capture("object.key".into());
    check("csv", "'{object.key}'", key);
    let constant = pipeline("[[pipeline.column]]\nname = 'c'\nconstant = 7");
    let seven = ColumnSource::Constant("7".into());
    assert_eq!(constant.columns[0].from, Some(seven));
    check("json-lines", "'a'", ColumnSource::Name("a".into()));
    check("parquet", "'a'", ColumnSource::Name("a".into()));
    check("avro", "'/a'", ColumnSource::Pointer("/a".into()));
    check(
        "json-lines",
        "'/a/0/b~1c'",
        ColumnSource::Pointer("/a/0/b~1c".into()),
    );
}

#[test]
fn values_come_in_the_writings_that_people_use() {
    let column = |text: &str| {
        pipeline(&format!("[[pipeline.column]]\nname = 'c'\n{text}")).columns[0].clone()
    };
    assert_eq!(column("default = 'x'").default.as_deref(), Some("x"));
    assert_eq!(column("default = 0").default.as_deref(), Some("0"));
    assert_eq!(column("default = 1.50").default.as_deref(), Some("1.50"));
    assert_eq!(column("default = false").default.as_deref(), Some("false"));
    for (label, encoding) in [
        ("utf-8", "UTF-8"),
        ("UTF8", "UTF-8"),
        ("utf_8", "UTF-8"),
        ("latin1", "windows-1252"),
        ("utf-16", "UTF-16LE"),
    ] {
        let pipeline = pipeline(&format!("format.encoding = '{label}'"));
        assert_eq!(pipeline.limits.encoding.to_string(), encoding, "{label}");
    }
    let replace = pipeline("format.invalid_bytes = 'replace'");
    assert_eq!(replace.limits.invalid_bytes, InvalidBytes::Replace);
    let max_record = |text: &str| {
        pipeline(&format!("format.max_record = {text}"))
            .limits
            .max_record
    };
    assert_eq!(max_record("4096"), 4096);
    assert_eq!(max_record("'2 MiB'"), 2 << 20);
    let since = |text: &str| {
        let text = format!(
            "database.url = 'sqlite://a.db'\n[[source]]\nkind = 'listing'\nurl = 's3://b'\nsince = {text}"
        );
        match &sound(&text).sources().expect("sound")[0] {
            Source::Listing(listing) => listing.since.expect("given").to_rfc3339(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(since("'2026-01-31'"), "2026-01-31T00:00:00+00:00");
    assert_eq!(since("2026-01-31"), "2026-01-31T00:00:00+00:00");
    assert_eq!(
        since("'2026-01-31T08:00:00+01:00'"),
        "2026-01-31T07:00:00+00:00"
    );
    assert_eq!(since("2026-01-31 08:00:00Z"), "2026-01-31T08:00:00+00:00");
}

#[test]
fn the_sample_is_sound() {
    let text = include_str!("../../../../../samples/arrivage.toml");
    let config = sound(text);
    let router = config.router().expect("sound");
    let check = |key: &str, expect: Option<&str>| {
        let route = router.route(&Location::folder("inbox", key));
        assert_eq!(
            route.map(|route| route.pipeline.name.clone()).as_deref(),
            expect,
            "{key}"
        );
    };
    check("orders-2026-11-20.csv", Some("orders"));
    check("orders-2026-11-21.csv.gz", Some("orders"));
    check("orders-bad.csv", Some("orders"));
    check("events-2026-11-20.jsonl", Some("events"));
    check("events-2026-11-21.jsonl.zst", Some("events"));
    check("notes.txt", None);
}

#[test]
fn a_webhook_is_a_source_whose_token_does_not_show() {
    let text = "database.url = 'sqlite://a.db'\n[[source]]\nkind = 'webhook'\ntoken = 'hush'\n\
        unreadable = 'leave'";
    let config = sound(text);
    let expect = [Source::Webhook(WebhookSource {
        name: "webhook".into(),
        unreadable: Unreadable::Leave,
    })];
    assert_eq!(config.sources().expect("sound"), expect);
    assert_eq!(config.webhook_token().map(Token::expose), Some("hush"));
    assert!(!format!("{config:?}").contains("hush"), "{config:?}");
    let bare = "database.url = 'sqlite://a.db'\n[[source]]\nkind = 'webhook'";
    assert_eq!(sound(bare).webhook_token(), None);
}

#[test]
fn a_table_of_events_is_in_the_database_unless_it_says_else() {
    let check = |database: &str, url: &str, expect: &str| {
        let text = format!(
            "database.url = '{database}'\n[[source]]\nkind = 'table'\ntable = 'events'\n{url}"
        );
        let config = sound(&text);
        let shown = format!("{:?}", config.sources().expect("sound"));
        assert!(shown.contains(&format!("ServerUrl({expect})")), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    };
    check("postgres://me:hush@db/a", "", "postgres://db/a");
    // On this machine, through a socket.
    check("postgres:///a?host=/run/postgresql", "", "postgres:///a");
    let elsewhere = "url = 'postgres://me:hush@other/b'";
    check("postgres:///a", elsewhere, "postgres://other/b");
    check("sqlite://a.db", elsewhere, "postgres://other/b");
}

#[test]
fn what_a_sidecar_holds_is_said_by_its_ending_or_by_itself() {
    let check = |text: &str, expect: Holds| {
        let sidecar = pipeline(&format!("complete = {{ {text} }}"))
            .sidecar
            .clone();
        assert_eq!(sidecar.map(|sidecar| sidecar.holds), Some(expect), "{text}");
    };
    check("sidecar = '{name}.done'", Holds::Nothing);
    check("sidecar = '{name}.sha256'", Holds::Sha256);
    check("sidecar = '{stem}.MD5'", Holds::Md5);
    check("sidecar = 'SUMS', holds = 'sha256'", Holds::Sha256);
    check("sidecar = '{name}.md5', holds = 'nothing'", Holds::Nothing);
    check("sidecar = 'm', holds = 'manifest'", Holds::Manifest);
    assert_eq!(pipeline("").sidecar, None);
    let day = pipeline("complete.sidecar = 'm'").sidecar.clone();
    assert_eq!(day.map(|it| it.within), Some(Duration::from_secs(86_400)));
}
