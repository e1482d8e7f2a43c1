//! The decompressed bytes of an object, each codec within the memory it is given.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{
    BzDecoder, GzipDecoder, Lz4Decoder, XzDecoder, ZstdDecoder,
};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::magic::Codec;

/// What a decompressor may use besides its window, in bytes.
const BESIDES: u64 = 1 << 20;

/// What bzip2 uses for the largest of its blocks, in bytes.
const BZIP2: u64 = 100_000 + 4 * 900_000;

/// A decompressor would need so many bytes.
#[derive(Debug, thiserror::Error)]
#[error("decompressing it takes too much memory, {0} bytes")]
struct TooMuchMemory(u64);

/// Decompresses, in a window of so many bytes at most. `first`: how the object
/// begins.
pub(super) fn decompress<R>(
    codec: Codec,
    first: &[u8],
    bytes: R,
    window: u64,
) -> io::Result<Pin<Box<dyn AsyncRead + Send>>>
where
    R: AsyncBufRead + Send + Unpin + 'static,
{
    Ok(match codec {
        Codec::None | Codec::Zip => Box::pin(bytes),
        Codec::Gzip => Box::pin(Members::gzip(bytes)),
        Codec::Zstd => {
            let log = DParameter::window_log_max(window.max(1024).ilog2());
            let mut decoder = ZstdDecoder::with_params(bytes, &[log]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Codec::Bzip2 => {
            check(BZIP2, window)?;
            let mut decoder = BzDecoder::new(bytes);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Codec::Xz => Box::pin(Members::xz(bytes, window + BESIDES)),
        Codec::Lz4 => {
            check(lz4_memory(first), window)?;
            let mut decoder = Lz4Decoder::new(bytes);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    })
}

fn check(needed: u64, window: u64) -> io::Result<()> {
    if needed > window + BESIDES {
        return Err(io::Error::other(TooMuchMemory(needed)));
    }
    Ok(())
}

/// Two blocks of the size that the frame's descriptor tells, and the window of
/// 64 KiB. The frames of a file are taken to be alike.
fn lz4_memory(first: &[u8]) -> u64 {
    let descriptor = first.get(5).copied().unwrap_or_default();
    let block = 1_u64 << (8 + 2 * u64::from(descriptor >> 4 & 7));
    2 * block + 128 * 1024
}

/// Reads members one after the other, each with a decoder of its own, and
/// passes over zeros between and behind them.
struct Members<R, D> {
    /// Nothing only while one takes the other's place.
    member: Option<D>,
    begin: Box<dyn Fn(R) -> D + Send>,
    end: fn(D) -> R,
    /// Zeros come in multiples of it.
    padding: u64,
    /// Since the last member ended; nothing within one.
    zeros: Option<u64>,
}

impl<R: AsyncBufRead + Unpin + 'static> Members<R, GzipDecoder<R>> {
    /// Tapes and block devices leave zeros behind; gzip itself passes over them.
    fn gzip(bytes: R) -> Self {
        Self::new(bytes, GzipDecoder::new, GzipDecoder::into_inner, 1)
    }
}

impl<R: AsyncBufRead + Unpin + 'static> Members<R, XzDecoder<R>> {
    /// The format allows zeros between streams, four by four.
    fn xz(bytes: R, memory: u64) -> Self {
        let begin = move |bytes| XzDecoder::with_mem_limit(bytes, memory);
        Self::new(bytes, begin, XzDecoder::into_inner, 4)
    }
}

impl<R: AsyncBufRead + Unpin, D: AsyncRead + Unpin> Members<R, D> {
    fn new(
        bytes: R,
        begin: impl Fn(R) -> D + Send + 'static,
        end: fn(D) -> R,
        padding: u64,
    ) -> Self {
        Self {
            member: Some(begin(bytes)),
            begin: Box::new(begin),
            end,
            padding,
            zeros: None,
        }
    }

    /// Moves to the next member; false: there is none.
    fn poll_next(&mut self, mut zeros: u64, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut reader = (self.end)(self.member.take().expect("it is put back"));
        let found = loop {
            let bytes = match Pin::new(&mut reader).poll_fill_buf(cx) {
                Poll::Ready(Ok(bytes)) => bytes,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            };
            let more = bytes.iter().take_while(|byte| **byte == 0).count();
            if more == 0 {
                break Poll::Ready(Ok(!bytes.is_empty()));
            }
            zeros += more as u64;
            Pin::new(&mut reader).consume(more);
        };
        self.member = Some((self.begin)(reader));
        self.zeros = Some(zeros);
        if matches!(found, Poll::Ready(Ok(_))) && !zeros.is_multiple_of(self.padding) {
            let error = io::Error::new(io::ErrorKind::InvalidData, "zeros of a wrong number");
            return Poll::Ready(Err(error));
        }
        found
    }
}

impl<R: AsyncBufRead + Unpin, D: AsyncRead + Unpin> AsyncRead for Members<R, D> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some(zeros) = this.zeros {
                if !ready!(this.poll_next(zeros, cx))? {
                    return Poll::Ready(Ok(()));
                }
                this.zeros = None;
            }
            let member = this.member.as_mut().expect("it is put back");
            ready!(Pin::new(member).poll_read(cx, buf)).map_err(ended_early)?;
            if buf.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            this.zeros = Some(0);
        }
    }
}

/// Of an xz stream that ends in its index, the decoder says that it lacks
/// memory, when it lacks bytes.
fn ended_early(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::OutOfMemory => io::ErrorKind::UnexpectedEof.into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
