//! One stream of an .xz file. Its header is looked at first: the decoder behind it takes older
//! formats without a checksum as well, and passes over checks that it does not know.

use std::io::{self, Cursor, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::XzDecoder;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, Chain, ReadBuf};

use crate::read::counted::Counted;

/// The magic, and the flags that say which check there is.
const HEADER: usize = 8;
const MAGIC: [u8; 7] = [0xFD, b'7', b'z', b'X', b'Z', 0, 0];

/// Checks that the decoder knows: none, CRC-32, CRC-64 and SHA-256.
const CHECKS: [u8; 4] = [0, 1, 4, 10];

/// A stream, from its header on.
pub(super) struct Stream<R>(State<R>);

enum State<R> {
    Header {
        bytes: Counted<R>,
        seen: Vec<u8>,
        memory: u64,
    },
    Decoding(XzDecoder<Chain<Cursor<Vec<u8>>, Counted<R>>>),
    /// Only while one takes the other's place.
    Between,
}

impl<R: AsyncBufRead + Unpin> Stream<R> {
    /// Begins one that may take so many bytes of memory.
    pub(super) fn new(bytes: Counted<R>, memory: u64) -> Self {
        Self(State::Header {
            bytes,
            seen: Vec::with_capacity(HEADER),
            memory,
        })
    }

    /// What follows it.
    pub(super) fn into_inner(self) -> Counted<R> {
        match self.0 {
            State::Header { bytes, .. } => bytes,
            State::Decoding(decoder) => decoder.into_inner().into_inner().1,
            State::Between => unreachable!("nothing can fail between them"),
        }
    }

    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Header { bytes, seen, .. } = &mut self.0 else {
            return Poll::Ready(Ok(()));
        };
        while seen.len() < HEADER {
            let found = ready!(Pin::new(&mut *bytes).poll_fill_buf(cx))?;
            if found.is_empty() {
                return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
            }
            let more = found.len().min(HEADER - seen.len());
            seen.extend_from_slice(&found[..more]);
            Pin::new(&mut *bytes).consume(more);
            check(seen)?;
        }
        let begun = std::mem::replace(&mut self.0, State::Between);
        if let State::Header {
            bytes,
            seen,
            memory,
        } = begun
        {
            let whole = Cursor::new(seen).chain(bytes);
            self.0 = State::Decoding(XzDecoder::with_mem_limit(whole, memory));
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether a header may begin so.
fn check(seen: &[u8]) -> io::Result<()> {
    let magic = &seen[..seen.len().min(MAGIC.len())];
    if !MAGIC.starts_with(magic) {
        let error = io::Error::new(ErrorKind::InvalidData, "what follows is no .xz stream");
        return Err(error);
    }
    match seen.get(MAGIC.len()) {
        Some(check) if !CHECKS.contains(check) => {
            let words = format!("its xz stream has a check of kind {check}, which is not known");
            Err(io::Error::new(ErrorKind::Unsupported, words))
        }
        _ => Ok(()),
    }
}

/// What it says of options is true: its headers have checksums.
fn refused(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::InvalidInput => io::Error::new(
            ErrorKind::Unsupported,
            "its xz stream is packed with a filter that is not known",
        ),
        _ => error,
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Stream<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_header(cx))?;
        match &mut self.0 {
            State::Decoding(decoder) => Pin::new(decoder).poll_read(cx, buf).map_err(refused),
            State::Header { .. } | State::Between => unreachable!("the header was read"),
        }
    }
}
