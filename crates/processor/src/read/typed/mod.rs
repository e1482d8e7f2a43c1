//! Files that state the types of their values, and are no text: Parquet and Avro.
//!
//! Their records are handed to the decoder as the JSON Lines that they mean, so that columns,
//! values, rejects and checkpoints are those of every other format (decision 22). A file's
//! record is always one line, so the record of a checkpoint says where to go on.

mod access;
mod avro;
mod parquet;
mod text;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrivage_model::{Checkpoint, ColumnType, Compression, ErrorCode, Format};
use arrivage_store::{ObjectReader, Verifying};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use self::access::Access;
use super::blocks::BLOCK;
use super::sample::{Beginning, Stated};
use super::{Piece, Source, check_expansion};
use crate::decode::Plan;
use crate::fate::LoadError;
use crate::magic;

/// Which members of a record are asked for; the others are not read.
pub(super) trait Wanted: Send + Sync {
    fn takes(&self, member: &str) -> bool;
}

impl Wanted for Plan {
    fn takes(&self, member: &str) -> bool {
        Plan::takes(self, member)
    }
}

/// All of them.
struct Everything;

impl Wanted for Everything {
    fn takes(&self, _: &str) -> bool {
        true
    }
}

/// The members of a file's records, each with the type of a column that takes its values.
type Members = Vec<(String, ColumnType)>;

/// Reads the records of an object from its checkpoint to its end.
pub(super) async fn read_all(
    source: Source,
    plan: Arc<Plan>,
    blocks: &mpsc::Sender<Result<Piece, LoadError>>,
) -> Result<(), LoadError> {
    let format = plan.format().clone();
    if !source.digests.is_empty() {
        verify(&source).await?;
    }
    let access = access(source, blocks.clone()).await?;
    let reading = tokio::task::spawn_blocking(move || {
        let most = access.source().limits.max_record;
        let mut out = Lines::new(access, most);
        match records(&format, &mut out, &*plan) {
            Err(LoadError::Stopped) => Ok(()),
            ended => ended,
        }
    });
    let ended = reading.await;
    ended.map_err(|error| LoadError::Broken(error.to_string()))?
}

fn records(format: &Format, out: &mut Lines, wanted: &dyn Wanted) -> Result<(), LoadError> {
    check_magic(format, &out.access)?;
    match format {
        Format::Parquet => parquet::records(out, wanted),
        _ => avro::records(out, wanted),
    }?;
    out.end()
}

/// How a typed file begins: about so many bytes of its records. Nothing: it is none.
pub(super) async fn beginning(source: Source, most: usize) -> Result<Option<Beginning>, LoadError> {
    let (blocks, mut pieces) = mpsc::channel(1);
    let access = access(source, blocks).await?;
    let reading = tokio::task::spawn_blocking(move || -> Result<_, LoadError> {
        let first = access.read(0, magic::LENGTH as u64)?;
        let Some(format) = magic::typed(&first) else {
            return Ok(None);
        };
        let members = match format {
            Format::Parquet => parquet::members(&access),
            _ => avro::members(&access),
        }?;
        let longest = access.source().limits.max_record;
        records(&format, &mut Lines::new(access, longest), &Everything).or_else(
            |error| match error {
                // Enough was seen.
                LoadError::Stopped => Ok(()),
                error => Err(error),
            },
        )?;
        Ok(Some(Stated { format, members }))
    });
    let (mut bytes, mut whole) = (Vec::new(), false);
    while bytes.len() < most
        && let Some(piece) = pieces.recv().await
    {
        match piece? {
            Piece::Block { bytes: block, .. } => bytes.extend_from_slice(&block),
            Piece::End { .. } => whole = true,
            Piece::Enter(_) | Piece::Leave | Piece::Marks(_) | Piece::Places(_) => {}
        }
    }
    drop(pieces);
    let read = reading.await;
    let read = read.map_err(|error| LoadError::Broken(error.to_string()))??;
    Ok(read.map(|stated| Beginning {
        bytes,
        whole,
        compression: Compression::None,
        entry: None,
        stated: Some(stated),
    }))
}

async fn access(
    mut source: Source,
    blocks: mpsc::Sender<Result<Piece, LoadError>>,
) -> Result<Access, LoadError> {
    if source.object.size.is_none() {
        let version = source.object.version_id.as_ref();
        let now = source.store.head(&source.object.location, version).await?;
        source.object.size = now.size;
    }
    let size = source.object.size.unwrap_or_default();
    Ok(Access::new(
        Arc::new(source),
        blocks,
        Handle::current(),
        size,
    ))
}

/// Reads all bytes once and holds them against their digests: the records are read by ranges.
async fn verify(source: &Source) -> Result<(), LoadError> {
    let reader = ObjectReader::new(
        Arc::clone(&source.store),
        source.object.clone(),
        0,
        source.persistence,
        Arc::clone(&source.progress),
    );
    let mut reader = reader.verifying(Verifying {
        digests: source.digests.clone(),
        ..Verifying::default()
    });
    while let Some(block) = reader.next().await {
        block?;
    }
    Ok(())
}

fn check_magic(format: &Format, access: &Access) -> Result<(), LoadError> {
    let first = access.read(0, magic::LENGTH as u64)?;
    if magic::typed(&first).as_ref() == Some(format) {
        return Ok(());
    }
    let message = format!(
        "it is {}, and its pipeline has format.kind = \"{}\"; give such files a pipeline of their own",
        magic::words(&first),
        format.as_str()
    );
    Err(LoadError::file(ErrorCode::Unsupported, message))
}

/// Records on their way to the decoder, a line each.
pub(super) struct Lines {
    access: Access,
    bytes: Vec<u8>,
    /// Where the line in the making begins.
    line: usize,
    /// A longer line is a reject, so it is not made much longer.
    most: usize,
    sent: u64,
}

impl Lines {
    fn new(access: Access, most: usize) -> Self {
        Self {
            access,
            bytes: Vec::with_capacity(BLOCK + BLOCK / 4),
            line: 0,
            most,
            sent: 0,
        }
    }

    fn access(&self) -> &Access {
        &self.access
    }

    /// Where values are written; nothing: the line is too long already.
    pub(super) fn room(&mut self) -> Option<&mut Vec<u8>> {
        let is_full = self.bytes.len() - self.line > self.most;
        (!is_full).then_some(&mut self.bytes)
    }

    pub(super) fn push(&mut self, text: &[u8]) {
        if let Some(out) = self.room() {
            out.extend_from_slice(text);
        }
    }

    /// Ends the line. `bytes_read`: bytes of the object that its records took so far.
    pub(super) fn end_line(&mut self, bytes_read: u64) -> Result<(), LoadError> {
        // What is cut off is not looked at.
        self.bytes.truncate(self.line + self.most + 1);
        self.bytes.push(b'\n');
        self.line = self.bytes.len();
        match self.bytes.len() < BLOCK {
            true => Ok(()),
            false => self.flush(bytes_read),
        }
    }

    fn flush(&mut self, bytes_read: u64) -> Result<(), LoadError> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        self.sent += self.bytes.len() as u64;
        check_expansion(self.sent, bytes_read, self.access.source().limits)?;
        let bytes = Bytes::copy_from_slice(&self.bytes);
        self.bytes.clear();
        self.line = 0;
        (self.access.source().progress)();
        self.access.send(Piece::Block { bytes, bytes_read })
    }

    fn end(&mut self) -> Result<(), LoadError> {
        let bytes_read = self.access.size();
        self.flush(bytes_read)?;
        self.access.send(Piece::End { bytes_read })
    }
}

/// No member is asked for.
fn no_column(names: &[&str]) -> LoadError {
    let names = names.join(", ");
    let message = format!("none of its members is a column of the table; it has {names}");
    LoadError::file(ErrorCode::Header, message)
}

/// What does not fit the memory that one file may take for its decompression.
fn needs_memory(what: &str, needed: u64, source: &Source) -> LoadError {
    const MIB: u64 = 1 << 20;
    let memory = needed.saturating_mul(source.windows).div_ceil(MIB);
    let message = format!(
        "{what} take {needed} bytes of memory, and {} are there for them; \
         set processor.memory = \"{memory}MiB\", or write the file with smaller pages or blocks",
        source.window
    );
    LoadError::file(ErrorCode::NeedsMemory, message)
}

/// Where blocks of records begin that are read and not committed yet: the number of records
/// before them, and their offset in the object.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<VecDeque<(u64, u64)>>>);

/// The word for it in a checkpoint's state.
const WORD: &str = "block";

/// More are never between what is read and what is committed, unless nothing is committed for
/// long: then the oldest go.
const MOST: usize = 65_536;

impl Places {
    fn add(&self, records: u64, offset: u64) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() == MOST {
            places.pop_front();
        }
        places.push_back((records, offset));
    }

    /// Adds to a checkpoint the last block that begins before it.
    pub(super) fn keep_in(&self, checkpoint: &mut Checkpoint) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while places
            .get(1)
            .is_some_and(|(records, _)| *records <= checkpoint.records)
        {
            places.pop_front();
        }
        let Some((records, offset)) = places.front().filter(|place| place.0 <= checkpoint.records)
        else {
            return;
        };
        let state = checkpoint
            .state
            .as_deref()
            .map(serde_json::from_str::<Value>);
        if let Some(Ok(mut state)) = state {
            state[WORD] = json!([records, offset]);
            checkpoint.state = Some(state.to_string());
        }
    }

    /// The place that a checkpoint carries.
    fn of(checkpoint: &Checkpoint) -> Option<(u64, u64)> {
        let state: Value = serde_json::from_str(checkpoint.state.as_ref()?).ok()?;
        let [records, offset] = state.get(WORD)?.as_array()?.as_slice() else {
            return None;
        };
        let (records, offset) = (records.as_u64()?, offset.as_u64()?);
        (records <= checkpoint.records).then_some((records, offset))
    }
}

#[cfg(test)]
mod tests;
