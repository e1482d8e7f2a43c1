//! The values of Avro's binary encoding, as JSON.

use super::schema::{At, Kind, Member, Schema};
use crate::read::typed::{Lines, text};

/// How deep values may be nested, as in JSON.
const MAX_DEPTH: usize = 128;

/// So many values without a byte of their own are believed in a block.
const MOST_WITHOUT_BYTES: u64 = 1 << 20;

/// Reads the records of a block, one after the other.
pub(super) struct Reader<'a> {
    schema: &'a Schema,
    rest: &'a [u8],
    /// So many more values are read: records without fields hold any number of each other.
    steps: u64,
}

type Read<T> = Result<T, String>;

/// A number of Avro's: seven bits in each byte, the lowest first, and the sign in the lowest bit
/// of all.
pub(super) fn long(mut byte: impl FnMut() -> Read<u8>) -> Read<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let next = byte()?;
        if shift == 63 && next > 1 {
            break;
        }
        number |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()));
        }
    }
    Err("a number has more than 64 bits".to_owned())
}

/// Where a value goes: nowhere, if it is only passed over.
type Out<'o> = Option<&'o mut Lines>;

fn put(out: &mut Out<'_>, write: impl FnOnce(&mut Vec<u8>)) {
    if let Some(out) = out
        && let Some(room) = out.room()
    {
        write(room);
    }
}

fn push(out: &mut Out<'_>, text: &[u8]) {
    put(out, |room| room.extend_from_slice(text));
}

impl<'a> Reader<'a> {
    pub(super) fn new(schema: &'a Schema, block: &'a [u8]) -> Self {
        Self {
            schema,
            rest: block,
            // A byte lies in so many values at most.
            steps: (block.len() as u64)
                .saturating_mul(MAX_DEPTH as u64)
                .saturating_add(MOST_WITHOUT_BYTES),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next record; writes those of its members that are taken.
    pub(super) fn record(&mut self, taken: &[bool], mut out: Out<'_>) -> Read<()> {
        let mut first = true;
        push(&mut out, b"{");
        for (member, taken) in self.schema.root().iter().zip(taken) {
            if !taken {
                self.value(member.kind, &mut None, 1)?;
                continue;
            }
            if !first {
                push(&mut out, b",");
            }
            first = false;
            push(&mut out, &member.json);
            self.value(member.kind, &mut out, 1)?;
        }
        push(&mut out, b"}");
        Ok(())
    }

    fn value(&mut self, kind: At, out: &mut Out<'_>, depth: usize) -> Read<()> {
        if depth > MAX_DEPTH {
            return Err(format!("a value is nested deeper than {MAX_DEPTH} levels"));
        }
        let steps = self.steps.checked_sub(1);
        self.steps = steps.ok_or("a block has far more values than it has bytes")?;
        match self.schema.kind(kind) {
            Kind::Null => put(out, text::null),
            Kind::Boolean => {
                let value = match self.take(1)? {
                    [0] => false,
                    [1] => true,
                    _ => return Err("a boolean is neither true nor false".to_owned()),
                };
                put(out, |room| text::boolean(value, room));
            }
            Kind::Int => {
                let value = self.long()?;
                let value = i32::try_from(value).map_err(|_| "an int has more than 32 bits")?;
                put(out, |room| text::integer(value, room));
            }
            Kind::Long => {
                let value = self.long()?;
                put(out, |room| text::integer(value, room));
            }
            Kind::Float => {
                let value = f32::from_le_bytes(self.array()?);
                put(out, |room| text::float(f64::from(value), room));
            }
            Kind::Double => {
                let value = f64::from_le_bytes(self.array()?);
                put(out, |room| text::float(value, room));
            }
            Kind::Bytes => {
                let value = self.bytes()?;
                put(out, |room| text::bytes(value, room));
            }
            Kind::String | Kind::UuidText => {
                let value = self.bytes()?;
                put(out, |room| text::string(value, room));
            }
            Kind::Fixed(size) => {
                let value = self.take(*size)?;
                put(out, |room| text::bytes(value, room));
            }
            Kind::Enum(symbols) => {
                let number = self.long()?;
                let symbol = usize::try_from(number).ok().and_then(|at| symbols.get(at));
                let symbol = symbol.ok_or("an enum's value is none of its symbols")?;
                put(out, |room| text::string(symbol.as_bytes(), room));
            }
            Kind::Array(items) => {
                push(out, b"[");
                self.elements(|reader, nth| {
                    push(out, if nth > 0 { b"," } else { b"" });
                    reader.value(*items, out, depth + 1)
                })?;
                push(out, b"]");
            }
            Kind::Map(values) => {
                push(out, b"{");
                self.elements(|reader, nth| {
                    push(out, if nth > 0 { b"," } else { b"" });
                    let key = reader.bytes()?;
                    put(out, |room| text::string(key, room));
                    push(out, b":");
                    reader.value(*values, out, depth + 1)
                })?;
                push(out, b"}");
            }
            Kind::Record(members) => self.members(members, out, depth)?,
            Kind::Union(branches) => {
                let number = self.long()?;
                let branch = usize::try_from(number).ok().and_then(|at| branches.get(at));
                let branch = *branch.ok_or("a union's value is none of its types")?;
                self.value(branch, out, depth + 1)?;
            }
            Kind::Date => {
                let days = self.long()?;
                put(out, |room| text::date(days, room));
            }
            Kind::Time(unit) => {
                let value = self.long()?;
                put(out, |room| text::time(value, *unit, room));
            }
            Kind::Timestamp(unit, is_utc) => {
                let value = self.long()?;
                put(out, |room| text::timestamp(value, *unit, *is_utc, room));
            }
            Kind::Decimal(size, _, scale) => {
                let value = match size {
                    Some(size) => self.take(*size)?,
                    None => self.bytes()?,
                };
                put(out, |room| text::decimal(value, *scale, room));
            }
            Kind::Uuid => {
                let value = self.take(16)?;
                put(out, |room| text::uuid(value, room));
            }
            Kind::Duration => {
                let mut parts = [0; 3];
                for part in &mut parts {
                    *part = u32::from_le_bytes(self.array()?);
                }
                put(out, |room| text::interval(parts, room));
            }
        }
        Ok(())
    }

    fn members(&mut self, members: &[Member], out: &mut Out<'_>, depth: usize) -> Read<()> {
        push(out, b"{");
        for (nth, member) in members.iter().enumerate() {
            push(out, if nth > 0 { b"," } else { b"" });
            push(out, &member.json);
            self.value(member.kind, out, depth + 1)?;
        }
        push(out, b"}");
        Ok(())
    }

    /// Blocks of elements, the last of them empty.
    fn elements(&mut self, mut each: impl FnMut(&mut Self, u64) -> Read<()>) -> Read<()> {
        let mut nth = 0;
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // So many bytes of them follow.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                each(self, nth)?;
                nth += 1;
            }
        }
    }

    fn long(&mut self) -> Read<i64> {
        long(|| self.take(1).map(|byte| byte[0]))
    }

    fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.long()?;
        let length = usize::try_from(length).map_err(|_| "a length is less than nothing")?;
        self.take(length)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().unwrap_or([0; N]))
    }

    fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err("a record reaches behind its block".to_owned());
        };
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_bytes_come_to_an_end() {
        let check = |fields: &str, block: &[u8], expect: Result<(), &str>| {
            let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
            let schema = Schema::read(text.as_bytes()).expect("a schema");
            let found = Reader::new(&schema, block).record(&[true], None);
            assert_eq!(
                found.as_ref().map_err(String::as_str),
                expect.as_ref().map_err(|why| *why)
            );
        };
        // Each holds the one before twice.
        let nested = |levels: usize| {
            let first = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
            let kind = (1..=levels).fold(first, |inner, nth| {
                let before = nth - 1;
                format!(
                    r#"{{"type":"record","name":"R{nth}","fields":[
                        {{"name":"a","type":{inner}}},{{"name":"b","type":"R{before}"}}]}}"#
                )
            });
            format!(r#"{{"name":"c","type":{kind}}}"#)
        };
        let far_more = Err("a block has far more values than it has bytes");
        check(&nested(10), &[], Ok(()));
        check(&nested(40), &[], far_more);
        // 2^40 elements in one array, and in many.
        let nulls = r#"{"name":"c","type":{"type":"array","items":"null"}}"#;
        check(nulls, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1, 0], far_more);
        let arrays =
            r#"{"name":"c","type":{"type":"array","items":{"type":"array","items":"null"}}}"#;
        let million = [0x80, 0x80, 0x80, 1, 0];
        let block = [vec![200, 1], million.repeat(100), vec![0]].concat();
        check(arrays, &block, far_more);
        check(nulls, &[200, 1, 0], Ok(()));
    }

    #[test]
    fn numbers_are_zigzags_of_seven_bits() {
        let check = |bytes: &[u8], expect: Option<i64>| {
            let mut bytes = bytes.iter();
            let found = long(|| bytes.next().copied().ok_or_else(String::new));
            assert_eq!(found.ok(), expect);
        };
        check(&[0], Some(0));
        check(&[1], Some(-1));
        check(&[0x80, 1], Some(64));
        check(
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            Some(i64::MIN),
        );
        check(
            &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            Some(i64::MAX),
        );
        check(
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
            None,
        );
        check(&[0x80; 11], None);
        check(&[0x80], None);
    }
}
