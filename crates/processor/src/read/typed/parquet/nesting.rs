//! How deep the schema in a footer is nested. The library and we follow it down by recursion, so
//! it is asked before the footer is decoded.
//!
//! The library takes a field by its number, whatever kind its header states. Where the two
//! contradict each other the footer is refused, so that nothing is read in two ways.

/// How deep values may be nested, as in JSON.
const MAX_DEPTH: usize = 128;

/// How deep what is not known may be nested.
const MAX_SKIPPED: usize = 16;

/// Why a footer is not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooDeep,
    Broken(&'static str),
}

type Read<T> = Result<T, Refused>;

const BROKEN: Refused = Refused::Broken("its footer has no sound schema");

/// Kinds of values in Thrift's compact protocol.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

/// Refuses a footer whose schema is nested too deep, or cannot be followed.
pub(super) fn check(footer: &[u8]) -> Read<()> {
    let mut thrift = Thrift { rest: footer };
    // A FileMetaData begins with its version and its schema.
    let mut last = 0;
    if thrift.field(&mut last)? != Some((1, kind::I32)) {
        return Err(BROKEN);
    }
    thrift.number()?;
    if thrift.field(&mut last)? != Some((2, kind::LIST)) {
        return Err(BROKEN);
    }
    let (elements, count) = thrift.list()?;
    if elements != kind::STRUCT {
        return Err(BROKEN);
    }
    // Of each group on the way down, how many of its members are still to come.
    let mut open: Vec<u64> = Vec::new();
    // Every element but the first is a member of one group.
    let mut members = 1;
    for _ in 0..count {
        let children = thrift.element()?;
        members += children;
        if members > count {
            return Err(BROKEN);
        }
        if let Some(group) = open.last_mut() {
            *group -= 1;
        }
        if children > 0 {
            open.push(children);
        }
        if open.len() > MAX_DEPTH {
            return Err(Refused::TooDeep);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
    }
    Ok(())
}

struct Thrift<'a> {
    rest: &'a [u8],
}

impl Thrift<'_> {
    /// A SchemaElement; gives the number of its members.
    fn element(&mut self) -> Read<u64> {
        let mut children = 0;
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            match (id, kind) {
                (5, kind::I32) => {
                    let number = i32::try_from(self.zigzag()?).map_err(|_| BROKEN)?;
                    children = u64::try_from(number).map_err(|_| BROKEN)?;
                }
                (10, kind::STRUCT) => self.logical_type()?,
                (1..=3 | 6..=9, kind::I32) | (4, kind::BINARY) => self.skip(kind, 0)?,
                (1..=10, _) => return Err(BROKEN),
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(children)
    }

    /// A LogicalType: a union of structures.
    fn logical_type(&mut self) -> Read<()> {
        let mut last = 0;
        while let Some((variant, kind)) = self.field(&mut last)? {
            if kind != kind::STRUCT {
                return Err(BROKEN);
            }
            self.variant(variant)?;
        }
        Ok(())
    }

    fn variant(&mut self, variant: i16) -> Read<()> {
        let mut last = 0;
        while let Some((id, kind)) = self.field(&mut last)? {
            let expected = match (variant, id) {
                // A decimal's scale and precision; how edges on a globe run.
                (5, 1 | 2) | (18, 2) => kind::I32,
                // A time's or a timestamp's unit.
                (7 | 8, 2) => kind::STRUCT,
                // An integer's width, a variant's version.
                (10 | 16, 1) => kind::BYTE,
                // A geometry's coordinates.
                (17 | 18, 1) => kind::BINARY,
                _ => kind,
            };
            match (variant, id) {
                _ if kind != expected => return Err(BROKEN),
                (7 | 8, 2) => self.unit()?,
                _ => self.skip(kind, 0)?,
            }
        }
        Ok(())
    }

    /// A TimeUnit: a union of structures with nothing in them.
    fn unit(&mut self) -> Read<()> {
        let mut last = 0;
        while let Some((_, kind)) = self.field(&mut last)? {
            if kind != kind::STRUCT {
                return Err(BROKEN);
            }
            self.skip(kind, 0)?;
        }
        Ok(())
    }

    /// Passes over a value of any kind.
    fn skip(&mut self, kind: u8, depth: usize) -> Read<()> {
        if depth > MAX_SKIPPED {
            return Err(BROKEN);
        }
        match kind {
            // It stands in the header.
            kind::TRUE | kind::FALSE => {}
            kind::BYTE => self.pass(1)?,
            kind::I16 | kind::I32 | kind::I64 => {
                self.number()?;
            }
            kind::DOUBLE => self.pass(8)?,
            kind::UUID => self.pass(16)?,
            kind::BINARY => {
                let length = self.number()?;
                self.pass(usize::try_from(length).map_err(|_| BROKEN)?)?;
            }
            kind::LIST | kind::SET => {
                let (elements, count) = self.list()?;
                // In a list they would be bytes of their own, and the library takes none.
                if matches!(elements, kind::TRUE | kind::FALSE) {
                    return Err(BROKEN);
                }
                for _ in 0..count {
                    self.skip(elements, depth + 1)?;
                }
            }
            kind::STRUCT => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip(kind, depth + 1)?;
                    last = 0;
                }
            }
            // A map is nowhere in a schema.
            _ => return Err(BROKEN),
        }
        Ok(())
    }

    /// The number and the kind of the next field; nothing: the structure ends.
    fn field(&mut self, last: &mut i16) -> Read<Option<(i16, u8)>> {
        let header = self.byte()?;
        let kind = header & 15;
        if kind == 0 {
            return Ok(None);
        }
        *last = match header >> 4 {
            0 => i16::try_from(self.zigzag()?).map_err(|_| BROKEN)?,
            delta => last.checked_add(i16::from(delta)).ok_or(BROKEN)?,
        };
        Ok(Some((*last, kind)))
    }

    /// The kind and the number of a list's elements, none of which takes less than a byte.
    fn list(&mut self) -> Read<(u8, u64)> {
        let header = self.byte()?;
        let count = match header >> 4 {
            15 => self.number()?,
            count => u64::from(count),
        };
        match count > self.rest.len() as u64 {
            true => Err(BROKEN),
            false => Ok((header & 15, count)),
        }
    }

    fn zigzag(&mut self) -> Read<i64> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        // Nine bytes are 63 bits, more than any number of a schema has.
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(BROKEN)
    }

    fn byte(&mut self) -> Read<u8> {
        let (byte, rest) = self.rest.split_first().ok_or(BROKEN)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn pass(&mut self, length: usize) -> Read<()> {
        self.rest = self.rest.get(length..).ok_or(BROKEN)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::parquet::file::metadata::ParquetMetaDataReader;

    use super::*;

    /// A footer with a column in so many groups, the outermost being the file's own.
    fn nested(groups: usize) -> Vec<u8> {
        let mut footer = vec![0x15, 2, 0x19, 0xfc];
        let count = groups + 1;
        footer.extend([
            count as u8 | 0x80,
            (count >> 7) as u8 | 0x80,
            (count >> 14) as u8,
        ]);
        for _ in 0..groups {
            // REQUIRED, without a name, of one member.
            footer.extend([0x35, 0, 0x18, 0, 0x15, 2, 0]);
        }
        // An INT32.
        footer.extend([0x15, 2, 0x25, 0, 0x18, 0, 0]);
        // No rows, and no row groups.
        footer.extend([0x16, 0, 0x19, 0x0c, 0]);
        footer
    }

    #[test]
    fn a_schema_is_followed_before_it_is_decoded() {
        assert_eq!(check(&nested(1)), Ok(()));
        // It is one that the library decodes.
        let decoded = ParquetMetaDataReader::decode_metadata(&nested(MAX_DEPTH));
        let columns = decoded.map(|metadata| metadata.file_metadata().schema_descr().num_columns());
        assert_eq!(columns.ok(), Some(1));
        assert_eq!(check(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(check(&nested(MAX_DEPTH + 1)), Err(Refused::TooDeep));
        assert_eq!(check(&nested(100_000)), Err(Refused::TooDeep));
        let sound = nested(3);
        let change = |at: usize, byte: u8| {
            let mut footer = sound.clone();
            footer[at] = byte;
            check(&footer)
        };
        // Of the first group: a text for the number of members, less than none, too many.
        assert_eq!(change(11, 0x18), Err(BROKEN));
        assert_eq!(change(12, 1), Err(BROKEN));
        assert_eq!(change(12, 20), Err(BROKEN));
        assert_eq!(check(&sound[..20]), Err(BROKEN));
        assert_eq!(check(&[]), Err(BROKEN));
    }
}
