use std::sync::Arc;

use arrivage_model::{Checkpoint, ColumnType, Compression, Format, Limits, Object};
use arrivage_store::{Persistence, Store};

use super::{Opened, Source, open, read_block, reading, typed};
use crate::fate::LoadError;
use crate::magic::Codec;

/// So many decompressed bytes show how a file is written.
const SAMPLE: usize = 1 << 20;

/// How an object begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Its first bytes, decompressed; at most about 1 MiB.
    pub bytes: Vec<u8>,
    /// They are all it has.
    pub whole: bool,
    /// How it is compressed.
    pub compression: Compression,
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
    let Opened {
        bytes: mut stream,
        codec,
        ..
    } = open(&source).await?;
    let mut bytes = Vec::new();
    let mut whole = false;
    while !whole && bytes.len() < SAMPLE {
        let block = read_block(&mut stream).await;
        let block = block.map_err(|error| reading(error, window))?;
        whole = block.is_empty();
        bytes.extend_from_slice(&block);
    }
    Ok(Beginning {
        bytes,
        whole,
        compression: compression(codec),
        stated: None,
    })
}

fn compression(codec: Codec) -> Compression {
    match codec {
        Codec::None => Compression::None,
        Codec::Gzip => Compression::Gzip,
        Codec::Zstd => Compression::Zstd,
        Codec::Bzip2 => Compression::Bzip2,
        Codec::Xz => Compression::Xz,
        Codec::Lz4 => Compression::Lz4,
    }
}
