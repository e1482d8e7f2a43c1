//! The pages of one column in one row group, and the memory that they take.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::{Compression, Type as Physical};
use ::parquet::column::page::{Page, PageMetadata, PageReader};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use ::parquet::file::serialized_reader::SerializedPageReader;
use bytes::Buf;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::fate::LoadError;
use crate::read::typed::access::{Access, LEAST, Window};

/// The first fields of a page's header are within so many bytes.
const HEAD: u64 = 64;

/// A page takes more memory than is there.
#[derive(Debug, thiserror::Error)]
#[error("{0} bytes of memory are needed")]
pub(super) struct TooMuch(pub(super) u64);

/// What the pages of all columns take together, in bytes.
#[derive(Clone)]
pub(super) struct Meter {
    limit: u64,
    held: Arc<Mutex<u64>>,
}

impl Meter {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            held: Arc::default(),
        }
    }

    /// Takes the one in place of the other, with so much more for a moment.
    fn replace(&self, before: u64, now: u64, passing: u64) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_sub(before) + now;
        let needed = *held + passing;
        match needed > self.limit {
            true => Err(ParquetError::External(Box::new(TooMuch(needed)))),
            false => Ok(()),
        }
    }
}

/// What the header of a page says of its size.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sizes {
    is_dictionary: bool,
    uncompressed: u64,
    compressed: u64,
}

/// The first three fields of a page's header in Thrift's compact protocol: its kind and its
/// sizes, which every page has.
fn sizes(header: &[u8]) -> Option<Sizes> {
    let mut bytes = header.iter();
    let mut fields = [0_i64; 3];
    for field in &mut fields {
        // The next field, an i32.
        if *bytes.next()? != 0x15 {
            return None;
        }
        let mut number = 0_u64;
        for shift in (0..).step_by(7).take(5) {
            let byte = *bytes.next()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        *field = (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
    }
    let [kind, uncompressed, compressed] = fields;
    Some(Sizes {
        is_dictionary: kind == 2,
        uncompressed: u64::try_from(uncompressed).ok()?,
        compressed: u64::try_from(compressed).ok()?,
    })
}

impl Sizes {
    /// What stays of it: a dictionary as its values, a page until the next one.
    fn held(&self, column: Physical) -> u64 {
        let is_bytes = matches!(
            column,
            Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY
        );
        match self.is_dictionary && is_bytes {
            // Where each value stands takes as much again.
            true => 2 * self.uncompressed,
            false => self.uncompressed,
        }
    }

    /// What it takes besides while it is decompressed.
    fn passing(&self) -> u64 {
        match self.is_dictionary {
            true => self.compressed + self.uncompressed,
            false => self.compressed,
        }
    }
}

/// What a column takes of the memory.
pub(super) struct Needed {
    pub(super) held: u64,
    pub(super) passing: u64,
}

/// What the dictionary and the first page of a column take, in bytes, and what was read to see
/// that.
pub(super) fn look(
    access: &Access,
    column: &ColumnChunkMetaData,
) -> std::result::Result<(Needed, Window), LoadError> {
    let (start, length) = range(column);
    let mut window = Window::new(access.clone(), start.saturating_add(length));
    let mut needed = Needed {
        held: length.min(LEAST),
        passing: 0,
    };
    let page = u64::try_from(column.data_page_offset()).unwrap_or(start);
    let mut offsets = vec![start, page];
    offsets.dedup();
    for offset in offsets {
        let header = window.at_least(offset, HEAD)?;
        let sizes = sizes(&header).unwrap_or_default();
        needed.held += sizes.held(column.column_type());
        needed.passing = needed.passing.max(sizes.passing());
    }
    Ok((needed, window))
}

/// As the metadata says; a broken one is found when pages are read.
fn range(column: &ColumnChunkMetaData) -> (u64, u64) {
    let offset = column.dictionary_page_offset();
    let offset = offset.unwrap_or(column.data_page_offset());
    let start = u64::try_from(offset).unwrap_or_default();
    (
        start,
        u64::try_from(column.compressed_size()).unwrap_or_default(),
    )
}

/// The bytes of one column in one row group.
struct ColumnBytes {
    window: Arc<Mutex<Window>>,
    access: Access,
    kind: Physical,
    meter: Meter,
    /// What the headers of its dictionary and its page say.
    counted: Mutex<Counted>,
    /// The header of the next page was looked at, and counted.
    peeked: Arc<AtomicBool>,
}

/// What was counted last.
#[derive(Default)]
struct Counted {
    dictionary: Sizes,
    page: Sizes,
}

impl Length for ColumnBytes {
    fn len(&self) -> u64 {
        self.access.size()
    }
}

impl ColumnBytes {
    fn read(&self, start: u64, length: u64) -> Result<Bytes> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window
            .at_least(start, length)
            .map_err(|error| ParquetError::External(Box::new(error)))
    }

    /// Counts the page whose header this is, before memory is taken for it.
    fn count(&self, header: &[u8]) -> Result<()> {
        let sizes = sizes(header)
            .ok_or_else(|| ParquetError::General("no page begins where one should".to_owned()))?;
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, passing) = (sizes.held(self.kind), sizes.passing());
        let before = match sizes.is_dictionary {
            true => std::mem::replace(&mut counted.dictionary, sizes),
            false => std::mem::replace(&mut counted.page, sizes),
        };
        self.meter.replace(before.held(self.kind), now, passing)
    }
}

impl Drop for ColumnBytes {
    fn drop(&mut self) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let held = counted.dictionary.held(self.kind) + counted.page.held(self.kind);
        // Less is never too much.
        let _ = self.meter.replace(held, 0, 0);
    }
}

impl ChunkReader for ColumnBytes {
    type T = Forwards;

    /// Is called where a page begins; or behind its header, if that was looked at.
    fn get_read(&self, start: u64) -> Result<Self::T> {
        let bytes = self.read(start, HEAD)?;
        if !self.peeked.load(Ordering::Relaxed) {
            self.count(&bytes)?;
        }
        Ok(Forwards {
            window: Arc::clone(&self.window),
            at: start,
            bytes,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = match length as u64 > LEAST {
            // Not to be kept beside the page that is made of it.
            true => self
                .access
                .read(start, length as u64)
                .map_err(|error| ParquetError::External(Box::new(error)))?,
            false => self.read(start, length as u64)?,
        };
        if bytes.len() < length {
            return Err(ParquetError::EOF(
                "a page ends behind its column".to_owned(),
            ));
        }
        Ok(bytes.slice(..length))
    }
}

/// The bytes of a column from one of them on, however long a header is.
struct Forwards {
    window: Arc<Mutex<Window>>,
    at: u64,
    bytes: Bytes,
}

impl Read for Forwards {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            self.bytes = window.at_least(self.at, 1).map_err(io::Error::other)?;
        }
        let length = into.len().min(self.bytes.len());
        self.bytes
            .split_to(length)
            .copy_to_slice(&mut into[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

/// An error of ours that went through a reader, as itself again.
fn unwrapped(error: ParquetError) -> ParquetError {
    let ParquetError::External(inner) = error else {
        return error;
    };
    match inner.downcast::<io::Error>() {
        Ok(error) => match error.downcast::<LoadError>() {
            Ok(error) => ParquetError::External(Box::new(error)),
            Err(error) => ParquetError::External(Box::new(error)),
        },
        Err(inner) => ParquetError::External(inner),
    }
}

/// The pages of one column, one after the other.
pub(super) struct Pages {
    inner: SerializedPageReader<ColumnBytes>,
    bytes: Arc<ColumnBytes>,
    /// The library would inflate whatever there is: it is told that nothing is compressed.
    is_gzip: bool,
    /// The fewest bits that a value of its dictionary takes.
    least_bits: u64,
    /// After each page of values it says once that there are no more: so that one call reads
    /// values of one page only.
    in_turn: bool,
    paused: bool,
    peeked: Arc<AtomicBool>,
}

impl Pages {
    /// `in_turn`: where every value is a record, no record goes from one page into the next.
    pub(super) fn new(
        window: Window,
        access: &Access,
        meter: &Meter,
        column: &ColumnChunkMetaData,
        rows: u64,
        in_turn: bool,
    ) -> Result<Self> {
        let (start, length) = range(column);
        let peeked = Arc::default();
        let bytes = ColumnBytes {
            window: Arc::new(Mutex::new(window)),
            access: access.clone(),
            kind: column.column_type(),
            meter: meter.clone(),
            counted: Mutex::default(),
            peeked: Arc::clone(&peeked),
        };
        let sound = start
            .checked_add(length)
            .is_some_and(|end| end <= access.size())
            && column.compressed_size() >= 0
            && column.data_page_offset() >= 0
            && column
                .dictionary_page_offset()
                .is_none_or(|offset| offset >= 0);
        if !sound {
            let message = "a column lies outside of the file";
            return Err(ParquetError::General(message.to_owned()));
        }
        let rows = usize::try_from(rows)?;
        let bytes = Arc::new(bytes);
        let is_gzip = matches!(column.compression(), Compression::GZIP(_));
        let inner = match is_gzip {
            true => {
                let column = column.clone().into_builder();
                let column = column.set_compression(Compression::UNCOMPRESSED).build()?;
                SerializedPageReader::new(Arc::clone(&bytes), &column, rows, None)?
            }
            false => SerializedPageReader::new(Arc::clone(&bytes), column, rows, None)?,
        };
        Ok(Self {
            inner,
            bytes,
            is_gzip,
            least_bits: least_bits(column),
            in_turn,
            paused: false,
            peeked,
        })
    }
}

/// The fewest bits that a plain value takes.
fn least_bits(column: &ColumnChunkMetaData) -> u64 {
    match column.column_type() {
        Physical::BOOLEAN => 1,
        // A text has its length before it.
        Physical::INT32 | Physical::FLOAT | Physical::BYTE_ARRAY => 32,
        Physical::INT64 | Physical::DOUBLE => 64,
        Physical::INT96 => 96,
        Physical::FIXED_LEN_BYTE_ARRAY => {
            let length = u64::try_from(column.column_descr().type_length());
            8 * length.unwrap_or_default().max(1)
        }
    }
}

/// A page behind its levels, inflated to the length that was counted for it, and no further.
fn inflate(page: &Bytes, levels: usize, length: u64) -> Result<Bytes> {
    let wrong = || ParquetError::General("a page is not as long as it says".to_owned());
    let length = usize::try_from(length)?;
    let (levels, compressed) = page.split_at_checked(levels).ok_or_else(wrong)?;
    let left = length.checked_sub(levels.len()).ok_or_else(wrong)?;
    let mut inflated = vec![0; length];
    let (before, values) = inflated.split_at_mut(levels.len());
    before.copy_from_slice(levels);
    // A page of NULLs alone has no values, compressed or not.
    if left > 0 {
        let mut decoder = MultiGzDecoder::new(compressed);
        decoder.read_exact(values)?;
        if decoder.read(&mut [0])? > 0 {
            return Err(wrong());
        }
    }
    Ok(inflated.into())
}

impl Pages {
    /// Makes of what the library hands on what may be read.
    fn open(&self, page: &mut Page) -> Result<()> {
        if self.is_gzip {
            let counted = &self.bytes.counted;
            let counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
            match page {
                Page::DictionaryPage { buf, .. } => {
                    *buf = inflate(buf, 0, counted.dictionary.uncompressed)?;
                }
                Page::DataPage { buf, .. } => *buf = inflate(buf, 0, counted.page.uncompressed)?,
                Page::DataPageV2 {
                    buf,
                    def_levels_byte_len,
                    rep_levels_byte_len,
                    is_compressed: true,
                    ..
                } => {
                    let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                    *buf = inflate(buf, levels, counted.page.uncompressed)?;
                }
                Page::DataPageV2 { .. } => {}
            }
        }
        self.believe(page)
    }

    /// Memory is taken for as many values as a dictionary says that it has.
    fn believe(&self, page: &Page) -> Result<()> {
        let Page::DictionaryPage {
            buf, num_values, ..
        } = page
        else {
            return Ok(());
        };
        let bits = u64::from(*num_values).saturating_mul(self.least_bits);
        match bits > 8 * buf.len() as u64 {
            true => Err(ParquetError::General(
                "a dictionary is too short for its values".to_owned(),
            )),
            false => Ok(()),
        }
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        if self.paused {
            self.paused = false;
            return Ok(None);
        }
        let page = self.inner.get_next_page();
        self.peeked.store(false, Ordering::Relaxed);
        let mut page = page.map_err(unwrapped)?;
        page.iter_mut().try_for_each(|page| self.open(page))?;
        self.paused =
            self.in_turn && matches!(page, Some(Page::DataPage { .. } | Page::DataPageV2 { .. }));
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let page = self.inner.peek_next_page().map_err(unwrapped)?;
        self.peeked.store(page.is_some(), Ordering::Relaxed);
        Ok(page)
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.peeked.store(false, Ordering::Relaxed);
        self.inner.skip_next_page().map_err(unwrapped)
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.inner.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        let mut page = self.inner.take_deferred_dictionary()?;
        page.iter_mut().try_for_each(|page| self.open(page))?;
        Ok(page)
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        // A page of the second version begins with a record, as the format has it.
        let next = self.peek_next_page()?;
        Ok(next.is_none_or(|page| page.num_rows.is_some()))
    }
}

#[cfg(test)]
mod tests {
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
                Pages::new(window, &access, &meter, &self.metadata(), 1, false)?.collect()
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
}
