//! What the directory says of each entry.

use arrivage_model::ErrorCode;

use super::LOCAL_HEADER;
use super::find::{u16_at, u32_at, u64_at};
use crate::fate::LoadError;
use crate::read::archive::{corrupt, names, unsupported};

/// What lies where, in that order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Where it begins itself: every entry ends before.
    pub(super) start: u64,
    pub(super) entries: Vec<Entry>,
    pub(super) passed_over: Vec<PassedOver>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it begins in the object.
    pub(super) at: u64,
    /// What it comes to, and what it takes, in bytes.
    pub(super) size: u64,
    pub(super) compressed: u64,
    pub(super) crc: u32,
    pub(super) method: Method,
    /// As it is shown; nothing of what is no file.
    pub(super) name: Box<str>,
    pub(super) is_file: bool,
}

/// No file to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PassedOver {
    pub(super) name: Vec<u8>,
    pub(super) why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
    Zstd,
}

/// A record of the directory, in bytes, without its name, what else is known of the entry
/// and its comment.
const RECORD: usize = 46;

/// What every such document has in it.
const OFFICE: &[u8] = b"[Content_Types].xml";

/// As many that are passed over are kept: enough to name them.
const MOST_PASSED_OVER: usize = 100;

/// Reads it record by record.
pub(super) struct Reader {
    directory: Directory,
    /// Records that it is said to have.
    stated: u64,
    /// What it may take, in bytes of memory.
    memory: u64,
    taken: u64,
    rest: Vec<u8>,
}

impl Reader {
    pub(super) fn new(start: u64, stated: u64, memory: u64) -> Self {
        Self {
            directory: Directory {
                start,
                entries: Vec::new(),
                passed_over: Vec::new(),
            },
            stated,
            memory,
            taken: 0,
            rest: Vec::new(),
        }
    }

    /// Takes the next bytes of it.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(record) = Record::first(&rest[used..]).map_err(corrupt)? {
            used += record.length;
            self.add(&record)?;
        }
        rest.drain(..used);
        self.rest = rest;
        Ok(())
    }

    /// After its last byte: all entries, in the order in which they lie.
    pub(super) fn end(self) -> Result<Directory, LoadError> {
        let mut directory = self.directory;
        if !self.rest.is_empty() || directory.entries.len() as u64 != self.stated {
            return Err(corrupt("its directory is not as long as it says"));
        }
        directory.entries.sort_by_key(|entry| entry.at);
        let mut starts = directory.entries.iter().map(|entry| entry.at).skip(1);
        for entry in &directory.entries {
            let next = starts.next().unwrap_or(directory.start);
            let least = LOCAL_HEADER.checked_add(entry.compressed);
            let end = least.and_then(|least| entry.at.checked_add(least));
            if end.is_none_or(|end| end > next) {
                return Err(corrupt(
                    "its entries lie over one another, or beyond its end",
                ));
            }
        }
        Ok(directory)
    }

    fn add(&mut self, record: &Record<'_>) -> Result<(), LoadError> {
        let why = record.why_passed_over();
        let name = match why {
            Some(_) => Box::default(),
            None => names::shown(record.name).into_boxed_str(),
        };
        self.taken += (size_of::<Entry>() + name.len()) as u64;
        if self.taken > self.memory {
            return Err(LoadError::file(
                ErrorCode::NeedsMemory,
                format!(
                    "its directory has {} entries, too many for {} bytes; raise processor.memory, \
                     or make several archives of it",
                    self.stated, self.memory
                ),
            ));
        }
        if record.name == OFFICE {
            return Err(unsupported(
                "it is a document of an office program, such as Excel, which is not read; \
                 save it as CSV",
            ));
        }
        let method = match why {
            Some(_) => Method::Stored,
            None => record.method(&name)?,
        };
        let (size, compressed, at) = record.numbers().map_err(corrupt)?;
        if method == Method::Stored && size != compressed && why.is_none() {
            return Err(corrupt(format!(
                "its entry {name} is stored, and has two lengths"
            )));
        }
        let is_file = why.is_none();
        if let Some(why) = why
            && self.directory.passed_over.len() < MOST_PASSED_OVER
        {
            let name = record.name.to_vec();
            self.directory.passed_over.push(PassedOver { name, why });
        }
        self.directory.entries.push(Entry {
            at,
            size,
            compressed,
            crc: u32_at(record.fixed, 16),
            method,
            name,
            is_file,
        });
        Ok(())
    }
}

/// A record as it stands there.
struct Record<'a> {
    fixed: &'a [u8],
    name: &'a [u8],
    extra: &'a [u8],
    length: usize,
}

impl<'a> Record<'a> {
    /// The first of these bytes; nothing where it goes on behind them.
    fn first(bytes: &'a [u8]) -> Result<Option<Self>, &'static str> {
        if !b"PK\x01\x02".starts_with(&bytes[..bytes.len().min(4)]) {
            return Err("its directory cannot be read");
        }
        let Some((fixed, rest)) = bytes.split_at_checked(RECORD) else {
            return Ok(None);
        };
        let length = |at: usize| usize::from(u16_at(fixed, at));
        let (name, extra, comment) = (length(28), length(30), length(32));
        if rest.len() < name + extra + comment {
            return Ok(None);
        }
        Ok(Some(Self {
            fixed,
            name: &rest[..name],
            extra: &rest[name..name + extra],
            length: RECORD + name + extra + comment,
        }))
    }

    fn why_passed_over(&self) -> Option<&'static str> {
        // Its type among the attributes, where it was made on Unix.
        const UNIX: u8 = 3;
        let kind = u16_at(self.fixed, 40) & 0o170_000;
        let is_link = self.fixed[5] == UNIX && kind == 0o120_000;
        if names::is_folder(self.name) {
            return Some("a folder");
        }
        if is_link {
            return Some("a link");
        }
        names::passed_over(self.name)
    }

    fn method(&self, name: &str) -> Result<Method, LoadError> {
        let (flags, method) = (u16_at(self.fixed, 8), u16_at(self.fixed, 10));
        const AES: u16 = 99;
        if flags & 1 != 0 || flags & (1 << 6) != 0 || method == AES {
            return Err(unsupported(format!(
                "its entry {name} is encrypted, which is not read; deliver it without a password"
            )));
        }
        let method = match method {
            0 => return Ok(Method::Stored),
            8 => return Ok(Method::Deflated),
            93 => return Ok(Method::Zstd),
            1 => "shrink",
            6 => "implode",
            9 => "deflate64",
            12 => "bzip2",
            14 => "lzma",
            95 => "xz",
            98 => "PPMd",
            _ => "unknown",
        };
        Err(unsupported(format!(
            "its entry {name} is compressed by the method {method} ({}), which is not read; \
             deflate, zstd and no compression are",
            u16_at(self.fixed, 10)
        )))
    }

    /// What it comes to, what it takes, and where it begins: large numbers stand elsewhere.
    fn numbers(&self) -> Result<(u64, u64, u64), &'static str> {
        let mut large = self.large().unwrap_or_default();
        let mut number = |at: usize| -> Result<u64, &'static str> {
            let small = u32_at(self.fixed, at);
            if small < u32::MAX {
                return Ok(u64::from(small));
            }
            let (number, rest) = large
                .split_at_checked(8)
                .ok_or("its directory lacks a large number")?;
            large = rest;
            Ok(u64_at(number, 0))
        };
        let (size, compressed, at) = (number(24)?, number(20)?, number(42)?);
        Ok((size, compressed, at))
    }

    /// The numbers that do not fit, one after the other.
    fn large(&self) -> Option<&'a [u8]> {
        let mut extra = self.extra;
        while let Some((head, rest)) = extra.split_at_checked(4) {
            let (field, rest) = rest.split_at_checked(u16_at(head, 2).into())?;
            if u16_at(head, 0) == 1 {
                return Some(field);
            }
            extra = rest;
        }
        None
    }
}
