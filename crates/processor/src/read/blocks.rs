use std::collections::VecDeque;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Decompressed bytes that are handed on at a time.
pub(super) const BLOCK: usize = 128 * 1024;

/// The stream in blocks. The memory of one is used again when nobody reads it any more.
#[derive(Default)]
pub(super) struct Blocks {
    /// In the order in which they were handed on.
    handed_on: VecDeque<Bytes>,
}

impl Blocks {
    /// Fills one block, or takes what is left of the stream. Empty: it has ended.
    pub(super) async fn read(
        &mut self,
        bytes: &mut (dyn AsyncRead + Send + Unpin),
    ) -> io::Result<Bytes> {
        self.read_some(bytes, u64::MAX).await
    }

    /// The same, but of the next `most` bytes at most.
    pub(super) async fn read_some(
        &mut self,
        bytes: &mut (dyn AsyncRead + Send + Unpin),
        most: u64,
    ) -> io::Result<Bytes> {
        let mut block = match usize::try_from(most) {
            Ok(most @ ..BLOCK) => BytesMut::zeroed(most),
            _ => self.free(),
        };
        let mut length = 0;
        while length < block.len() {
            match bytes.read(&mut block[length..]).await? {
                0 => break,
                read => length += read,
            }
        }
        block.truncate(length);
        let block = block.freeze();
        if length == BLOCK {
            self.handed_on.push_back(block.clone());
        }
        Ok(block)
    }

    fn free(&mut self) -> BytesMut {
        match self.handed_on.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(block)) => block,
            Some(Err(in_use)) => {
                self.handed_on.push_front(in_use);
                BytesMut::zeroed(BLOCK)
            }
            None => BytesMut::zeroed(BLOCK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_memory_of_a_block_is_used_again_when_nobody_reads_it() {
        let stream = vec![7; 4 * BLOCK + 5];
        let mut stream = &stream[..];
        let mut blocks = Blocks::default();
        let first = blocks.read(&mut stream).await.expect("reads");
        let second = blocks.read(&mut stream).await.expect("reads");
        let places = [first.as_ptr(), second.as_ptr()];
        assert_ne!(places[0], places[1], "the first is being read");
        let held = second.slice(3..4);
        drop((first, second));
        let third = blocks.read(&mut stream).await.expect("reads");
        assert_eq!(third.as_ptr(), places[0]);
        let fourth = blocks.read(&mut stream).await.expect("reads");
        assert!(!places.contains(&fourth.as_ptr()), "both are being read");
        assert_eq!(held, [7][..]);
        let rest = blocks.read(&mut stream).await.expect("reads");
        assert_eq!(rest, [7; 5][..]);
        assert!(blocks.read(&mut stream).await.expect("reads").is_empty());
    }
}
