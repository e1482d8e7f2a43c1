//! The values of one column, a few records at a time.

use ::parquet::basic::Type as Physical;
use ::parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use ::parquet::errors::{ParquetError, Result};

use super::meter::Levels;
use super::pages::Pages;
use super::schema::{Form, LeafType};
use crate::read::typed::text::{self, Unit};

/// Records that are decoded at once: at first, and at most.
const FIRST: usize = 16;
const MOST: usize = 1024;

/// About so many bytes are decoded at once, where values are long.
const BYTES: usize = 256 * 1024;

/// The values of one column that are read and not used, with the levels that say where they
/// stand.
pub(super) struct Leaf {
    column: Box<dyn Column>,
    read: Levels,
    max_def: i16,
    defs: Vec<i16>,
    reps: Vec<i16>,
    levels: usize,
    at: usize,
    /// Where the record's levels begin.
    start: usize,
    /// The next value.
    value: usize,
    batch: usize,
    /// A record took levels or values that are none of its own.
    broken: bool,
}

impl Leaf {
    pub(super) fn new(of: &LeafType, pages: Pages) -> Self {
        Self {
            read: pages.levels(),
            column: column(of, pages),
            max_def: of.max_def,
            defs: Vec::new(),
            reps: Vec::new(),
            levels: 0,
            at: 0,
            start: 0,
            value: 0,
            batch: FIRST,
            broken: false,
        }
    }

    /// Passes over records.
    pub(super) fn skip(&mut self, records: u64) -> Result<()> {
        self.read.keep_none();
        let mut left = usize::try_from(records)?;
        let mut ended = false;
        while left > 0 {
            let skipped = self.column.skip(left)?;
            if skipped == 0 && ended {
                return Err(too_few());
            }
            // Between two pages there is a pause.
            ended = skipped == 0;
            left -= skipped;
        }
        Ok(())
    }

    /// Reads on when a record begins and nothing is left.
    pub(super) fn begin_record(&mut self) -> Result<()> {
        self.fill()?;
        self.start = self.at;
        match self.rep() {
            0 => Ok(()),
            _ => Err(disagree()),
        }
    }

    /// Says so where the last record has not taken what is its own, or more than that.
    pub(super) fn end_record(&self) -> Result<()> {
        let has_ended = self.at >= self.levels || self.rep() == 0;
        match has_ended && self.at > self.start && !self.broken {
            true => Ok(()),
            false => Err(disagree()),
        }
    }

    /// Says so where something is left behind the last record.
    pub(super) fn end(&mut self) -> Result<()> {
        self.read.keep_none();
        match self.at < self.levels || self.column.skip(1)? > 0 {
            true => Err(disagree()),
            false => Ok(()),
        }
    }

    fn fill(&mut self) -> Result<()> {
        if self.at < self.levels {
            return Ok(());
        }
        // Between two pages there is a pause.
        for _ in 0..2 {
            self.defs.clear();
            self.reps.clear();
            (self.at, self.value) = (0, 0);
            self.read.begin();
            let (defs, reps) = (&mut self.defs, &mut self.reps);
            let (levels, bytes) = self.column.fill(self.batch, defs, reps)?;
            self.levels = levels;
            if levels > 0 {
                let records = (self.batch * BYTES).checked_div(bytes).unwrap_or(MOST);
                self.batch = records.clamp(1, (self.batch * 2).min(MOST));
                return Ok(());
            }
        }
        Err(too_few())
    }

    /// The level up to which the next value is defined.
    pub(super) fn def(&self) -> i16 {
        self.defs.get(self.at).copied().unwrap_or_default()
    }

    /// The level on which the next value repeats; 0: it begins a record.
    pub(super) fn rep(&self) -> i16 {
        self.reps.get(self.at).copied().unwrap_or_default()
    }

    /// Whether its levels are as those of the columns beside it.
    pub(super) fn agree(&mut self, agrees: bool) {
        self.broken |= !agrees;
    }

    /// Writes the next value, where there is room, and steps over it.
    pub(super) fn take(&mut self, out: Option<&mut Vec<u8>>) {
        let is_of_next = self.at > self.start && self.rep() == 0;
        self.broken |= self.at >= self.levels || is_of_next;
        let is_null = self.max_def > 0 && self.def() < self.max_def;
        if let Some(out) = out {
            match is_null {
                true => text::null(out),
                false => self.broken |= !self.column.write(self.value, out),
            }
        }
        self.value += usize::from(!is_null);
        self.at += 1;
    }

    /// The next value as the name of a member.
    pub(super) fn take_name(&mut self, out: Option<&mut Vec<u8>>) {
        let Some(out) = out else {
            return self.take(None);
        };
        let start = out.len();
        self.take(Some(out));
        if out.get(start) != Some(&b'"') {
            out.insert(start, b'"');
            out.push(b'"');
        }
        out.push(b':');
    }
}

fn disagree() -> ParquetError {
    ParquetError::General("its columns do not agree where a record ends".to_owned())
}

fn too_few() -> ParquetError {
    ParquetError::EOF("a column has fewer values than its row group has rows".to_owned())
}

/// The values of a column, whatever their type.
trait Column {
    /// Reads values of so many records at most in place of those that were read before:
    /// returns their levels, and about their bytes.
    fn fill(
        &mut self,
        records: usize,
        defs: &mut Vec<i16>,
        reps: &mut Vec<i16>,
    ) -> Result<(usize, usize)>;

    fn skip(&mut self, records: usize) -> Result<usize>;

    /// Whether there is such a value.
    fn write(&self, value: usize, out: &mut Vec<u8>) -> bool;
}

struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
    form: Form,
}

impl<T: DataType> Column for Typed<T>
where
    T::T: Cell,
{
    fn fill(
        &mut self,
        records: usize,
        defs: &mut Vec<i16>,
        reps: &mut Vec<i16>,
    ) -> Result<(usize, usize)> {
        self.values.clear();
        let read = self
            .reader
            .read_records(records, Some(defs), Some(reps), &mut self.values);
        let (_, _, levels) = read?;
        Ok((levels, self.values.iter().map(Cell::length).sum()))
    }

    fn skip(&mut self, records: usize) -> Result<usize> {
        self.reader.skip_records(records)
    }

    fn write(&self, value: usize, out: &mut Vec<u8>) -> bool {
        let value = self.values.get(value);
        if let Some(value) = value {
            value.write(self.form, out);
        }
        value.is_some()
    }
}

fn column(of: &LeafType, pages: Pages) -> Box<dyn Column> {
    fn typed<T: DataType>(of: &LeafType, pages: Pages) -> Box<dyn Column>
    where
        T::T: Cell,
    {
        let reader = get_column_reader(of.descriptor.clone(), Box::new(pages));
        Box::new(Typed::<T> {
            reader: get_typed_column_reader::<T>(reader),
            values: Vec::new(),
            form: of.form,
        })
    }
    match of.descriptor.physical_type() {
        Physical::BOOLEAN => typed::<BoolType>(of, pages),
        Physical::INT32 => typed::<Int32Type>(of, pages),
        Physical::INT64 => typed::<Int64Type>(of, pages),
        Physical::INT96 => typed::<Int96Type>(of, pages),
        Physical::FLOAT => typed::<FloatType>(of, pages),
        Physical::DOUBLE => typed::<DoubleType>(of, pages),
        Physical::BYTE_ARRAY => typed::<ByteArrayType>(of, pages),
        Physical::FIXED_LEN_BYTE_ARRAY => typed::<FixedLenByteArrayType>(of, pages),
    }
}

/// A value as it is stored.
trait Cell {
    fn write(&self, form: Form, out: &mut Vec<u8>);

    /// About how many bytes it takes.
    fn length(&self) -> usize {
        8
    }
}

impl Cell for bool {
    fn write(&self, _: Form, out: &mut Vec<u8>) {
        text::boolean(*self, out);
    }
}

impl Cell for i32 {
    fn write(&self, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Unsigned => text::integer(self.cast_unsigned(), out),
            Form::Decimal(scale) => text::decimal(&self.to_be_bytes(), scale, out),
            other => i64::from(*self).write(other, out),
        }
    }
}

impl Cell for i64 {
    fn write(&self, form: Form, out: &mut Vec<u8>) {
        match form {
            Form::Unsigned => text::integer(self.cast_unsigned(), out),
            Form::Decimal(scale) => text::decimal(&self.to_be_bytes(), scale, out),
            Form::Date => text::date(*self, out),
            Form::Time(unit) => text::time(*self, unit, out),
            Form::Timestamp(unit, is_utc) => text::timestamp(*self, unit, is_utc, out),
            _ => text::integer(*self, out),
        }
    }
}

impl Cell for Int96 {
    fn write(&self, _: Form, out: &mut Vec<u8>) {
        /// 1970-01-01 as a Julian day.
        const EPOCH: i64 = 2_440_588;
        let data = self.data();
        let nanos = (u64::from(data[1]) << 32 | u64::from(data[0])).cast_signed();
        let days = i64::from(data[2]) - EPOCH;
        match nanos {
            0..86_400_000_000_000 => {
                let seconds = days * 86_400 + nanos / 1_000_000_000;
                text::seconds_and_nanos(seconds, (nanos % 1_000_000_000) as u32, false, out);
            }
            _ => text::time(nanos, Unit::Nanos, out),
        }
    }
}

impl Cell for f32 {
    fn write(&self, _: Form, out: &mut Vec<u8>) {
        text::float(f64::from(*self), out);
    }
}

impl Cell for f64 {
    fn write(&self, _: Form, out: &mut Vec<u8>) {
        text::float(*self, out);
    }
}

impl Cell for ByteArray {
    fn write(&self, form: Form, out: &mut Vec<u8>) {
        bytes(self.data(), form, out);
    }

    fn length(&self) -> usize {
        self.len()
    }
}

impl Cell for FixedLenByteArray {
    fn write(&self, form: Form, out: &mut Vec<u8>) {
        bytes(self.data(), form, out);
    }

    fn length(&self) -> usize {
        self.len()
    }
}

fn bytes(value: &[u8], form: Form, out: &mut Vec<u8>) {
    let three = |value: &[u8]| {
        let mut parts = value
            .chunks_exact(4)
            .map(|four| four.try_into().map_or(0, u32::from_le_bytes));
        [(); 3].map(|()| parts.next().unwrap_or_default())
    };
    match form {
        Form::Decimal(scale) => text::decimal(value, scale, out),
        Form::Text => text::string(value, out),
        Form::Json => text::json(value, out),
        Form::Uuid => text::uuid(value, out),
        Form::Interval => text::interval(three(value), out),
        Form::Half => text::float(half(value), out),
        _ => text::bytes(value, out),
    }
}

/// A 16-bit float, which every longer one holds.
fn half(value: &[u8]) -> f64 {
    let bits = value.try_into().map_or(0, u16::from_le_bytes);
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_floats_are_exact() {
        let check =
            |bits: u16, expect: f64| assert_eq!(half(&bits.to_le_bytes()), expect, "{bits}");
        check(0x3c00, 1.0);
        check(0xc000, -2.0);
        check(0x7bff, 65504.0);
        check(0x0001, 5.960_464_477_539_063e-8);
        check(0x0400, 6.103_515_625e-5);
        check(0xfc00, f64::NEG_INFINITY);
        assert!(half(&0x7e00_u16.to_le_bytes()).is_nan());
    }
}
