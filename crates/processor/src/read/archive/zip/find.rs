//! The directory, by ranges from the object's end.

use std::ops::Range;
use std::sync::Arc;

use arrivage_model::{ErrorCode, Object};
use arrivage_store::{ObjectReader, Persistence};

use super::directory::{Directory, Reader};
use crate::fate::LoadError;
use crate::read::Source;
use crate::read::archive::{corrupt, unsupported};

/// The end of the directory, without the comment that may follow it.
const END: usize = 22;

/// A comment is no longer.
const COMMENT: usize = u16::MAX as usize;

/// Before the end of a large archive: where its own end stands, and that.
const LOCATOR: usize = 20;
const LARGE_END: usize = 56;

/// Reads it.
pub(super) async fn directory(source: &Source, object: &Object) -> Result<Directory, LoadError> {
    let size = object.size.unwrap_or_default();
    let most = (END + COMMENT + LOCATOR + LARGE_END) as u64;
    let tail = Part::read(source, object, size.saturating_sub(most)..size).await?;
    let end = find_end(&tail.bytes).ok_or_else(cut)?;
    let place = tail.begin + end as u64;
    let mut found = End::read(&tail.bytes[end..]);
    if let Some(large) = large_end(&tail.bytes, end) {
        let range = large..large.saturating_add(LARGE_END as u64);
        if range.end > place {
            return Err(corrupt("the end of its directory is not where it says"));
        }
        let part = tail.part(source, object, range).await?;
        found.enlarge(&part).map_err(corrupt)?;
    }
    if found.is_in_parts {
        return Err(unsupported(
            "it is one part of a zip archive in several parts; deliver it in one",
        ));
    }
    let range = found.start..found.start.saturating_add(found.length);
    if range.end > place {
        return Err(corrupt("its directory reaches beyond its end"));
    }
    let mut reader = Reader::new(found.start, found.entries, source.window);
    let mut at = range.start;
    while at < range.end {
        let next = range.end.min(at + PIECE);
        reader.push(&tail.part(source, object, at..next).await?)?;
        at = next;
    }
    reader.end()
}

/// The directory is read in pieces of so many bytes.
const PIECE: u64 = 256 * 1024;

/// Some bytes of the object, and where they begin.
struct Part {
    begin: u64,
    bytes: Vec<u8>,
}

impl Part {
    async fn read(source: &Source, object: &Object, range: Range<u64>) -> Result<Self, LoadError> {
        let length = usize::try_from(range.end - range.start).expect("a short range");
        let persistence = Persistence {
            part: length as u64,
            ahead: false,
            ..source.persistence
        };
        let (store, progress) = (Arc::clone(&source.store), Arc::clone(&source.progress));
        let object = object.clone();
        let mut reader = ObjectReader::new(store, object, range.start, persistence, progress);
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let Some(block) = reader.next().await.transpose()? else {
                return Err(cut());
            };
            let wanted = block.len().min(length - bytes.len());
            bytes.extend_from_slice(&block[..wanted]);
        }
        Ok(Self {
            begin: range.start,
            bytes,
        })
    }

    /// Another part, out of this one where it has it.
    async fn part(
        &self,
        source: &Source,
        object: &Object,
        range: Range<u64>,
    ) -> Result<Vec<u8>, LoadError> {
        let Some(begin) = range.start.checked_sub(self.begin) else {
            return Ok(Self::read(source, object, range).await?.bytes);
        };
        let begin = usize::try_from(begin).expect("within a short range");
        let length = usize::try_from(range.end - range.start).expect("a short range");
        let found = self.bytes.get(begin..begin + length);
        found.map(<[u8]>::to_vec).ok_or_else(cut)
    }
}

/// Where the end of the directory stands: what a comment of the length that it states
/// follows, up to the object's end.
fn find_end(tail: &[u8]) -> Option<usize> {
    let last = tail.len().checked_sub(END)?;
    let is_end = |at: &usize| {
        let comment = usize::from(u16_at(tail, at + 20));
        tail[*at..].starts_with(b"PK\x05\x06") && at + END + comment == tail.len()
    };
    (last.saturating_sub(COMMENT)..=last).rev().find(is_end)
}

/// Where the end of a large archive stands, if there is one.
fn large_end(tail: &[u8], end: usize) -> Option<u64> {
    let locator = &tail[end.checked_sub(LOCATOR)?..end];
    locator
        .starts_with(b"PK\x06\x07")
        .then(|| u64_at(locator, 8))
}

/// What the end of the directory says.
struct End {
    start: u64,
    length: u64,
    entries: u64,
    is_in_parts: bool,
}

impl End {
    fn read(end: &[u8]) -> Self {
        let (disk, of_directory) = (u16_at(end, 4), u16_at(end, 6));
        let (here, entries) = (u16_at(end, 8), u16_at(end, 10));
        Self {
            entries: entries.into(),
            length: u32_at(end, 12).into(),
            start: u32_at(end, 16).into(),
            // Where it is full, the number is elsewhere.
            is_in_parts: disk != of_directory || !matches!(disk, 0 | u16::MAX) || here != entries,
        }
    }

    /// Takes what the end of a large archive says in place of what did not fit.
    fn enlarge(&mut self, end: &[u8]) -> Result<(), &'static str> {
        if !end.starts_with(b"PK\x06\x06") {
            return Err("the end of its directory is not where it says");
        }
        let (here, entries) = (u64_at(end, 24), u64_at(end, 32));
        let (length, start) = (u64_at(end, 40), u64_at(end, 48));
        let fits = |small: u64, full: u64, large: u64| small == full || small == large;
        let (two, four) = (u16::MAX.into(), u32::MAX.into());
        if !fits(self.entries, two, entries)
            || !fits(self.length, four, length)
            || !fits(self.start, four, start)
        {
            return Err("its directory has two ends, which disagree");
        }
        *self = Self {
            start,
            length,
            entries,
            is_in_parts: u32_at(end, 16) != 0 || u32_at(end, 20) != 0 || here != entries,
        };
        Ok(())
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn cut() -> LoadError {
    let message =
        "its zip archive lacks the directory at its end; it was cut on its way: deliver it again";
    LoadError::file(ErrorCode::Truncated, message)
}
