//! The bytes of a block, decompressed within the memory that there is.

use std::borrow::Cow;
use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

/// Why a block cannot be opened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has so many bytes at least.
    Memory(u64),
    Broken(String),
}

impl Codec {
    pub(super) fn named(name: &[u8]) -> Result<Self, String> {
        match name {
            b"null" | b"" => Ok(Self::Null),
            b"deflate" => Ok(Self::Deflate),
            b"snappy" => Ok(Self::Snappy),
            b"zstandard" => Ok(Self::Zstandard),
            other => Err(format!(
                "its codec {:?} is not read; null, deflate, snappy and zstandard are",
                String::from_utf8_lossy(&other[..other.len().min(40)])
            )),
        }
    }

    /// The records of a block, of so many bytes at most.
    pub(super) fn open(self, block: &[u8], most: u64) -> Result<Cow<'_, [u8]>, Refused> {
        match self {
            Self::Null => Ok(Cow::Borrowed(block)),
            Self::Deflate => all(DeflateDecoder::new(block), most).map(Cow::Owned),
            Self::Snappy => snappy(block, most).map(Cow::Owned),
            Self::Zstandard => {
                let mut decoder = zstd::stream::read::Decoder::new(block).map_err(broken)?;
                // A block is written with a window that would hold it, rounded up.
                let log = most.next_power_of_two().ilog2().clamp(20, 31);
                decoder.window_log_max(log).map_err(broken)?;
                all(decoder, most).map(Cow::Owned)
            }
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Refused {
    Refused::Broken(format!("a block cannot be decompressed: {error}"))
}

fn all(decoder: impl Read, most: u64) -> Result<Vec<u8>, Refused> {
    let mut bytes = Vec::new();
    decoder
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(broken)?;
    match bytes.len() as u64 > most {
        // How much more is not known; most blocks are much smaller.
        true => Err(Refused::Memory(2 * most)),
        false => Ok(bytes),
    }
}

/// Behind the compressed bytes stands the CRC of the others.
fn snappy(block: &[u8], most: u64) -> Result<Vec<u8>, Refused> {
    let Some((compressed, crc)) = block.split_last_chunk::<4>() else {
        return Err(broken("its checksum is missing"));
    };
    let length = snap::raw::decompress_len(compressed).map_err(broken)?;
    if length as u64 > most {
        return Err(Refused::Memory(length as u64));
    }
    let bytes = snap::raw::Decoder::new()
        .decompress_vec(compressed)
        .map_err(broken)?;
    let mut sum = Crc::new();
    sum.update(&bytes);
    match sum.sum() == u32::from_be_bytes(*crc) {
        true => Ok(bytes),
        false => Err(broken("its checksum is another")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_block_is_opened_within_its_memory() {
        let text = b"abc".repeat(1000);
        let mut deflated =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        deflated.write_all(&text).expect("memory");
        let mut snapped = snap::raw::Encoder::new()
            .compress_vec(&text)
            .expect("memory");
        let mut sum = Crc::new();
        sum.update(&text);
        snapped.extend(sum.sum().to_be_bytes());
        for (codec, block) in [
            (Codec::Null, text.clone()),
            (Codec::Deflate, deflated.finish().expect("memory")),
            (Codec::Snappy, snapped),
            (
                Codec::Zstandard,
                zstd::encode_all(&text[..], 1).expect("memory"),
            ),
        ] {
            assert!(
                codec.open(&block, 3000).as_deref() == Ok(&text[..]),
                "{codec:?}"
            );
            if codec == Codec::Null {
                continue;
            }
            let refused = codec.open(&block, 2999);
            assert!(
                matches!(refused, Err(Refused::Memory(_))),
                "{codec:?} {refused:?}"
            );
            let mut other = block.clone();
            let last = other.len() - 1;
            other.truncate(last);
            let refused = codec.open(&other, 3000);
            assert!(
                matches!(refused, Err(Refused::Broken(_))),
                "{codec:?} {refused:?}"
            );
        }
        assert!(Codec::named(b"lzma").is_err());
    }
}
