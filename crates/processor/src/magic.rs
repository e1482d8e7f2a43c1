use arrivage_model::{Compression, Format};

/// How many first bytes of an object tell its compression.
pub(crate) const LENGTH: usize = 6;

/// How an object is compressed, by its first bytes; its name says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// bzip2's own format.
    Bzip2,
    /// The .xz format.
    Xz,
    /// The LZ4 frame format.
    Lz4,
    /// An archive, whose entries are compressed each by itself.
    Zip,
}

/// A file that nothing here reads, told by its first bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unsupported(pub(crate) &'static str);

/// The format of a file that states the types of its values.
pub(crate) fn typed(first: &[u8]) -> Option<Format> {
    match first {
        [b'P', b'A', b'R', b'1', ..] | [b'P', b'A', b'R', b'E', ..] => Some(Format::Parquet),
        [b'O', b'b', b'j', 0x01, ..] => Some(Format::Avro),
        _ => None,
    }
}

/// What a file is, by its first bytes, for people.
pub(crate) fn words(first: &[u8]) -> &'static str {
    match sniff(first) {
        Ok(Codec::Gzip) => "gzip",
        Ok(Codec::Zstd) => "zstd",
        Ok(Codec::Bzip2) => "bzip2",
        Ok(Codec::Xz) => "xz",
        Ok(Codec::Lz4) => "lz4",
        Ok(Codec::Zip) => "zip",
        Ok(Codec::None) if first.is_empty() => "empty",
        Ok(Codec::None) => "neither Parquet nor Avro",
        Err(Unsupported(what)) => what,
    }
}

/// What the setting says, or under `auto` what the first bytes say.
pub(crate) fn codec(setting: Compression, first: &[u8]) -> Result<Codec, Unsupported> {
    match setting {
        Compression::None => Ok(Codec::None),
        Compression::Gzip => Ok(Codec::Gzip),
        Compression::Zstd => Ok(Codec::Zstd),
        Compression::Bzip2 => Ok(Codec::Bzip2),
        Compression::Xz => Ok(Codec::Xz),
        Compression::Lz4 => Ok(Codec::Lz4),
        Compression::Zip => Ok(Codec::Zip),
        Compression::Auto => sniff(first),
    }
}

fn sniff(first: &[u8]) -> Result<Codec, Unsupported> {
    match first {
        [0x1F, 0x8B, ..] => Ok(Codec::Gzip),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => Ok(Codec::Zstd),
        // A skippable frame, which may come first.
        [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Ok(Codec::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Ok(Codec::Bzip2),
        [0xFD, b'7', b'z', b'X', b'Z', 0x00, ..] => Ok(Codec::Xz),
        [0x04, 0x22, 0x4D, 0x18, ..] => Ok(Codec::Lz4),
        [0x02, 0x21, 0x4C, 0x18, ..] => Err(Unsupported("lz4 in its legacy format")),
        // An entry, the end of an archive without any, and the mark of one in parts.
        [b'P', b'K', 0x03, 0x04, ..] | [b'P', b'K', 0x05, 0x06, ..] => Ok(Codec::Zip),
        [b'P', b'K', 0x07, 0x08, ..] => Ok(Codec::Zip),
        [b'P', b'A', b'R', b'1', ..] => Err(Unsupported("Parquet")),
        [b'O', b'b', b'j', 0x01, ..] => Err(Unsupported("Avro")),
        _ => Ok(Codec::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_compression() {
        let check = |first: &[u8], expect: Result<Codec, Unsupported>| {
            assert_eq!(codec(Compression::Auto, first), expect, "{first:?}");
        };
        check(b"", Ok(Codec::None));
        check(b"id,name\n", Ok(Codec::None));
        check(b"\x1F\x8B\x08\0\0\0", Ok(Codec::Gzip));
        check(b"\x28\xB5\x2F\xFD\0\0", Ok(Codec::Zstd));
        check(b"\x53\x2A\x4D\x18\0\0", Ok(Codec::Zstd));
        check(b"BZh91A", Ok(Codec::Bzip2));
        check(b"\xFD7zXZ\0", Ok(Codec::Xz));
        check(b"\xFD7zXY\0", Ok(Codec::None));
        check(b"\x04\x22\x4D\x18\x64\x40", Ok(Codec::Lz4));
        check(
            b"\x02\x21\x4C\x18\0\0",
            Err(Unsupported("lz4 in its legacy format")),
        );
        check(b"BZhang", Ok(Codec::None));
        check(b"PK\x03\x04\x14\0", Ok(Codec::Zip));
        check(b"PK\x05\x06\0\0", Ok(Codec::Zip));
        check(b"PK", Ok(Codec::None));
        check(b"PAR1", Err(Unsupported("Parquet")));
        assert_eq!(codec(Compression::None, b"\x1F\x8B"), Ok(Codec::None));
    }
}
