use bytes::Bytes;
use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};

use crate::StoreError;

/// Leaves out the first `skip` bytes and hands on exactly `length`: a stream
/// that ends early is [`StoreError::Unavailable`], and one that does not end
/// there is a contradiction. The last block is held back until the stream has
/// ended well, so that whoever has all bytes knows that they are all right.
pub(crate) fn exactly(
    skip: u64,
    length: u64,
    excess: impl FnOnce() -> StoreError + Send + 'static,
    blocks: impl Stream<Item = Result<Bytes, StoreError>> + Send + 'static,
) -> BoxStream<'static, Result<Bytes, StoreError>> {
    let state = Exact {
        blocks: blocks.boxed(),
        skip,
        left: length,
        last: Bytes::new(),
        excess: Some(excess),
    };
    stream::unfold(state, |mut state| async {
        let block = state.next().await?;
        Some((block, state))
    })
    .fuse()
    .boxed()
}

struct Exact<F> {
    blocks: BoxStream<'static, Result<Bytes, StoreError>>,
    skip: u64,
    left: u64,
    /// Held back.
    last: Bytes,
    /// None once an error was handed on: then the stream is over.
    excess: Option<F>,
}

impl<F: FnOnce() -> StoreError> Exact<F> {
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        self.excess.as_ref()?;
        match self.blocks.next().await {
            Some(Ok(block)) => match self.cut(block) {
                Some(block) => Some(Ok(block)),
                None => Some(Err(self.excess.take()?())),
            },
            Some(Err(error)) => {
                self.excess = None;
                Some(Err(error))
            }
            None if self.left == 0 && self.skip == 0 => {
                self.excess = None;
                let last = std::mem::take(&mut self.last);
                (!last.is_empty()).then_some(Ok(last))
            }
            None => {
                self.excess = None;
                let missing = self.left + self.skip;
                Some(Err(StoreError::cut(format!(
                    "the body ended {missing} bytes early"
                ))))
            }
        }
    }

    /// What of the block is wanted, or none if it reaches beyond the end. An
    /// empty block is a sign of life.
    fn cut(&mut self, mut block: Bytes) -> Option<Bytes> {
        let skipped = self.skip.min(block.len() as u64);
        self.skip -= skipped;
        // No more than the block's length.
        let block = block.split_off(skipped as usize);
        self.left = self.left.checked_sub(block.len() as u64)?;
        if self.left > 0 {
            return Some(block);
        }
        if !block.is_empty() {
            self.last = block;
        }
        Some(Bytes::new())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    async fn check(skip: u64, length: u64, blocks: &[&str], expect: Result<&str, &str>) {
        let blocks: Vec<_> = blocks
            .iter()
            .map(|block| match *block {
                "!" => Err(StoreError::cut("reset")),
                block => Ok(Bytes::copy_from_slice(block.as_bytes())),
            })
            .collect();
        let excess = || StoreError::cut("excess");
        let mut came = String::new();
        let mut stream = exactly(skip, length, excess, stream::iter(blocks));
        let end = loop {
            match stream.try_next().await {
                Ok(Some(block)) => came.push_str(std::str::from_utf8(&block).unwrap()),
                Ok(None) => break Ok(came.as_str()),
                Err(StoreError::Unavailable(source)) => break Err(source.to_string()),
                Err(error) => panic!("{error:?}"),
            }
        };
        assert_eq!(end, expect.map_err(str::to_owned));
        assert!(stream.next().await.is_none(), "over is over");
    }

    #[tokio::test]
    async fn exactly_the_wanted_bytes_or_an_error() {
        check(0, 4, &["ab", "cd"], Ok("abcd")).await;
        check(3, 2, &["ab", "cd", "e"], Ok("de")).await;
        check(2, 2, &["ab", "cd"], Ok("cd")).await;
        check(0, 4, &["", "ab", "", "cd", ""], Ok("abcd")).await;
        check(0, 0, &[], Ok("")).await;
        check(0, 4, &["ab", "c"], Err("the body ended 1 bytes early")).await;
        check(3, 2, &["ab"], Err("the body ended 3 bytes early")).await;
        check(0, 3, &["ab", "cd"], Err("excess")).await;
        check(0, 2, &["ab", "cd"], Err("excess")).await;
        check(0, 0, &["a"], Err("excess")).await;
        check(0, 4, &["ab", "!"], Err("reset")).await;
    }

    #[tokio::test]
    async fn nobody_has_all_bytes_before_the_stream_ended_well() {
        let bytes = [Ok(Bytes::from("ab")), Err(StoreError::cut("checksum"))];
        let mut stream = exactly(0, 2, || StoreError::cut(""), stream::iter(bytes));
        assert_eq!(stream.next().await.unwrap().unwrap(), "");
        assert!(stream.next().await.unwrap().is_err());
    }
}
