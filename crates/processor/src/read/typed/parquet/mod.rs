//! Parquet: the footer first, then row group by row group, of each wanted column a page at a
//! time.

mod assemble;
mod leaf;
mod meter;
mod nesting;
mod pages;
mod schema;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData,
};
use arrivage_model::ErrorCode;

use self::assemble::Assembly;
use self::leaf::Leaf;
use self::meter::Meter;
use self::pages::Pages;
use super::access::{Access, LEAST};
use super::{Lines, Members, Wanted, needs_memory};
use crate::fate::LoadError;

/// The length of the metadata, and the magic.
const TAIL: u64 = 8;

/// The metadata takes about so many times the bytes that it has in the file.
const METADATA_GROWS: u64 = 8;

/// A dictionary and a page of 1 MiB, as they are held.
const USUAL: u64 = 3 << 20;

/// What the file states of its columns.
pub(super) fn members(access: &Access) -> Result<Members, LoadError> {
    let metadata = caught(|| metadata(access))?;
    let fields = metadata.file_metadata().schema().get_fields();
    let state = |field: &::parquet::schema::types::TypePtr| {
        (field.name().to_owned(), schema::column_type(field))
    };
    Ok(fields.iter().map(state).collect())
}

/// Hands on the records from the checkpoint on.
pub(super) fn records(out: &mut Lines, wanted: &dyn Wanted) -> Result<(), LoadError> {
    caught(|| all_records(out, wanted))
}

/// The library may panic over a file that is broken, which no other try mends.
fn caught<T>(read: impl FnOnce() -> Result<T, LoadError>) -> Result<T, LoadError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(corrupt(words.unwrap_or("its reader gave up")))
    })
}

fn all_records(out: &mut Lines, wanted: &dyn Wanted) -> Result<(), LoadError> {
    let access = out.access().clone();
    let metadata = metadata(&access)?;
    let schema = metadata.file_metadata().schema_descr();
    let tree = schema::Tree::new(schema, |name| wanted.takes(name)).map_err(unsupported)?;
    if tree.leaves.is_empty() {
        let names = schema.root_schema().get_fields().iter();
        let names: Vec<&str> = names.take(20).map(|field| field.name()).collect();
        return Err(super::no_column(&names));
    }
    let first = access.source().from.records;
    let mut before = 0;
    let mut bytes_read = 0;
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows())
            .map_err(|_| corrupt("a row group has less than no rows"))?;
        let size = u64::try_from(group.compressed_size()).unwrap_or_default();
        if before + rows > first {
            let skipped = first.saturating_sub(before);
            let place = Place {
                group,
                rows,
                skipped,
                bytes_read,
                size,
            };
            read_group(&access, &tree, place, out)?;
        }
        before += rows;
        bytes_read += size;
    }
    if before < first {
        return Err(corrupt("it has fewer records than were loaded before"));
    }
    Ok(())
}

/// A row group, and what stands before it.
struct Place<'a> {
    group: &'a RowGroupMetaData,
    rows: u64,
    /// Rows that are loaded already.
    skipped: u64,
    bytes_read: u64,
    size: u64,
}

fn read_group(
    access: &Access,
    tree: &schema::Tree,
    place: Place<'_>,
    out: &mut Lines,
) -> Result<(), LoadError> {
    let meter = Meter::new(access.source().window);
    let mut leaves = Vec::with_capacity(tree.leaves.len());
    let (mut needed, mut passing) = (0, 0);
    let mut windows = Vec::with_capacity(tree.leaves.len());
    for leaf in &tree.leaves {
        let column = place.group.column(leaf.column);
        check_codec(column.compression())?;
        let (takes, window) = pages::look(access, column)?;
        needed += takes.held;
        passing = takes.passing.max(passing);
        windows.push(window);
        // One page after the other is decompressed.
        let mut all = needed + passing;
        if all > access.source().window {
            // Those behind are not looked at any more.
            let behind = tree.leaves[windows.len()..].iter();
            all += behind
                .map(|leaf| likely(place.group.column(leaf.column)))
                .sum::<u64>();
            let what =
                "the dictionaries and pages of a row group's columns, which are read side by side,";
            // Pages differ a little.
            return Err(needs_memory(what, all + all / 4, access.source()));
        }
    }
    for (leaf, window) in tree.leaves.iter().zip(windows) {
        let column = place.group.column(leaf.column);
        let in_turn = leaf.max_rep == 0;
        let pages = Pages::new(window, access, &meter, column, place.rows, in_turn);
        let mut leaf = Leaf::new(leaf, pages.map_err(|error| failed(error, access))?);
        leaf.skip(place.skipped)
            .map_err(|error| failed(error, access))?;
        leaves.push(leaf);
    }
    let mut assembly = Assembly::new(leaves);
    for row in place.skipped..place.rows {
        assembly
            .record(&tree.root, out)
            .map_err(|error| failed(error, access))?;
        let done = u128::from(place.size) * u128::from(row + 1) / u128::from(place.rows);
        let bytes_read = place.bytes_read + u64::try_from(done).unwrap_or_default();
        out.end_line(bytes_read.min(access.size()))?;
    }
    assembly.end().map_err(|error| failed(error, access))
}

/// What a column that was not looked at takes at most, with pages as most writers make them.
fn likely(column: &ColumnChunkMetaData) -> u64 {
    let size = u64::try_from(column.uncompressed_size()).unwrap_or_default();
    (size + LEAST).min(USUAL)
}

fn check_codec(codec: Compression) -> Result<(), LoadError> {
    use Compression::{GZIP, LZ4, LZ4_RAW, SNAPPY, UNCOMPRESSED, ZSTD};
    match codec {
        UNCOMPRESSED | SNAPPY | GZIP(_) | LZ4 | LZ4_RAW | ZSTD(_) => Ok(()),
        other => Err(unsupported(format!(
            "its codec {other} is not read; snappy, gzip, zstd and lz4 are"
        ))),
    }
}

fn metadata(access: &Access) -> Result<ParquetMetaData, LoadError> {
    let size = access.size();
    if size < 4 + TAIL {
        return Err(truncated());
    }
    let tail = access.read(size - TAIL, TAIL)?;
    let (length, magic) = tail.split_at(4);
    match magic {
        b"PAR1" => {}
        b"PARE" => return Err(unsupported("its footer is encrypted".to_owned())),
        _ => return Err(truncated()),
    }
    let length = length.try_into().map_or(0, u32::from_le_bytes);
    let length = u64::from(length);
    if length > size - TAIL - 4 {
        return Err(corrupt("its footer is longer than the file"));
    }
    if length * METADATA_GROWS > access.source().window {
        return Err(needs_memory(
            "its metadata",
            length * METADATA_GROWS,
            access.source(),
        ));
    }
    let bytes = access.read(size - TAIL - length, length)?;
    nesting::check(&bytes).map_err(|refused| match refused {
        nesting::Refused::TooDeep => {
            unsupported("its columns are nested deeper than 128 levels".to_owned())
        }
        nesting::Refused::Broken(why) => corrupt(why),
    })?;
    ParquetMetaDataReader::decode_metadata(&bytes).map_err(|error| failed(error, access))
}

fn truncated() -> LoadError {
    let message =
        "it has no footer, with which a Parquet file ends; it was cut on its way: deliver it again";
    LoadError::file(ErrorCode::Truncated, message)
}

fn corrupt(why: &str) -> LoadError {
    LoadError::file(ErrorCode::Corrupt, format!("its Parquet is broken: {why}"))
}

fn unsupported(why: String) -> LoadError {
    LoadError::file(ErrorCode::Unsupported, format!("it is Parquet, and {why}"))
}

/// What an error of the library means.
fn failed(error: ParquetError, access: &Access) -> LoadError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<LoadError>() {
            Ok(error) => *error,
            Err(inner) => match inner.downcast::<meter::TooMuch>() {
                Ok(too_much) => {
                    let what = "the dictionaries and pages of its columns";
                    needs_memory(what, too_much.0 + too_much.0 / 4, access.source())
                }
                Err(inner) => corrupt(&inner.to_string()),
            },
        },
        ParquetError::NYI(what) => unsupported(format!("this of it is not read: {what}")),
        other => corrupt(&other.to_string()),
    }
}
