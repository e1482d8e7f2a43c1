//! The decompressed bytes of an object, each codec within the memory it is given.

mod deflate;
mod gzip;
mod xz;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BzDecoder, Lz4Decoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

pub(super) use self::deflate::Block;
use super::carried::Marks;
use super::counted::Counted;
use super::place::Place;
use crate::magic::Codec;

/// What a decompressor may use besides its window, in bytes.
const BESIDES: u64 = 1 << 20;

/// What bzip2 uses for the largest of its blocks, in bytes.
const BZIP2: u64 = 100_000 + 4 * 900_000;

/// A decompressor would need so many bytes.
#[derive(Debug, thiserror::Error)]
#[error("decompressing it takes too much memory, {0} bytes")]
struct TooMuchMemory(u64);

/// Decompresses from a place on, where `bytes` begin, in a window of so many bytes at most;
/// tells of the places that come. `first`: how the object begins.
pub(super) fn decompress<R>(
    codec: Codec,
    first: &[u8],
    bytes: Counted<R>,
    window: u64,
    from: Place,
    marks: &Marks,
) -> io::Result<Pin<Box<dyn AsyncRead + Send>>>
where
    R: AsyncBufRead + Send + Unpin + 'static,
{
    let Place { out, middle, .. } = from;
    let marks = marks.clone();
    Ok(match codec {
        Codec::None | Codec::Zip => Box::pin(bytes),
        Codec::Gzip => {
            let of_one = marks.clone();
            let begin = move |bytes, out| gzip::Member::new(bytes, out, of_one.clone());
            let member = match middle {
                Some(middle) => gzip::Member::resume(bytes, out, &middle, marks.clone())?,
                None => begin(bytes, out),
            };
            // Tapes and block devices leave zeros behind; gzip itself passes over them.
            let end = gzip::Member::into_inner;
            Box::pin(Members::new(member, begin, end, 1, out, marks))
        }
        Codec::Zstd => {
            let log = DParameter::window_log_max(window.max(1024).ilog2());
            let begin = move |bytes, _| ZstdDecoder::with_params(bytes, &[log]);
            let member = begin(bytes, out);
            let end = ZstdDecoder::into_inner;
            Box::pin(Members::new(member, begin, end, 0, out, marks))
        }
        Codec::Bzip2 => {
            check(BZIP2, window)?;
            let begin = |bytes, _| BzDecoder::new(bytes);
            let member = begin(bytes, out);
            Box::pin(Members::new(
                member,
                begin,
                BzDecoder::into_inner,
                0,
                out,
                marks,
            ))
        }
        Codec::Xz => {
            let memory = window + BESIDES;
            let begin = move |bytes, _| xz::Stream::new(bytes, memory);
            let member = begin(bytes, out);
            // The format allows zeros between streams, four by four.
            Box::pin(Members::new(
                member,
                begin,
                xz::Stream::into_inner,
                4,
                out,
                marks,
            ))
        }
        Codec::Lz4 => {
            check(lz4_memory(first), window)?;
            let begin = |bytes, _| Lz4Decoder::new(bytes);
            let member = begin(bytes, out);
            Box::pin(Members::new(
                member,
                begin,
                Lz4Decoder::into_inner,
                0,
                out,
                marks,
            ))
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

/// Reads members, frames or streams one after the other, each with a decoder of its own, and
/// passes over zeros between and behind them.
struct Members<R, D> {
    /// Nothing only while one takes the other's place.
    member: Option<D>,
    /// So many decompressed bytes are before it.
    begin: Box<dyn Fn(Counted<R>, u64) -> D + Send>,
    end: fn(D) -> Counted<R>,
    /// Zeros come in multiples of it; 0: there are none.
    padding: u64,
    /// Since the last member ended; nothing within one.
    zeros: Option<u64>,
    /// Decompressed bytes of the object so far.
    out: u64,
    marks: Marks,
}

impl<R: AsyncBufRead + Unpin, D: AsyncRead + Unpin> Members<R, D> {
    fn new(
        first: D,
        begin: impl Fn(Counted<R>, u64) -> D + Send + 'static,
        end: fn(D) -> Counted<R>,
        padding: u64,
        out: u64,
        marks: Marks,
    ) -> Self {
        Self {
            member: Some(first),
            begin: Box::new(begin),
            end,
            padding,
            zeros: None,
            out,
            marks,
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
            let more = match self.padding {
                0 => 0,
                _ => bytes.iter().take_while(|byte| **byte == 0).count(),
            };
            if more == 0 {
                break Poll::Ready(Ok(!bytes.is_empty()));
            }
            zeros += more as u64;
            Pin::new(&mut reader).consume(more);
        };
        if matches!(found, Poll::Ready(Ok(true))) && self.marks.want(self.out) {
            self.marks.place(Place {
                at: reader.position(),
                out: self.out,
                middle: None,
            });
        }
        self.member = Some((self.begin)(reader, self.out));
        self.zeros = Some(zeros);
        if matches!(found, Poll::Ready(Ok(_))) && !zeros.is_multiple_of(self.padding.max(1)) {
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
            let more = buf.filled().len() - before;
            if more > 0 {
                this.out += more as u64;
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
