//! What the pages that are in memory take of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::parquet::basic::Type as Physical;
use ::parquet::errors::{ParquetError, Result};

/// A page takes more memory than is there.
#[derive(Debug, thiserror::Error)]
#[error("{0} bytes of memory are needed")]
pub(super) struct TooMuch(pub(super) u64);

/// What the pages of all columns take together, in bytes.
#[derive(Clone)]
pub(super) struct Meter {
    limit: u64,
    held: Arc<Mutex<u64>>,
}

impl Meter {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            held: Arc::default(),
        }
    }

    /// Takes the one in place of the other, with so much more for a moment.
    pub(super) fn replace(&self, before: u64, now: u64, passing: u64) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = held.saturating_sub(before) + now;
        let needed = *held + passing;
        match needed > self.limit {
            true => Err(ParquetError::External(Box::new(TooMuch(needed)))),
            false => Ok(()),
        }
    }
}

/// The values that one reading may take of the pages of a column in which they repeat: their
/// levels are all in memory, and a page of a few bytes may say that it has billions.
#[derive(Clone)]
pub(super) struct Levels {
    limit: u64,
    left: Arc<AtomicU64>,
}

impl Levels {
    /// How far a value is defined, and on which level it repeats.
    const BYTES: u64 = 2 * size_of::<i16>() as u64;

    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            limit: meter.limit / Self::BYTES,
            left: Arc::new(AtomicU64::new(u64::MAX)),
        }
    }

    /// The next pages are read, and their values are kept until the next time.
    pub(super) fn begin(&self) {
        self.left.store(self.limit, Ordering::Relaxed);
    }

    /// The next pages are passed over.
    pub(super) fn keep_none(&self) {
        self.left.store(u64::MAX, Ordering::Relaxed);
    }

    pub(super) fn take(&self, values: u32) -> Result<()> {
        let left = self.left.load(Ordering::Relaxed);
        let Some(after) = left.checked_sub(values.into()) else {
            let needed = (self.limit - left + u64::from(values)) * Self::BYTES;
            return Err(ParquetError::External(Box::new(TooMuch(needed))));
        };
        self.left.store(after, Ordering::Relaxed);
        Ok(())
    }
}

/// What the header of a page says of its size.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) is_dictionary: bool,
    pub(super) uncompressed: u64,
    pub(super) compressed: u64,
}

/// The first three fields of a page's header in Thrift's compact protocol: its kind and its
/// sizes, which every page has.
pub(super) fn sizes(header: &[u8]) -> Option<Sizes> {
    let mut bytes = header.iter();
    let mut fields = [0_i64; 3];
    for field in &mut fields {
        // The next field, an i32.
        if *bytes.next()? != 0x15 {
            return None;
        }
        let mut number = 0_u64;
        for shift in (0..).step_by(7).take(5) {
            let byte = *bytes.next()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        *field = (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
    }
    let [kind, uncompressed, compressed] = fields;
    Some(Sizes {
        is_dictionary: kind == 2,
        uncompressed: u64::try_from(uncompressed).ok()?,
        compressed: u64::try_from(compressed).ok()?,
    })
}

impl Sizes {
    /// What stays of it: a dictionary as its values, a page until the next one.
    pub(super) fn held(&self, column: Physical) -> u64 {
        let is_bytes = matches!(
            column,
            Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY
        );
        match self.is_dictionary && is_bytes {
            // Where each value stands takes as much again.
            true => 2 * self.uncompressed,
            false => self.uncompressed,
        }
    }

    /// What it takes besides while it is decompressed.
    pub(super) fn passing(&self) -> u64 {
        match self.is_dictionary {
            true => self.compressed + self.uncompressed,
            false => self.compressed,
        }
    }
}
