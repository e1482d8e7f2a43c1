//! The bytes of an object for a thread that may wait for them.

use std::sync::Arc;

use arrivage_store::{ObjectReader, Persistence};
use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::fate::LoadError;
use crate::read::{Piece, Source};

/// What is read at once at least, in bytes: a round trip costs more than they do.
pub(super) const LEAST: u64 = 64 * 1024;

/// Any bytes of one content of one object. On a blocking thread only.
#[derive(Clone)]
pub(super) struct Access {
    source: Arc<Source>,
    /// Closed when nobody wants the records any more.
    blocks: mpsc::Sender<Result<Piece, LoadError>>,
    runtime: Handle,
    size: u64,
}

impl Access {
    pub(super) fn new(
        source: Arc<Source>,
        blocks: mpsc::Sender<Result<Piece, LoadError>>,
        runtime: Handle,
        size: u64,
    ) -> Self {
        Self {
            source,
            blocks,
            runtime,
            size,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Hands on a piece; an error when nobody takes it.
    pub(super) fn send(&self, piece: Piece) -> Result<(), LoadError> {
        let sent = self.blocks.blocking_send(Ok(piece));
        sent.map_err(|_| LoadError::Stopped)
    }

    /// So many bytes from there on; fewer where the object ends.
    pub(super) fn read(&self, start: u64, length: u64) -> Result<Bytes, LoadError> {
        let mut stream = self.stream(start, length.max(1), false);
        let mut bytes = BytesMut::new();
        let length = length.min(self.size.saturating_sub(start));
        while (bytes.len() as u64) < length {
            match stream.next()? {
                Some(block) => bytes.extend_from_slice(&block),
                None => break,
            }
        }
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(bytes.freeze())
    }

    /// All bytes from there on, asked for in parts of this length.
    pub(super) fn stream(&self, start: u64, part: u64, ahead: bool) -> Stream {
        let source = &self.source;
        let persistence = Persistence {
            part,
            ahead,
            ..source.persistence
        };
        let reader = ObjectReader::new(
            Arc::clone(&source.store),
            source.object.clone(),
            start,
            persistence,
            Arc::clone(&source.progress),
        );
        Stream {
            access: self.clone(),
            reader,
        }
    }
}

/// The bytes of an object in their order.
pub(super) struct Stream {
    access: Access,
    reader: ObjectReader,
}

impl Stream {
    /// The next bytes; nothing at the object's end.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, LoadError> {
        let Access {
            runtime, blocks, ..
        } = &self.access;
        let reader = &mut self.reader;
        runtime.block_on(async {
            tokio::select! {
                block = reader.next() => block.transpose().map_err(LoadError::from),
                () = blocks.closed() => Err(LoadError::Stopped),
            }
        })
    }
}

/// A part of an object that is read forwards, by small pieces.
pub(super) struct Window {
    access: Access,
    /// The object's part ends here.
    end: u64,
    start: u64,
    bytes: Bytes,
}

impl Window {
    pub(super) fn new(access: Access, end: u64) -> Self {
        Self {
            access,
            end,
            start: 0,
            bytes: Bytes::new(),
        }
    }

    /// So many bytes from there on, and perhaps more; fewer where the part ends.
    pub(super) fn at_least(&mut self, start: u64, length: u64) -> Result<Bytes, LoadError> {
        let length = length.min(self.end.saturating_sub(start));
        let held = self.start..self.start + self.bytes.len() as u64;
        if start < held.start || start + length > held.end {
            let wanted = length.max(LEAST).min(self.end.saturating_sub(start));
            self.bytes = Bytes::new();
            self.bytes = self.access.read(start, wanted)?;
            self.start = start;
        }
        let from = usize::try_from(start - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.slice(from.min(self.bytes.len())..))
    }
}
