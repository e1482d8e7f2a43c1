//! Avro's object container files: a header with the schema, and blocks of records.

mod block;
mod schema;
mod values;

use std::io;

use arrivage_model::ErrorCode;
use bytes::{Buf, Bytes, BytesMut};

use self::block::{Codec, Refused};
use self::schema::Schema;
use self::values::Reader;
use super::access::{Access, Stream};
use super::{Lines, Members, Places, Wanted, needs_memory};
use crate::fate::LoadError;
use crate::read::Piece;

/// Bytes that stand behind the header and behind every block.
const SYNC: usize = 16;

/// So many records without a byte of their own are believed.
const MOST_WITHOUT_BYTES: u64 = 1 << 20;

/// The schema takes about so many times the bytes that it has in the file.
const SCHEMA_GROWS: u64 = 16;

/// What the file says of itself.
struct Header {
    schema: Schema,
    codec: Codec,
    sync: Bytes,
    /// Where the first block begins.
    end: u64,
}

/// What the file states of the members of its records.
pub(super) fn members(access: &Access) -> Result<Members, LoadError> {
    let header = header(access)?;
    Ok(header.schema.members())
}

/// Hands on the records from the checkpoint on.
pub(super) fn records(out: &mut Lines, wanted: &dyn Wanted) -> Result<(), LoadError> {
    let access = out.access().clone();
    let header = header(&access)?;
    let names = header.schema.names();
    let taken: Vec<bool> = names.iter().map(|name| wanted.takes(name)).collect();
    if !taken.contains(&true) {
        return Err(super::no_column(&names));
    }
    let from = &access.source().from;
    let (mut before, offset) = Places::of(from).unwrap_or((0, header.end));
    let first = from.records;
    let places = Places::default();
    access.send(Piece::Places(places.clone()))?;
    let mut input = Input::new(&access, offset, access.source().persistence.part);
    while !input.is_at_end()? {
        places.add(before, input.offset);
        let count = input.length("a block's number of records")?;
        let size = input.length("a block's size")?;
        check_memory(size, &access)?;
        let block = input.take(size)?;
        if input.take(SYNC as u64)? != header.sync {
            return Err(corrupt("a block does not end with the file's mark"));
        }
        let skipped = first.saturating_sub(before).min(count);
        before += count;
        if skipped == count {
            continue;
        }
        let window = access.source().window;
        let block = header
            .codec
            .open(&block, window)
            .map_err(|refused| match refused {
                Refused::Memory(needed) => {
                    needs_memory("one of its blocks", needed, access.source())
                }
                Refused::Broken(why) => corrupt(&why),
            })?;
        if count > block.len() as u64 + MOST_WITHOUT_BYTES {
            return Err(corrupt("a block has more records than bytes"));
        }
        let mut reader = Reader::new(&header.schema, &block);
        for record in 0..count {
            // Those that are loaded are read too, because nothing says how long they are.
            let wanted = (record >= skipped).then_some(&mut *out);
            reader.record(&taken, wanted).map_err(|why| corrupt(&why))?;
            if record >= skipped {
                out.end_line(input.offset)?;
            }
        }
        if !reader.is_at_end() {
            return Err(corrupt("bytes are left behind the records of a block"));
        }
    }
    if before < first {
        return Err(corrupt("it has fewer records than were loaded before"));
    }
    Ok(())
}

fn header(access: &Access) -> Result<Header, LoadError> {
    // The schema of most files fits.
    let mut input = Input::new(access, 4, 64 * 1024);
    let mut schema = None;
    let mut codec = Codec::Null;
    loop {
        let entries = input.long()?;
        if entries == 0 {
            break;
        }
        if entries < 0 {
            // So many bytes of them follow.
            input.long()?;
        }
        for _ in 0..entries.unsigned_abs() {
            let key = input.bytes("a name in its header", access)?;
            let value = input.bytes("a value in its header", access)?;
            match &*key {
                b"avro.schema" => {
                    let needed = value.len() as u64 * SCHEMA_GROWS;
                    if needed > access.source().window {
                        return Err(needs_memory("its schema", needed, access.source()));
                    }
                    schema = Some(value);
                }
                b"avro.codec" => codec = Codec::named(&value).map_err(unsupported)?,
                _ => {}
            }
        }
    }
    let sync = input.take(SYNC as u64)?;
    let schema = schema.ok_or_else(|| corrupt("its header has no schema"))?;
    Ok(Header {
        schema: Schema::read(&schema).map_err(unsupported)?,
        codec,
        sync,
        end: input.offset,
    })
}

fn check_memory(size: u64, access: &Access) -> Result<(), LoadError> {
    match size > access.source().window {
        true => Err(needs_memory("one of its blocks", size, access.source())),
        false => Ok(()),
    }
}

/// The bytes of the file, in their order.
struct Input {
    stream: Stream,
    ready: Bytes,
    /// Of the next byte.
    offset: u64,
}

impl Input {
    fn new(access: &Access, offset: u64, part: u64) -> Self {
        let ahead = access.source().persistence.ahead && part > 64 * 1024;
        Self {
            stream: access.stream(offset, part, ahead),
            ready: Bytes::new(),
            offset,
        }
    }

    fn is_at_end(&mut self) -> Result<bool, LoadError> {
        while self.ready.is_empty() {
            match self.stream.next()? {
                Some(block) => self.ready = block,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    fn byte(&mut self) -> Result<u8, LoadError> {
        if self.is_at_end()? {
            return Err(truncated());
        }
        self.offset += 1;
        Ok(self.ready.get_u8())
    }

    fn long(&mut self) -> Result<i64, LoadError> {
        let mut failed = None;
        let number = values::long(|| {
            self.byte().map_err(|error| {
                failed = Some(error);
                io::ErrorKind::UnexpectedEof.to_string()
            })
        });
        number.map_err(|why| failed.unwrap_or_else(|| corrupt(&why)))
    }

    fn length(&mut self, what: &str) -> Result<u64, LoadError> {
        let number = self.long()?;
        u64::try_from(number).map_err(|_| corrupt(&format!("{what} is less than nothing")))
    }

    fn bytes(&mut self, what: &str, access: &Access) -> Result<Bytes, LoadError> {
        let length = self.length(what)?;
        check_memory(length, access)?;
        self.take(length)
    }

    fn take(&mut self, length: u64) -> Result<Bytes, LoadError> {
        let length = usize::try_from(length).map_err(|_| truncated())?;
        self.offset += length as u64;
        if length <= self.ready.len() {
            return Ok(self.ready.split_to(length));
        }
        let mut bytes = BytesMut::new();
        while bytes.len() < length {
            if self.is_at_end()? {
                return Err(truncated());
            }
            let part = (length - bytes.len()).min(self.ready.len());
            bytes.extend_from_slice(&self.ready.split_to(part));
        }
        Ok(bytes.freeze())
    }
}

fn truncated() -> LoadError {
    let message = "it ends within a block; it was cut on its way: deliver it again";
    LoadError::file(ErrorCode::Truncated, message)
}

fn corrupt(why: &str) -> LoadError {
    LoadError::file(ErrorCode::Corrupt, format!("its Avro is broken: {why}"))
}

fn unsupported(why: String) -> LoadError {
    LoadError::file(ErrorCode::Unsupported, format!("it is Avro, and {why}"))
}
