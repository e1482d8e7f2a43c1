use ::parquet::basic::{GzipLevel, Repetition};
use ::parquet::schema::types::{ColumnDescriptor, ColumnPath, Type};
use arrivage_model::{Checkpoint, Limits, Location};
use arrivage_store::{FolderStore, Persistence, Store};
use flate2::read::GzEncoder;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::*;
use crate::read::Source;

#[test]
fn pages_of_all_columns_share_one_limit() {
    let meter = Meter::new(100);
    assert!(meter.replace(0, 60, 40).is_ok());
    assert!(meter.clone().replace(0, 40, 0).is_ok());
    assert!(meter.replace(60, 60, 1).is_err());
    assert!(meter.replace(60, 0, 0).is_ok());
    assert!(meter.replace(0, 60, 0).is_ok());
}

#[test]
fn a_header_begins_with_its_sizes() {
    let check = |header: &[u8], expect: Option<(bool, u64, u64)>| {
        let found = sizes(header);
        let found = found.map(|it| (it.is_dictionary, it.uncompressed, it.compressed));
        assert_eq!(found, expect, "{header:?}");
    };
    check(b"\x15\x00\x15\x02\x15\x04\x2c", Some((false, 1, 2)));
    check(
        b"\x15\x04\x15\x80\x01\x15\x80\x80\x01",
        Some((true, 64, 8192)),
    );
    check(b"\x15\x00\x15\x01\x15\x04", None);
    check(b"\x15\x00\x15", None);
    check(b"\x19\x00\x15\x02\x15\x04", None);
    check(b"", None);
}

/// An object of these bytes, all of which are one column of this type.
struct Column {
    bytes: Vec<u8>,
    kind: Physical,
    codec: Compression,
    /// A dictionary comes first.
    has_dictionary: bool,
}

impl Column {
    fn metadata(&self) -> ColumnChunkMetaData {
        let kind = Type::primitive_type_builder("texts", self.kind);
        let kind = kind.with_repetition(Repetition::REQUIRED).build();
        let path = ColumnPath::from("texts");
        let column = ColumnDescriptor::new(Arc::new(kind.expect("a type")), 0, 0, path);
        ColumnChunkMetaData::builder(Arc::new(column))
            .set_compression(self.codec)
            .set_total_compressed_size(self.bytes.len() as i64)
            .set_dictionary_page_offset(self.has_dictionary.then_some(0))
            .build()
            .expect("metadata")
    }

    /// All its pages, or the first error.
    async fn pages(self) -> Result<Vec<Page>> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("column"), &self.bytes).expect("a file");
        let roots = [("drop".to_owned(), folder.path().to_owned())];
        let store = FolderStore::new(roots.into());
        let location = Location::folder("drop", "column");
        let source = Source {
            object: store.head(&location, None).await.expect("an object"),
            store: Arc::new(store),
            from: Checkpoint::default(),
            digests: Vec::new(),
            limits: Limits::default(),
            window: 8 << 20,
            windows: 8,
            progress: Arc::new(|| {}),
            persistence: Persistence::default(),
        };
        let (blocks, _pieces) = mpsc::channel(1);
        let (size, meter) = (self.bytes.len() as u64, Meter::new(8 << 20));
        let access = Access::new(Arc::new(source), blocks, Handle::current(), size);
        let reading = tokio::task::spawn_blocking(move || {
            let window = Window::new(access.clone(), size);
            let pages = Pages::new(window, &access, &meter, &self.metadata(), 1, false)?;
            pages.levels().begin();
            pages.collect()
        });
        reading.await.expect("does not panic")
    }
}

fn number(value: usize) -> Vec<u8> {
    field(value as u32)
}

/// The next field, an i32.
fn field(value: u32) -> Vec<u8> {
    let mut bytes = vec![0x15];
    let mut left = (value << 1) ^ (value.cast_signed() >> 31).cast_unsigned();
    while left > 0x7f {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

/// A page whose header ends with these bytes.
fn page(kind: usize, uncompressed: usize, compressed: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    let sizes = [kind, uncompressed, compressed.len()].map(number);
    [&sizes.concat(), &rest.concat(), &b"\0"[..], compressed].concat()
}

/// So many plain values.
fn values(number_of: usize) -> Vec<u8> {
    [&number(number_of)[..], b"\x15\0\x15\x06\x15\x06"].concat()
}

/// Wherever a part of the object ends that was read at once.
#[tokio::test]
async fn a_header_may_be_long() {
    let text = |length: u8| [&[0x18, length][..], &vec![b'x'; length.into()]].concat();
    let statistics = [b"\x1c", &text(90)[..], &text(90), b"\0"].concat();
    let page = page(0, 34, &[7; 34], &[b"\x2c", &values(1), &statistics, b"\0"]);
    let column = Column {
        bytes: page.repeat(2000),
        kind: Physical::BYTE_ARRAY,
        codec: Compression::UNCOMPRESSED,
        has_dictionary: false,
    };
    assert!(column.bytes.len() as u64 > 4 * LEAST);
    assert_eq!(column.pages().await.expect("pages").len(), 2000);
}

#[tokio::test]
async fn a_page_that_is_not_as_it_was_written_is_broken() {
    let check = async |bytes: &[u8; 4], is_sound: bool| {
        let crc = field(crc32fast::hash(&[1, 2, 3, 4]));
        let bytes = page(0, 4, bytes, &[&crc, b"\x1c", &values(1), b"\0"]);
        let column = Column {
            bytes,
            kind: Physical::INT32,
            codec: Compression::UNCOMPRESSED,
            has_dictionary: false,
        };
        assert_eq!(column.pages().await.is_ok(), is_sound);
    };
    check(&[1, 2, 3, 4], true).await;
    check(&[1, 2, 3, 5], false).await;
}

#[tokio::test]
async fn a_dictionary_has_room_for_its_values() {
    let check = async |kind: Physical, number_of: usize, is_sound: bool| {
        let counted = [&number(number_of)[..], b"\x15\0\0"].concat();
        let column = Column {
            bytes: page(2, 16, &[0; 16], &[b"\x4c", &counted]),
            kind,
            codec: Compression::UNCOMPRESSED,
            has_dictionary: true,
        };
        let read = column.pages().await.is_ok();
        assert_eq!(read, is_sound, "{kind} {number_of}");
    };
    check(Physical::BYTE_ARRAY, 4, true).await;
    check(Physical::BYTE_ARRAY, 5, false).await;
    check(Physical::INT32, 4, true).await;
    check(Physical::INT32, i32::MAX as usize, false).await;
    check(Physical::INT64, 2, true).await;
    check(Physical::INT64, 3, false).await;
    check(Physical::BOOLEAN, 128, true).await;
    check(Physical::BOOLEAN, 129, false).await;
}

#[tokio::test]
async fn a_page_is_inflated_as_far_as_it_says() {
    let check = async |says: usize, is_sound: bool| {
        let mut gzip = GzEncoder::new(&[7; 100][..], flate2::Compression::fast());
        let mut values_of_it = Vec::new();
        gzip.read_to_end(&mut values_of_it).expect("gzip");
        // In the second version the levels stand before it as they are.
        let levels = [&b"\x07\x07"[..], &values_of_it].concat();
        let second = [1, 0, 1, 0, 1, 1].map(number).concat();
        for (bytes, more) in [
            (
                page(0, says, &values_of_it, &[b"\x2c", &values(1), b"\0"]),
                0,
            ),
            (
                page(2, says, &values_of_it, &[b"\x4c", &number(1), b"\x15\0\0"]),
                0,
            ),
            (
                page(3, says + 2, &levels, &[b"\x5c", &second, b"\x11\0"]),
                2,
            ),
        ] {
            let column = Column {
                bytes,
                kind: Physical::INT32,
                codec: Compression::GZIP(GzipLevel::default()),
                has_dictionary: false,
            };
            let pages = column.pages().await;
            assert_eq!(pages.is_ok(), is_sound, "{says}");
            for page in pages.unwrap_or_default() {
                assert_eq!(page.buffer(), &vec![7; 100 + more]);
            }
        }
    };
    check(100, true).await;
    check(99, false).await;
    check(101, false).await;
}

#[tokio::test]
async fn values_that_repeat_are_counted_before_their_levels_take_memory() {
    let check = async |pages: usize, number_of: usize, is_sound: bool| {
        let page = page(0, 1, &[0], &[b"\x2c", &values(number_of), b"\0"]);
        let column = Column {
            bytes: page.repeat(pages),
            kind: Physical::INT32,
            codec: Compression::UNCOMPRESSED,
            has_dictionary: false,
        };
        let read = column.pages().await;
        assert_eq!(read.is_ok(), is_sound, "{pages} {number_of}");
    };
    check(1, 2 << 20, true).await;
    check(1, (2 << 20) + 1, false).await;
    check(1, i32::MAX as usize, false).await;
    check(4, 512 << 10, true).await;
    check(5, 512 << 10, false).await;
}
