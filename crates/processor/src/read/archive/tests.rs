//! Archives as other programs make them, and broken ones.

mod broken;
mod resume;
mod tar;
mod zip;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrivage_model::{Checkpoint, ETag, Limits, Location, Object, VersionId};
use arrivage_store::{Body, Page, Persistence, Store, StoreError};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;

use crate::decode::EntryPlace;
use crate::fate::LoadError;
use crate::read::{Piece, Source, read_all};

/// A store of one object.
pub(super) struct Memory {
    bytes: Bytes,
    /// Blocks that it hands out are this long at most.
    block: usize,
    /// Bytes that it handed out.
    read: AtomicU64,
}

#[async_trait]
impl Store for Memory {
    async fn head(&self, at: &Location, _: Option<&VersionId>) -> Result<Object, StoreError> {
        Ok(Object {
            size: Some(self.bytes.len() as u64),
            ..object(at.clone())
        })
    }

    async fn list(&self, _: &str, _: &str, _: Option<&str>) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    async fn read(&self, _: &Object, range: Range<u64>) -> Result<Body, StoreError> {
        let place = |at| usize::try_from(at).expect("a small object");
        let bytes = self.bytes.slice(place(range.start)..place(range.end));
        self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let blocks: Vec<_> = (0..bytes.len())
            .step_by(self.block)
            .map(|at| Ok(bytes.slice(at..bytes.len().min(at + self.block))))
            .collect();
        Ok(Body {
            range,
            total: self.bytes.len() as u64,
            last_modified: None,
            chunks: futures::stream::iter(blocks).boxed(),
        })
    }
}

fn object(location: Location) -> Object {
    Object {
        location,
        etag: ETag::parse("e").expect("a tag"),
        version_id: None,
        size: None,
        last_modified: None,
        sequencer: None,
    }
}

/// A file as it is handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) place: EntryPlace,
    pub(super) bytes: Vec<u8>,
}

/// What is handed on of an archive.
#[derive(Debug, Default)]
pub(super) struct Handed {
    pub(super) files: Vec<Seen>,
    /// Object bytes that it took.
    pub(super) bytes_read: u64,
    /// Object bytes that were asked for.
    pub(super) asked: u64,
}

pub(super) fn source(archive: &[u8], block: usize) -> (Source, Arc<Memory>) {
    let store = Arc::new(Memory {
        bytes: Bytes::copy_from_slice(archive),
        block,
        read: AtomicU64::new(0),
    });
    let source = Source {
        store: Arc::clone(&store) as Arc<dyn Store>,
        object: object(Location::s3("drop", "a.zip")),
        from: Checkpoint::default(),
        digests: Vec::new(),
        limits: Limits::default(),
        window: 8 << 20,
        windows: 8,
        progress: Arc::new(|| {}),
        persistence: Persistence {
            ahead: false,
            ..Persistence::default()
        },
    };
    (source, store)
}

/// Reads all of it; an archive that does not say that it ended has not been read.
pub(super) async fn hand(source: Source) -> Result<Handed, LoadError> {
    let (pieces, mut pieces_out) = mpsc::channel(4);
    let collecting = async {
        let mut handed = Handed::default();
        let mut inside = false;
        let mut ended = false;
        while let Some(piece) = pieces_out.recv().await {
            assert!(!ended, "nothing follows the end");
            match piece? {
                Piece::Enter(entry) => {
                    assert!(!std::mem::replace(&mut inside, true), "one at a time");
                    handed.files.push(Seen {
                        name: entry.name.to_string(),
                        place: entry.place,
                        bytes: Vec::new(),
                    });
                }
                Piece::Block { bytes, .. } => {
                    assert!(inside, "in a file");
                    let file = handed.files.last_mut().expect("a file");
                    file.bytes.extend_from_slice(&bytes);
                }
                Piece::Leave => assert!(std::mem::take(&mut inside), "in a file"),
                Piece::End { bytes_read } => {
                    assert!(!inside, "the last file has ended");
                    handed.bytes_read = bytes_read;
                    ended = true;
                }
                Piece::Marks(_) | Piece::Places(_) => panic!("it was taken for another file"),
            }
        }
        assert!(ended, "no error, and no end");
        Ok(handed)
    };
    let reading = async {
        let read = read_all(source, &pieces).await;
        if let Err(error) = read {
            let _ = pieces.send(Err(error)).await;
        }
        drop(pieces);
    };
    let (handed, ()) = tokio::join!(collecting, reading);
    handed
}

pub(super) async fn read(archive: &[u8]) -> Result<Handed, LoadError> {
    let (source, store) = source(archive, 4096);
    let mut handed = hand(source).await?;
    handed.asked = store.read.load(Ordering::Relaxed);
    Ok(handed)
}

/// The names and contents of what is read.
pub(super) async fn contents(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let handed = read(archive)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        handed.bytes_read,
        archive.len() as u64,
        "all of it was read"
    );
    let mut start = 0;
    let mut contents = Vec::new();
    for file in handed.files {
        assert_eq!(file.place.start, start, "{}", file.name);
        start += file.bytes.len() as u64;
        contents.push((file.name, file.bytes));
    }
    contents
}

/// The code and the words of its failure.
pub(super) async fn failure(archive: &[u8]) -> String {
    match read(archive).await {
        Ok(handed) => panic!("{} files were read", handed.files.len()),
        Err(LoadError::File(failure)) => {
            let code = failure.code.map_or("-", arrivage_model::ErrorCode::as_str);
            format!("{code}: {}", failure.message)
        }
        Err(other) => panic!("{other}"),
    }
}

/// What `in/first.csv` of the fixtures holds.
pub(super) fn first() -> Vec<u8> {
    let line = |n: u64| format!("{n},first {n}\n");
    let lines: String = (1..=300).map(line).collect();
    format!("id,name\n{lines}").into_bytes()
}

pub(super) const SECOND: &[u8] = b"id,name\n9001,second\n";
