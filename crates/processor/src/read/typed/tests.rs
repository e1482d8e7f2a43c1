//! The files of `tests/fixtures/typed`, from any of their records on.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use arrivage_model::{ETag, Limits, Location, Object, VersionId};
use arrivage_store::{Body, Page, Persistence, Store, StoreError};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;

use super::*;
use crate::read::Source;

const ROWS: u64 = 150;

const FILES: [&str; 9] = [
    "rows-snappy.parquet",
    "rows-v2.parquet",
    "rows-plain.parquet",
    "rows-gzip.parquet",
    "rows-null.avro",
    "rows-deflate.avro",
    "rows-snappy.avro",
    "rows-zstandard.avro",
    "rows-lz4.parquet",
];

/// One object, handed out in small pieces.
struct One(Bytes);

#[async_trait]
impl Store for One {
    async fn head(&self, _: &Location, _: Option<&VersionId>) -> Result<Object, StoreError> {
        Ok(object(self.0.len()))
    }

    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    async fn read(&self, _: &Object, range: Range<u64>) -> Result<Body, StoreError> {
        let bytes = self.0.slice(range.start as usize..range.end as usize);
        let pieces: Vec<_> = bytes
            .chunks(777)
            .map(Bytes::copy_from_slice)
            .map(Ok)
            .collect();
        Ok(Body {
            range,
            total: self.0.len() as u64,
            last_modified: None,
            chunks: stream::iter(pieces).boxed(),
        })
    }
}

fn object(size: usize) -> Object {
    Object {
        location: Location::s3("drop", "rows"),
        etag: ETag::parse("etag").expect("a tag"),
        version_id: None,
        size: Some(size as u64),
        last_modified: None,
        sequencer: None,
    }
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/typed");
    fs::read(folder.join(name)).expect(name)
}

fn source(bytes: Vec<u8>, from: Checkpoint, window: u64) -> Source {
    Source {
        object: object(bytes.len()),
        store: Arc::new(One(bytes.into())),
        from,
        digests: Vec::new(),
        limits: Limits::default(),
        window,
        windows: 8,
        progress: Arc::new(|| {}),
        persistence: Persistence::default(),
    }
}

/// What was handed on: lines, bytes read at the end, and where blocks begin.
#[derive(Debug, Default)]
struct Read {
    lines: Vec<String>,
    bytes_read: u64,
    places: Option<Places>,
}

async fn read(
    format: Format,
    source: Source,
    wanted: &'static [&'static str],
) -> Result<Read, LoadError> {
    struct These(&'static [&'static str]);
    impl Wanted for These {
        fn takes(&self, member: &str) -> bool {
            self.0.is_empty() || self.0.contains(&member)
        }
    }
    let (blocks, mut pieces) = mpsc::channel(1);
    let most = source.limits.max_record;
    let access = access(source, blocks).await?;
    let reading = tokio::task::spawn_blocking(move || {
        records(&format, &mut Lines::new(access, most), &These(wanted))
    });
    let (mut read, mut bytes) = (Read::default(), Vec::new());
    while let Some(piece) = pieces.recv().await {
        match piece? {
            Piece::Block {
                bytes: block,
                bytes_read,
            } => {
                assert!(read.bytes_read <= bytes_read, "it only grows");
                read.bytes_read = bytes_read;
                bytes.extend_from_slice(&block);
            }
            Piece::End { bytes_read } => read.bytes_read = bytes_read,
            Piece::Places(places) => read.places = Some(places),
            Piece::Enter(_) | Piece::Leave | Piece::Marks(_) => {}
        }
    }
    reading.await.expect("does not panic")?;
    let text = String::from_utf8(bytes).expect("UTF-8");
    read.lines = text.lines().map(str::to_owned).collect();
    Ok(read)
}

fn format_of(name: &str) -> Format {
    match name.ends_with(".avro") {
        true => Format::Avro,
        false => Format::Parquet,
    }
}

const WINDOW: u64 = 8 << 20;

async fn whole(name: &str, wanted: &'static [&'static str]) -> Read {
    let source = source(fixture(name), Checkpoint::default(), WINDOW);
    read(format_of(name), source, wanted).await.expect(name)
}

async fn refused(format: Format, bytes: Vec<u8>, window: u64) -> (ErrorCode, String) {
    let source = source(bytes, Checkpoint::default(), window);
    match read(format, source, &[]).await {
        Err(LoadError::File(failure)) => (failure.code.expect("a code"), failure.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_file_holds_the_same_records() {
    let expect = whole(FILES[0], &[]).await.lines;
    assert_eq!(expect.len() as u64, ROWS);
    for name in FILES {
        let read = whole(name, &[]).await;
        assert_eq!(read.bytes_read, fixture(name).len() as u64, "{name}");
        for (found, expect) in read.lines.iter().zip(&expect) {
            assert_eq!(found, expect, "{name}");
        }
        let few = name == "rows-lz4.parquet";
        assert_eq!(
            read.lines.len() as u64,
            if few { 20 } else { ROWS },
            "{name}"
        );
    }
}

#[tokio::test]
async fn from_any_record_on_the_others_follow() {
    for name in FILES {
        let all = whole(name, &[]).await;
        for first in (0..=all.lines.len()).step_by(7).chain([1, 39, 40, 41, 80]) {
            if first > all.lines.len() {
                continue;
            }
            let mut from = Checkpoint {
                records: first as u64,
                offset: 1,
                state: Some("{\"line\":1}".to_owned()),
                ..Checkpoint::default()
            };
            if let Some(places) = &all.places {
                // Whatever was committed before, so that all places are still there.
                let kept = Places(Arc::new(Mutex::new(
                    places.0.lock().expect("sound").clone(),
                )));
                kept.keep_in(&mut from);
                assert!(Places::of(&from).is_some(), "{name} {from:?}");
            }
            let source = source(fixture(name), from, WINDOW);
            let rest = read(format_of(name), source, &[]).await.expect(name);
            assert_eq!(rest.lines, all.lines[first..], "{name} from {first}");
        }
    }
}

#[tokio::test]
async fn a_checkpoint_carries_the_block_that_it_lies_in() {
    let places = Places::default();
    for (records, offset) in [(0, 100), (10, 200), (20, 300)] {
        places.add(records, offset);
    }
    let check = |records: u64, expect: (u64, u64)| {
        let mut checkpoint = Checkpoint {
            records,
            state: Some("{\"line\":7}".to_owned()),
            ..Checkpoint::default()
        };
        places.keep_in(&mut checkpoint);
        assert_eq!(Places::of(&checkpoint), Some(expect), "{checkpoint:?}");
    };
    check(3, (0, 100));
    check(10, (10, 200));
    check(19, (10, 200));
    check(25, (20, 300));
    check(25, (20, 300));
    assert_eq!(Places::of(&Checkpoint::default()), None);
}

#[tokio::test]
async fn only_what_is_wanted_is_read() {
    for name in ["rows-snappy.parquet", "rows-deflate.avro"] {
        let read = whole(name, &["deep", "id"]).await;
        assert_eq!(
            read.lines[..2],
            [
                r#"{"id":0,"deep":{"a":0,"b":[{"c":"x"},{"c":null}]}}"#,
                r#"{"id":1,"deep":{"a":1,"b":[{"c":"x"},{"c":null}]}}"#
            ],
            "{name}"
        );
        let source = source(fixture(name), Checkpoint::default(), WINDOW);
        match super::tests::read(format_of(name), source, &["none"]).await {
            Err(LoadError::File(failure)) => {
                assert_eq!(failure.code, Some(ErrorCode::Header), "{failure:?}");
                assert!(failure.message.contains("id, small, price"), "{failure:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn odd_values_are_written_as_they_are() {
    assert_eq!(
        whole("odd.parquet", &[]).await.lines,
        [
            r#"{"id":1,"n":1.5,"seen":"1970-01-01 00:00:00.000000001","name":"a"}"#,
            r#"{"id":2,"n":"NaN","seen":"1970-01-01 00:00:00.000001","name":"b\u0000c"}"#,
            r#"{"id":3,"n":"inf","seen":"1970-01-01 00:00:00.000002","name":"c"}"#,
            r#"{"id":4,"n":2,"seen":"1970-01-01 00:00:00.000003001","name":"d"}"#,
        ]
    );
    assert_eq!(
        whole("int96.parquet", &[]).await.lines,
        [
            r#"{"id":1,"seen":"2026-01-02 03:04:05.0006"}"#,
            r#"{"id":2,"seen":null}"#
        ]
    );
    assert_eq!(
        whole("maps.parquet", &[]).await.lines,
        [
            r#"{"id":1,"m":{"a":1,"b":null}}"#,
            r#"{"id":2,"m":{}}"#,
            r#"{"id":3,"m":null}"#
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let (parquet, avro) = (fixture("rows-snappy.parquet"), fixture("rows-null.avro"));
    let check = async |format, bytes: &[u8], code: ErrorCode, words: &str| {
        let (found, message) = refused(format, bytes.to_vec(), WINDOW).await;
        assert_eq!(found, code, "{message}");
        assert!(message.contains(words), "{message}");
    };
    use ErrorCode::{Corrupt, Truncated, Unsupported};
    check(
        Format::Avro,
        &parquet,
        Unsupported,
        "it is Parquet, and its pipeline has format.kind = \"avro\"",
    )
    .await;
    check(Format::Parquet, &avro, Unsupported, "it is Avro").await;
    check(
        Format::Parquet,
        b"id,name\n1,a\n",
        Unsupported,
        "neither Parquet nor Avro",
    )
    .await;
    check(Format::Parquet, b"", Unsupported, "empty").await;
    check(Format::Parquet, b"\x1f\x8b\x08\0\0\0", Unsupported, "gzip").await;
    check(
        Format::Parquet,
        &parquet[..parquet.len() - 1],
        Truncated,
        "footer",
    )
    .await;
    check(Format::Parquet, b"PAR1PAR1", Truncated, "footer").await;
    check(
        Format::Parquet,
        b"PAR1\0\0\0\xff\0\0\0PAR1",
        Corrupt,
        "longer than the file",
    )
    .await;
    check(
        Format::Parquet,
        &fixture("brotli.parquet"),
        Unsupported,
        "codec BROTLI",
    )
    .await;
    check(
        Format::Avro,
        &avro[..avro.len() - 1],
        Truncated,
        "within a block",
    )
    .await;
    check(Format::Avro, &avro[..100], Truncated, "within a block").await;
    let mut other = avro.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    check(Format::Avro, &other, Corrupt, "mark").await;
}

#[tokio::test]
async fn what_does_not_fit_the_memory_names_the_memory_that_would() {
    for name in ["rows-gzip.parquet", "rows-deflate.avro"] {
        let (code, message) = refused(format_of(name), fixture(name), 1500).await;
        assert_eq!(code, ErrorCode::NeedsMemory, "{message}");
        assert!(message.contains("set processor.memory = \""), "{message}");
    }
}

#[tokio::test]
async fn a_line_is_not_made_much_longer_than_a_record_may_be() {
    for name in ["rows-plain.parquet", "rows-null.avro"] {
        let mut source = source(fixture(name), Checkpoint::default(), WINDOW);
        source.limits.max_record = 50;
        let lines = read(format_of(name), source, &[]).await.expect(name).lines;
        assert_eq!(lines.len() as u64, ROWS, "{name}");
        assert!(lines.iter().all(|line| line.len() == 51), "{name}");
    }
}

/// No byte of it is believed.
#[tokio::test]
async fn a_broken_file_is_an_error_and_no_panic() {
    for name in ["rows-snappy.parquet", "rows-v2.parquet", "rows-null.avro"] {
        let sound = fixture(name);
        for at in (4..sound.len()).step_by(sound.len() / 150) {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x55;
            let source = source(bytes, Checkpoint::default(), WINDOW);
            // It may be read all the same: a flipped bit of a value is another value.
            let (blocks, mut pieces) = mpsc::channel(1);
            let access = access(source, blocks).await.expect("opens");
            let format = format_of(name);
            let reading = tokio::task::spawn_blocking(move || {
                records(&format, &mut Lines::new(access, 1 << 20), &Everything)
            });
            while pieces.recv().await.is_some() {}
            match reading.await.expect("does not panic") {
                Ok(()) | Err(LoadError::File(_)) => {}
                other => panic!("{name} at {at}: {other:?}"),
            }
        }
    }
}
