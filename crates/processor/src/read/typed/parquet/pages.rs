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

use super::meter::{Levels, Meter, Sizes, sizes};
use crate::fate::LoadError;
use crate::read::typed::access::{Access, LEAST, Window};

/// The first fields of a page's header are within so many bytes.
const HEAD: u64 = 64;

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
    levels: Levels,
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
            levels: Levels::new(meter),
        })
    }

    /// Where it is said what its pages are read for.
    pub(super) fn levels(&self) -> Levels {
        self.levels.clone()
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
        if let Some(Page::DataPage { num_values, .. } | Page::DataPageV2 { num_values, .. }) = page
        {
            self.paused = self.in_turn;
            if !self.in_turn {
                self.levels.take(num_values)?;
            }
        }
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
mod tests;
