//! Archives: every file in them in turn, as a stream of its own.
//!
//! ```text
//! zip ── the directory at its end, then the entries in the order in which they lie
//! tar ── header after header, of the decompressed stream
//!   entries ── what is handed on of them, from a checkpoint on
//! ```

mod entries;
mod names;
mod tar;
mod zip;

use std::io::Cursor;

use arrivage_model::{Compression, ErrorCode};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use self::entries::Entries;
use super::{Opened, Piece, Source, reading};
use crate::decode::EntryPlace;
use crate::fate::LoadError;
use crate::magic::Codec;

/// A file that holds files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Zip,
    Tar,
}

/// Whether the object is an archive. What is read of it to say so is put back.
pub(super) async fn kind(source: &Source, opened: &mut Opened) -> Result<Option<Kind>, LoadError> {
    let in_entry = EntryPlace::of(&source.from).is_some();
    let found = if opened.codec == Codec::Zip {
        Some(Kind::Zip)
    } else if opened.out > 0 || source.limits.compression == Compression::None {
        None
    } else {
        let mut first = Vec::with_capacity(tar::BLOCK);
        let mut beginning = (&mut opened.bytes).take(tar::BLOCK as u64);
        let read = beginning.read_to_end(&mut first).await;
        read.map_err(|error| reading(error, source.window))?;
        if opened.codec != Codec::None
            && let Some(what) = entries::packed(&first)
        {
            return Err(unsupported(format!(
                "it is {what} that was compressed once more; deliver it compressed once"
            )));
        }
        let is_tar = tar::begins(&first);
        let rest = std::mem::replace(&mut opened.bytes, Box::pin(tokio::io::empty()));
        opened.bytes = Box::pin(Cursor::new(first).chain(rest));
        is_tar.then_some(Kind::Tar)
    };
    if source.from.offset > 0 && found.is_some() != in_entry {
        return Err(entries::moved());
    }
    Ok(found)
}

/// Reads every file of an archive, from its checkpoint to its end.
pub(super) async fn read(
    kind: Kind,
    source: &Source,
    opened: Opened,
    pieces: &mpsc::Sender<Result<Piece, LoadError>>,
) -> Result<(), LoadError> {
    opened.marks.of_archive();
    let entries = Entries::new(source, pieces);
    match kind {
        Kind::Zip => zip::read(source, opened, entries).await,
        Kind::Tar => tar::read(source, opened, entries).await,
    }
}

fn corrupt(message: impl Into<String>) -> LoadError {
    LoadError::file(ErrorCode::Corrupt, message)
}

fn unsupported(message: impl Into<String>) -> LoadError {
    LoadError::file(ErrorCode::Unsupported, message)
}

#[cfg(test)]
mod tests;
