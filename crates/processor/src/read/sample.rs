use std::sync::Arc;

use arrivage_model::{Checkpoint, ColumnType, Compression, Format, Limits, Object};
use arrivage_store::{Persistence, Store};
use tokio::sync::mpsc;

use super::archive::{self, Kind};
use super::blocks::Blocks;
use super::{BLOCKS, Opened, Piece, Source, open, reading, typed};
use crate::fate::LoadError;
use crate::magic::Codec;

/// So many decompressed bytes show how a file is written.
const SAMPLE: usize = 1 << 20;

/// How an object begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Its first bytes, decompressed; at most about 1 MiB. Of an archive, those of its
    /// first file.
    pub bytes: Vec<u8>,
    /// They are all it has.
    pub whole: bool,
    /// How it is compressed.
    pub compression: Compression,
    /// The name of the file, where it is the first one in an archive.
    pub entry: Option<String>,
    /// Of a file that states the types of its values: then the bytes are its first records as
    /// JSON Lines.
    pub stated: Option<Stated>,
}

/// What a file states of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// How it is written.
    pub format: Format,
    /// The members of its records, each with the type of a column that takes its values.
    pub members: Vec<(String, ColumnType)>,
}

/// Reads the beginning of an object, in a window of so many bytes.
pub(crate) async fn beginning(
    store: Arc<dyn Store>,
    object: Object,
    limits: Limits,
    window: u64,
) -> Result<Beginning, LoadError> {
    let source = || Source {
        store: Arc::clone(&store),
        object: object.clone(),
        from: Checkpoint::default(),
        digests: Vec::new(),
        limits,
        window,
        windows: 8,
        progress: Arc::new(|| {}),
        // The rest of the object is not asked for.
        persistence: Persistence {
            part: SAMPLE as u64,
            ahead: false,
            ..Persistence::default()
        },
    };
    if let Some(beginning) = typed::beginning(source(), SAMPLE).await? {
        return Ok(beginning);
    }
    let source = source();
    let mut opened = open(&source).await?;
    let compression = compression(opened.codec);
    if let Some(kind) = archive::kind(&source, &mut opened).await? {
        return first_entry(kind, &source, opened, compression).await;
    }
    let Opened {
        bytes: mut stream, ..
    } = opened;
    let mut blocks = Blocks::default();
    let mut bytes = Vec::new();
    let mut whole = false;
    while !whole && bytes.len() < SAMPLE {
        let block = blocks.read(&mut stream).await;
        let block = block.map_err(|error| reading(error, window))?;
        whole = block.is_empty();
        bytes.extend_from_slice(&block);
    }
    Ok(Beginning {
        bytes,
        whole,
        compression,
        entry: None,
        stated: None,
    })
}

/// The beginning of the first file in an archive that has something in it.
async fn first_entry(
    kind: Kind,
    source: &Source,
    opened: Opened,
    compression: Compression,
) -> Result<Beginning, LoadError> {
    let (pieces, mut pieces_out) = mpsc::channel(BLOCKS);
    let mut found = Beginning {
        bytes: Vec::new(),
        whole: false,
        compression,
        entry: None,
        stated: None,
    };
    let collecting = async {
        while !found.whole
            && found.bytes.len() < SAMPLE
            && let Some(piece) = pieces_out.recv().await
        {
            match piece {
                Ok(Piece::Enter(entry)) => found.entry = Some(entry.name.to_string()),
                Ok(Piece::Block { bytes, .. }) => found.bytes.extend_from_slice(&bytes),
                Ok(Piece::Leave) => found.whole = !found.bytes.is_empty(),
                Ok(Piece::End { .. }) => found.whole = true,
                Ok(Piece::Marks(_) | Piece::Places(_)) | Err(_) => {}
            }
        }
        // The rest is not read.
        drop(pieces_out);
    };
    let reading = async {
        let read = archive::read(kind, source, opened, &pieces).await;
        drop(pieces);
        read
    };
    let (read, ()) = tokio::join!(reading, collecting);
    match read {
        Err(error) if !matches!(error, LoadError::Stopped) => Err(error),
        _ => Ok(found),
    }
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Gzip => Compression::Gzip,
        Codec::Zstd => Compression::Zstd,
        Codec::Bzip2 => Compression::Bzip2,
        Codec::Xz => Compression::Xz,
        Codec::Lz4 => Compression::Lz4,
        Codec::Zip => Compression::Zip,
    }
}
