use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use flate2::{Decompress, FlushDecompress, Status};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

/// What a deflated stream (RFC 1951) comes to. It has no checksum of its own.
pub(super) struct Inflate<R> {
    bytes: R,
    state: Decompress,
    ended: bool,
}

impl<R> Inflate<R> {
    pub(super) fn new(bytes: R) -> Self {
        Self {
            bytes,
            state: Decompress::new(false),
            ended: false,
        }
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Inflate<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.ended && buf.remaining() > 0 {
            let input = ready!(Pin::new(&mut this.bytes).poll_fill_buf(cx))?;
            let is_last = input.is_empty();
            let (read, written) = (this.state.total_in(), this.state.total_out());
            let output = buf.initialize_unfilled();
            let status = this.state.decompress(input, output, FlushDecompress::None);
            let status =
                status.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let read = this.state.total_in() - read;
            let written = this.state.total_out() - written;
            Pin::new(&mut this.bytes).consume(usize::try_from(read).expect("it is buffered"));
            buf.advance(usize::try_from(written).expect("it is buffered"));
            this.ended = status == Status::StreamEnd;
            if written > 0 {
                break;
            }
            if is_last && !this.ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}
