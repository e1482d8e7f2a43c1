//! A member of a gzip file (RFC 1952), from its beginning or from a place in its middle.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crc32fast::Hasher;
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use zlib_rs::{Inflate, Status};

use super::deflate::{Block, Seeker, Sought};
use crate::read::carried::Marks;
use crate::read::counted::Counted;
use crate::read::place::{Middle, Place};

const MAGIC: [u8; 3] = [0x1F, 0x8B, 8];
const TRAILER: usize = 8;

/// Names and comments are not longer.
const LONGEST_HEADER: usize = 1 << 20;

/// Inflates one member, and tells of the places on the way from which it could go on.
pub(super) struct Member<R> {
    bytes: Counted<R>,
    stage: Stage,
    inflate: Inflate,
    so_far: SoFar,
    seeker: Seeker,
    /// Where the block begins that is looked at.
    begun: Option<(u64, SoFar)>,
    marks: Marks,
}

enum Stage {
    /// Its first bytes; more are needed.
    Header(Vec<u8>),
    /// Before the byte in which the block begins.
    Block(Block),
    Body,
    Trailer(Vec<u8>),
    End,
}

#[derive(Clone)]
struct SoFar {
    /// Of the object.
    out: u64,
    crc: Hasher,
    /// Of the member, modulo 2^32 as its trailer has it.
    length: u32,
}

impl<R> Member<R> {
    /// `out`: so many decompressed bytes are before it.
    pub(super) fn new(bytes: Counted<R>, out: u64, marks: Marks) -> Self {
        Self {
            bytes,
            stage: Stage::Header(Vec::new()),
            inflate: Inflate::new(false, 15),
            so_far: SoFar {
                out,
                crc: Hasher::new(),
                length: 0,
            },
            seeker: Seeker::default(),
            begun: None,
            marks,
        }
    }

    /// Goes on in the middle of one.
    pub(super) fn resume(
        bytes: Counted<R>,
        out: u64,
        middle: &Middle,
        marks: Marks,
    ) -> io::Result<Self> {
        let mut member = Self::new(bytes, out, marks);
        member.so_far.crc = Hasher::new_with_initial_len(middle.crc, middle.length.into());
        member.so_far.length = middle.length;
        member.stage = Stage::Block(middle.block()?);
        Ok(member)
    }

    pub(super) fn into_inner(self) -> Counted<R> {
        self.bytes
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Member<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !matches!(this.stage, Stage::End) && buf.remaining() > 0 {
            let input = ready!(Pin::new(&mut this.bytes).poll_fill_buf(cx))?;
            if input.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            let (used, made, next) = match &mut this.stage {
                Stage::Header(read) => {
                    let before = read.len();
                    read.extend_from_slice(&input[..input.len().min(LONGEST_HEADER)]);
                    match header(read)? {
                        Some(length) => (length - before, 0, Some(Stage::Body)),
                        None if read.len() > LONGEST_HEADER => {
                            return Poll::Ready(Err(broken("its header does not end")));
                        }
                        None => (read.len() - before, 0, None),
                    }
                }
                Stage::Block(block) => {
                    this.inflate = block.resume(input[0]).map_err(corrupt)?;
                    (usize::from(block.bits > 0), 0, Some(Stage::Body))
                }
                Stage::Body => {
                    if this.seeker.rests() && this.marks.want(this.so_far.out) {
                        this.seeker.seek();
                    }
                    let output = buf.initialize_unfilled();
                    let before = (this.inflate.total_in(), this.inflate.total_out());
                    let flush = this.seeker.flush();
                    let status = this.inflate.decompress(input, output, flush);
                    let status = status.map_err(corrupt)?;
                    let used = (this.inflate.total_in() - before.0) as usize;
                    let made = (this.inflate.total_out() - before.1) as usize;
                    let ended = status == Status::StreamEnd;
                    let stopped = used < input.len() && made < output.len() && !ended;
                    let (input, output) = (&input[..used], &output[..made]);
                    this.so_far.add(output);
                    match this.seeker.saw(input, output, stopped) {
                        Sought::Nothing => {}
                        Sought::Begins => {
                            let at = this.bytes.position() + used as u64;
                            this.begun = Some((at, this.so_far.clone()));
                        }
                        Sought::Found(block) => {
                            if let Some((at, so_far)) = this.begun.take() {
                                this.marks.place(so_far.place(at, &block));
                            }
                        }
                        Sought::Lost => this.marks.want_later(this.so_far.out),
                    }
                    let next = ended.then(|| Stage::Trailer(Vec::with_capacity(TRAILER)));
                    (used, made, next)
                }
                Stage::Trailer(read) => {
                    let used = input.len().min(TRAILER - read.len());
                    read.extend_from_slice(&input[..used]);
                    if read.len() == TRAILER {
                        this.so_far.check(read)?;
                        (used, 0, Some(Stage::End))
                    } else {
                        (used, 0, None)
                    }
                }
                Stage::End => unreachable!("it was looked at"),
            };
            Pin::new(&mut this.bytes).consume(used);
            buf.advance(made);
            if let Some(next) = next {
                this.stage = next;
            }
            if made > 0 {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl SoFar {
    fn add(&mut self, output: &[u8]) {
        self.out += output.len() as u64;
        self.crc.update(output);
        self.length = self.length.wrapping_add(output.len() as u32);
    }

    /// The place of a block that begins behind the byte `at`, or in the one before.
    fn place(self, at: u64, block: &Block) -> Place {
        Place {
            at: at - u64::from(block.bits > 0),
            out: self.out,
            middle: Some(Middle::new(block, self.crc.finalize(), self.length)),
        }
    }

    fn check(&self, trailer: &[u8]) -> io::Result<()> {
        let crc = self.crc.clone().finalize().to_le_bytes();
        let length = self.length.to_le_bytes();
        if trailer != [crc, length].concat() {
            return Err(broken("its checksum or its length is another than stated"));
        }
        Ok(())
    }
}

/// How long a member's header is; nothing: longer than this.
fn header(bytes: &[u8]) -> io::Result<Option<usize>> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Err(broken("what follows is no member of a gzip file"));
    }
    let Some(flags) = bytes.get(3) else {
        return Ok(None);
    };
    let [check, extra, name, comment] = [1, 2, 3, 4].map(|bit| flags >> bit & 1 == 1);
    if flags >> 5 != 0 {
        return Err(broken("its header has flags that are not known"));
    }
    let mut length = 10;
    if extra {
        let Some(size) = bytes.get(length..length + 2) else {
            return Ok(None);
        };
        length += 2 + usize::from(u16::from_le_bytes([size[0], size[1]]));
    }
    for _ in 0..usize::from(name) + usize::from(comment) {
        let rest = bytes.get(length..).unwrap_or_default();
        let Some(end) = memchr::memchr(0, rest) else {
            return Ok(None);
        };
        length += end + 1;
    }
    if check {
        let Some(stated) = bytes.get(length..length + 2) else {
            return Ok(None);
        };
        let crc = crc32fast::hash(&bytes[..length]).to_le_bytes();
        if stated != &crc[..2] {
            return Err(broken("the checksum of its header is another than stated"));
        }
        length += 2;
    }
    Ok((bytes.len() >= length).then_some(length))
}

fn corrupt(error: zlib_rs::InflateError) -> io::Error {
    broken(error.as_str())
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
