use super::BLOCK;

/// A header: what comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// The length of its content, in bytes.
    pub(super) size: u64,
    pub(super) name: Vec<u8>,
}

/// What an entry is, or what else a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// A file of which only parts are there: GNU's own way.
    Sparse,
    Folder,
    /// To another name, symbolic or hard.
    Link,
    Device,
    /// The archive's own name.
    Label,
    /// Its content is the name of the next entry: GNU's way.
    LongName,
    /// The same for what the next one links to.
    LongLink,
    /// Its content tells more of the next entry: the way of POSIX.
    Pax,
    /// The same of all entries that follow.
    PaxGlobal,
    Unknown(u8),
}

impl Kind {
    fn of(flag: u8) -> Self {
        match flag {
            b'0' | 0 | b'7' => Self::File,
            b'1' | b'2' => Self::Link,
            b'3' | b'4' | b'6' => Self::Device,
            b'5' | b'D' => Self::Folder,
            b'S' => Self::Sparse,
            b'V' => Self::Label,
            b'L' => Self::LongName,
            b'K' => Self::LongLink,
            b'x' | b'X' => Self::Pax,
            b'g' => Self::PaxGlobal,
            other => Self::Unknown(other),
        }
    }

    /// Of the others, the size says something else, or nothing.
    pub(super) fn has_content(self) -> bool {
        !matches!(self, Self::Folder | Self::Link | Self::Device | Self::Label)
    }
}

/// Whether a block is a header, or would be one if it were whole.
pub(super) fn is_one(block: &[u8; BLOCK]) -> bool {
    let magic = &block[257..265];
    let is_ustar = magic.starts_with(b"ustar\0") || magic == b"ustar  \0";
    // Before POSIX there was no magic: its sum tells it, of a header that has a name, and
    // nothing where later ones have magic, owners and more of the name.
    let mut later = block[257..329].iter().chain(&block[345..]);
    let is_older = block[0] != 0 && later.all(|byte| *byte == 0);
    is_ustar || (is_older && sum_is_right(block))
}

/// Nothing: it is the first block of the end mark.
pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Option<Header>, &'static str> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    if !sum_is_right(block) {
        return Err("a header does not have its checksum");
    }
    let size = number(&block[124..136]).ok_or("a header has no size")?;
    let name = until_nul(&block[..100]);
    let prefix = until_nul(&block[345..500]);
    let has_prefix = block[257..263] == *b"ustar\0" && !prefix.is_empty();
    Ok(Some(Header {
        kind: Kind::of(block[156]),
        size,
        name: match has_prefix {
            true => [prefix, b"/", name].concat(),
            false => name.to_vec(),
        },
    }))
}

/// The sum of a header's bytes, its own taken for blanks. Some summed signed bytes.
fn sum_is_right(block: &[u8; BLOCK]) -> bool {
    let Some(stated) = number(&block[148..156]) else {
        return false;
    };
    let mut unsigned = 8 * u64::from(b' ');
    let mut signed = 8 * i64::from(b' ');
    for byte in block[..148].iter().chain(&block[156..]) {
        unsigned += u64::from(*byte);
        signed += i64::from(byte.cast_signed());
    }
    stated == unsigned || i64::try_from(stated) == Ok(signed)
}

/// A number in octal digits, or with the first bit set in base 256.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        let (high, low) = rest.split_at(rest.len().checked_sub(8)?);
        let fits = high.iter().all(|byte| *byte == 0);
        return fits.then_some(u64::from_be_bytes(low.try_into().ok()?));
    }
    let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
    let digits = field.trim_ascii_start();
    let length = digits.iter().position(is_filler).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(length);
    if digits.is_empty() || !rest.iter().all(is_filler) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn until_nul(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_header() {
        let mut text = [b'7'; BLOCK];
        let sum: u64 = 504 * u64::from(b'7') + 8 * 32;
        text[148..156].copy_from_slice(format!("{sum:08o}").as_bytes());
        assert!(sum_is_right(&text) && !is_one(&text));
        text[257..].fill(0);
        assert!(!is_one(&text), "its sum is another one");
        let sum: u64 = 249 * u64::from(b'7') + 8 * 32;
        text[148..156].copy_from_slice(format!("{sum:08o}").as_bytes());
        assert!(is_one(&text));
    }

    #[test]
    fn numbers_are_octal_or_of_base_256() {
        let check = |field: &[u8], expect: Option<u64>| assert_eq!(number(field), expect);
        check(b"00000000017\0", Some(15));
        check(b"       17 \0\0", Some(15));
        check(b"777777777777", Some(0o777_777_777_777));
        check(b"            ", None);
        check(b"1 7\0", None);
        check(b"18\0", None);
        check(b"\x80\0\0\0\0\0\0\x02\0\0\0\x01", Some((2 << 32) + 1));
        check(b"\x80\0\x01\0\0\0\0\0\0\0\0\x01", None);
        check(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None);
    }
}
