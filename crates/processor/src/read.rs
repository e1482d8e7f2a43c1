//! From the store to chunks: one async stream of decompressed bytes, and blocking
//! threads that decode it.

mod archive;
mod blocks;
mod carried;
mod codec;
mod counted;
mod desk;
mod place;
mod sample;
mod typed;

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use arrivage_model::{Captures, Checkpoint, ErrorCode, Limits, Object};
use arrivage_store::{Digest, ObjectReader, Persistence, Progress, Store, StoreError, Verifying};
use bytes::Bytes;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use self::blocks::Blocks;
use self::carried::Marks;
use self::counted::{Counted, Counter};
use self::place::Place;
pub(crate) use self::sample::beginning;
pub use self::sample::{Beginning, Stated};
use self::typed::Places;
use crate::budget::{Budget, Share};
use crate::complete::Count;
use crate::decode::{Chunk, Entry, EntryPlace, Plan};
use crate::fate::LoadError;
use crate::magic::{self, Codec, Unsupported};

/// How many blocks of decompressed bytes wait for the decoder.
const BLOCKS: usize = 4;

/// The expansion of a file is judged after so many decompressed bytes.
const EXPANSION_GRACE: u64 = 64 << 20;

/// Chunks that wait for the database, besides the ones that it takes.
const CHUNKS: usize = 1;

/// What is read, and how.
pub(crate) struct Source {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) object: Object,
    pub(crate) from: Checkpoint,
    /// What its bytes are said to come to: then all of them are read.
    pub(crate) digests: Vec<Digest>,
    pub(crate) limits: Limits,
    /// The largest window of a decompressor, in bytes.
    pub(crate) window: u64,
    /// The process may use so many times the window.
    pub(crate) windows: u64,
    pub(crate) progress: Progress,
    pub(crate) persistence: Persistence,
}

/// How its bytes become chunks.
pub(crate) struct Decoding {
    pub(crate) plan: Arc<Plan>,
    pub(crate) captures: Captures,
    /// How many records there should be.
    pub(crate) records: Option<Count>,
    /// Records of a chunk.
    pub(crate) most_records: u64,
    pub(crate) budget: Budget,
    /// Threads that decode it, if it is the only file that is read.
    pub(crate) decoders: usize,
}

/// A chunk with its share of the memory, which it gives back when dropped.
pub(crate) struct Draft {
    pub(crate) chunk: Chunk,
    share: Option<Share>,
}

impl Draft {
    /// Gives back its share, with its memory for another chunk.
    pub(crate) fn give_back(self) {
        if let Some(share) = self.share {
            share.give_back(self.chunk.into_spare());
        }
    }

    /// Gives back what its chunk did not take of its share.
    pub(crate) fn shrink(&mut self) {
        let bytes = self.chunk.heap_bytes();
        if let Some(share) = &mut self.share {
            share.shrink(bytes);
        }
    }
}

/// A file that is being read and decoded, ahead of who takes its chunks. When
/// dropped, both end.
pub(crate) struct Reading {
    chunks: mpsc::Receiver<Result<Draft, LoadError>>,
    _pump: AbortOnDropHandle<()>,
}

impl Reading {
    pub(crate) fn start(source: Source, decoding: Decoding) -> Self {
        let (blocks, blocks_out) = mpsc::channel(BLOCKS);
        let (chunks, chunks_out) = mpsc::channel(CHUNKS);
        let from = source.from.clone();
        let plan = Arc::clone(&decoding.plan);
        let pump = tokio::spawn(pump(source, plan, blocks).in_current_span());
        let runtime = Handle::current();
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _entered = span.entered();
            if let Err(error) = desk::decode(decoding, &from, blocks_out, &chunks, runtime) {
                // Nobody listens any more: the load has ended.
                let _ = chunks.blocking_send(Err(error));
            }
        });
        Self {
            chunks: chunks_out,
            _pump: AbortOnDropHandle::new(pump),
        }
    }

    /// The next chunk. After the last one, and after an error, nothing is left
    /// to ask for. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> Result<Draft, LoadError> {
        let gone = || LoadError::Broken("the decoder ended before its file did".to_owned());
        self.chunks.recv().await.unwrap_or_else(|| Err(gone()))
    }
}

/// What the pump hands to the decoder.
enum Piece {
    /// Decompressed bytes, and how many bytes of the object they took so far.
    Block { bytes: Bytes, bytes_read: u64 },
    /// The object is an archive, and an entry begins, from its first byte or from the
    /// checkpoint on.
    Enter(Entry),
    /// The entry ended as it should.
    Leave,
    /// What checkpoints are to carry of how the object is read.
    Marks(Marks),
    /// The object is made of blocks: where they begin, to be kept in checkpoints.
    Places(Places),
    /// The stream ended as it should.
    End { bytes_read: u64 },
}

/// Reads the object from its checkpoint to its end.
async fn pump(source: Source, plan: Arc<Plan>, blocks: mpsc::Sender<Result<Piece, LoadError>>) {
    let read = match plan.format().is_typed() {
        true => typed::read_all(source, plan, &blocks).await,
        false => read_all(source, &blocks).await,
    };
    if let Err(error) = read {
        // Nobody listens any more: the load has ended.
        let _ = blocks.send(Err(error)).await;
    }
}

async fn read_all(
    source: Source,
    blocks: &mpsc::Sender<Result<Piece, LoadError>>,
) -> Result<(), LoadError> {
    let limits = source.limits;
    let mut opened = open(&source).await?;
    if let Some(kind) = archive::kind(&source, &mut opened).await? {
        return archive::read(kind, &source, opened, blocks).await;
    }
    let Opened {
        mut bytes,
        counter,
        out,
        skip,
        marks,
        ..
    } = opened;
    if blocks.send(Ok(Piece::Marks(marks))).await.is_err() {
        return Ok(());
    }
    let mut to_skip = skip;
    let mut decompressed = out;
    let mut stream = Blocks::default();
    loop {
        let block = stream
            .read(&mut bytes)
            .await
            .map_err(|error| reading(error, source.window))?;
        let bytes_read = counter.get();
        if block.is_empty() {
            let _ = blocks.send(Ok(Piece::End { bytes_read })).await;
            return Ok(());
        }
        decompressed += block.len() as u64;
        check_expansion(decompressed, bytes_read, limits)?;
        let skipped = to_skip.min(block.len() as u64);
        to_skip -= skipped;
        let bytes = block.slice(usize::try_from(skipped).unwrap_or(block.len())..);
        (source.progress)();
        if !bytes.is_empty()
            && blocks
                .send(Ok(Piece::Block { bytes, bytes_read }))
                .await
                .is_err()
        {
            return Ok(());
        }
    }
}

fn check_expansion(decompressed: u64, compressed: u64, limits: Limits) -> Result<(), LoadError> {
    let limit = limits.max_expansion;
    if decompressed <= EXPANSION_GRACE || decompressed / compressed.max(1) < limit {
        return Ok(());
    }
    let message = format!(
        "{compressed} bytes of it became {decompressed}; raise pipeline.format.max_expansion \
         (now {limit}) if that is meant"
    );
    Err(LoadError::file(ErrorCode::ExpandsTooMuch, message))
}

struct Opened {
    bytes: Pin<Box<dyn AsyncRead + Send>>,
    counter: Counter,
    codec: Codec,
    /// Decompressed bytes before the first one that is read.
    out: u64,
    /// Decompressed bytes from there to the checkpoint.
    skip: u64,
    marks: Marks,
}

/// The decompressed bytes: an uncompressed object from the checkpoint on, a compressed one from
/// the last place before it that can be told. One whose digest is to be compared is read from
/// its start, as is one whose CRC is, from where that was.
async fn open(source: &Source) -> Result<Opened, LoadError> {
    let offset = source.from.offset;
    let marks = Marks::new(&source.from);
    let persistence = source.persistence;
    let whole = offset == 0 || !source.digests.is_empty();
    let verifying = |mark| Verifying {
        digests: source.digests.clone(),
        mark,
        marked: Some(marks.marked()),
    };
    let (begin, place, first, bytes): (_, _, _, Pin<Box<dyn AsyncBufRead + Send>>) = if whole {
        let mut stream = Box::pin(stream(source, 0, persistence, Some(verifying(None))));
        let first = first_bytes(&mut stream).await?;
        let place = place(source, codec(source, &first)?);
        let chained = io::Cursor::new(first.clone()).chain(stream);
        (0, place, first, Box::pin(chained))
    } else {
        let part = Persistence {
            part: magic::LENGTH as u64,
            ahead: false,
            ..persistence
        };
        let first = first_bytes(&mut Box::pin(stream(source, 0, part, None))).await?;
        let place = place(source, codec(source, &first)?);
        let mark = carried::mark(&source.from).filter(|mark| mark.at <= place.at);
        let begin = match mark {
            Some(mark) => mark.at,
            None if codec(source, &first)? == Codec::None => place.at,
            None if compares_all(source).await => 0,
            None => place.at,
        };
        let stream = stream(source, begin, persistence, Some(verifying(mark)));
        (begin, place, first, Box::pin(stream))
    };
    let codec = codec(source, &first)?;
    if codec != Codec::None {
        marks.compressed(place.clone(), &source.from);
    }
    let counter = Counter::from(begin);
    let mut bytes = Counted::new(bytes, counter.clone());
    pass_over(&mut bytes, place.at - begin).await?;
    let out = place.out;
    let bytes = codec::decompress(codec, &first, bytes, source.window, place, &marks)
        .map_err(|error| reading(error, source.window))?;
    Ok(Opened {
        bytes,
        counter,
        codec,
        out,
        skip: offset - out,
        marks,
    })
}

/// Whether something is compared with all bytes of the object, and only with all: what an
/// answer with the whole of it states, or a checksum of which no part can be told.
async fn compares_all(source: &Source) -> bool {
    let in_one = source
        .object
        .size
        .is_none_or(|size| size <= source.persistence.part);
    let stated = || source.store.digests(&source.object);
    in_one || !stated().await.is_ok_and(|stated| stated.is_empty())
}

/// Where to go on reading.
fn place(source: &Source, codec: Codec) -> Place {
    let offset = source.from.offset;
    match codec {
        // Behind a checkpoint in an archive, the offset is none of the object.
        _ if EntryPlace::of(&source.from).is_some() => Place::default(),
        Codec::None => Place {
            at: offset,
            out: offset,
            middle: None,
        },
        _ => carried::place(&source.from)
            .filter(|place| codec == Codec::Gzip || place.middle.is_none())
            .unwrap_or_default(),
    }
}

async fn pass_over(bytes: &mut (impl AsyncRead + Unpin), length: u64) -> Result<(), LoadError> {
    let mut rest = bytes.take(length);
    let passed = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    match passed.map_err(|error| reading(error, 0))? {
        passed if passed < length => Err(reading(io::ErrorKind::UnexpectedEof.into(), 0)),
        _ => Ok(()),
    }
}

fn codec(source: &Source, first: &[u8]) -> Result<Codec, LoadError> {
    magic::codec(source.limits.compression, first).map_err(|Unsupported(what)| {
        let message = match magic::typed(first) {
            Some(format) => format!(
                "it is {what}, and its pipeline reads text; give it a pipeline with format.kind = \"{}\"",
                format.as_str()
            ),
            None => {
                format!("it is {what}, which is not read yet; gzip, zstd, bzip2, xz, lz4, zip and tar are")
            }
        };
        LoadError::file(ErrorCode::Unsupported, message)
    })
}

fn stream(
    source: &Source,
    from: u64,
    persistence: Persistence,
    verifying: Option<Verifying>,
) -> impl AsyncBufRead + Send + use<> {
    let store = Arc::clone(&source.store);
    let progress = Arc::clone(&source.progress);
    let mut reader = ObjectReader::new(store, source.object.clone(), from, persistence, progress);
    if let Some(verifying) = verifying {
        reader = reader.verifying(verifying);
    }
    StreamReader::new(reader.into_stream())
}

async fn first_bytes(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, LoadError> {
    let mut first = Vec::with_capacity(magic::LENGTH);
    stream
        .take(magic::LENGTH as u64)
        .read_to_end(&mut first)
        .await
        .map_err(|error| reading(error, 0))?;
    Ok(first)
}

/// What an error of the decompressed stream means.
fn reading(error: io::Error, window: u64) -> LoadError {
    let kind = error.kind();
    let words = error.to_string();
    if let Some(inner) = error.into_inner()
        && let Ok(error) = inner.downcast::<StoreError>()
    {
        return LoadError::Store(*error);
    }
    if words.contains("too much memory") || words.contains("memory limit") {
        let message = format!(
            "its compression needs a window of more than {window} bytes; raise processor.memory, or compress it with a smaller window"
        );
        return LoadError::file(ErrorCode::NeedsMemory, message);
    }
    if kind == io::ErrorKind::Unsupported {
        return LoadError::file(ErrorCode::Unsupported, words);
    }
    if words.contains("Dictionary mismatch") {
        let message =
            "it was compressed with a dictionary, which it does not hold; compress it without one";
        return LoadError::file(ErrorCode::Unsupported, message);
    }
    if kind == io::ErrorKind::UnexpectedEof {
        let message = "its compressed stream ends early; it was cut on its way: deliver it again";
        return LoadError::file(ErrorCode::Truncated, message);
    }
    LoadError::file(
        ErrorCode::Corrupt,
        format!("its compression is broken: {words}"),
    )
}
