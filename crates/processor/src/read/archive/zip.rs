//! zip: a directory at the object's end says where its entries lie and what they come to.

mod directory;
mod find;
mod inflate;

use std::pin::Pin;
use std::sync::Arc;

use arrivage_model::{ErrorCode, Failure, Object};
use arrivage_store::{ObjectReader, Persistence, StoreError};
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::zstd::DParameter;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use self::directory::{Entry, Method};
use self::inflate::Inflate;
use super::corrupt;
use super::entries::{Entries, broken, moved};
use crate::decode::EntryPlace;
use crate::fate::LoadError;
use crate::magic;
use crate::read::blocks::Blocks;
use crate::read::counted::{Counted, Counter};
use crate::read::{Opened, Source, reading, stream};

/// What stands before each entry, in bytes, without its name.
const LOCAL_HEADER: u64 = 30;

/// Reads the entries in the order in which they lie, and hands them on.
///
/// From the start, or where a digest of the whole is to be compared, every byte of the
/// object is read once more, in order, so that what is stated of the whole is compared.
/// Else it goes on at the entry that the checkpoint is in, and that one is read from its
/// start, so that its checksum is compared.
pub(super) async fn read(
    source: &Source,
    opened: Opened,
    mut entries: Entries<'_>,
) -> Result<(), LoadError> {
    let object = sized(source).await?;
    let directory = find::directory(source, &object).await?;
    for entry in &directory.passed_over {
        entries.pass_over(&entry.name, entry.why);
    }
    let is_known = |place: EntryPlace| {
        let mut files = directory.entries.iter().filter(|entry| entry.is_file);
        files.any(|entry| entry.at == place.at)
    };
    if entries.from().is_some_and(|place| !is_known(place)) {
        return Err(moved());
    }
    let mut way = match entries.from() {
        Some(from) if source.digests.is_empty() => {
            let bytes = stream(source, from.at, source.persistence, None);
            Way::new(Box::pin(bytes), from.at)
        }
        _ => Way::new(opened.bytes, 0),
    };
    let mut files = directory.entries.iter().peekable();
    while let Some(entry) = files.next() {
        let end = files.peek().map_or(directory.start, |next| next.at);
        if entry.is_file && entries.enter(entry.at, &entry.name).await? {
            way.go_to(entry.at, source).await?;
            read_entry(source, entry, end, &mut way, &mut entries).await?;
            entries.leave().await?;
        }
    }
    if let Some(size) = object.size {
        way.go_to(size, source).await?;
    }
    // What is stated of all bytes is compared at their end.
    way.expect_end(source).await?;
    entries.end(way.position()).await
}

/// The object with its size, which a notification may not have said.
async fn sized(source: &Source) -> Result<Object, LoadError> {
    if source.object.size.is_some() {
        return Ok(source.object.clone());
    }
    let persistence = Persistence {
        part: magic::LENGTH as u64,
        ahead: false,
        ..source.persistence
    };
    let (store, progress) = (Arc::clone(&source.store), Arc::clone(&source.progress));
    let mut reader = ObjectReader::new(store, source.object.clone(), 0, persistence, progress);
    reader.next().await.transpose()?;
    Ok(reader.object().clone())
}

/// Reads one entry, which ends before another place, and compares what it comes to.
async fn read_entry(
    source: &Source,
    entry: &Entry,
    before: u64,
    way: &mut Way,
    entries: &mut Entries<'_>,
) -> Result<(), LoadError> {
    let name = &*entry.name;
    let mut header = [0; LOCAL_HEADER as usize];
    way.exactly(&mut header, source).await?;
    if header[..4] != *b"PK\x03\x04" {
        return Err(broken(name, "it is not where the directory says"));
    }
    let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let begin = way.position() + length(26) + length(28);
    let Some(end) = begin
        .checked_add(entry.compressed)
        .filter(|end| *end <= before)
    else {
        return Err(broken(name, "it reaches into what follows it"));
    };
    way.go_to(begin, source).await?;
    let (base, counter) = (way.base, way.counter.clone());
    let mut sum = flate2::Crc::new();
    let mut read = 0;
    {
        let mut content = content(entry, &mut way.bytes, source.window);
        let mut blocks = Blocks::default();
        loop {
            let block = blocks.read(&mut content).await;
            let block = block.map_err(|error| of_entry(reading(error, source.window), name))?;
            if block.is_empty() {
                break;
            }
            read += block.len() as u64;
            if read > entry.size {
                return Err(broken(name, "it is longer than the directory says"));
            }
            sum.update(&block);
            entries.block(block, base + counter.get()).await?;
        }
    }
    if read < entry.size {
        return Err(broken(name, "it is shorter than the directory says"));
    }
    if sum.sum() != entry.crc {
        return Err(broken(name, "it does not have its checksum"));
    }
    if way.position() != end {
        return Err(broken(name, "something follows its compressed bytes"));
    }
    Ok(())
}

/// The content of the entry whose compressed bytes come next.
fn content<'a>(
    entry: &Entry,
    bytes: &'a mut Forward,
    window: u64,
) -> Pin<Box<dyn AsyncRead + Send + 'a>> {
    let bytes = bytes.take(entry.compressed);
    match entry.method {
        Method::Stored => Box::pin(bytes),
        Method::Deflated => Box::pin(Inflate::new(bytes)),
        Method::Zstd => {
            let log = DParameter::window_log_max(window.max(1024).ilog2());
            let mut decoder = ZstdDecoder::with_params(bytes, &[log]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    }
}

/// An entry that ends early is broken: nothing was cut, as the directory is there.
fn of_entry(error: LoadError, name: &str) -> LoadError {
    match error {
        LoadError::File(Failure {
            code: Some(ErrorCode::Corrupt | ErrorCode::Truncated),
            ..
        }) => broken(name, "its compressed bytes cannot be read"),
        other => other,
    }
}

type Forward = Counted<BufReader<Pin<Box<dyn AsyncRead + Send>>>>;

/// The bytes of the object from a place on, which only go forward.
struct Way {
    bytes: Forward,
    base: u64,
    counter: Counter,
}

impl Way {
    fn new(bytes: Pin<Box<dyn AsyncRead + Send>>, base: u64) -> Self {
        let counter = Counter::default();
        let buffered = BufReader::with_capacity(64 * 1024, bytes);
        Self {
            bytes: Counted::new(buffered, counter.clone()),
            base,
            counter,
        }
    }

    fn position(&self) -> u64 {
        self.base + self.counter.get()
    }

    async fn go_to(&mut self, place: u64, source: &Source) -> Result<(), LoadError> {
        let Some(mut left) = place.checked_sub(self.position()) else {
            return Err(corrupt("its entries lie over one another"));
        };
        while left > 0 {
            let some = self.bytes.fill_buf().await;
            let some = some.map_err(|error| reading(error, 0))?.len() as u64;
            if some == 0 {
                return Err(self.ended());
            }
            let length = some.min(left);
            self.bytes
                .consume(usize::try_from(length).expect("it is buffered"));
            left -= length;
            (source.progress)();
        }
        Ok(())
    }

    async fn exactly(&mut self, bytes: &mut [u8], source: &Source) -> Result<(), LoadError> {
        let read = self.bytes.read_exact(bytes).await;
        read.map_err(|error| reading(error, source.window))?;
        Ok(())
    }

    async fn expect_end(&mut self, source: &Source) -> Result<(), LoadError> {
        let rest = self.bytes.fill_buf().await;
        let rest = rest.map_err(|error| reading(error, source.window))?;
        match rest.is_empty() {
            true => Ok(()),
            false => Err(corrupt("something follows its end")),
        }
    }

    fn ended(&self) -> LoadError {
        LoadError::Store(StoreError::Unavailable(
            format!("its bytes ended at {}", self.position()).into(),
        ))
    }
}
