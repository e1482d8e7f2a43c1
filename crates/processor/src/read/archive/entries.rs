use std::sync::Arc;

use arrivage_model::{Compression, ErrorCode};
use bytes::Bytes;
use tokio::sync::mpsc;

use super::{corrupt, names, tar, unsupported};
use crate::decode::{Entry, EntryPlace};
use crate::fate::LoadError;
use crate::magic::{self, Codec, Unsupported};
use crate::read::{Piece, Source, check_expansion};

/// So many of the entries that are passed over are named in the log.
const NAMED: usize = 20;

/// Hands the files of an archive on, from a checkpoint on.
///
/// Their offsets are those of all of them, one after the other, without what stands
/// between them.
pub(super) struct Entries<'a> {
    source: &'a Source,
    pieces: &'a mpsc::Sender<Result<Piece, LoadError>>,
    /// The entry that the checkpoint is in; nothing from there on.
    from: Option<EntryPlace>,
    /// Where the entry begins, in the stream.
    start: u64,
    inside: Option<Inside>,
    files: u64,
    passed_over: Vec<String>,
    more_passed_over: u64,
}

/// The entry that is being handed on.
struct Inside {
    name: Arc<str>,
    length: u64,
    /// Bytes before the checkpoint.
    to_skip: u64,
}

impl<'a> Entries<'a> {
    pub(super) fn new(
        source: &'a Source,
        pieces: &'a mpsc::Sender<Result<Piece, LoadError>>,
    ) -> Self {
        Self {
            source,
            pieces,
            from: EntryPlace::of(&source.from),
            start: 0,
            inside: None,
            files: 0,
            passed_over: Vec::new(),
            more_passed_over: 0,
        }
    }

    /// The entry that the checkpoint is in, as long as it was not entered.
    pub(super) fn from(&self) -> Option<EntryPlace> {
        self.from
    }

    /// Says that an entry is no file to be read, and why.
    pub(super) fn pass_over(&mut self, name: &[u8], why: &str) {
        match self.passed_over.len() < NAMED {
            true => self
                .passed_over
                .push(format!("{} ({why})", names::shown(name))),
            false => self.more_passed_over += 1,
        }
    }

    /// Begins a file, which stands at this place of the archive. False: all of it stands
    /// before the checkpoint, and nothing of it is to be handed on.
    pub(super) async fn enter(&mut self, at: u64, name: &str) -> Result<bool, LoadError> {
        self.files += 1;
        let mut to_skip = 0;
        if let Some(from) = self.from {
            if at < from.at {
                return Ok(false);
            }
            if at > from.at || self.source.from.offset < from.start {
                return Err(moved());
            }
            self.from = None;
            self.start = from.start;
            to_skip = self.source.from.offset - from.start;
        }
        let name: Arc<str> = name.into();
        let entry = Entry {
            place: EntryPlace {
                at,
                start: self.start,
            },
            name: Arc::clone(&name),
        };
        self.inside = Some(Inside {
            name,
            length: 0,
            to_skip,
        });
        self.send(Piece::Enter(entry)).await?;
        Ok(true)
    }

    /// Hands on the next bytes of the file, for which so many bytes of the object were
    /// needed.
    pub(super) async fn block(&mut self, bytes: Bytes, bytes_read: u64) -> Result<(), LoadError> {
        (self.source.progress)();
        let inside = self.inside.as_mut().expect("a file was entered");
        if inside.length == 0 {
            check_nested(&inside.name, &bytes)?;
        }
        inside.length += bytes.len() as u64;
        let decompressed = self.start + inside.length;
        check_expansion(decompressed, bytes_read, self.source.limits)?;
        let skipped = inside.to_skip.min(bytes.len() as u64);
        inside.to_skip -= skipped;
        let bytes = bytes.slice(usize::try_from(skipped).unwrap_or(bytes.len())..);
        if bytes.is_empty() {
            return Ok(());
        }
        self.send(Piece::Block { bytes, bytes_read }).await
    }

    /// Ends the file, whose bytes are known to be right.
    pub(super) async fn leave(&mut self) -> Result<(), LoadError> {
        let inside = self.inside.take().expect("a file was entered");
        if inside.to_skip > 0 {
            return Err(moved());
        }
        self.start += inside.length;
        self.send(Piece::Leave).await
    }

    /// Ends the archive.
    pub(super) async fn end(self, bytes_read: u64) -> Result<(), LoadError> {
        let named = self.passed_over.join(", ");
        let more = match self.more_passed_over {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if self.files == 0 {
            let besides = match named.is_empty() {
                true => String::new(),
                false => format!(", only {named}{more}"),
            };
            return Err(unsupported(format!("no file is in the archive{besides}")));
        }
        if self.from.is_some() {
            return Err(moved());
        }
        if !named.is_empty() {
            tracing::info!("entries of the archive were passed over: {named}{more}");
        }
        self.send(Piece::End { bytes_read }).await
    }

    async fn send(&self, piece: Piece) -> Result<(), LoadError> {
        let sent = self.pieces.send(Ok(piece)).await;
        // Nobody listens any more: the load has ended.
        sent.map_err(|_| LoadError::Stopped)
    }
}

/// The checkpoint is not of an archive like this.
pub(super) fn moved() -> LoadError {
    let message = "the file was half loaded, and its archive is read in another way now; replay it from the start";
    LoadError::file(ErrorCode::ConfigChanged, message)
}

/// Archives in archives are how bombs are made, and no place would tell where a record
/// stands.
fn check_nested(name: &str, first: &[u8]) -> Result<(), LoadError> {
    let tar = tar::begins(first).then_some("tar");
    let Some(what) = packed(first).or(tar) else {
        return Ok(());
    };
    Err(unsupported(format!(
        "its entry {name} is {what}, and what is packed in an archive once more is not read; \
         deliver it by itself"
    )))
}

/// What is packed, and how, by its first bytes.
pub(super) fn packed(first: &[u8]) -> Option<&'static str> {
    Some(match magic::codec(Compression::Auto, first) {
        Ok(Codec::None) => return None,
        Ok(Codec::Gzip) => "gzip",
        Ok(Codec::Zstd) => "zstd",
        Ok(Codec::Bzip2) => "bzip2",
        Ok(Codec::Xz) => "xz",
        Ok(Codec::Lz4) => "lz4",
        Ok(Codec::Zip) => "zip",
        Err(Unsupported(what)) => what,
    })
}

/// An entry whose bytes are not those that its archive promises.
pub(super) fn broken(name: &str, why: &str) -> LoadError {
    corrupt(format!("its entry {name} is broken: {why}"))
}
