use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrivage_model::Object;
use bytes::Bytes;
use futures::stream;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::hashing::{Stopped, Tags};
use super::open::{self, Opened};
use super::{blocking, tagged};
use crate::StoreError;
use crate::exact::exactly;
use crate::store::Body;

const BLOCK: u64 = 128 * 1024;

/// A thread reads ahead by one block; it ends when the body is dropped.
pub(super) async fn read(
    tags: Arc<Tags>,
    root: PathBuf,
    object: Object,
    range: Range<u64>,
) -> Result<Body, StoreError> {
    let stamp = {
        let (root, location) = (root.clone(), object.location.clone());
        blocking(move |_| Ok(open::file(&root, &location)?.stamp)).await?
    };
    if object.size.is_some_and(|size| size != stamp.size) {
        return Err(StoreError::Changed(object.location));
    }
    if range.end > stamp.size {
        return Err(StoreError::Contradiction {
            what: format!("bytes {range:?} were asked for, and it has {}", stamp.size),
            location: object.location,
        });
    }
    let excess = {
        let location = object.location.clone();
        move || StoreError::Contradiction {
            location,
            what: "it has more bytes than were asked for".to_owned(),
        }
    };
    let (sender, receiver) = mpsc::channel(1);
    let work = Reading {
        tags,
        root,
        object,
        sender,
    };
    let asked = range.clone();
    spawn_blocking(move || work.run(asked));
    let blocks = stream::unfold(receiver, async |mut receiver| {
        let block = receiver.recv().await?;
        Some((block, receiver))
    });
    Ok(Body {
        total: stamp.size,
        last_modified: stamp.modified(),
        chunks: exactly(0, range.end - range.start, excess, blocks),
        range,
    })
}

struct Reading {
    tags: Arc<Tags>,
    root: PathBuf,
    object: Object,
    sender: mpsc::Sender<Result<Bytes, StoreError>>,
}

impl Reading {
    fn run(self, mut range: Range<u64>) {
        loop {
            let opened = match self.pinned(&self.root) {
                Ok(opened) => opened,
                Err(error) => return drop(self.send(Err(error))),
            };
            match self.hand_on(&opened, &mut range) {
                Ok(Handed::All) | Err(Stopped) => return,
                // Only touched, perhaps: the next look at its bytes tells.
                Ok(Handed::UntilTouched) => {}
            }
        }
    }

    /// The file, if it has the content that is wanted.
    fn pinned(&self, root: &Path) -> Result<Opened, StoreError> {
        let location = &self.object.location;
        let alive = || self.send(Ok(Bytes::new()));
        let (opened, etag) = tagged(&self.tags, root, location, alive)?;
        if etag != self.object.etag {
            return Err(StoreError::Changed(location.clone()));
        }
        Ok(opened)
    }

    /// A block is handed on only if the file was the same before and after it
    /// was read, and so never a mixture of two contents.
    fn hand_on(&self, opened: &Opened, range: &mut Range<u64>) -> Result<Handed, Stopped> {
        while !range.is_empty() {
            let length = BLOCK.min(range.end - range.start);
            // No more than the block's length.
            let mut block = vec![0; length as usize];
            let read = opened.file.read_exact_at(&mut block, range.start);
            match opened.is_untouched() {
                Ok(true) => {}
                Ok(false) => return Ok(Handed::UntilTouched),
                Err(errno) => {
                    self.send(Err(open::failed(&self.object.location, errno)))?;
                    return Err(Stopped);
                }
            }
            if let Err(error) = read {
                self.send(Err(StoreError::Unavailable(error.into())))?;
                return Err(Stopped);
            }
            self.send(Ok(block.into()))?;
            range.start += length;
        }
        Ok(Handed::All)
    }

    fn send(&self, block: Result<Bytes, StoreError>) -> Result<(), Stopped> {
        self.sender.blocking_send(block).map_err(|_| Stopped)
    }
}

enum Handed {
    All,
    UntilTouched,
}
