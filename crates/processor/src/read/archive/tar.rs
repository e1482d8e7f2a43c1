//! tar: headers and contents, one after the other, in a stream.

mod extended;
mod header;

use std::io;

use arrivage_model::ErrorCode;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, BufReader};

use self::extended::Extended;
use self::header::{Header, Kind};
use super::entries::Entries;
use super::{corrupt, names, unsupported};
use crate::fate::LoadError;
use crate::magic::Codec;
use crate::read::blocks::Blocks;
use crate::read::{self, Opened, Source, check_expansion, reading};

/// Headers and contents begin at multiples of it, in bytes.
pub(super) const BLOCK: usize = 512;

/// A long name, or what else stands in a header of its own, is no longer, in bytes.
const LONGEST_HEADER: u64 = 1 << 20;

/// Whether a stream that begins so is a tar archive.
pub(super) fn begins(first: &[u8]) -> bool {
    first.first_chunk().is_some_and(header::is_one)
}

/// Reads all of it, from its first byte on, and hands its files on.
pub(super) async fn read(
    source: &Source,
    opened: Opened,
    mut entries: Entries<'_>,
) -> Result<(), LoadError> {
    let mut tape = Tape {
        source,
        counter: (opened.codec != Codec::None).then_some(opened.counter),
        bytes: BufReader::with_capacity(16 * BLOCK, opened.bytes),
        blocks: Blocks::default(),
        position: 0,
    };
    let mut extended = Extended::default();
    loop {
        let at = tape.position;
        let Some(header) = header::parse(&tape.block().await?).map_err(|why| at_place(why, at))?
        else {
            break;
        };
        if extended::is_about_the_next(header.kind) {
            let text = tape.text(&header).await?;
            extended
                .add(header.kind, &text)
                .map_err(|why| at_place(&why, at))?;
            continue;
        }
        let Extended { name, size, sparse } = std::mem::take(&mut extended);
        let name = name.unwrap_or(header.name);
        let shown = names::shown(&name);
        let is_sparse = sparse || header.kind == Kind::Sparse;
        let length = match header.kind.has_content() {
            true => size.unwrap_or(header.size),
            false => 0,
        };
        let why = match header.kind {
            Kind::File | Kind::Sparse if names::is_folder(&name) => Some("a folder"),
            Kind::File | Kind::Sparse => names::passed_over(&name),
            Kind::Folder => Some("a folder"),
            Kind::Link => Some("a link"),
            Kind::Device => Some("a device"),
            Kind::Label => Some("a label"),
            Kind::Unknown(kind) => {
                let kind = char::from(kind).escape_default();
                return Err(unsupported(format!(
                    "its entry {shown} is of the type '{kind}', which is not read"
                )));
            }
            Kind::LongName | Kind::LongLink | Kind::Pax | Kind::PaxGlobal => {
                unreachable!("they are about the next")
            }
        };
        if let Some(why) = why {
            entries.pass_over(&name, why);
            tape.pass_over(length, &shown).await?;
            continue;
        }
        if is_sparse {
            let message = format!(
                "its entry {shown} is sparse, which is not read; make the archive without --sparse"
            );
            return Err(unsupported(message));
        }
        if entries.enter(at, &shown).await? {
            let mut left = length;
            while left > 0 {
                let bytes = tape.next(left, &shown).await?;
                left -= bytes.len() as u64;
                entries.block(bytes, tape.bytes_read()).await?;
            }
            tape.pad(length, &shown).await?;
            entries.leave().await?;
        } else {
            tape.pass_over(length, &shown).await?;
        }
    }
    tape.end(entries).await
}

/// The decompressed stream.
struct Tape<'a> {
    source: &'a Source,
    bytes: BufReader<std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>>,
    blocks: Blocks,
    /// Object bytes that were needed; nothing where they are those of the stream.
    counter: Option<read::counted::Counter>,
    position: u64,
}

impl Tape<'_> {
    fn bytes_read(&self) -> u64 {
        self.counter
            .as_ref()
            .map_or(self.position, read::counted::Counter::get)
    }

    /// Some of the next bytes, at most so many; never none.
    async fn next(&mut self, most: u64, name: &str) -> Result<Bytes, LoadError> {
        let read = self.blocks.read_some(&mut self.bytes, most).await;
        let bytes = self.known(read)?;
        if bytes.is_empty() {
            return Err(truncated(&format!("within its entry {name}")));
        }
        self.position += bytes.len() as u64;
        (self.source.progress)();
        let limits = self.source.limits;
        check_expansion(self.position, self.bytes_read(), limits)?;
        Ok(bytes)
    }

    async fn pass_over(&mut self, length: u64, name: &str) -> Result<(), LoadError> {
        let mut left = length;
        while left > 0 {
            left -= self.next(left, name).await?.len() as u64;
        }
        self.pad(length, name).await
    }

    /// Moves behind what fills up the last block of a content.
    async fn pad(&mut self, length: u64, name: &str) -> Result<(), LoadError> {
        let over = length % BLOCK as u64;
        let mut left = (BLOCK as u64 - over) % BLOCK as u64;
        while left > 0 {
            left -= self.next(left, name).await?.len() as u64;
        }
        Ok(())
    }

    /// The next block.
    async fn block(&mut self) -> Result<[u8; BLOCK], LoadError> {
        let mut block = [0; BLOCK];
        let read = self.bytes.read_exact(&mut block).await;
        if matches!(&read, Err(error) if error.kind() == io::ErrorKind::UnexpectedEof) {
            return Err(truncated("before its end mark"));
        }
        self.known(read)?;
        self.position += BLOCK as u64;
        Ok(block)
    }

    /// The content of a header that is about the next one.
    async fn text(&mut self, header: &Header) -> Result<Vec<u8>, LoadError> {
        if header.size > LONGEST_HEADER {
            let size = header.size;
            let message =
                format!("a header of it is {size} bytes long, more than {LONGEST_HEADER}");
            return Err(unsupported(message));
        }
        let mut text = Vec::new();
        while (text.len() as u64) < header.size {
            let left = header.size - text.len() as u64;
            text.extend_from_slice(&self.next(left, "(a header)").await?);
        }
        self.pad(header.size, "(a header)").await?;
        Ok(text)
    }

    /// Behind the first block of the end mark: another one, and then zeros at most, up to
    /// the end of the stream.
    async fn end(mut self, entries: Entries<'_>) -> Result<(), LoadError> {
        let second = self.block().await?;
        let mut is_blank = is_zeros(&second);
        loop {
            let read = self.blocks.read(&mut self.bytes).await;
            let bytes = self.known(read)?;
            if bytes.is_empty() {
                break;
            }
            self.position += bytes.len() as u64;
            is_blank &= is_zeros(&bytes);
            (self.source.progress)();
            check_expansion(self.position, self.bytes_read(), self.source.limits)?;
        }
        if !is_blank {
            return Err(corrupt("something follows its end mark"));
        }
        entries.end(self.bytes_read()).await
    }

    fn known<T>(&self, read: io::Result<T>) -> Result<T, LoadError> {
        read.map_err(|error| reading(error, self.source.window))
    }
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn at_place(why: &str, at: u64) -> LoadError {
    corrupt(format!("{why}, at byte {at} of its tar archive"))
}

fn truncated(place: &str) -> LoadError {
    let message = format!("its tar archive ends {place}; it was cut on its way: deliver it again");
    LoadError::file(ErrorCode::Truncated, message)
}
