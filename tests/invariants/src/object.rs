//! Objects as a store hands them out: compressed, archives, and files that state their types.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrivage_model::{
    Checkpoint, Compression, Csv, ETag, ErrorCode, Format, JsonLines, Limits, Location, Object,
    VersionId,
};
use arrivage_processor::decode::{Chunk, ChunkTarget, Plan};
use arrivage_processor::{PreviewError, Rehearsal, rehearse};
use arrivage_store::{Body, Page, Store, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::stream::{self, StreamExt};
use tokio::runtime::{Builder, Runtime};

use crate::chunks::{Seen, check_account, decode, some, target};
use crate::knobs::Knobs;
use crate::pipeline::{KINDS, pipeline, plan};

/// A longer input shows nothing more.
const LONGEST: usize = 128 << 10;

/// Columns of the fixtures, besides those of every kind.
const TYPED: &str = "id bigint, small smallint, price numeric(9,2), huge numeric(40,0), \
     ratio double precision, half real, ok boolean, name text, day date, at time, seen timestamp, \
     moment timestamptz, key uuid, raw bytea, tags text[], sizes integer[], deep jsonb";

/// One object, handed out in blocks of at most so many bytes.
struct One {
    bytes: Bytes,
    block: usize,
}

#[async_trait]
impl Store for One {
    async fn head(&self, _: &Location, _: Option<&VersionId>) -> Result<Object, StoreError> {
        Ok(object(self.bytes.len()))
    }

    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    async fn read(&self, _: &Object, range: Range<u64>) -> Result<Body, StoreError> {
        let place = |at| usize::try_from(at).expect("a small object");
        let bytes = self.bytes.slice(place(range.start)..place(range.end));
        let blocks: Vec<_> = (0..bytes.len())
            .step_by(self.block)
            .map(|at| Ok(bytes.slice(at..bytes.len().min(at + self.block))))
            .collect();
        Ok(Body {
            range,
            total: self.bytes.len() as u64,
            last_modified: None,
            chunks: stream::iter(blocks).boxed(),
        })
    }
}

fn object(size: usize) -> Object {
    Object {
        location: Location::s3("drop", "it"),
        etag: ETag::parse("etag").expect("a tag"),
        version_id: None,
        size: Some(size as u64),
        last_modified: None,
        sequencer: None,
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let built = Builder::new_current_thread().enable_time().build();
        built.expect("a runtime")
    })
}

/// An object, and how it is read.
struct Case {
    plan: Arc<Plan>,
    limits: Limits,
    window: u64,
    target: ChunkTarget,
    bytes: Bytes,
}

impl Case {
    fn new(
        format: Format,
        limits: Limits,
        columns: &str,
        target: ChunkTarget,
        bytes: Vec<u8>,
    ) -> Self {
        Self {
            plan: plan(&pipeline(format, limits, columns)),
            limits,
            window: 4 << 20,
            // So much is a chunk's share of the memory, and made room for.
            target: ChunkTarget {
                bytes: target.bytes.min(1 << 20),
                ..target
            },
            bytes: bytes.into(),
        }
    }

    /// Its chunks after a checkpoint, or the reason why there are none.
    fn read(&self, from: &Checkpoint, block: usize) -> Result<Vec<Chunk>, Option<ErrorCode>> {
        let store = One {
            bytes: self.bytes.clone(),
            block,
        };
        let rehearsal = Rehearsal {
            plan: Arc::clone(&self.plan),
            limits: self.limits,
            window: self.window,
            from: from.clone(),
            target: self.target,
        };
        let reading = rehearse(Arc::new(store), object(self.bytes.len()), rehearsal);
        match runtime().block_on(reading) {
            Ok(chunks) => Ok(chunks),
            Err(PreviewError::File(failure)) => Err(failure.code),
            Err(PreviewError::Store(error)) => panic!("the store is sound: {error}"),
        }
    }

    /// In blocks of whatever length, and from whichever chunk's end: the same chunks.
    fn check(&self, block: usize) -> Result<Vec<Seen>, Option<ErrorCode>> {
        let see = |chunks: &Vec<Chunk>| chunks.iter().map(Seen::of).collect::<Vec<_>>();
        let start = Checkpoint::default();
        let found = self
            .read(&start, usize::MAX)
            .as_ref()
            .map(see)
            .map_err(|code| *code);
        let cut = self
            .read(&start, block)
            .as_ref()
            .map(see)
            .map_err(|code| *code);
        assert_eq!(cut, found, "in blocks of {block}");
        let found = found?;
        let last = found.last().expect("there is a last one");
        check_account(&found, last.end.offset);
        for (at, chunk) in some(&found).take(3) {
            let rest = self.read(&chunk.end, block);
            let rest = rest.as_ref().map(see).map_err(|code| *code);
            assert_eq!(
                rest.as_deref(),
                Ok(&found[at + 1..]),
                "from {:?}",
                chunk.end
            );
        }
        Ok(found)
    }
}

fn block(knobs: &mut Knobs<'_>) -> usize {
    knobs.one_of(&[61, 1, 7, 500, 4096])
}

/// Compressed in any way. Of gzip another reader makes the same, and nothing where we refuse it.
pub fn compressed(data: &[u8]) {
    let (mut knobs, input) = Knobs::split(data);
    if input.len() > LONGEST {
        return;
    }
    let limits = Limits {
        compression: knobs.one_of(&[
            Compression::Auto,
            Compression::Gzip,
            Compression::Zstd,
            Compression::Bzip2,
            Compression::Xz,
            Compression::Lz4,
            Compression::None,
        ]),
        ..Limits::default()
    };
    let format = Format::Csv(Csv {
        header: false,
        quote: None,
        ..Csv::default()
    });
    let target = target(&mut knobs);
    let case = Case {
        window: knobs.one_of(&[4 << 20, 1 << 20, 16 << 20]),
        ..Case::new(format, limits, "a text", target, input.to_vec())
    };
    let found = case.check(block(&mut knobs));
    let is_gzip = match limits.compression {
        Compression::Auto => input.starts_with(b"\x1f\x8b"),
        setting => setting == Compression::Gzip,
    };
    if !is_gzip {
        return;
    }
    let most = 1 << 20;
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(input).take(most).read_to_end(&mut text);
    match (found, read.is_ok() && (text.len() as u64) < most) {
        (Ok(found), true) => {
            let plain = decode(
                &case.plan,
                &text,
                &[4096],
                &Checkpoint::default(),
                case.target,
            );
            let plain: Vec<_> = plain.iter().flatten().map(Seen::of).collect();
            assert_eq!(found, plain);
        }
        (Err(code), true) => assert!(
            !matches!(code, Some(ErrorCode::Corrupt | ErrorCode::Truncated)),
            "{code:?}, and another reads {} bytes",
            text.len()
        ),
        (_, false) => {}
    }
}

/// What becomes of the files in an archive.
fn archive(compression: Compression, data: &[u8], pack: impl Fn(&mut Knobs<'_>, &[u8]) -> Vec<u8>) {
    let (mut knobs, input) = Knobs::split(data);
    if input.len() > LONGEST {
        return;
    }
    let format = knobs.one_of(&[
        Format::Csv(Csv::default()),
        Format::Csv(Csv {
            header: false,
            ..Csv::default()
        }),
        Format::JsonLines(JsonLines::default()),
    ]);
    let limits = Limits {
        compression,
        ..Limits::default()
    };
    let target = target(&mut knobs);
    let block = block(&mut knobs);
    let bytes = pack(&mut knobs, input);
    let case = Case::new(format, limits, "a integer, b text", target, bytes);
    // Bytes of its directory and of what it passes over are none of the stream.
    let _ = case.check(block);
}

/// A zip.
pub fn zip(data: &[u8]) {
    archive(Compression::Zip, data, |_, input| input.to_vec());
}

/// A tar, in gzip too.
pub fn tar(data: &[u8]) {
    archive(Compression::Auto, data, |knobs, input| {
        // Its magic, so that fewer inputs are taken for text.
        let mut tar = input.to_vec();
        if tar.len() > 262 && !knobs.flag() {
            tar[257..262].copy_from_slice(b"ustar");
        }
        if !knobs.flag() {
            return tar;
        }
        let level = flate2::Compression::fast();
        let mut packed = Vec::new();
        let mut encoder = flate2::read::GzEncoder::new(&tar[..], level);
        encoder.read_to_end(&mut packed).expect("into memory");
        packed
    });
}

fn typed(format: Format, data: &[u8]) {
    let (mut knobs, input) = Knobs::split(data);
    if input.len() > LONGEST {
        return;
    }
    let all = format!("{TYPED}, {KINDS}");
    let columns = knobs.one_of(&[all.as_str(), TYPED, KINDS]);
    let target = target(&mut knobs);
    let case = Case::new(format, Limits::default(), columns, target, input.to_vec());
    let _ = case.check(block(&mut knobs));
}

/// A Parquet file.
pub fn parquet(data: &[u8]) {
    typed(Format::Parquet, data);
}

/// An Avro file.
pub fn avro(data: &[u8]) {
    typed(Format::Avro, data);
}
